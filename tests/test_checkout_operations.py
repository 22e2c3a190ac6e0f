"""The operations of the explorer about checkouts run with the ids that others show."""

from __future__ import annotations

from typing import Any

from graphiql.operations import load_operations
from resolvers.principal import Principal
from server.database import Database
from tests.code_keys import CODE_KEYS
from tests.shopping import Market, market, window

OPERATIONS = {operation.name: operation for operation in load_operations()}


async def run(own: Market, who: Principal, name: str, **given: Any) -> Any:
    """With the variables that it offers, but for what is given; of an input only the fields that are given."""
    operation = OPERATIONS[name]
    offered: dict[str, Any] = {**operation.variables}
    inputs = {key: offered[key] | value for key, value in given.items() if isinstance(value, dict)}
    seen = await own.asked(who, operation.query, **{**offered, **given, **inputs})
    (answer,) = seen.values()
    return answer


async def test_they_run_one_after_another(sqlite_database: Database) -> None:
    own = await market(sqlite_database)
    (voucher,) = await own.shop.stock(CODE_KEYS)
    me, board = (await window(own)).buyer.principal, own.shop.program_admin
    lines = [{"product": own.id_of("Product", own.shop.fee_id)}]
    cart = (await run(own, me, "CartCreate", input={"lines": lines}))["cart"]
    seen = {"cart": cart["id"], "expectedVersion": cart["version"]}
    cart = (await run(own, me, "CartVoucherApply", input={**seen, "by": {"code": voucher.code}}))["cart"]
    seen = {"cart": cart["id"], "expectedVersion": cart["version"]}
    paid = await run(own, me, "CartComplete", input=seen)
    assert (paid["userErrors"], paid["checkout"]["state"]) == ([], "COMPLETED")
    late = await run(own, me, "CheckoutCancel", input={"checkout": paid["checkout"]["id"]})
    assert [error["code"] for error in late["userErrors"]] == ["WRONG_STATE"]
    program = (await own.asked(board, "{ programs { nodes { slug } } }"))["programs"]["nodes"][0]["slug"]
    listed = (await run(own, board, "FeeOrders", program=program))["feeOrders"]["nodes"]
    mine = (await run(own, me, "MyFeeOrders"))["feeOrders"]["nodes"]
    assert [one["id"] for one in listed] == [one["id"] for one in mine] == [paid["order"]["id"]]
    back = await run(own, board, "FeeOrderRefund", input={"order": paid["order"]["id"]})
    assert (back["userErrors"], back["refund"]["byVouchers"]["amount"]) == ([], "125.00")
    order = await run(own, board, "FeeOrderOfAPerson", id=paid["order"]["id"])
    assert [one["reversedAmount"]["amount"] for one in order["redemptions"]] == ["125.00"]
    assert order["refunds"][0]["lines"] == [{"number": 1, "amount": {"amount": "125.00", "currency": "USD"}}]
    (told,) = order["events"]["nodes"]
    assert told["sentence"].startswith("Pat of the program gave back fees")
