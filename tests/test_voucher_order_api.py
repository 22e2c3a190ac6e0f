"""Orders through GraphQL: who may approve, reject, settle, cancel and give back, and whose orders nobody else finds."""

from __future__ import annotations

from typing import Any

from models.ids import encode_id
from resolvers.principal import Principal
from server.database import Database
from tests.asking import STAFF, ask
from tests.test_vouchers import must_add_up
from tests.vouchering import Shop, shop

PURCHASE = """mutation ($input: VoucherPurchaseInput!) {
  voucherPurchase(input: $input) { order { id state } userErrors { code field } } }"""


async def bought(market: Shop, by: Principal, number: str) -> dict[str, Any]:
    asked = {
        "organization": {"id": encode_id("Organization", market.tenant.id)},
        "voucherProgram": encode_id("VoucherProgram", market.program_id, market.voucher_program_id),
        "quantity": 2,
        "amount": {"amount": "250.00", "currency": "USD"},
        "payment": {"purchaseOrder": {"number": number}},
        "idempotencyKey": number,
    }
    answer = await ask(market.database, PURCHASE, by, input=asked)
    assert answer.errors == []
    payload: dict[str, Any] = answer.data["voucherPurchase"]
    return payload


async def done(market: Shop, verb: str, order: str, by: Principal, key: str = "k", **more: Any) -> str:
    """The state that the order is in then, or the code of the refusal."""
    given = {"order": order, **more} | ({} if verb == "Reject" else {"idempotencyKey": f"{verb} {order[-6:]} {key}"})
    query = "mutation ($input: VoucherOrder%sInput!) { voucherOrder%s(input: $input) {" % (verb, verb)
    answer = await ask(market.database, query + " order { state } userErrors { code } } }", by, input=given)
    assert answer.errors == []
    payload = answer.data[f"voucherOrder{verb}"]
    return str(payload["userErrors"][0]["code"] if payload["userErrors"] else payload["order"]["state"])


WORDS: dict[str, dict[str, str]] = {
    "Approve": {},
    "Reject": {"reason": "no"},
    "Settle": {"paymentReference": "wire"},
    "Cancel": {"reason": "no"},
    "Refund": {},
}


async def test_only_the_program_decides_on_a_purchase_order_and_nobody_finds_another_s(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    assert (await bought(market, other.client, "PO-0"))["userErrors"][0]["code"] == "NOT_FOUND"
    assert (await bought(market, market.program_admin, "PO-0"))["userErrors"][0]["code"] == "NOT_ALLOWED"
    order = (await bought(market, market.client, "PO-1"))["order"]["id"]
    for verb, words in WORDS.items():
        for stranger in (other.client, other.program_admin):
            assert await done(market, verb, order, stranger, **words) == "NOT_FOUND", verb
    for verb in ("Approve", "Reject", "Settle"):
        assert await done(market, verb, order, market.client, **WORDS[verb]) == "NOT_ALLOWED", verb
    by = market.program_admin
    assert await done(market, "Settle", order, by, **WORDS["Settle"]) == "WRONG_STATE"
    for _ in range(2):
        assert await done(market, "Approve", order, by) == "APPROVED"
    assert await done(market, "Reject", order, by, **WORDS["Reject"]) == "WRONG_STATE"
    assert await done(market, "Refund", order, by) == "WRONG_STATE"
    assert await done(market, "Settle", order, STAFF, paymentReference="wire") == "SETTLED"
    assert await done(market, "Cancel", order, market.client, **WORDS["Cancel"]) == "WRONG_STATE"
    # What it pays itself, the program gives back, and nobody else.
    assert await done(market, "Refund", order, market.client) == "NOT_ALLOWED"
    assert await done(market, "Refund", order, by) == "SETTLED"
    await must_add_up(market)


async def test_an_order_that_is_over_stays_so(sqlite_database: Database) -> None:
    market = await shop(sqlite_database)
    rejected = (await bought(market, market.client, "PO-1"))["order"]["id"]
    cancelled = (await bought(market, STAFF, "PO-2"))["order"]["id"]
    assert await done(market, "Reject", rejected, market.program_admin, reason=" ") == "REASON_REQUIRED"
    assert await done(market, "Reject", rejected, market.program_admin, reason="no") == "REJECTED"
    assert await done(market, "Cancel", cancelled, market.client, reason="twice") == "CANCELLED"
    for order in (rejected, cancelled):
        for verb, words in WORDS.items():
            assert await done(market, verb, order, STAFF, key="later", **words) == "WRONG_STATE", verb
    await must_add_up(market)
