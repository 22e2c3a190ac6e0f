"""Vouchers through GraphQL: who may do what, and that one request is done once."""

from __future__ import annotations

from typing import Any

from models.ids import encode_id
from resolvers.principal import Principal
from server.database import Database
from tests.asking import ask
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import learner, must_add_up
from tests.vouchering import FEE_MINOR, Shop, shop

SHOWN = "voucher { lastFour purpose remainingValue { amount } assignment { learner { id } } } userErrors { code field }"


async def done(
    market: Shop, name: str, by: Principal, given: dict[str, Any], more: str = "", key: str = "a key"
) -> dict[str, Any]:
    """What the mutation answers."""
    given = {**given, "idempotencyKey": f"{name}: {key}"}
    kind = name[0].upper() + name[1:]
    query = "mutation ($input: %sInput!) { %s(input: $input) { %s %s } }" % (kind, name, SHOWN, more)
    answer = await ask(market.database, query, by, input=given)
    assert answer.errors == []
    payload: dict[str, Any] = answer.data[name]
    return payload


def refusal(payload: dict[str, Any]) -> str:
    assert payload["voucher"] is None
    (error,) = payload["userErrors"]
    return str(error["code"])


async def test_an_organization_gives_a_voucher_takes_it_back_and_the_counter_takes_the_new_code(
    database: Database,
) -> None:
    market = await shop(database)
    client, counter = market.client, market.program_admin
    ana = encode_id("Learner", *await learner(market.tenant))
    (stocked,) = await market.stock(CODE_KEYS)
    voucher = encode_id("Voucher", market.program_id, stocked.id)
    stock = encode_id("VoucherProgram", market.program_id, market.voucher_program_id)
    fee = encode_id("Product", market.program_id, market.fee_id)

    given = {"voucher": {"fromStockOf": stock}, "to": {"learner": ana}, "purpose": "renewal"}
    for _ in range(2):
        payload = await done(market, "voucherAssign", client, given)
        assert payload["voucher"]["assignment"]["learner"]["id"] == ana
        assert payload["voucher"]["purpose"] == "renewal"
    assert refusal(await done(market, "voucherAssign", counter, given)) == "NOT_ALLOWED"
    other = {**given, "purpose": "other"}
    assert refusal(await done(market, "voucherAssign", client, other)) == "IDEMPOTENCY_KEY_REUSED"
    assert refusal(await done(market, "voucherAssign", client, given, key="2")) == "OUT_OF_STOCK"

    left = {"voucher": voucher, "reason": "she left"}
    reissued = await done(market, "voucherReissue", client, left, "code")
    assert (await done(market, "voucherReissue", client, left, "code"))["code"] is None
    assert reissued["code"].replace("-", "")[12:16] == reissued["voucher"]["lastFour"]
    assert reissued["voucher"]["assignment"] is None

    paying = {"product": fee, "reference": "APP-1", "amount": {"amount": "125.00", "currency": "USD"}}
    old = await done(market, "voucherRedeem", counter, {**paying, "by": {"code": stocked.code}})
    assert old["userErrors"] == [{"code": "CODE_NOT_USABLE", "field": ["input", "by", "code"]}]
    new = {**paying, "by": {"code": reissued["code"].lower().replace("0", "o")}}
    assert refusal(await done(market, "voucherRedeem", client, new)) == "NOT_ALLOWED"
    for _ in range(2):
        assert (await done(market, "voucherRedeem", counter, new))["voucher"]["remainingValue"]["amount"] == "0.00"
    assert refusal(await done(market, "voucherRedeem", counter, new, key="again")) == "CODE_NOT_USABLE"
    await must_add_up(market)


async def test_revoking_and_extending_are_for_the_owner_and_for_the_program(sqlite_database: Database) -> None:
    market, other = await shop(sqlite_database), await shop(sqlite_database)
    stocked = await market.stock(CODE_KEYS, 2)
    revoked, kept = (encode_id("Voucher", market.program_id, one.id) for one in stocked)
    why = {"voucher": revoked, "reason": "bought by mistake"}
    assert refusal(await done(market, "voucherRevoke", market.program_admin, why)) == "NOT_ALLOWED"
    assert refusal(await done(market, "voucherRevoke", other.client, why)) == "NOT_FOUND"
    for _ in range(2):
        payload = await done(market, "voucherRevoke", market.client, why)
        assert payload["voucher"]["remainingValue"]["amount"] == f"{FEE_MINOR // 100}.00"
    until = {"voucher": kept, "through": "2027-12-31"}
    assert refusal(await done(market, "voucherExtend", market.client, until)) == "NOT_ALLOWED"
    # It never expires, so there is no later day.
    assert refusal(await done(market, "voucherExtend", market.program_admin, until)) == "DATE_OUT_OF_RANGE"
