"""Billing later, through the API: what will be billed, what was, and that it is paid in full and once."""

from __future__ import annotations

from typing import Any

from models.ids import encode_id
from server.database import Database
from tests.stating import CLOSED, OCTOBER, SEPTEMBER, Account, account, at
from tests.test_demo import OPERATIONS, refusals_of, run
from tests.test_invariants import offended
from tests.test_statements import statements
from tests.vouchering import shop

AGREEMENT = """query ($id: ID!, $month: Date!) { node(id: $id) { ... on BillingAgreement {
  unbilled { amount } unpaid { amount } available { amount }
  unbilledRedemptions(first: 1) { totalCount nodes { amount { amount } reference } pageInfo { endCursor } }
  nextStatement(month: $month) {
    month isOver redemptions reversals redeemed { amount } reversed { amount }
    broughtForward { amount } total { amount }
  }
  statements { totalCount nodes { number month state total { amount } } }
} } }"""
CLOSE = """mutation ($input: VoucherStatementCloseInput!) { voucherStatementClose(input: $input) {
  statement { id number month state closedAt paidAt total { amount currency } agreement { id } organizationName
    organization { slug } program { slug }
    lines { totalCount nodes { number kind amount { amount } redemption { reference } broughtForward { id } } }
    events { nodes { sentence } } }
  userErrors { field message code } } }"""
PAY = """mutation ($input: VoucherStatementPayInput!) { voucherStatementPay(input: $input) {
  statement { state paidAt paymentReference purchaseOrder } userErrors { field message code } } }"""
LISTS = """query ($slug: String!, $program: String!, $states: [StatementState!], $first: Int, $after: String) {
  organization(by: {slug: $slug}) { statements(states: $states, first: $first, after: $after) {
    totalCount nodes { number month } pageInfo { hasNextPage endCursor } } }
  program(by: {slug: $program}) { statements(states: $states, first: $first) { totalCount nodes { number } } }
}"""
OF_PROGRAM = "query ($id: ID!) { node(id: $id) { ... on Program { statements { nodes { number } } } } }"


async def closed(own: Account, by: Any, month: str = "2017-09-15", **now: Any) -> tuple[dict[str, Any] | None, Any]:
    """The statement, and the refusals."""
    given = {"agreement": own.agreement, "month": month}
    answer = (await own.ask(CLOSE, by, input=given, **now)).data["voucherStatementClose"]
    return answer["statement"], answer["userErrors"]


async def test_what_a_preview_shows_is_what_the_close_bills(database: Database) -> None:
    own = await account(database)
    await own.redeems("2017-08-20T12:00", "2017-09-30T23:59", "2017-10-01T05:00")
    client, admin = own.market.client, own.market.program_admin

    async def seen(now: Any = CLOSED) -> dict[str, Any]:
        answer = await own.ask(AGREEMENT, client, id=own.agreement, month="2017-09-30", now=now)
        node: dict[str, Any] = answer.data["node"]
        return node

    before = await seen()
    preview = before["nextStatement"]
    assert (preview["month"], preview["isOver"], preview["redemptions"]) == ("2017-09-01", True, 2)
    assert (preview["total"]["amount"], preview["reversals"]) == ("250.00", 0)
    assert (before["unbilled"]["amount"], before["unbilledRedemptions"]["totalCount"]) == ("375.00", 3)
    assert not (await seen(at("2017-10-01T04:59")))["nextStatement"]["isOver"]

    statement, refused = await closed(own, admin)
    assert statement is not None
    assert refused == []
    assert (statement["total"]["amount"], statement["state"], statement["month"]) == ("250.00", "DUE", "2017-09-01")
    assert [(line["number"], line["kind"]) for line in statement["lines"]["nodes"]] == [
        (1, "REDEMPTION"),
        (2, "REDEMPTION"),
    ]
    assert statement["lines"]["nodes"][0]["redemption"] == {"reference": "A"}
    told = statement["events"]["nodes"][0]["sentence"]
    assert told == "Pat of the program closed it, so what it holds is due (September 2017, USD 250.00)."
    # The program is shown its name, and no more of the organization.
    assert (statement["organization"], statement["agreement"]["id"]) == (None, own.agreement)
    # The same again is the same, whoever of them asks.
    assert (await closed(own, admin, "2017-09-01"))[0] == statement

    after = await seen()
    assert (after["nextStatement"]["redemptions"], after["nextStatement"]["total"]["amount"]) == (0, "0.00")
    assert (after["unbilled"]["amount"], after["unpaid"]["amount"]) == ("125.00", "250.00")
    assert after["unbilledRedemptions"]["totalCount"] == 1
    assert after["statements"]["nodes"][0]["number"] == statement["number"]
    assert await offended(database) == set()


async def test_nothing_is_closed_before_its_time_or_by_whoever_is_billed(sqlite_database: Database) -> None:
    own = await account(sqlite_database)
    await own.redeems("2017-09-10T12:00")
    _, refused = await closed(own, own.market.program_admin, "2017-10-05")
    assert [(error["field"], error["code"]) for error in refused] == [(["input", "month"], "WRONG_STATE")]
    _, refused = await closed(own, own.market.client)
    assert [error["code"] for error in refused] == ["NOT_ALLOWED"]
    assert await closed(own, own.market.program_admin, "2017-08-15") == (None, [])


async def test_a_statement_is_paid_in_full_by_wire_once_and_on_a_purchase_order(database: Database) -> None:
    own = await account(database)
    await own.redeems("2017-09-10T12:00", "2017-09-11T12:00")
    statement = await own.closes(SEPTEMBER)

    async def pay(amount: str, key: str, by: Any = None, **more: Any) -> tuple[Any, list[str]]:
        asked = {"statement": statement, "amount": {"amount": amount, "currency": "USD"}, "idempotencyKey": key}
        asked |= {"paymentReference": "wire 7", **more}
        answer = await own.ask(PAY, by or own.market.program_admin, input=asked)
        if answer.errors:
            return None, answer.errors
        paid = answer.data["voucherStatementPay"]
        return paid["statement"], [error["code"] for error in paid["userErrors"]]

    assert await pay("249.99", "a") == (None, ["AMOUNT_MUST_EQUAL_TOTAL"])
    assert await pay("250.00", "b", paymentReference=" ") == (None, ["REFERENCE_REQUIRED"])
    assert await pay("250.00", "c", own.market.client) == (None, ["NOT_ALLOWED"])
    paid, refused = await pay("250.00", "d", purchaseOrder="PO-17")
    assert (paid["state"], paid["paymentReference"], paid["purchaseOrder"]) == ("PAID", "wire 7", "PO-17")
    assert refused == []
    assert await pay("250.00", "d", purchaseOrder="PO-17") == (paid, [])
    assert await pay("250.00", "d", purchaseOrder="PO-18") == (None, ["IDEMPOTENCY_KEY_REUSED"])
    assert await pay("250.00", "e") == (None, ["WRONG_STATE"])
    assert await offended(database) == set()


async def test_statements_are_listed_to_whom_they_concern_and_found_by_nobody_else(database: Database) -> None:
    own, other = await account(database), await shop(database)
    await own.redeems("2017-08-20T12:00", "2017-09-10T12:00", "2017-10-10T12:00")
    august = await own.closes(SEPTEMBER.replace(month=8), at("2017-09-02T12:00"))
    september = await own.closes(SEPTEMBER)
    october = await own.closes(OCTOBER, at("2017-11-02T12:00"))
    slugs = "query ($o: ID!, $p: ID!) { organization(by: {id: $o}) { slug } program(by: {id: $p}) { slug } }"
    client, admin, market = own.market.client, own.market.program_admin, own.market
    ids: dict[str, Any] = {
        "o": encode_id("Organization", market.tenant.id),
        "p": encode_id("Program", market.program_id),
    }
    found = (await own.ask(slugs, client, **ids)).data
    whose = {"slug": found["organization"]["slug"], "program": found["program"]["slug"]}

    page = (await own.ask(LISTS, client, first=2, **whose)).data
    first = page["organization"]["statements"]
    assert [one["month"] for one in first["nodes"]] == ["2017-10-01", "2017-09-01"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
    assert page["program"]["statements"]["totalCount"] == 3
    rest = (await own.ask(LISTS, client, after=first["pageInfo"]["endCursor"], **whose)).data["organization"]
    assert [one["month"] for one in rest["statements"]["nodes"]] == ["2017-08-01"]
    none = (await own.ask(LISTS, client, states=["PAID"], **whose)).data["organization"]["statements"]
    assert none["totalCount"] == 0
    assert len((await own.ask(OF_PROGRAM, admin, id=ids["p"])).data["node"]["statements"]["nodes"]) == 3

    node = "query ($id: ID!) { node(id: $id) { id } }"
    for statement in (august, september, october):
        for who in (client, admin):
            assert (await own.ask(node, who, id=statement)).data == {"node": {"id": statement}}
        for who in (other.client, other.program_admin):
            assert (await own.ask(node, who, id=statement)).data == {"node": None}
            asked = {"statement": statement, "amount": {"amount": "125.00", "currency": "USD"}}
            asked |= {"paymentReference": "x", "idempotencyKey": "k"}
            refused = (await own.ask(PAY, who, input=asked)).data["voucherStatementPay"]["userErrors"]
            assert [(error["field"], error["code"]) for error in refused] == [(["input", "statement"], "NOT_FOUND")]
    _, refused = await closed(own, other.program_admin)
    assert [error["code"] for error in refused] == ["NOT_FOUND"]
    assert (await own.ask(OF_PROGRAM, other.client, id=ids["p"])).data["node"]["statements"]["nodes"] == []


async def test_the_cursor_of_another_list_is_refused(sqlite_database: Database) -> None:
    own = await account(sqlite_database)
    await own.redeems("2017-09-10T12:00", "2017-09-11T12:00")
    client = own.market.client
    shown = (await own.ask(AGREEMENT, client, id=own.agreement, month="2017-09-01")).data["node"]
    of_another = shown["unbilledRedemptions"]["pageInfo"]["endCursor"]
    asked = """query ($id: ID!, $unbilled: String, $statements: String) { node(id: $id) { ... on BillingAgreement {
      unbilledRedemptions(after: $unbilled) { nodes { id } } statements(after: $statements) { totalCount } } } }"""
    rest = await own.ask(asked, client, id=own.agreement, unbilled=of_another)
    assert len(rest.data["node"]["unbilledRedemptions"]["nodes"]) == 1
    assert (await own.ask(asked, client, id=own.agreement, statements=of_another)).errors == ["BAD_CURSOR"]


async def test_a_longer_statement_costs_no_more_reads(database: Database) -> None:
    asked = """query ($id: ID!) { node(id: $id) { ... on Statement { lines { nodes {
      redemption { product { code } voucher { lastFour } promotion { code } } broughtForward { number } } } } } }"""
    own, counted = await account(database), []
    for month, lines in ((SEPTEMBER, 2), (OCTOBER, 6)):
        await own.redeems(*(f"2017-{month.month:02}-1{day}T12:00" for day in range(lines)))
        statement = await own.closes(month, at(f"2017-{month.month + 1}-02T12:00"))
        with statements() as made:
            shown = (await own.ask(asked, own.market.program_admin, id=statement)).data["node"]["lines"]["nodes"]
        assert len(shown) == lines
        counted.append(len(made))
    assert counted[0] == counted[1]


async def test_the_operations_about_statements_run_with_the_ids_that_others_show(demo: Database) -> None:
    (agreement,) = (await run(demo, OPERATIONS["BillingAgreements"])).data["organization"]["billingAgreements"]
    (statement,) = (await run(demo, OPERATIONS["Statements"])).data["organization"]["statements"]["nodes"]
    upcoming = (await run(demo, OPERATIONS["NextStatement"], agreement=agreement["id"], month="2017-10-01")).data[
        "node"
    ]
    preview = upcoming["nextStatement"]
    assert preview["redemptions"] <= upcoming["unbilledRedemptions"]["totalCount"]

    given = {"agreement": agreement["id"], "month": statement["month"]}
    closed = (await run(demo, OPERATIONS["VoucherStatementClose"], input=given)).data["voucherStatementClose"]
    assert closed["statement"]["id"] == statement["id"]
    due = {"statement": statement["id"], "amount": statement["total"]}
    refused = refusals_of(await run(demo, OPERATIONS["VoucherStatementCharge"], input=due))
    assert [error["code"] for error in refused] == ["NO_GATEWAY"]
    paid = (await run(demo, OPERATIONS["VoucherStatementPay"], input=due)).data["voucherStatementPay"]
    assert paid["statement"]["state"] == "PAID"
    assert refusals_of(await run(demo, OPERATIONS["VoucherStatementPay"], input=due)) == []

    ids = {"StatementPage": statement["id"], "AgreementPage": agreement["id"]}
    for name, key in ids.items():
        assert (await run(demo, OPERATIONS[name], id=key)).data["node"]["id"] == key
    (program,) = (await run(demo, OPERATIONS["Programs"])).data["programs"]["nodes"]
    for name in ("ProgramStatementsPage", "PromotionsPage"):
        assert (await run(demo, OPERATIONS[name], program=program["id"])).data["program"]["id"] == program["id"]
