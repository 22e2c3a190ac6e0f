"""Vouchers for many people, told through the API alone: a roster with certifications, everybody whose own expires soon,
one who leaves, one who is invited, one for whom the client is responsible, who comes to belong later, and a crowd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resolvers.outbox.sending import Desk
from schema.ids import encode_id
from server.database import Database
from server.mail.wording import Wording
from server.worker import Worker
from tests.builders import STAFF, instant
from tests.code_keys import CODE_KEYS
from tests.mailing import LINK, SITE, mailer
from tests.smtp_server import PostOffice, post_office
from tests.tellers import Teller
from tests.test_voucher_stories import (
    APPROVE,
    PRODUCT_CREATE,
    REDEEM_CODE,
    REISSUE,
    REVEAL,
    SETTLE,
    VOUCHER_PROGRAM_CREATE,
    Portal,
    portal,
)
from tests.visitors import read, visiting

BOUGHT_ON, LEFT_ON, INVITED_ON, CLAIMED_ON, AFTER = (f"2026-02-{day}" for day in ("02", "06", "09", "10", "11"))
QUANTITY = 5
BEFORE = ["ORDERED", "ORDER_APPROVED", "ISSUED", "ORDER_SETTLED"]
NORA = "nora@new.example"
# Name, certifications, and the first day no longer active.
ROSTER = (
    ("Ada", "CPR 2026-05-31", ""),
    ("Ben", "CPR 2026-08-02; First aid", ""),
    ("Cleo", "CPR 2026-08-03", ""),
    ("Dev", "First aid", ""),
    ("Edda", "CPR 2026-06-30", "2026-01-20"),
)
HALF_A_YEAR = {"certification": {"name": "cpr", "expiresWithinMonths": 6}}


@dataclass
class Office:
    """The portal's mail server, and its worker."""

    own: Portal
    post: PostOffice

    async def works(self, on: str) -> None:
        now = instant(f"{on}T12:00Z")
        desk = Desk(Wording(SITE), mailer(self.post))
        worker = Worker(self.own.tenant.database, None, lambda: now, code_keys=CODE_KEYS, desk=desk)
        await worker.work_off()


async def test_vouchers_for_everybody_whose_certification_expires_within_six_months(database: Database) -> None:
    own = await portal(database)
    own.gateways = {"cards": Teller()}
    fee, terms = await _bought(own)
    async with post_office() as post:
        office = Office(own, post)
        learners = await _imported(own)
        given = await _assigned_to_the_cohort(own, terms)
        freed = await _one_leaves(office, learners["Ben"], given["Ben"], fee)
        await _invited_and_claimed(office, freed)
        await _for_whom_the_client_is_responsible(own, terms)
        await _who_comes_to_belong_is_given_one(office, terms)
        await _a_promotion_for_everybody_else(own, fee)
        await _seen(own, given["Ada"], freed)


async def _bought(own: Portal) -> tuple[str, str]:
    fee = await own.do(own.board, PRODUCT_CREATE, code="APP", name="Application fee", price="125.00", key="fee")
    terms = await own.do(own.board, VOUCHER_PROGRAM_CREATE, excluded=[], key="terms")
    vouchers: str = terms["voucherProgram"]["id"]
    asked: dict[str, Any] = {"client": _client(own), "vouchers": vouchers, "quantity": QUANTITY, "key": "po-1"}
    order = (await own.do(own.client, PURCHASE, **asked, amount=f"{QUANTITY * 125}.00"))["order"]["id"]
    await own.do(own.board, APPROVE, order=order, key="approve")
    await own.do(own.board, SETTLE, order=order, key="settle")
    return fee["product"]["id"], vouchers


def _client(own: Portal) -> str:
    return encode_id("Organization", own.tenant.id)


def _row(number: int, name: str, certifications: str, deactivated_on: str) -> dict[str, Any]:
    who = {"externalId": f"X-{number}", "name": name, "activatedOn": "2026-01-05"}
    return {
        "number": number,
        "team": "Nursing",
        **who,
        "certifications": certifications,
        "deactivatedOn": deactivated_on,
    }


async def _imported(own: Portal) -> dict[str, str]:
    """The learners by name, of a roster that says what they are certified for."""
    rows = [_row(number, *one) for number, one in enumerate(ROSTER, start=1)]
    landed = await own.do(own.client, ROSTER_IMPORT, input=_roster(own, "january", rows))
    assert (landed["rowsLanded"], landed["refusals"]) == (len(ROSTER), [])
    found = await own.ask(own.client, LEARNERS, id=_client(own))
    return {one["name"]: one["id"] for one in found["learners"]["nodes"]}


def _roster(own: Portal, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"organization": {"id": _client(own)}, "importId": name, "rows": rows}


async def _assigned_to_the_cohort(own: Portal, terms: str) -> dict[str, str]:
    """Ben's last day is six months later to the day, Cleo's one day too late; Edda has left, and is told apart."""
    once = {"organization": {"id": _client(own)}, "voucherProgram": terms, "filter": HALF_A_YEAR, "purpose": "renewal"}
    shown = (await own.do(own.client, PREVIEW, input={"once": once}))["bulkAssignment"]
    assert (shown["eligible"], shown["skipped"], shown["inStock"], shown["stockSuffices"]) == (2, 1, QUANTITY, True)
    verdicts = {one["learner"]["name"]: one["verdict"] for one in shown["people"]["nodes"]}
    assert verdicts == {"Ada": "ELIGIBLE", "Ben": "ELIGIBLE", "Edda": "NOT_IN_ORGANIZATION"}
    asked = {"bulkAssignment": shown["id"], "digest": shown["digest"]}
    done = (await own.do(own.client, COMMIT, input=asked))["bulkAssignment"]
    assert (done["state"], done["assigned"]) == ("COMMITTED", 2)
    again = (await own.do(own.client, COMMIT, input=asked))["bulkAssignment"]
    assert again == done
    return {one["learner"]["name"]: one["voucher"]["id"] for one in done["people"]["nodes"]}


async def _one_leaves(office: Office, learner: str, voucher: str, fee: str) -> str:
    """The roster says that Ben has left; his voucher is flagged, and reissued: it is free under another code."""
    own = office.own
    revealed = await own.do(own.client, REVEAL, vouchers=[voucher], on=LEFT_ON)
    (old,) = [code["code"] for code in revealed["codes"]]
    left = [_row(1, "Ben", "", "2026-02-05") | {"externalId": "X-2"}]
    landed = await own.do(own.client, ROSTER_IMPORT, input=_roster(own, "february", left), on=LEFT_ON)
    assert (landed["rowsLanded"], landed["refusals"]) == (1, [])
    await office.works(LEFT_ON)
    flagged = await own.ask(own.client, VOUCHERS, filter={"flagged": True}, on=LEFT_ON)
    assert [(one["id"], one["assignment"]["learner"]["id"]) for one in flagged["vouchers"]["nodes"]] == [
        (voucher, learner)
    ]
    reissued = (await own.do(own.client, REISSUE, voucher=voucher, key="ben left", on=LEFT_ON))["voucher"]
    assert (reissued["state"], reissued["remainingValue"]["amount"]) == ("AVAILABLE", "125.00")
    dead = await own.ask(own.board, REDEEM_CODE, product=fee, code=old, key="old", on=LEFT_ON)
    assert [error["code"] for error in dead["userErrors"]] == ["CODE_NOT_USABLE"]
    return voucher


async def _invited_and_claimed(office: Office, voucher: str) -> None:
    """The next hire is not registered yet: the link of a real letter, followed, registers and claims."""
    own = office.own
    to = {"email": {"address": NORA, "message": "Welcome, Nora."}}
    asked = {"voucher": {"id": voucher}, "to": to, "purpose": "first sitting", "idempotencyKey": "nora"}
    sent = await own.do(own.client, ASSIGN, input=asked, on=INVITED_ON)
    assert sent["voucher"]["assignment"]["state"] == "INVITED"
    await office.works(INVITED_ON)
    (letter,) = office.post.got
    assert letter["To"] == NORA
    assert "Welcome, Nora." in office.post.text()
    link = LINK.search(office.post.text())
    assert link
    assert link[0] in office.post.html()
    async with visiting(own.tenant.database, None, code_keys=CODE_KEYS) as nora:
        done = await nora.post(link[0].removeprefix(SITE), data={"name": "Nora Diaz"})
        assert "The voucher is yours" in read(done).said
        viewer = (await nora.post("/graphql", json={"query": VIEWER})).json()["data"]["viewer"]
        assert (viewer["name"], [one["id"] for one in viewer["vouchers"]["nodes"]]) == ("Nora Diaz", [voucher])
        assert viewer["vouchers"]["nodes"][0]["state"] == "ASSIGNED"


async def _for_whom_the_client_is_responsible(own: Portal, terms: str) -> None:
    """Nora is no learner; the client pays for her all the same, through March."""
    since = {"from": CLAIMED_ON, "through": "2026-03-31"}
    asked = {"organization": {"id": _client(own)}, "person": {"email": NORA}, **since}
    party = (await own.do(own.client, RESPONSIBLE, input=asked, on=CLAIMED_ON))["responsibleParty"]
    assert (party["name"], party["isCurrent"], party["through"]) == ("Nora Diaz", True, "2026-03-31")
    given = {"voucher": {"fromStockOf": terms}, "to": {"person": party["personId"]}, "idempotencyKey": "nora too"}
    assigned = await own.do(own.client, ASSIGN, input=given, on=CLAIMED_ON)
    assert assigned["voucher"]["assignment"]["responsibleParty"]["name"] == "Nora Diaz"
    late = await own.ask(own.client, ASSIGN, input=given | {"idempotencyKey": "late"}, on="2026-04-01")
    assert [error["code"] for error in late["userErrors"]] == ["NOT_ENTITLED"]


async def _who_comes_to_belong_is_given_one(office: Office, terms: str) -> None:
    """A standing cohort is looked at before it is started; then a day later Dev belongs to it too."""
    own = office.own
    about = {"organization": {"id": _client(own)}, "voucherProgram": terms, "filter": HALF_A_YEAR}
    asked = {**about, "name": "CPR soon", "budget": {"amount": "250.00", "currency": "USD"}}
    cohort = (await own.do(own.client, DEFINE, input=asked, on=CLAIMED_ON))["cohort"]["id"]
    untried = await own.ask(own.client, START, input={"cohort": cohort}, on=CLAIMED_ON)
    assert [error["code"] for error in untried["userErrors"]] == ["DRY_RUN_FIRST"]
    shown = (await own.do(own.client, PREVIEW, input={"cohort": cohort}, on=CLAIMED_ON))["bulkAssignment"]
    verdicts = {one["learner"]["name"]: one["verdict"] for one in shown["people"]["nodes"]}
    # By now six months reach Cleo's last day.
    expected = {"Ada": "HAS_VOUCHER", "Ben": "NOT_IN_ORGANIZATION", "Cleo": "ELIGIBLE", "Edda": "NOT_IN_ORGANIZATION"}
    assert verdicts == expected
    started = await own.do(own.client, START, input={"cohort": cohort}, on=CLAIMED_ON)
    assert started["cohort"]["isRunning"]
    await office.works(CLAIMED_ON)
    dev = {"external": {"organization": {"id": _client(own)}, "externalId": "X-4"}}
    certified = {"learner": dev, "name": "CPR", "expiresOn": "2026-04-30"}
    await own.do(own.client, CERTIFY, input=certified, on=CLAIMED_ON)
    for _ in range(2):
        await office.works(AFTER)
    seen = await own.ask(own.client, COHORTS, id=_client(own), on=AFTER)
    (shown,) = seen["cohorts"]["nodes"]
    assert (shown["spent"]["amount"], shown["lastRunOn"], shown["isRunning"]) == ("250.00", AFTER, True)
    committed = [run["id"] for run in shown["runs"]["nodes"] if run["state"] == "COMMITTED"]
    given = [(await own.ask(own.client, GIVEN, id=one, on=AFTER))["people"]["nodes"] for one in committed]
    assert [[one["learner"]["name"] for one in people] for people in given] == [["Dev"], ["Cleo"]]
    assert seen["bulkAssignments"]["totalCount"] == 4


async def _a_promotion_for_everybody_else(own: Portal, fee: str) -> None:
    """Usable once its budget is bought, with exactly what it costs."""
    made = await own.do(own.board, PROMOTION_CREATE, client=_client(own), percent="50", fee=fee, on=AFTER)
    assert made["promotion"]["state"] == "AWAITING_FUNDING"
    asked = {
        "promotion": made["promotion"]["id"],
        "organization": {"id": _client(own)},
        "payment": {"card": {"paymentMethod": "pm_1"}},
    }
    less = {**asked, "amount": {"amount": "624.99", "currency": "USD"}, "idempotencyKey": "less"}
    refused = await own.ask(own.client, PROMOTION_ORDER, input=less, on=AFTER)
    assert [error["code"] for error in refused["userErrors"]] == ["AMOUNT_MUST_EQUAL_TOTAL"]
    all_of_it = {**asked, "amount": {"amount": "625.00", "currency": "USD"}, "idempotencyKey": "all"}
    bought = await own.do(own.client, PROMOTION_ORDER, input=all_of_it, on=AFTER)
    assert bought["order"]["state"] == "SETTLED"


async def _seen(own: Portal, adas: str, noras: str) -> None:
    """Lists and stories say all of it, and the books add up."""
    shown = await own.ask(own.client, VOUCHERS, filter={"states": ["ASSIGNED"]}, on=AFTER)
    assert shown["vouchers"]["totalCount"] == QUANTITY
    promotions = [(one["code"], one["state"]) for one in shown["promotions"]["nodes"]]
    assert promotions == [("GET-LICENSED-2026", "USABLE")]
    # What is done at one instant has no order that anybody could say.
    assert sorted(await _deeds(own, adas)) == sorted([*BEFORE, "ASSIGNED"])
    bens = ["ASSIGNED", "CODES_REVEALED", "FLAGGED", "REISSUED"]
    noras_story = await _deeds(own, noras)
    assert (sorted(noras_story[:-2]), noras_story[-2:]) == (sorted([*BEFORE, *bens]), ["INVITED", "CLAIMED"])
    assert own.board.program_id is not None
    owed = await own.ask(own.board, LIABILITY, program=encode_id("Program", own.board.program_id), on=AFTER)
    assert [one["amount"] for one in owed["totals"]] == ["1250.00"]
    invariants = await own.ask(STAFF, "{ invariants { name holds offending } }", on=AFTER)
    assert [found for found in invariants if not found["holds"]] == []


async def _deeds(own: Portal, voucher: str) -> list[str]:
    told = await own.ask(own.client, STORY, voucher=voucher, on=AFTER)
    return [one["deed"] for one in told["story"]["nodes"]]


REFUSED = "userErrors { field code message }"
PURCHASE = """mutation ($client: ID!, $vouchers: ID!, $quantity: Int!, $amount: Decimal!, $key: String!) {
  voucherPurchase(input: {voucherProgram: $vouchers, organization: {id: $client}, quantity: $quantity,
    amount: {amount: $amount, currency: "USD"}, payment: {purchaseOrder: {number: "PO-77"}}, idempotencyKey: $key}) {
    order { id } userErrors { code message }
  }
}"""
ROSTER_IMPORT = f"""mutation ($input: RosterImportInput!) {{
  rosterImport(input: $input) {{ rowsLanded refusals {{ number column problem }} {REFUSED} }}
}}"""
LEARNERS = "query ($id: ID!) { organization(by: {id: $id}) { learners { nodes { id name } } } }"
PEOPLE = "people(first: 10) { nodes { verdict learner { id name } voucher { id } } }"
PREVIEW = f"""mutation ($input: VoucherBulkAssignPreviewInput!) {{
  voucherBulkAssignPreview(input: $input) {{
    bulkAssignment {{ id digest eligible skipped inStock stockSuffices {PEOPLE} }} {REFUSED}
  }}
}}"""
COMMIT = f"""mutation ($input: VoucherBulkAssignCommitInput!) {{
  voucherBulkAssignCommit(input: $input) {{ bulkAssignment {{ state assigned {PEOPLE} }} {REFUSED} }}
}}"""
ASSIGN = f"""mutation ($input: VoucherAssignInput!) {{
  voucherAssign(input: $input) {{ voucher {{ id assignment {{ state responsibleParty {{ name }} }} }} {REFUSED} }}
}}"""
VIEWER = "{ viewer { name vouchers(first: 5) { nodes { id state } } } }"
RESPONSIBLE = f"""mutation ($input: ResponsiblePartySetInput!) {{
  responsiblePartySet(input: $input) {{ responsibleParty {{ personId name isCurrent through }} {REFUSED} }}
}}"""
CERTIFY = f"mutation ($input: CertificationSetInput!) {{ certificationSet(input: $input) {{ {REFUSED} }} }}"
DEFINE = f"mutation ($input: CohortDefineInput!) {{ cohortDefine(input: $input) {{ cohort {{ id }} {REFUSED} }} }}"
START = f"mutation ($input: CohortStartInput!) {{ cohortStart(input: $input) {{ cohort {{ isRunning }} {REFUSED} }} }}"
COHORTS = """query ($id: ID!) {
  organization(by: {id: $id}) {
    cohorts { nodes { spent { amount } lastRunOn isRunning runs { nodes { id state } } } }
    bulkAssignments { totalCount }
  }
}"""
GIVEN = f"query ($id: ID!) {{ node(id: $id) {{ ... on VoucherBulkAssignment {{ {PEOPLE} }} }} }}"
PROMOTION_CREATE = f"""mutation ($client: ID!, $percent: Decimal!, $fee: ID!) {{
  promotionCreate(input: {{program: {{slug: "board"}}, organization: {{id: $client}}, name: "Get licensed",
    code: "GET-LICENSED-2026", benefit: {{percentOff: $percent}}, mostUses: 10, included: [$fee],
    budget: {{amount: "625.00", currency: "USD"}}, funding: CARD, idempotencyKey: "promotion"}}) {{
    promotion {{ id state }} {REFUSED}
  }}
}}"""
PROMOTION_ORDER = f"""mutation ($input: PromotionOrderInput!) {{
  promotionOrder(input: $input) {{ order {{ state }} {REFUSED} }}
}}"""
VOUCHERS = """query ($filter: VoucherFilter) {
  organization(by: {slug: "xtra-lease"}) {
    vouchers(filter: $filter) { totalCount nodes { id assignment { learner { id } } } }
    promotions { nodes { code state } }
  }
}"""
STORY = "query ($voucher: ID!) { node(id: $voucher) { ... on Voucher { story { nodes { deed } } } } }"
LIABILITY = "query ($program: ID!) { voucherLiability(program: $program) { totals { amount } } }"
