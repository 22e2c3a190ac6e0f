"""Reading payments: those of an order or of a checkout, and what was asked back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.batches import as_keys, asked
from models.money import Money
from models.payments import Payment, PaymentRefund, PaymentState, RefundState
from resolvers.loaders.voucher_orders import OrderKey
from resolvers.loaders.voucher_programs import InProgram

PAYMENT = Payment.__table__
REFUND = PaymentRefund.__table__


class PaymentKey(NamedTuple):
    program_id: int
    payment_id: int


class ShownPaymentRow(NamedTuple):
    place: int
    program_id: int
    id: int
    gateway: str
    amount_minor: int
    currency: str
    state: PaymentState
    asked_at: dt.datetime
    answered_at: dt.datetime | None
    failure: str | None

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class ShownRefundRow(NamedTuple):
    place: int
    program_id: int
    id: int
    payment_id: int
    retries_id: int | None
    amount_minor: int
    currency: str
    state: RefundState
    asked_at: dt.datetime
    answered_at: dt.datetime | None
    failure: str | None

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


async def payments_of_orders(connection: AsyncConnection, keys: Sequence[OrderKey]) -> list[ShownPaymentRow]:
    """The first first."""
    rows = await connection.execute(_payments_of_orders(), as_keys(keys))
    return [ShownPaymentRow._make(row) for row in rows]


@lru_cache
def _payments_of_orders() -> Select[Any]:
    keys = asked("keys", "place", *OrderKey._fields)
    same = and_(PAYMENT.c.program_id == keys.c.program_id, PAYMENT.c.voucher_order_id == keys.c.order_id)
    columns = [PAYMENT.c[name] for name in ShownPaymentRow._fields[1:]]
    return (
        select(keys.c.place, *columns).select_from(keys).join(PAYMENT, same).order_by(PAYMENT.c.asked_at, PAYMENT.c.id)
    )


async def payments_by_key(connection: AsyncConnection, keys: Sequence[PaymentKey]) -> list[ShownPaymentRow]:
    rows = await connection.execute(_payments_by_key(), as_keys(keys))
    return [ShownPaymentRow._make(row) for row in rows]


@lru_cache
def _payments_by_key() -> Select[Any]:
    keys = asked("keys", "place", *PaymentKey._fields)
    same = and_(PAYMENT.c.program_id == keys.c.program_id, PAYMENT.c.id == keys.c.payment_id)
    columns = [PAYMENT.c[name] for name in ShownPaymentRow._fields[1:]]
    return select(keys.c.place, *columns).select_from(keys).join(PAYMENT, same)


async def payments_of_checkouts(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[ShownPaymentRow]:
    """The first first; one at most, but where money that came too late went back."""
    rows = await connection.execute(_payments_of_checkouts(), as_keys(keys))
    return [ShownPaymentRow._make(row) for row in rows]


@lru_cache
def _payments_of_checkouts() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    same = and_(PAYMENT.c.program_id == keys.c.program_id, PAYMENT.c.checkout_id == keys.c.id)
    columns = [PAYMENT.c[name] for name in ShownPaymentRow._fields[1:]]
    joined = select(keys.c.place, *columns).select_from(keys).join(PAYMENT, same)
    return joined.order_by(PAYMENT.c.asked_at, PAYMENT.c.id)


async def refunds_of_payments(connection: AsyncConnection, keys: Sequence[PaymentKey]) -> list[ShownRefundRow]:
    """The first first."""
    rows = await connection.execute(_refunds_of_payments(), as_keys(keys))
    return [ShownRefundRow._make(row) for row in rows]


async def refunds_of_fee_refunds(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[ShownRefundRow]:
    """What a gateway was asked to give back for fees that were given back."""
    rows = await connection.execute(_refunds_of_fee_refunds(), as_keys(keys))
    return [ShownRefundRow._make(row) for row in rows]


@lru_cache
def _refunds_of_payments() -> Select[Any]:
    keys = asked("keys", "place", *PaymentKey._fields)
    return _refunds(keys, and_(REFUND.c.program_id == keys.c.program_id, REFUND.c.payment_id == keys.c.payment_id))


@lru_cache
def _refunds_of_fee_refunds() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    return _refunds(keys, and_(REFUND.c.program_id == keys.c.program_id, REFUND.c.fee_refund_id == keys.c.id))


def _refunds(keys: CTE, same: ColumnElement[bool]) -> Select[Any]:
    of = and_(PAYMENT.c.program_id == REFUND.c.program_id, PAYMENT.c.id == REFUND.c.payment_id)
    columns = [PAYMENT.c.currency if name == "currency" else REFUND.c[name] for name in ShownRefundRow._fields[1:]]
    joined = keys.join(REFUND, same).join(PAYMENT, of)
    return select(keys.c.place, *columns).select_from(joined).order_by(REFUND.c.asked_at, REFUND.c.id)
