"""Contract terms: agreed from a day through another, never two of one product at once, and what was known stays."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from models.access import Role
from models.contracts import (
    NO_LAST_DAY,
    Agreement,
    Amendment,
    ContractTerm,
    Decided,
    Measure,
    Term,
    TermChange,
    amended,
    ended,
    newly_agreed,
    term_on,
    withdrawn,
)
from models.errors import BillingError, BillingErrorCode
from models.events import Deed, Event
from resolvers.loaders.terms import held_terms
from resolvers.principal import Principal
from server.database import Database
from tests.asking import ask
from tests.builders import Tenant, organization

SEATS, LIBRARY = 1, 2


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def agreed(dates: str, licensed: int = 400, *, product: int = SEATS, price: int = 1250) -> Agreement:
    """What is agreed of days as a person types them: `2017-01-01..2017-12-31`, or `2017-01-01..` without a last."""
    first, _, last = dates.partition("..")
    until = day(last) + dt.timedelta(days=1) if last else NO_LAST_DAY
    return Agreement(
        product_id=product,
        since=day(first),
        until=until,
        licensed=licensed,
        unit_price_minor=price,
        currency="USD",
        measure=Measure.AT_CUTOFF,
    )


def term(of: Agreement, id: int = 7) -> Term:  # noqa: A002
    return Term(**{name: getattr(of, name) for name in Agreement.__dataclass_fields__}, id=id)


def amendment(first: str, licensed: int, price: int = 1250) -> Amendment:
    return Amendment(
        since=day(first), licensed=licensed, unit_price_minor=price, currency="USD", measure=Measure.AT_CUTOFF
    )


YEAR = term(agreed("2017-01-01..2017-12-31"))


# ------------------------------------------------------------------------------------------- deciding


def test_the_very_same_term_again_changes_nothing() -> None:
    assert newly_agreed([YEAR], agreed("2017-01-01..2017-12-31")) == Decided(term_id=YEAR.id)


@pytest.mark.parametrize("dates", ["2017-12-31..", "2016-01-01..2017-01-01", "2017-06-01..2017-06-01", "2016-01-01.."])
def test_two_terms_of_one_product_never_overlap(dates: str) -> None:
    with pytest.raises(BillingError) as refused:
        newly_agreed([YEAR], agreed(dates, 500))
    assert refused.value.code is BillingErrorCode.TERM_OVERLAPS
    assert "400 at USD 12.50, AT_CUTOFF, 2017-01-01 through 2017-12-31" in refused.value.message


@pytest.mark.parametrize("dates", ["2018-01-01..", "2016-01-01..2016-12-31"])
def test_a_term_may_follow_another_the_next_day(dates: str) -> None:
    assert newly_agreed([YEAR], agreed(dates)).changes == (TermChange(agreed(dates)),)


def test_terms_of_two_products_may_be_in_force_at_once() -> None:
    library = agreed("2017-01-01..", 40, product=LIBRARY)
    assert newly_agreed([YEAR], library).changes == (TermChange(library),)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(agreed("2017-01-02.."), until=day("2017-01-01")), BillingErrorCode.EMPTY_TERM),
        (replace(agreed("2017-01-02.."), until=day("2017-01-02")), BillingErrorCode.EMPTY_TERM),
        (agreed("2017-01-01..", -1), BillingErrorCode.BAD_QUANTITY),
        (agreed("2017-01-01..", 2**31), BillingErrorCode.BAD_QUANTITY),
        (agreed("2017-01-01..", price=-1), BillingErrorCode.BAD_AMOUNT),
    ],
)
def test_nonsense_is_refused(wrong: Agreement, code: BillingErrorCode) -> None:
    with pytest.raises(BillingError) as refused:
        newly_agreed([], wrong)
    assert refused.value.code is code


def test_nobody_need_be_licensed_and_nothing_need_be_paid() -> None:
    assert newly_agreed([], agreed("2017-01-01..", 0, price=0)).changes


def test_an_amendment_ends_the_term_the_day_before_and_lasts_as_long() -> None:
    assert amended([YEAR], YEAR, amendment("2017-07-01", 450)) == Decided(
        (
            TermChange(agreed("2017-01-01..2017-06-30"), YEAR.id),
            TermChange(agreed("2017-07-01..2017-12-31", 450)),
        )
    )


def test_an_amendment_on_the_first_day_replaces_the_term() -> None:
    replaced = TermChange(agreed("2017-01-01..2017-12-31", 450), YEAR.id)
    assert amended([YEAR], YEAR, amendment("2017-01-01", 450)) == Decided((replaced,), YEAR.id)


@pytest.mark.parametrize("first", ["2016-12-31", "2018-01-01"])
def test_an_amendment_begins_within_the_term(first: str) -> None:
    with pytest.raises(BillingError) as refused:
        amended([YEAR], YEAR, amendment(first, 450))
    assert refused.value.code is BillingErrorCode.NOT_IN_TERM


def test_the_same_amendment_again_changes_nothing() -> None:
    before, after = term(agreed("2017-01-01..2017-06-30")), term(agreed("2017-07-01..2017-12-31", 450), 8)
    assert amended([before, after], before, amendment("2017-07-01", 450)) == Decided(term_id=8)
    assert amended([YEAR], YEAR, amendment("2017-01-01", 400)) == Decided(term_id=YEAR.id)
    with pytest.raises(BillingError):
        amended([before, after], before, amendment("2017-07-01", 451))


def test_a_term_is_shortened_and_lengthened_but_not_into_another() -> None:
    following = term(agreed("2018-03-01.."), 8)
    shorter, longer = agreed("2017-01-01..2017-06-30"), agreed("2017-01-01..2018-02-28")
    assert ended([YEAR, following], YEAR, shorter.until).changes == (TermChange(shorter, YEAR.id),)
    assert ended([YEAR, following], YEAR, longer.until).changes == (TermChange(longer, YEAR.id),)
    assert ended([YEAR, following], YEAR, YEAR.until) == Decided(term_id=YEAR.id)
    for until, code in (
        (day("2018-03-02"), BillingErrorCode.TERM_OVERLAPS),
        (day("2017-01-01"), BillingErrorCode.NOT_IN_TERM),
    ):
        with pytest.raises(BillingError) as refused:
            ended([YEAR, following], YEAR, until)
        assert refused.value.code is code


def test_a_term_that_never_was_agreed_is_withdrawn() -> None:
    assert withdrawn(YEAR).changes == (TermChange(agreed("2017-01-01..2017-12-31"), YEAR.id, holds=False),)


# ------------------------------------------------------------------------------------------- recording


async def in_force(tenant: Tenant, date: str, known_at: dt.datetime | None = None) -> str | None:
    """What is in force for the seats, in words."""
    async with tenant.database.reading() as connection:
        held = await held_terms(connection, [tenant.id], known_at or tenant.now)
    found = term_on(held[tenant.id], tenant.id, day(date))
    return str(found) if found else None


async def test_a_term_is_known_from_when_it_was_recorded_and_stays_known_so(database: Database) -> None:
    tenant = await organization(database)
    term_id = await tenant.term("2017-01-01..2017-12-31", 400)
    then = tenant.now
    await tenant.amended(term_id, "2017-07-01", licensed=450)
    await tenant.withdrawn(term_id)
    assert await in_force(tenant, "2017-03-01", then) == "400 at USD 12.50, AT_CUTOFF, 2017-01-01 through 2017-12-31"
    assert await in_force(tenant, "2017-08-01", then) == "400 at USD 12.50, AT_CUTOFF, 2017-01-01 through 2017-12-31"
    assert await in_force(tenant, "2017-03-01") is None
    assert await in_force(tenant, "2017-08-01") == "450 at USD 12.50, AT_CUTOFF, 2017-07-01 through 2017-12-31"
    assert await in_force(tenant, "2017-03-01", then - dt.timedelta(minutes=1)) is None


async def test_the_same_again_answers_with_the_same_term_and_leaves_no_row(database: Database) -> None:
    tenant = await organization(database)
    made = [await tenant.term("2017-01-01..2017-12-31", 400) for _ in range(2)]
    after = [await tenant.amended(made[0], "2017-07-01", licensed=450) for _ in range(2)]
    assert (made[0], after[0]) == (made[1], after[1])
    for _ in range(2):
        assert await tenant.withdrawn(after[0]) == after[0]
    async with database.reading() as connection:
        rows = (await connection.execute(select(ContractTerm.id, ContractTerm.holds))).all()
        events = (await connection.execute(select(Event).order_by(Event.id))).all()
    assert len(rows) == 4
    assert [(event.deed, event.thing_id) for event in events] == [
        (Deed.TERM_SET, made[0]),
        (Deed.TERM_AMENDED, made[0]),
        (Deed.TERM_AMENDED, after[0]),
        (Deed.TERM_WITHDRAWN, after[0]),
    ]
    assert (events[0].before, events[0].after) == (None, "400 at USD 12.50, AT_CUTOFF, 2017-01-01 through 2017-12-31")
    assert (events[2].before, events[2].after) == (
        "400 at USD 12.50, AT_CUTOFF, 2017-01-01 through 2017-12-31",
        "450 at USD 12.50, AT_CUTOFF, 2017-07-01 through 2017-12-31",
    )
    assert (events[3].after, events[3].said, events[3].actor) == (None, "a typing error", "Sam of support")


async def test_of_twenty_who_agree_at_once_on_one_product_one_does(database: Database) -> None:
    tenant = await organization(database)
    made = await asyncio.gather(*(tenant.term("2017-01-01..", 400 + n) for n in range(20)), return_exceptions=True)
    refused = [one for one in made if isinstance(one, BillingError)]
    assert [one.code for one in refused] == [BillingErrorCode.TERM_OVERLAPS] * 19
    async with database.reading() as connection:
        assert len((await held_terms(connection, [tenant.id], tenant.now))[tenant.id]) == 1


async def test_a_withdrawn_term_leaves_room_and_is_not_amended(database: Database) -> None:
    tenant = await organization(database)
    term_id = await tenant.term("2017-01-01..", 400)
    await tenant.withdrawn(term_id)
    with pytest.raises(BillingError) as refused:
        await tenant.amended(term_id, "2017-07-01", licensed=450)
    assert refused.value.code is BillingErrorCode.NOT_IN_TERM
    assert await tenant.term("2017-01-01..", 410) != term_id
    assert await in_force(tenant, "2017-07-01") == "410 at USD 12.50, AT_CUTOFF, from 2017-01-01 on"


async def test_only_seats_and_libraries_are_licensed(database: Database) -> None:
    tenant = await organization(database)
    for product in (await tenant.team(), 1):
        with pytest.raises(BillingError) as refused:
            await tenant.term("2017-01-01..", 400, product=product)
        assert refused.value.code is BillingErrorCode.NOT_A_PRODUCT
    assert await tenant.term("2017-01-01..", 40, product=await tenant.library())


async def test_the_database_itself_keeps_every_row(database: Database) -> None:
    tenant = await organization(database)
    await tenant.term("2017-01-01..", 400)
    for statement in (delete(ContractTerm), update(ContractTerm).values(licensed=1)):
        with pytest.raises(DBAPIError, match="contract_term"):
            async with database.writing() as session:
                await session.execute(statement)


# ------------------------------------------------------------------------------------------- through GraphQL

SET = """
mutation($input: ContractTermSetInput!) { contractTermSet(input: $input) {
  term { id quantity measure from through holds recordedBy reason unitPrice { amount currency } product { kind name } }
  userErrors { code field } } }"""
AMEND = """
mutation($input: ContractTermAmendInput!) { contractTermAmend(input: $input) {
  term { id quantity from through } userErrors { code field } } }"""
END = """
mutation($input: ContractTermEndInput!) { contractTermEnd(input: $input) {
  term { through } userErrors { code field } } }"""
WITHDRAW = """
mutation($input: ContractTermWithdrawInput!) { contractTermWithdraw(input: $input) {
  term { holds reason events { nodes { deed before after said } } } userErrors { code field } } }"""
TERMS = """
query($product: ProductKey, $on: Date, $knownAt: DateTime, $first: Int, $after: String, $last: Int, $before: String) {
  organization(by: {slug: "xtra-lease"}) {
    contractTerms(product: $product, on: $on, knownAt: $knownAt,
      first: $first, after: $after, last: $last, before: $before) {
      nodes { quantity from through product { name } } totalCount
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
GIVEN: dict[str, Any] = {
    "organization": {"slug": "xtra-lease"},
    "dates": {"from": "2017-01-01", "through": "2017-12-31"},
    "quantity": 400,
    "unitPrice": {"amount": "12.50", "currency": "usd"},
    "measure": "AT_CUTOFF",
}


async def test_staff_record_amend_end_and_withdraw_terms(database: Database) -> None:
    await organization(database, name="Xtra Lease")
    made = (await ask(database, SET, input=GIVEN | {"reason": "Order form 17"})).data["contractTermSet"]
    first = made["term"].pop("id")
    assert made == {
        "term": {
            "quantity": 400,
            "measure": "AT_CUTOFF",
            "from": "2017-01-01",
            "through": "2017-12-31",
            "holds": True,
            "recordedBy": "Support",
            "reason": "Order form 17",
            "unitPrice": {"amount": "12.50", "currency": "USD"},
            "product": {"kind": "SEATS", "name": "Seats"},
        },
        "userErrors": [],
    }
    asked = {"term": first, "from": "2017-07-01", "quantity": 450}
    second = (await ask(database, AMEND, input=asked)).data["contractTermAmend"]["term"]
    assert (second["quantity"], second["from"], second["through"]) == (450, "2017-07-01", "2017-12-31")
    ended_ = (await ask(database, END, input={"term": second["id"], "lastDay": None})).data["contractTermEnd"]
    assert ended_ == {"term": {"through": None}, "userErrors": []}
    withdrawn_ = (await ask(database, WITHDRAW, input={"term": second["id"], "reason": "Never signed"})).data
    told = withdrawn_["contractTermWithdraw"]["term"]
    assert (told["holds"], told["reason"]) == (False, "Never signed")
    assert [event["deed"] for event in told["events"]["nodes"]] == ["TERM_AMENDED", "TERM_ENDED", "TERM_WITHDRAWN"]
    node = "query($id: ID!) { node(id: $id) { ... on ContractTerm { from through organization { slug } } } }"
    assert (await ask(database, node, id=first)).data["node"] == {
        "from": "2017-01-01",
        "through": "2017-06-30",
        "organization": {"slug": "xtra-lease"},
    }


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"dates": {"from": "2017-02-01", "through": "2017-01-31"}}, "EMPTY_TERM", ["input", "dates"]),
        ({"dates": {"from": "1817-02-01"}}, "DATE_OUT_OF_RANGE", ["input", "dates", "from"]),
        ({"quantity": -1}, "BAD_QUANTITY", ["input", "quantity"]),
        ({"unitPrice": {"amount": "12.505", "currency": "USD"}}, "BAD_AMOUNT", ["input", "unitPrice"]),
        ({"unitPrice": {"amount": "12.50", "currency": "XYQ"}}, "UNKNOWN_CURRENCY", ["input", "unitPrice"]),
        ({"organization": {"slug": "another"}}, "NOT_FOUND", ["input", "organization"]),
    ],
)
async def test_what_is_wrong_is_told_with_its_field(
    database: Database, wrong: dict[str, Any], code: str, field: list[str]
) -> None:
    await organization(database, name="Xtra Lease")
    answer = (await ask(database, SET, input=GIVEN | wrong)).data["contractTermSet"]
    assert answer == {"term": None, "userErrors": [{"code": code, "field": field}]}


async def test_a_client_sees_its_terms_and_changes_none_and_others_see_nothing(database: Database) -> None:
    tenant, other = await organization(database, name="Xtra Lease"), await organization(database, name="Other")
    own, foreign = (Principal(name="Ann", role=Role.ORGANIZATION, organization_id=i) for i in (tenant.id, other.id))
    made = (await ask(database, SET, input=GIVEN)).data["contractTermSet"]["term"]["id"]
    attempts = [
        (SET, "contractTermSet", GIVEN),
        (AMEND, "contractTermAmend", {"term": made, "from": "2017-07-01", "quantity": 1}),
        (END, "contractTermEnd", {"term": made, "lastDay": "2017-07-01"}),
        (WITHDRAW, "contractTermWithdraw", {"term": made, "reason": "Too dear"}),
    ]
    for query, name, given in attempts:
        for principal, code in ((own, "NOT_ALLOWED"), (foreign, "NOT_FOUND")):
            answer = (await ask(database, query, principal, input=given)).data[name]
            assert (answer["term"], answer["userErrors"][0]["code"]) == (None, code)
    assert (await ask(database, TERMS, own)).data["organization"]["contractTerms"]["totalCount"] == 1
    assert (await ask(database, TERMS, foreign)).errors == ["NOT_FOUND"]
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert (await ask(database, node, own, id=made)).data["node"] == {"id": made}
    assert (await ask(database, node, foreign, id=made)).data["node"] is None


async def test_terms_are_listed_the_latest_first_page_by_page(database: Database) -> None:
    tenant = await organization(database, name="Xtra Lease")
    library = await tenant.library("Basics")
    for year in (2015, 2017, 2016):
        await tenant.term(f"{year}-01-01..{year}-12-31", year)
    before_library = tenant.now
    await tenant.term("2016-05-01..", 40, product=library)

    async def listed(**asked: Any) -> dict[str, Any]:
        answer = await ask(database, TERMS, **asked)
        assert answer.errors == []
        found: dict[str, Any] = answer.data["organization"]["contractTerms"]
        return found | {"nodes": [node["quantity"] for node in found["nodes"]]}

    assert (await listed())["nodes"] == [2017, 40, 2016, 2015]
    page = await listed(first=3)
    assert (page["nodes"], page["totalCount"], page["pageInfo"]["hasNextPage"]) == ([2017, 40, 2016], 4, True)
    rest = await listed(first=3, after=page["pageInfo"]["endCursor"])
    assert (rest["nodes"], rest["pageInfo"]["hasNextPage"]) == ([2015], False)
    back = await listed(last=2, before=rest["pageInfo"]["startCursor"])
    assert (back["nodes"], back["pageInfo"]["hasPreviousPage"]) == ([40, 2016], True)
    assert (await listed(product={"seats": True}))["nodes"] == [2017, 2016, 2015]
    assert (await listed(on="2016-12-31")) | {"pageInfo": 0} == {"nodes": [40, 2016], "totalCount": 2, "pageInfo": 0}
    assert (await listed(knownAt=before_library.isoformat()))["nodes"] == [2017, 2016, 2015]
