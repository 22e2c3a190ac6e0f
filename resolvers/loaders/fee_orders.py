"""Reading fees that somebody paid: orders, their lines, and which voucher or promotion paid how much of a line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.sql.expression import CTE

from models.batches import as_keys, asked
from models.errors import NotFound
from models.fee_refunds import FeeRefund, FeeRefundLine
from models.money import Money
from models.products import Product
from models.promotions import Promotion
from models.redemptions import FeeChannel, FeeOrder, FeeOrderLine, Redemption
from models.vouchers import Voucher
from resolvers.loaders.voucher_programs import InProgram, Reader, columns_of, rows_by_key
from resolvers.principal import Principal

ORDER = FeeOrder.__table__
LINE = FeeOrderLine.__table__
PAID = Redemption.__table__
PRODUCT = Product.__table__
VOUCHER = Voucher.__table__
PROMOTION = Promotion.__table__
REFUND = FeeRefund.__table__
BACK = FeeRefundLine.__table__


class FeeOrderRow(NamedTuple):
    place: int
    program_id: int
    id: int
    channel: FeeChannel
    person_id: int | None
    checkout_id: int | None
    gateway: str | None
    reference: str
    total_minor: int
    by_vouchers_minor: int
    by_card_minor: int
    currency: str
    completed_at: dt.datetime

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def key(self) -> InProgram:
        return InProgram(self.program_id, self.id)

    def money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.currency)

    def is_seen_by(self, principal: Principal) -> bool:
        """The person who paid, and who runs the program. An organization sees what its vouchers paid of it."""
        is_own = self.person_id is not None and principal.person_id == self.person_id
        return is_own or principal.runs(self.program_id)


async def fee_orders_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[FeeOrderRow]:
    rows = await rows_by_key(ORDER, FeeOrderRow).rows(connection, as_keys(keys))
    return [FeeOrderRow._make(row) for row in rows]


async def fee_order_of(connection: Reader, program_id: int, order_id: int, *field: str) -> FeeOrderRow:
    for row in await fee_orders_by_key(connection, [InProgram(program_id, order_id)]):
        return row
    raise NotFound("fee order", *field)


class FeeLineRow(NamedTuple):
    place: int
    number: int
    product_id: int
    quantity: int
    unit_price_minor: int
    refunded_minor: int
    # Of the product, as it is now.
    name: str

    @property
    def amount_minor(self) -> int:
        return self.quantity * self.unit_price_minor


async def fee_lines_of(connection: Reader, keys: Sequence[InProgram]) -> list[FeeLineRow]:
    """Of orders, by number."""
    return [FeeLineRow._make(row) for row in await connection.execute(_lines(), as_keys(keys))]


@lru_cache
def _lines() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    own = and_(LINE.c.program_id == keys.c.program_id, LINE.c.fee_order_id == keys.c.id)
    product = and_(PRODUCT.c.program_id == LINE.c.program_id, PRODUCT.c.id == LINE.c.product_id)
    columns = [LINE.c[name] for name in FeeLineRow._fields[1:6]]
    joined = select(keys.c.place, *columns, PRODUCT.c.name).select_from(keys).join(LINE, own).join(PRODUCT, product)
    return joined.order_by(keys.c.place, LINE.c.number)


class PaidRow(NamedTuple):
    """So much of a line, paid by a voucher or a promotion."""

    place: int
    id: int
    line_number: int
    voucher_id: int | None
    promotion_id: int | None
    organization_id: int
    billing_agreement_id: int | None
    assignment_id: int | None
    amount_minor: int
    reversed_minor: int
    currency: str
    # Of the voucher, as it is now; or of the promotion.
    last_four: str | None
    face_value_minor: int | None
    remaining_minor: int | None
    promotion_code: str | None

    @property
    def left_minor(self) -> int:
        """What was not reversed of it."""
        return self.amount_minor - self.reversed_minor


async def paid_by_vouchers(connection: Reader, keys: Sequence[InProgram]) -> list[PaidRow]:
    """Of orders, by line and in the order in which they were written."""
    return [PaidRow._make(row) for row in await connection.execute(_paid(), as_keys(keys))]


@lru_cache
def _paid() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    own = and_(PAID.c.program_id == keys.c.program_id, PAID.c.fee_order_id == keys.c.id)
    voucher = and_(VOUCHER.c.program_id == PAID.c.program_id, VOUCHER.c.id == PAID.c.voucher_id)
    promotion = and_(PROMOTION.c.program_id == PAID.c.program_id, PROMOTION.c.id == PAID.c.promotion_id)
    by = [VOUCHER.c.last_four, VOUCHER.c.face_value_minor, VOUCHER.c.remaining_minor, PROMOTION.c.code]
    joined = select(keys.c.place, *columns_of(PAID, PaidRow), *by).select_from(keys).join(PAID, own)
    joined = joined.outerjoin(VOUCHER, voucher).outerjoin(PROMOTION, promotion)
    return joined.order_by(keys.c.place, PAID.c.line_number, PAID.c.id)


class FeeRefundRow(NamedTuple):
    """So much of an order, given back at once."""

    place: int
    program_id: int
    id: int
    fee_order_id: int
    by_card_minor: int
    by_vouchers_minor: int
    reason: str
    refunded_by: str
    refunded_at: dt.datetime
    # Of the order.
    currency: str

    @property
    def key(self) -> InProgram:
        return InProgram(self.program_id, self.id)

    def money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.currency)


async def fee_refunds_of(connection: Reader, keys: Sequence[InProgram]) -> list[FeeRefundRow]:
    """Of orders, the first first."""
    return [FeeRefundRow._make(row) for row in await connection.execute(_refunds_of(), as_keys(keys))]


async def fee_refunds_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[FeeRefundRow]:
    return [FeeRefundRow._make(row) for row in await connection.execute(_refunds_by_key(), as_keys(keys))]


@lru_cache
def _refunds_of() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    return _refunds(keys, and_(REFUND.c.program_id == keys.c.program_id, REFUND.c.fee_order_id == keys.c.id))


@lru_cache
def _refunds_by_key() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    return _refunds(keys, and_(REFUND.c.program_id == keys.c.program_id, REFUND.c.id == keys.c.id))


def _refunds(keys: CTE, same: ColumnElement[bool]) -> Select[Any]:
    order = and_(ORDER.c.program_id == REFUND.c.program_id, ORDER.c.id == REFUND.c.fee_order_id)
    columns = [REFUND.c[name] for name in FeeRefundRow._fields[1:-1]]
    joined = select(keys.c.place, *columns, ORDER.c.currency).select_from(keys).join(REFUND, same).join(ORDER, order)
    return joined.order_by(keys.c.place, REFUND.c.refunded_at, REFUND.c.id)


class RefundedLineRow(NamedTuple):
    place: int
    line_number: int
    amount_minor: int


async def refunded_lines_of(connection: Reader, keys: Sequence[InProgram]) -> list[RefundedLineRow]:
    """Of refunds, by number."""
    return [RefundedLineRow._make(row) for row in await connection.execute(_refunded_lines(), as_keys(keys))]


@lru_cache
def _refunded_lines() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    own = and_(BACK.c.program_id == keys.c.program_id, BACK.c.fee_refund_id == keys.c.id)
    joined = select(keys.c.place, BACK.c.line_number, BACK.c.amount_minor).select_from(keys).join(BACK, own)
    return joined.order_by(keys.c.place, BACK.c.line_number)
