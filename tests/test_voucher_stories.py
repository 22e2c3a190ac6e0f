"""The five stories of vouchers, told through the API alone: define, buy, assign, see what was redeemed, reissue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from models.access import Role
from resolvers.gateways.gateway import Gateways
from resolvers.principal import Principal
from schema.context import Context
from schema.ids import encode_id, parse_id
from schema.root import schema
from server.database import Database
from tests.builders import STAFF, Tenant, instant, organization
from tests.code_keys import CODE_KEYS

DAY = "2026-02-02"


@dataclass
class Portal:
    """Who speaks to the API in the stories, and what they have been told so far."""

    tenant: Tenant
    board: Principal
    client: Principal
    gateways: Gateways = field(default_factory=dict)

    async def ask(self, who: Principal, query: str, *, on: str = DAY, **variables: Any) -> Any:
        """What the only field of an operation answers at noon of a day, refusals included."""
        database = self.tenant.database
        now, gateways = instant(f"{on}T12:00Z"), self.gateways
        context = Context(who, now, database.reading, database.run, code_keys=CODE_KEYS, gateways=gateways)
        result = await schema.execute(query, variable_values=variables, context_value=context)
        assert result.errors is None, result.errors
        assert result.data is not None
        (answer,) = result.data.values()
        return answer

    async def do(self, who: Principal, query: str, *, on: str = DAY, **variables: Any) -> Any:
        """The same of a mutation that is not refused."""
        answer = await self.ask(who, query, on=on, **variables)
        assert answer["userErrors"] == []
        return answer


async def portal(database: Database) -> Portal:
    tenant = await organization(database, name="Xtra Lease", zone="America/Chicago")
    client = Principal(name="Olga of Xtra Lease", role=Role.ORGANIZATION, organization_id=tenant.id, origin="portal")
    made = Portal(tenant, STAFF, client)
    program = await made.do(STAFF, PROGRAM_CREATE)
    _, (program_id,) = parse_id(program["program"]["id"])
    made.board = Principal(name="Bea of the board", role=Role.PROGRAM, program_id=program_id, origin="office")
    return made


async def test_the_five_stories(database: Database) -> None:
    own = await portal(database)
    fee, late_fee, vouchers = await _define(own)
    order = await _buy(own, vouchers)
    ada, ben = await own.tenant.learner("2026-01-05.."), await own.tenant.learner("2026-01-05..")
    assigned = await _assign(own, vouchers, ada)
    await _redeem(own, fee, late_fee, assigned, ada)
    await _see(own)
    await _reissue(own, vouchers, fee, ben)
    await _sums_up(own, order)


async def _define(own: Portal) -> tuple[str, str, str]:
    """As a program, I define how organizations may satisfy application fees with vouchers."""
    fee = await own.do(own.board, PRODUCT_CREATE, code="APP", name="Application fee", price="125.00", key="fee")
    late = await own.do(own.board, PRODUCT_CREATE, code="LATE", name="Late fee", price="50.00", key="late")
    excluded = [late["product"]["id"]]
    refused = await own.ask(own.client, VOUCHER_PROGRAM_CREATE, excluded=excluded, key="terms")
    assert [error["code"] for error in refused["userErrors"]] == ["NOT_ALLOWED"]
    terms = await own.do(own.board, VOUCHER_PROGRAM_CREATE, excluded=excluded, key="terms")
    return fee["product"]["id"], late["product"]["id"], terms["voucherProgram"]["id"]


async def _buy(own: Portal, vouchers: str) -> str:
    """As an organization, I buy a number of vouchers for my employees, for exactly what they cost."""
    what = {"client": encode_id("Organization", own.tenant.id), "vouchers": vouchers}
    wrong = await own.ask(own.client, PURCHASE, **what, amount="374.99", key="po-1")
    assert [error["code"] for error in wrong["userErrors"]] == ["AMOUNT_MUST_EQUAL_TOTAL"]
    assert "375.00" in wrong["userErrors"][0]["message"]
    assert "374.99" in wrong["userErrors"][0]["message"]
    bought = await own.do(own.client, PURCHASE, **what, amount="375.00", key="po-2")
    again = await own.do(own.client, PURCHASE, **what, amount="375.00", key="po-2")
    assert again == bought
    order: str = bought["order"]["id"]
    approved = await own.do(own.board, APPROVE, order=order, key="approve")
    assert approved["order"]["state"] == "APPROVED"
    settled = await own.do(own.board, SETTLE, order=order, key="settle")
    assert settled["order"]["state"] == "SETTLED"
    return order


async def _assign(own: Portal, vouchers: str, learner_id: int) -> str:
    """I assign one to an individual."""
    learner = encode_id("Learner", own.tenant.id, learner_id)
    answer = await own.do(own.client, ASSIGN, vouchers=vouchers, learner=learner, key=f"for {learner_id}")
    assert answer["voucher"]["state"] == "ASSIGNED"
    return str(answer["voucher"]["id"])


async def _redeem(own: Portal, fee: str, late_fee: str, voucher: str, learner_id: int) -> None:
    """It pays the application fee of whom it is assigned to, at the counter, and never a late fee."""
    learner = encode_id("Learner", own.tenant.id, learner_id)
    by: dict[str, Any] = {"voucher": voucher, "learner": learner}
    refused = await own.ask(own.board, REDEEM, product=late_fee, reference="A-1", key="late at the counter", **by)
    assert [error["code"] for error in refused["userErrors"]] == ["VOUCHER_DOES_NOT_FIT"]
    paid = await own.do(own.board, REDEEM, product=fee, reference="A-1", key="fee at the counter", **by)
    assert paid["voucher"]["state"] == "REDEEMED"


async def _see(own: Portal) -> None:
    """I see which have been redeemed."""
    seen = await own.ask(own.client, VOUCHERS, states=["REDEEMED"])
    (voucher,) = [edge["node"] for edge in seen["vouchers"]["edges"]]
    assert voucher["remainingValue"]["amount"] == "0.00"
    assert [(r["amount"]["amount"], r["reference"]) for r in voucher["redemptions"]] == [("125.00", "A-1")]
    left = await own.ask(own.client, VOUCHERS, states=["AVAILABLE"])
    assert len(left["vouchers"]["edges"]) == 2


async def _reissue(own: Portal, vouchers: str, fee: str, learner_id: int) -> None:
    """When an employee leaves, I reissue an unredeemed one: the old code is dead, the value stays."""
    voucher = await _assign(own, vouchers, learner_id)
    revealed = await own.do(own.client, REVEAL, vouchers=[voucher])
    (old,) = [code["code"] for code in revealed["codes"]]
    reissued = await own.do(own.client, REISSUE, voucher=voucher, key="left")
    assert reissued["voucher"]["state"] == "AVAILABLE"
    assert reissued["voucher"]["remainingValue"]["amount"] == "125.00"
    dead = await own.ask(own.board, REDEEM_CODE, product=fee, code=old, key="old")
    assert [error["code"] for error in dead["userErrors"]] == ["CODE_NOT_USABLE"]
    paid = await own.do(own.board, REDEEM_CODE, product=fee, code=reissued["code"], key="new")
    assert paid["voucher"]["id"] == voucher


async def _sums_up(own: Portal, order: str) -> None:
    """One voucher of three is left, and the books say so."""
    assert own.board.program_id is not None
    owed = await own.ask(own.board, LIABILITY, program=encode_id("Program", own.board.program_id))
    assert [(line["organizationName"], line["amount"]["amount"]) for line in owed["lines"]] == [
        ("Xtra Lease", "125.00")
    ]
    invariants = await own.ask(STAFF, "{ invariants { name holds offending } }")
    assert [found for found in invariants if not found["holds"]] == []


PROGRAM_CREATE = """mutation {
  programCreate(input: {slug: "board", name: "Board of Appraisers", zone: "America/Chicago"}) {
    program { id } userErrors { code message }
  }
}"""
PRODUCT_CREATE = """mutation ($code: String!, $name: String!, $price: Decimal!, $key: String!) {
  productCreate(input: {program: {slug: "board"}, code: $code, name: $name,
    price: {amount: $price, currency: "USD"}, idempotencyKey: $key}) { product { id } userErrors { code message } }
}"""
VOUCHER_PROGRAM_CREATE = """mutation ($excluded: [ID!]!, $key: String!) {
  voucherProgramCreate(input: {program: {slug: "board"}, name: "Any fee but late ones",
    faceValue: {amount: "125.00", currency: "USD"}, funding: [PURCHASE_ORDER], excluded: $excluded,
    idempotencyKey: $key}) { voucherProgram { id } userErrors { code message } }
}"""
PURCHASE = """mutation ($client: ID!, $vouchers: ID!, $amount: Decimal!, $key: String!) {
  voucherPurchase(input: {voucherProgram: $vouchers, organization: {id: $client}, quantity: 3,
    amount: {amount: $amount, currency: "USD"}, payment: {purchaseOrder: {number: "PO-77"}}, idempotencyKey: $key}) {
    order { id state quantity } userErrors { code message }
  }
}"""
APPROVE = """mutation ($order: ID!, $key: String!) {
  voucherOrderApprove(input: {order: $order, idempotencyKey: $key}) {
    order { state } userErrors { code message }
  }
}"""
SETTLE = """mutation ($order: ID!, $key: String!) {
  voucherOrderSettle(input: {order: $order, paymentReference: "wire 9", idempotencyKey: $key}) {
    order { state } userErrors { code message }
  }
}"""
ASSIGN = """mutation ($vouchers: ID!, $learner: ID!, $key: String!) {
  voucherAssign(input: {voucher: {fromStockOf: $vouchers}, to: {learner: $learner}, purpose: "spring sitting",
    idempotencyKey: $key}) { voucher { id state } userErrors { code message } }
}"""
REDEEM = """mutation ($product: ID!, $voucher: ID!, $learner: ID!, $reference: String!, $key: String!) {
  voucherRedeem(input: {product: $product, by: {voucher: $voucher}, learner: $learner, reference: $reference,
    idempotencyKey: $key}) { voucher { id state } userErrors { code message } }
}"""
REDEEM_CODE = """mutation ($product: ID!, $code: String!, $key: String!) {
  voucherRedeem(input: {product: $product, by: {code: $code}, reference: "A-2", idempotencyKey: $key}) {
    voucher { id state } userErrors { code message }
  }
}"""
REVEAL = """mutation ($vouchers: [ID!]!) {
  voucherCodesReveal(input: {vouchers: $vouchers}) {
    codes { voucherId code } userErrors { code message }
  }
}"""
REISSUE = """mutation ($voucher: ID!, $key: String!) {
  voucherReissue(input: {voucher: $voucher, reason: "left in January", idempotencyKey: $key}) {
    code voucher { state remainingValue { amount } } userErrors { code message }
  }
}"""
VOUCHERS = """query ($states: [VoucherState!]!) {
  organization(by: {slug: "xtra-lease"}) {
    vouchers(filter: {states: $states}) {
      edges { node { remainingValue { amount } redemptions { amount { amount } reference } } }
    }
  }
}"""
LIABILITY = """query ($program: ID!) {
  voucherLiability(program: $program) { lines { organizationName amount { amount } } }
}"""
