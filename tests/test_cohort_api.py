"""Cohorts through GraphQL, as an organization's own staff use them."""

from __future__ import annotations

from typing import Any

from schema.ids import encode_id
from server.database import Database
from tests.asking import ask
from tests.builders import organization
from tests.code_keys import CODE_KEYS
from tests.cohorting import certified
from tests.vouchering import Shop, shop

PREVIEW = """mutation ($input: VoucherBulkAssignPreviewInput!) { voucherBulkAssignPreview(input: $input) {
    bulkAssignment { id state digest eligible skipped inStock stockSuffices
        people(first: 1) { totalCount pageInfo { endCursor hasNextPage } nodes { learner { id } verdict } } }
    userErrors { field code } } }"""
PEOPLE = """query ($id: ID!, $after: String) { node(id: $id) { ... on VoucherBulkAssignment {
    assigned takenBack redeemed held cohort { name }
    people(first: 5, after: $after) { nodes { verdict certificationExpiresOn voucher { id } } } } } }"""
COMMIT = """mutation ($input: VoucherBulkAssignCommitInput!) { voucherBulkAssignCommit(input: $input) {
    bulkAssignment { state assigned } userErrors { field code message } } }"""
UNDO = """mutation ($input: VoucherBulkAssignUndoInput!) { voucherBulkAssignUndo(input: $input) {
    bulkAssignment { state takenBack redeemed held } userErrors { code } } }"""
DEFINE = """mutation ($input: CohortDefineInput!) { cohortDefine(input: $input) {
    cohort { id name isRunning budget { amount } spent { amountMinor } } userErrors { field code } } }"""
START = """mutation ($input: CohortStartInput!) { cohortStart(input: $input) {
    cohort { isRunning runs { totalCount } } userErrors { code } } }"""
STOP = """mutation ($input: CohortStopInput!) { cohortStop(input: $input) {
    cohort { isRunning stoppedBecause } userErrors { code } } }"""
BUDGET = """mutation ($input: CohortBudgetSetInput!) { cohortBudgetSet(input: $input) {
    cohort { budget { amountMinor } } userErrors { code } } }"""
LISTS = """query ($id: ID!) { organization(by: {id: $id}) {
    cohorts { totalCount nodes { name } } bulkAssignments { totalCount nodes { state } } } }"""


async def asked(market: Shop, document: str, **variables: Any) -> Any:
    """The one thing that was asked for."""
    answer = await ask(market.database, document, market.client, **variables)
    assert answer.errors == []
    return next(iter(answer.data.values()))


async def test_a_cohort_is_previewed_committed_and_undone(database: Database) -> None:
    market = await shop(database)
    tenant = market.tenant
    people = [await tenant.learner("2017-08-01..") for _ in range(3)]
    for one in people[:2]:
        await certified(tenant, one, "2027-01-31")
    await market.stock(CODE_KEYS, 2)
    team = encode_id("Team", (await organization(database)).id, 1)
    own = {
        "organization": {"id": encode_id("Organization", tenant.id)},
        "voucherProgram": encode_id("VoucherProgram", market.program_id, market.voucher_program_id),
    }
    refused = await asked(market, PREVIEW, input={"once": {**own, "filter": {"teams": [team]}}})
    assert refused["userErrors"] == [{"field": ["input", "filter", "teams"], "code": "NOT_FOUND"}]
    soon = {"certification": {"name": "forklift", "expiresWithinMonths": 6}}
    made = await asked(market, PREVIEW, input={"once": {**own, "filter": soon, "purpose": "renewal"}})
    shown = made["bulkAssignment"]
    assert (shown["state"], shown["eligible"], shown["inStock"], shown["stockSuffices"]) == ("PREVIEWED", 2, 2, True)
    first = shown["people"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (2, True)
    assert first["nodes"] == [{"learner": {"id": encode_id("Learner", tenant.id, people[0])}, "verdict": "ELIGIBLE"}]
    rest = await asked(market, PEOPLE, id=shown["id"], after=first["pageInfo"]["endCursor"])
    assert rest["people"]["nodes"] == [{"verdict": "ELIGIBLE", "certificationExpiresOn": "2027-01-31", "voucher": None}]
    commit = {"bulkAssignment": shown["id"], "digest": shown["digest"]}
    wrong = await asked(market, COMMIT, input={**commit, "digest": ""})
    assert wrong["userErrors"][0]["code"] == "COHORT_CHANGED"
    done = await asked(market, COMMIT, input=commit)
    assert done["bulkAssignment"] == {"state": "COMMITTED", "assigned": 2}
    after = await asked(market, PEOPLE, id=shown["id"])
    assert [bool(one["voucher"]) for one in after["people"]["nodes"]] == [True, True]
    undone = await asked(market, UNDO, input={"bulkAssignment": shown["id"]})
    assert undone["bulkAssignment"] == {"state": "UNDONE", "takenBack": 2, "redeemed": 0, "held": 0}
    stranger = await shop(database)
    assert await asked(stranger, PEOPLE, id=shown["id"]) is None


async def test_a_preview_whose_people_are_others_by_now_is_not_listed(database: Database) -> None:
    market = await shop(database)
    await market.tenant.learner("2017-08-01..")
    own = {
        "organization": {"id": encode_id("Organization", market.tenant.id)},
        "voucherProgram": encode_id("VoucherProgram", market.program_id, market.voucher_program_id),
    }
    made = await asked(market, PREVIEW, input={"once": {**own, "filter": {}}})
    await market.tenant.learner("2017-08-01..")
    answer = await ask(market.database, PEOPLE, market.client, id=made["bulkAssignment"]["id"])
    assert answer.errors == ["COHORT_CHANGED"]


async def test_a_standing_cohort_is_defined_tried_started_and_stopped(database: Database) -> None:
    market = await shop(database)
    own: dict[str, Any] = {
        "organization": {"id": encode_id("Organization", market.tenant.id)},
        "voucherProgram": encode_id("VoucherProgram", market.program_id, market.voucher_program_id),
    }
    budget = {"amount": "250.00", "currency": "USD"}
    given: dict[str, Any] = {**own, "name": "Renewals", "filter": {"departments": ["Welding"]}, "budget": budget}
    made = (await asked(market, DEFINE, input=given))["cohort"]
    assert (made["name"], made["isRunning"], made["budget"], made["spent"]) == (
        "Renewals",
        False,
        {"amount": "250.00"},
        {"amountMinor": 0},
    )
    again = await asked(market, DEFINE, input=given)
    assert again["userErrors"] == [{"field": ["input", "name"], "code": "TAKEN"}]
    cohort = {"cohort": made["id"]}
    assert (await asked(market, START, input=cohort))["userErrors"] == [{"code": "DRY_RUN_FIRST"}]
    await asked(market, PREVIEW, input=cohort)
    started = await asked(market, START, input=cohort)
    assert started["cohort"] == {"isRunning": True, "runs": {"totalCount": 1}}
    changed = await asked(market, BUDGET, input={**cohort, "budget": {"amount": "300", "currency": "USD"}})
    assert changed["cohort"] == {"budget": {"amountMinor": 30_000}}
    assert (await asked(market, STOP, input=cohort))["cohort"] == {"isRunning": False, "stoppedBecause": None}
    lists = await asked(market, LISTS, id=own["organization"]["id"])
    assert lists["cohorts"] == {"totalCount": 1, "nodes": [{"name": "Renewals"}]}
    assert lists["bulkAssignments"] == {"totalCount": 1, "nodes": [{"state": "PREVIEWED"}]}
