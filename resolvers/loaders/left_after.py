"""What was left on vouchers once an order was paid: then, not now, when somebody else may have them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, Table, and_, case, func, literal, or_, select
from sqlalchemy.sql.expression import CTE, ScalarSelect

from models.batches import as_keys, asked
from models.fee_refunds import FeeRefund, RedemptionReversal
from models.ledger import LedgerEntry, LedgerEvent
from models.redemptions import FeeOrder, Redemption
from models.voucher_programs import Leftovers, VoucherProgram
from models.vouchers import Voucher
from resolvers.loaders.voucher_programs import Reader

ORDER = FeeOrder.__table__
PAID = Redemption.__table__
VOUCHER = Voucher.__table__
TERMS = VoucherProgram.__table__
REVERSAL = RedemptionReversal.__table__
REFUND = FeeRefund.__table__
ENTRY = LedgerEntry.__table__
_EARLIER = ORDER.alias("earlier")


class PaidOrder(NamedTuple):
    """A voucher, and an order that it paid."""

    program_id: int
    voucher_id: int
    fee_order_id: int


class LeftRow(NamedTuple):
    place: int
    left_minor: int


async def left_after(connection: Reader, keys: Sequence[PaidOrder]) -> list[LeftRow]:
    """Face value less what it had paid by then, with what had come back to it. Nothing where the rest is forfeited."""
    return [LeftRow._make(row) for row in await connection.execute(_left_after(), as_keys(keys))]


@lru_cache
def _left_after() -> Select[Any]:
    keys = asked("keys", "place", *PaidOrder._fields)
    voucher = and_(VOUCHER.c.program_id == keys.c.program_id, VOUCHER.c.id == keys.c.voucher_id)
    terms = and_(TERMS.c.program_id == VOUCHER.c.program_id, TERMS.c.id == VOUCHER.c.voucher_program_id)
    order = and_(ORDER.c.program_id == keys.c.program_id, ORDER.c.id == keys.c.fee_order_id)
    left = VOUCHER.c.face_value_minor - _paid(keys) + _restored(keys) - _expired(keys)
    kept = case((TERMS.c.leftovers == Leftovers.FORFEIT, literal(0)), (left < 0, literal(0)), else_=left)
    joined = select(keys.c.place, kept.cast(BigInteger)).select_from(keys).join(VOUCHER, voucher).join(TERMS, terms)
    return joined.join(ORDER, order)


def _of_voucher(table: Table, keys: CTE) -> ColumnElement[bool]:
    return and_(table.c.program_id == keys.c.program_id, table.c.voucher_id == keys.c.voucher_id)


def _sum(column: ColumnElement[Any], of: Any, keys: CTE, *conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    summed = select(func.coalesce(func.sum(column), 0)).select_from(of).where(*conditions)
    return summed.correlate(keys, ORDER).scalar_subquery()


def _paid(keys: CTE) -> ScalarSelect[Any]:
    """By this order and those before it."""
    same = and_(_EARLIER.c.program_id == PAID.c.program_id, _EARLIER.c.id == PAID.c.fee_order_id)
    until = or_(_EARLIER.c.completed_at < ORDER.c.completed_at, _EARLIER.c.id == ORDER.c.id)
    return _sum(PAID.c.amount_minor, PAID.join(_EARLIER, same), keys, _of_voucher(PAID, keys), until)


def _restored(keys: CTE) -> ScalarSelect[Any]:
    paid = and_(PAID.c.program_id == REVERSAL.c.program_id, PAID.c.id == REVERSAL.c.redemption_id)
    refund = and_(REFUND.c.program_id == REVERSAL.c.program_id, REFUND.c.id == REVERSAL.c.fee_refund_id)
    before = REFUND.c.refunded_at < ORDER.c.completed_at
    joined = REVERSAL.join(PAID, paid).join(REFUND, refund)
    return _sum(REVERSAL.c.restored_minor, joined, keys, _of_voucher(PAID, keys), before)


def _expired(keys: CTE) -> ScalarSelect[Any]:
    """Before a refund reopened it; what expired of the refund itself was not restored."""
    gone = and_(ENTRY.c.event == LedgerEvent.VALUE_EXPIRED, ENTRY.c.redemption_reversal_id.is_(None))
    before = ENTRY.c.recorded_at < ORDER.c.completed_at
    return _sum(ENTRY.c.amount_minor, ENTRY, keys, _of_voucher(ENTRY, keys), gone, before)
