"""The demo's three clients tell their stories, and every operation of the explorer runs on them."""

from __future__ import annotations

import datetime as dt
import json
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from graphiql.operations import Operation, load_operations
from models.access import Role
from models.outbox import MessageState, OutboxMessage
from models.promotions import Promotion
from models.redemptions import FeeOrder
from models.statements import Statement
from resolvers.loaders.places import organization_by_slug
from resolvers.principal import Principal
from server.database import Database
from server.demo.recording import record_client
from server.demo.sponsoring import INVITED_ADDRESS, invite_applicant
from server.demo.stories import clients
from tests.asking import NOW, Answer, ask
from tests.code_keys import CODE_KEYS
from tests.test_invariants import offended

COUNT = """
query($slug: String!, $activity: ActivityFilter!, $knownAt: DateTime) {
  organization(by: {slug: $slug}) { activeCount(activity: $activity, knownAt: $knownAt) { exact min max question } }
}"""
OPERATIONS = {operation.name: operation for operation in load_operations()}


async def count(database: Database, slug: str, activity: dict[str, Any], known_at: str | None = None) -> dict[str, Any]:
    answer = await ask(database, COUNT, slug=slug, activity=activity, knownAt=known_at)
    assert not answer.errors
    counted: dict[str, Any] = answer.data["organization"]["activeCount"]
    return counted


def cutoff_of(date: str) -> dict[str, Any]:
    return {"activeAt": {"cutoffOf": date}}


def during(first: str, last: str) -> dict[str, Any]:
    return {"activeDuring": {"dates": {"from": first, "through": last}}}


async def test_xtra_lease_had_403_active_at_the_cutoff_and_391_weeks_later(demo: Database) -> None:
    at_the_cutoff = await count(demo, "xtra-lease", cutoff_of("2017-09-01"))
    assert at_the_cutoff["exact"] == 403
    assert at_the_cutoff["question"] == (
        "Active at the billing cutoff of 2017-09-01 (00:00 America/Chicago, 2017-09-01 05:00:00 UTC), Xtra Lease"
    )
    assert (await count(demo, "xtra-lease", cutoff_of("2017-10-16")))["exact"] == 391


async def test_the_403_were_known_at_the_time(demo: Database) -> None:
    then = await count(demo, "xtra-lease", cutoff_of("2017-09-01"), known_at="2017-09-01T05:00:00Z")
    assert then["exact"] == 403


async def test_the_month_holds_who_joined_on_its_first_day_and_who_left_on_its_last(demo: Database) -> None:
    names = """query($activity: ActivityFilter!) { organization(by: {slug: "xtra-lease"}) {
      learners(activity: $activity, first: 100) { totalCount nodes { name activatedOn lastActiveOn } } } }"""
    span = {"dates": {"from": "2017-09-01", "through": "2017-09-01"}}
    joined = (await ask(demo, names, activity={"activatedWithin": span})).data["organization"]["learners"]
    assert [node["activatedOn"] for node in joined["nodes"]] == ["2017-09-01"] * 2
    span = {"dates": {"from": "2017-09-30", "through": "2017-09-30"}}
    left = (await ask(demo, names, activity={"deactivatedWithin": span})).data["organization"]["learners"]
    assert [node["lastActiveOn"] for node in left["nodes"]] == ["2017-09-30"] * 2


async def test_lost_activation_dates_make_bounds_and_never_a_false_exact_number(demo: Database) -> None:
    counted = await count(demo, "baptist-health-plan", cutoff_of("2017-09-01"))
    assert (counted["exact"], counted["min"], counted["max"]) == (None, 244, 253)
    assert (await count(demo, "baptist-health-plan", cutoff_of("2017-09-21")))["exact"] == 244


async def test_who_left_and_returned_on_one_day_is_one_person(demo: Database) -> None:
    assert (await count(demo, "glovis-america", during("2017-09-05", "2017-09-05")))["exact"] == 118
    between = {"activeAt": {"at": "2017-09-05T20:00:00Z"}}
    assert (await count(demo, "glovis-america", between))["exact"] == 117


async def test_the_stories_are_the_same_on_postgresql(postgresql_database: Database) -> None:
    for client in clients():
        await postgresql_database.run(partial(record_client, client=client))
    assert (await count(postgresql_database, "xtra-lease", cutoff_of("2017-09-01")))["exact"] == 403
    assert (await count(postgresql_database, "xtra-lease", cutoff_of("2017-10-16")))["exact"] == 391
    lost = await count(postgresql_database, "baptist-health-plan", cutoff_of("2017-09-01"))
    assert (lost["min"], lost["max"]) == (244, 253)


# ------------------------------------------------------------------------------------------- operations


def test_every_operation_says_what_it_is_for() -> None:
    assert len(OPERATIONS) > 10
    assert all(operation.title and operation.description for operation in OPERATIONS.values())


def runs_as_it_is(operation: Operation) -> bool:
    """Not if it takes an id that another operation shows, whose place is empty in what it offers."""
    return '""' not in json.dumps(operation.variables)


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if runs_as_it_is(operation)])
async def test_each_operation_runs_with_the_variables_it_offers(demo: Database, name: str) -> None:
    for before in BEFORE.get(name, ()):
        refusals_of(await run(demo, OPERATIONS[before]))
    refused = [error["code"] for error in refusals_of(await run(demo, OPERATIONS[name]))]
    assert refused == REFUSED.get(name, [])


# A deactivation needs somebody active: the operations of this folder are meant to be run in their order.
BEFORE = {"Deactivate": ["Activate"], "MoveTeam": ["Activate"]}
# Nobody of the demo is excluded from billing.
REFUSED = {"BillingExclusionEnd": ["NOT_EXCLUDED"]}


async def run(database: Database, operation: Operation, principal: Principal | None = None, **given: Any) -> Answer:
    """With the variables that it offers, but for what is given; of an input only the fields that are given."""
    who = principal or Principal(name="Support", role=Role.STAFF)
    offered: dict[str, Any] = {**operation.variables}
    inputs = {name: offered[name] | value for name, value in given.items() if isinstance(value, dict)}
    answer = await ask(database, operation.query, who, **{**offered, **given, **inputs})
    assert answer.errors == []
    return answer


def refusals_of(answer: Answer) -> list[Any]:
    """What mutations of the answer refused; queries refuse nothing."""
    payloads = (value for value in answer.data.values() if isinstance(value, dict) and "userErrors" in value)
    return [error for payload in payloads for error in payload["userErrors"]]


async def test_the_correction_runs_with_the_window_that_another_operation_shows(demo: Database) -> None:
    shown = (await run(demo, OPERATIONS["OneLearner"])).data["organization"]["learners"]["nodes"][0]
    window = shown["windows"]["nodes"][0]["id"]
    correction = OPERATIONS["CorrectAWindow"]
    given: Any = correction.variables["input"]
    answer = await ask(demo, correction.query, input=given | {"window": window})
    assert answer.errors == []
    assert answer.data["activityWindowCorrect"]["changed"] is True


async def test_the_operations_about_vouchers_run_with_the_ids_that_others_show(demo: Database) -> None:
    (program,) = (await run(demo, OPERATIONS["Programs"])).data["programs"]["nodes"]
    (order,) = (await run(demo, OPERATIONS["VoucherOrders"])).data["organization"]["voucherOrders"]["nodes"]
    assert (order["state"], order["quantity"], order["payment"]["paid"]["amount"]) == ("SETTLED", 20, "2500.00")
    held = (await run(demo, OPERATIONS["Vouchers"])).data["organization"]["vouchers"]
    assert (held["totalCount"], order["quantity"]) == (18, 20)
    left = [node for node in held["nodes"] if node["flaggedAt"]]
    assert [node["assignment"]["learner"]["activeNow"] for node in left] == [False]
    owed = (await run(demo, OPERATIONS["VoucherLiability"], program=program["id"])).data["voucherLiability"]
    # What Xtra Lease has left, and what is left of a promotion's budget.
    assert [line["amount"]["amount"] for line in owed["lines"]] == ["562.50", "2225.00"]
    assert owed["totals"] == [{"amount": "2787.50", "currency": "USD"}]
    balances = (await run(demo, OPERATIONS["TrialBalance"], program=program["id"])).data["trialBalance"]
    assert {one["account"]: one["balance"]["amount"] for one in balances}["CASH"] == "3125.00"

    flagged = left[0]["id"]
    again = {"voucher": flagged}
    reissued = (await run(demo, OPERATIONS["VoucherReissue"], input=again)).data["voucherReissue"]
    assert reissued["code"].replace("-", "")[-5:-1] == reissued["voucher"]["lastFour"] != left[0]["lastFour"]
    learner = next(node["assignment"] for node in held["nodes"] if node["state"] == "ASSIGNED")["learner"]["id"]
    given = {"voucher": {"id": flagged}, "to": {"learner": learner}}
    assigned = (await run(demo, OPERATIONS["VoucherAssign"], input=given)).data["voucherAssign"]
    assert assigned["voucher"]["state"] == "ASSIGNED"
    story = (await run(demo, OPERATIONS["VoucherStory"], id=flagged)).data["node"]["story"]["nodes"]
    assert story[-3]["deed"] == "FLAGGED"
    # Here both are done at one instant, whose order is nobody's to say.
    assert {event["deed"] for event in story[-2:]} == {"REISSUED", "ASSIGNED"}
    wanted = {"organization": {"slug": "xtra-lease"}, "voucherProgram": terms_of(program)}
    bought = (await run(demo, OPERATIONS["VoucherPurchase"], input=wanted)).data["voucherPurchase"]["order"]
    assert bought["state"] == "AWAITING_APPROVAL"


def terms_of(program: dict[str, Any]) -> str:
    (terms,) = program["voucherPrograms"]["nodes"]
    return str(terms["id"])


async def test_an_applicant_was_sponsored_and_somebody_is_invited(demo: Database) -> None:
    """Half of her application was paid by a promotion, half by a voucher that was billed later, on one statement."""
    await demo.run(partial(invite_applicant, keys=CODE_KEYS, now=NOW))
    async with demo.reading() as connection:
        by_cart = select(FeeOrder.total_minor, FeeOrder.by_card_minor).where(FeeOrder.checkout_id.is_not(None))
        (paid,) = await connection.execute(by_cart)
        (billed,) = await connection.execute(select(Statement.month, Statement.total_minor))
        (promotion,) = await connection.execute(select(Promotion.uses, Promotion.remaining_minor))
        (message,) = await connection.execute(select(OutboxMessage.recipient, OutboxMessage.state))
    assert (tuple(paid), tuple(billed)) == ((12_500, 0), (dt.date(2017, 9, 1), 6_250))
    assert (tuple(promotion), tuple(message)) == ((1, 56_250), (INVITED_ADDRESS, MessageState.WAITING))
    assert await offended(demo) == set()


async def id_of(database: Database, slug: str) -> str:
    answer = await ask(database, "query($slug: String!) { organization(by: {slug: $slug}) { id } }", slug=slug)
    return str(answer.data["organization"]["id"])


async def test_an_operation_shows_an_administrator_only_their_own_organization(demo: Database) -> None:
    staff = (await run(demo, OPERATIONS["OrganizationsAtAGlance"])).data["organizations"]
    assert staff["totalCount"] == 3
    async with demo.reading() as connection:
        row = await organization_by_slug(connection, "glovis-america")
    assert row is not None
    administrator = Principal(name="Gail", role=Role.ORGANIZATION, organization_id=row.organization_id)
    theirs = (await run(demo, OPERATIONS["OrganizationsAtAGlance"], administrator)).data["organizations"]
    assert [node["slug"] for node in theirs["nodes"]] == ["glovis-america"]
    assert theirs["totalCount"] == 1
