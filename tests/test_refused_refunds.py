"""What a gateway refused to give back is found by who runs the program, and seen to by the explorer's operations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from graphiql.operations import load_operations
from models.ids import encode_id
from models.payments import Payment
from resolvers.principal import Principal
from resolvers.voucher_orders.charging import charge_order
from schema.context import Context
from schema.root import schema
from server.database import Database
from server.gateways.known import MANUAL, Manual
from tests.builders import STAFF
from tests.code_keys import CODE_KEYS
from tests.test_payments import Till, refused, till

OPERATIONS = {operation.name: operation for operation in load_operations()}


async def told(own: Till, name: str, by: Principal, given: dict[str, Any], gateways: Mapping[str, Any]) -> Any:
    """What an operation of the explorer answers, with the variables that it offers but for these."""
    offered: dict[str, Any] = dict(OPERATIONS[name].variables)
    if "input" in offered:
        given = {"input": offered["input"] | given}
    later = own.shop.now + dt.timedelta(minutes=5)
    database = own.shop.database
    context = Context(by, later, database.reading, database.run, code_keys=CODE_KEYS, gateways=gateways)
    result = await schema.execute(OPERATIONS[name].query, variable_values=offered | given, context_value=context)
    if result.errors:
        return [error.original_error.code.name for error in result.errors]  # type: ignore[union-attr]
    return result.data


async def owed(own: Till, by: Principal = STAFF, first: int = 20) -> Any:
    program = encode_id("Program", own.shop.program_id)
    answer = await told(own, "RefusedRefunds", by, {"program": program, "first": first}, {})
    return answer["program"]["refusedRefunds"] if isinstance(answer, dict) else answer


async def test_what_a_gateway_refused_is_listed_until_somebody_sees_to_it(database: Database) -> None:
    own = await refused(database)
    (first,) = (listed := await owed(own, own.shop.program_admin))["nodes"]
    assert (listed["totalCount"], first["amount"]["amount"], first["failure"]) == (1, "250.00", "the card is closed")
    assert (first["payment"]["gateway"], first["payment"]["amount"]) == (own.gateway.name, first["amount"])
    assert await owed(own, own.shop.client) == ["NOT_ALLOWED"]
    tried = await told(own, "PaymentRefundRetry", STAFF, {"refund": first["id"]}, {})
    assert (tried["paymentRefundRetry"]["state"], (await owed(own))["totalCount"]) == ("ASKING", 0)
    await own.reconcile(10)
    (second,) = (await owed(own))["nodes"]
    assert second["id"] == tried["paymentRefundRetry"]["refund"] != first["id"]
    settled = await told(own, "PaymentRefundSettle", own.shop.program_admin, {"refund": second["id"]}, {})
    assert (settled["paymentRefundSettle"]["state"], (await owed(own))["nodes"]) == ("SUCCEEDED", [])


async def test_money_by_hand_is_recorded_by_the_explorer_s_operation(sqlite_database: Database) -> None:
    own = await till(sqlite_database, MANUAL.name)
    desk, shop = Manual(MANUAL), own.shop
    await charge_order(shop.database.run, desk, CODE_KEYS, shop.client, shop.now, shop.program_id, own.order_id, "")
    async with sqlite_database.reading() as connection:
        payment = (await connection.execute(select(Payment.__table__))).one()
    named = {"payment": encode_id("Payment", shop.program_id, payment.id)}
    answer = await told(own, "PaymentRecord", STAFF, named, {MANUAL.name: desk})
    assert answer["paymentRecord"] == {"state": "SUCCEEDED", "userErrors": []}
