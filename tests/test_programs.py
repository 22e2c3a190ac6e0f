"""Programs, what they sell and on which terms, and whom they bill later: who may define it, see it, and change it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role, TokenError, TokenErrorCode
from models.interval import FOREVER
from models.program_events import ProgramEvent
from models.voucher_orders import BillingAgreement
from models.voucher_programs import expires_at
from resolvers.principal import Principal
from resolvers.tokens import holder
from schema.ids import encode_id, parse_id
from server.database import Database
from tests.asking import NOW, STAFF, ask
from tests.builders import Tenant, organization
from tests.test_statements import ran_for

PROGRAM = """mutation ($slug: String!, $zone: String = "America/Chicago") {
  made: programCreate(input: {slug: $slug, name: "Nurses", zone: $zone}) {
    program { id slug holdSeconds reopenDays } userErrors { field message code }
  }
}"""
PRODUCT = """mutation ($program: ID!, $code: String!, $amount: Decimal!, $currency: String!, $key: String!) {
  made: productCreate(input: {
    program: {id: $program}, code: $code, name: "Fee", price: {amount: $amount, currency: $currency}
    idempotencyKey: $key
  }) { product { id code price { amount currency } } userErrors { field message code } }
}"""
REPRICE = """mutation ($product: ID!, $amount: Decimal!, $currency: String!) {
  made: productReprice(input: {product: $product, price: {amount: $amount, currency: $currency}}) {
    product { price { amount } } userErrors { field message code }
  }
}"""
RETIRE = """mutation ($product: ID!) {
  made: productRetire(input: {product: $product}) { product { retiredAt } userErrors { field message code } }
}"""
TERMS = "{ id name benefit { faceValue { amount } } funding issueOn validity { days through } leftovers transferability"
TERMS += " refundPolicy refundDays stoppedAt products { included { code } excluded { code } } }"
DEFINE = (
    """mutation ($input: VoucherProgramCreateInput!) {
  made: voucherProgramCreate(input: $input) { voucherProgram %s userErrors { field message code } }
}"""
    % TERMS
)
STOP = """mutation ($id: ID!) {
  made: voucherProgramStop(input: {voucherProgram: $id}) {
    voucherProgram { stoppedAt } userErrors { field message code }
  }
}"""
AGREEMENT = "{ id organizationName cap { amount } unbilled { amount } available { amount } endedAt }"
AGREE = """mutation ($program: ID!, $organization: ID!, $cap: Decimal!, $key: String!, $currency: String = "USD") {
  made: billingAgreementSet(input: {
    program: {id: $program}, organization: {id: $organization}, cap: {amount: $cap, currency: $currency}
    idempotencyKey: $key
  }) { agreement %s userErrors { field message code } }
}"""
END = """mutation ($id: ID!) {
  made: billingAgreementEnd(input: {agreement: $id}) { agreement %s userErrors { field message code } }
}"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"

Deed = tuple[str, str | None, str | None]
NURSES: Deed = ("DEFINED", None, "Nurses")


class Office:
    """A program with an administrator, and an organization that buys there."""

    def __init__(self, database: Database, program: str, tenant: Tenant) -> None:
        self.database, self.program, self.tenant = database, program, tenant
        program_id = parse_id(program)[1][0]
        self.program_id = program_id
        self.admin = Principal(name="Pat", role=Role.PROGRAM, program_id=program_id)
        self.client = Principal(name="Chris", role=Role.ORGANIZATION, organization_id=tenant.id)
        self.organization = encode_id("Organization", tenant.id)

    async def do(self, mutation: str, by: Principal | None = None, **variables: Any) -> dict[str, Any]:
        """What a mutation made; it must not be refused."""
        answer = await ask(self.database, mutation, by or self.admin, **variables)
        assert (answer.errors, answer.data["made"]["userErrors"]) == ([], [])
        made: dict[str, Any] = next(value for name, value in answer.data["made"].items() if name != "userErrors")
        return made

    async def refused(self, mutation: str, by: Principal | None = None, **variables: Any) -> tuple[str, str, str]:
        """The code, the path and the sentence of a refusal."""
        answer = await ask(self.database, mutation, by or self.admin, **variables)
        assert answer.errors == []
        (error,) = answer.data["made"]["userErrors"]
        return error["code"], ".".join(error["field"]), error["message"]

    async def product(self, code: str, amount: str = "125.00", currency: str = "USD", key: str | None = None) -> str:
        variables: dict[str, Any] = {"code": code, "amount": amount, "currency": currency, "key": key or code}
        made = await self.do(PRODUCT, program=self.program, **variables)
        return str(made["id"])

    def terms(self, **instead: Any) -> dict[str, Any]:
        terms = {"name": "Application vouchers", "faceValue": {"amount": "125.00", "currency": "USD"}}
        given = {"program": {"id": self.program}, "funding": ["CARD"], "idempotencyKey": "key"}
        return given | terms | instead

    async def told(self) -> Counter[Deed]:
        """What was done, what it was before and what then; all in one moment, so in no order."""
        events = ProgramEvent.__table__
        wanted = select(events).where(events.c.program_id == self.program_id)
        async with self.database.reading() as connection:
            rows = (await connection.execute(wanted)).all()
        return Counter((row.deed.name, row.before, row.after) for row in rows)


async def office(database: Database, slug: str = "nurses") -> Office:
    answer = await ask(database, PROGRAM, slug=slug)
    return Office(database, answer.data["made"]["program"]["id"], await organization(database))


async def test_staff_add_programs_each_with_a_slug_of_its_own(database: Database) -> None:
    own = await office(database)
    assert (await own.refused(PROGRAM, STAFF, slug="nurses"))[:2] == ("TAKEN", "input.slug")
    assert (await own.refused(PROGRAM, STAFF, slug="Not A Slug"))[:2] == ("BAD_SLUG", "input.slug")
    assert (await own.refused(PROGRAM, STAFF, slug="other", zone="Mars/Base"))[:2] == ("UNKNOWN_ZONE", "input.zone")
    assert (await own.refused(PROGRAM, own.admin, slug="other"))[0] == "NOT_ALLOWED"
    seen = await ask(database, '{ programs { nodes { slug } totalCount } program(by: {slug: "nurses"}) { zone } }')
    assert seen.data["programs"] == {"nodes": [{"slug": "nurses"}], "totalCount": 1}
    assert seen.data["program"] == {"zone": "America/Chicago"}
    viewer = await ask(database, "{ viewer { role program { slug } organization { id } } }", own.admin)
    assert viewer.data["viewer"] == {"role": "PROGRAM", "program": {"slug": "nurses"}, "organization": None}
    assert await own.told() == Counter([NURSES])


async def test_a_product_is_defined_once_repriced_in_its_currency_and_retired(database: Database) -> None:
    own = await office(database)
    fee = await own.product("APP")
    assert await own.product("APP") == fee, "the same key makes no second one"
    again: dict[str, Any] = {"program": own.program, "code": "APP", "amount": "1", "currency": "USD"}
    assert (await own.refused(PRODUCT, **again, key="other"))[:2] == ("TAKEN", "input.code")
    assert (await own.refused(PRODUCT, **again, key="APP"))[0] == "IDEMPOTENCY_KEY_REUSED"
    assert (await own.refused(PRODUCT, **again | {"code": "A B"}, key="third"))[:2] == ("BAD_CODE", "input.code")
    assert (await own.refused(PRODUCT, **again | {"amount": "-1", "code": "B"}, key="4"))[0] == "BAD_AMOUNT"

    assert (await own.do(REPRICE, product=fee, amount="130", currency="USD"))["price"] == {"amount": "130.00"}
    await own.do(REPRICE, product=fee, amount="130", currency="USD")
    assert (await own.refused(REPRICE, product=fee, amount="130", currency="EUR"))[0] == "BAD_TERMS"
    retired = await own.do(RETIRE, product=fee)
    assert retired == await own.do(RETIRE, product=fee)
    assert (await own.refused(REPRICE, product=fee, amount="1", currency="USD"))[0] == "STOPPED"
    deeds = [
        ("DEFINED", None, "APP, USD 125.00"),
        ("PRICE_CHANGED", "USD 125.00", "USD 130.00"),
        ("RETIRED", None, None),
    ]
    assert await own.told() == Counter([NURSES, *deeds])


async def test_voucher_programs_have_terms_that_can_be_kept(database: Database) -> None:
    own, other = await office(database), await office(database, "welders")
    fee, late, euros = await own.product("APP"), await own.product("LATE"), await own.product("EUR", currency="EUR")
    foreign = await other.product("APP")
    terms = own.terms(included=[fee, late], excluded=[late], validDays=365, funding=["BILL_LATER", "CARD"])
    made = await own.do(DEFINE, input=terms)
    assert made == await own.do(DEFINE, input=terms)
    assert made["products"] == {"included": [{"code": "APP"}], "excluded": [{"code": "LATE"}]}
    assert (made["funding"], made["validity"]) == (["CARD", "BILL_LATER"], {"days": 365, "through": None})
    assert (made["issueOn"], made["leftovers"], made["refundPolicy"]) == ("APPROVAL", "KEEP", "UNUSED")

    wrong: dict[tuple[str, str], dict[str, Any]] = {
        ("TAKEN", "input.name"): {},
        ("BAD_TERMS", "input.validThrough"): {"validDays": 1, "validThrough": "2027-01-01"},
        ("DATE_OUT_OF_RANGE", "input.validThrough"): {"validThrough": "2026-11-22"},
        ("BAD_TERMS", "input.validDays"): {"validDays": 0},
        ("BAD_TERMS", "input.faceValue"): {"faceValue": {"amount": "0", "currency": "USD"}},
        ("BAD_TERMS", "input.funding"): {"funding": []},
        ("BAD_TERMS", "input.included"): {"included": [euros]},
        ("NOT_FOUND", "input.included.0"): {"included": [foreign]},
        ("NOT_FOUND", "input.excluded"): {"excluded": [encode_id("Product", own.program_id, 7)]},
        ("BAD_TERMS", "input.excluded"): {"included": [late], "excluded": [late]},
        ("BAD_TERMS", "input.refundDays"): {"refundPolicy": "NEVER", "refundDays": 30},
    }
    for number, (expected, instead) in enumerate(wrong.items()):
        given = own.terms(idempotencyKey=f"wrong {number}", **instead)
        assert (await own.refused(DEFINE, input=given))[:2] == expected

    stopped = await own.do(STOP, id=made["id"])
    assert stopped["stoppedAt"] is not None
    assert stopped == await own.do(STOP, id=made["id"])
    told = await own.told()
    assert (told["DEFINED", None, "Application vouchers, USD 125.00"], told["RETIRED", None, None]) == (1, 1)


async def test_only_the_program_and_staff_define_what_it_sells(database: Database) -> None:
    """An organization's administrator and another program's see it, and change nothing."""
    own, other = await office(database), await office(database, "welders")
    fee = await own.product("APP")
    kept = await own.do(DEFINE, input=own.terms())
    price: dict[str, Any] = {"amount": "1", "currency": "USD"}
    for somebody in (own.client, other.admin):
        for mutation, variables in (
            (PRODUCT, {"program": own.program, "code": "X", "key": "x", **price}),
            (REPRICE, {"product": fee, **price}),
            (RETIRE, {"product": fee}),
            (DEFINE, {"input": own.terms(idempotencyKey="theirs", name="Theirs")}),
            (STOP, {"id": kept["id"]}),
            (AGREE % AGREEMENT, {"program": own.program, "organization": own.organization, "cap": "1", "key": "k"}),
        ):
            assert (await own.refused(mutation, somebody, **variables))[0] == "NOT_ALLOWED"
        for seen in (own.program, fee, kept["id"]):
            assert (await ask(database, NODE, somebody, id=seen)).data["node"] == {"id": seen}
    await own.do(REPRICE, STAFF, product=fee, **price)
    assert sorted(deed for deed, _, _ in await own.told()) == ["DEFINED", "DEFINED", "DEFINED", "PRICE_CHANGED"]


async def test_a_cap_never_falls_below_what_is_owed_and_only_both_sides_see_the_agreement(database: Database) -> None:
    own, other = await office(database), await office(database, "welders")
    agree, end = AGREE % AGREEMENT, END % AGREEMENT
    between: dict[str, Any] = {"program": own.program, "organization": own.organization}
    made = await own.do(agree, **between, cap="1000", key="a")
    await owe(database, unbilled=30_000, unpaid=20_000, held=10_000)
    code, field, message = await own.refused(agree, **between, cap="599.99", key="b")
    assert (code, field) == ("OVER_CAP", "input.cap")
    for figure in ("599.99", "600.00", "unbilled USD 300.00", "unpaid USD 200.00", "held USD 100.00"):
        assert figure in message
    assert (await own.do(agree, **between, cap="600", key="c"))["available"] == {"amount": "0.00"}
    assert (await own.refused(agree, **between, cap="0", key="d"))[0] == "BAD_AMOUNT"
    nowhere: dict[str, Any] = {"program": own.program, "organization": encode_id("Organization", 1)}
    assert (await own.refused(agree, **nowhere, cap="1", key="e"))[:2] == ("NOT_FOUND", "input.organization")

    assert (await own.refused(end, other.admin, id=made["id"]))[0] == "NOT_FOUND"
    assert (await own.refused(end, own.client, id=made["id"]))[0] == "NOT_ALLOWED"
    for somebody, sees in ((own.client, True), (STAFF, True), (other.admin, False), (other.client, False)):
        node = (await ask(database, NODE, somebody, id=made["id"])).data["node"]
        assert (node is not None) == sees
        listed = await ask(database, '{ program(by: {slug: "nurses"}) { billingAgreements { id } } }', somebody)
        assert listed.data["program"]["billingAgreements"] == [{"id": made["id"]}] * sees
    theirs = await ask(
        database,
        "query ($id: ID!) { organization(by: {id: $id}) { billingAgreements { id } } }",
        own.client,
        id=own.organization,
    )
    assert theirs.data["organization"]["billingAgreements"] == [{"id": made["id"]}]

    assert (await own.do(end, id=made["id"]))["endedAt"] is not None
    anew = await own.do(agree, **between, cap="700", key="f")
    assert (anew["id"], anew["endedAt"]) == (made["id"], None)
    deeds: list[Deed] = [
        ("AGREED", None, "up to USD 1,000.00"),
        ("CAP_CHANGED", "up to USD 1,000.00", "up to USD 600.00"),
    ]
    deeds += [("AGREEMENT_ENDED", None, None), ("AGREED", None, "in force again")]
    deeds.append(("CAP_CHANGED", "up to USD 600.00", "up to USD 700.00"))
    assert await own.told() == Counter([NURSES, *deeds])


async def owe(database: Database, *, unbilled: int, unpaid: int, held: int) -> None:
    parts = {"unbilled_minor": unbilled, "unpaid_minor": unpaid, "held_minor": held}

    async def step(session: AsyncSession) -> None:
        await session.execute(update(BillingAgreement.__table__).values(parts))

    await database.run(step)


@pytest.mark.parametrize(
    ("issued", "days", "through", "expected"),
    [
        # Chicago turned its clocks forward on 2026-03-08: 365 days later, in winter time, the last day still is whole.
        ("2026-03-08T05:30Z", 365, None, "2027-03-08T06:00Z"),
        # The evening before they went back: it is still the 31st there, and the next day has 25 hours.
        ("2026-11-01T04:30Z", 1, None, "2026-11-02T06:00Z"),
        ("2026-10-31T12:00Z", None, "2026-11-01", "2026-11-02T06:00Z"),
    ],
)
def test_the_last_day_of_a_voucher_is_whole_whatever_the_clocks_do(
    issued: str, days: int | None, through: str | None, expected: str
) -> None:
    last = dt.date.fromisoformat(through) if through else None
    ends = expires_at(dt.datetime.fromisoformat(issued), "America/Chicago", days, last)
    assert ends == dt.datetime.fromisoformat(expected)


def test_a_voucher_without_a_last_day_is_valid_for_ever() -> None:
    assert expires_at(NOW, "UTC", None, None) == FOREVER


async def test_a_token_of_a_programs_administrator_names_the_one_program(database: Database) -> None:
    own = await office(database)
    made = await database.run(lambda s: holder(s, Role.PROGRAM, "Pat", program="nurses"))
    assert (made.program_id, made.organization_id) == (own.program_id, None)
    for role, slug, code in (
        (Role.PROGRAM, None, TokenErrorCode.PROGRAM_REQUIRED),
        (Role.STAFF, "nurses", TokenErrorCode.PROGRAM_NOT_TAKEN),
        (Role.PROGRAM, "nobody", TokenErrorCode.UNKNOWN_PROGRAM),
    ):
        with pytest.raises(TokenError) as refused:
            await database.run(lambda s, role=role, slug=slug: holder(s, role, "Pat", program=slug))  # type: ignore[misc]
        assert refused.value.code is code


async def test_a_list_with_all_its_products_takes_as_many_statements_however_long(database: Database) -> None:
    """One each for the programs, their terms, what is ruled of products, and these."""
    own = await office(database)
    nested = "{ programs { nodes { voucherPrograms { nodes %s } } } }" % TERMS.replace("code", "code price { amount }")
    products = [await own.product(f"P{number}") for number in range(6)]
    await own.do(DEFINE, input=own.terms(included=products[:1]))
    few, short = await ran_for(database, nested)
    for number in range(5):
        await own.do(DEFINE, input=own.terms(name=f"More {number}", idempotencyKey=f"{number}", included=products))
    many, long = await ran_for(database, nested)
    assert (few, many) == (4, 4)
    assert long > 5 * short


async def test_of_many_who_define_the_same_at_once_one_does(database: Database) -> None:
    """Under one key all are answered with what was made; under keys of their own all others are refused."""
    own = await office(database)
    fee: dict[str, Any] = {"program": own.program, "amount": "5", "currency": "USD"}
    same = [own.do(PRODUCT, **fee, code="APP", key="same") for _ in range(20)]
    assert len({made["id"] for made in await asyncio.gather(*same)}) == 1
    others = (ask(database, PRODUCT, own.admin, **fee, code="LATE", key=f"key {number}") for number in range(20))
    answers = [answer.data["made"] for answer in await asyncio.gather(*others)]
    codes = Counter(error["code"] for answer in answers for error in answer["userErrors"])
    assert codes == {"TAKEN": 19}
    assert (await own.told()).total() == 3
