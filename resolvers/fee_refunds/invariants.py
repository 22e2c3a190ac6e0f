"""What must always hold of fees that were given back, each as one query that returns no row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select

from models.fee_refunds import FeeRefund, FeeRefundLine, RedemptionReversal
from models.ledger import LedgerEntry, LedgerEvent
from models.redemptions import FeeOrder, FeeOrderLine, Redemption
from models.vouchers import Voucher
from resolvers.invariant import Invariant, keys_of, sum_of

ORDER = FeeOrder.__table__
LINE = FeeOrderLine.__table__
REDEMPTION = Redemption.__table__
REFUND = FeeRefund.__table__
BACK = FeeRefundLine.__table__
REVERSAL = RedemptionReversal.__table__
VOUCHER = Voucher.__table__
ENTRY = LedgerEntry.__table__


def _lines_otherwise() -> Select[Any]:
    """A line of which something else was given back than its refunds say."""
    of_order = and_(REFUND.c.program_id == LINE.c.program_id, REFUND.c.fee_order_id == LINE.c.fee_order_id)
    of_refund = and_(BACK.c.program_id == REFUND.c.program_id, BACK.c.fee_refund_id == REFUND.c.id)
    back = sum_of(BACK.c.amount_minor, of_order, of_refund, BACK.c.line_number == LINE.c.number, of=LINE)
    return select(keys_of(LINE.c.program_id, LINE.c.fee_order_id, LINE.c.number)).where(LINE.c.refunded_minor != back)


def _parts_otherwise() -> Select[Any]:
    """A refund whose lines, card and reversals do not come to the same."""
    lines = sum_of(BACK.c.amount_minor, _of_refund(BACK), of=REFUND)
    reversals = sum_of(REVERSAL.c.amount_minor, _of_refund(REVERSAL), of=REFUND)
    to_card = sum_of(
        ENTRY.c.amount_minor,
        _of_refund(ENTRY),
        ENTRY.c.event == LedgerEvent.REVERSAL,
        ENTRY.c.redemption_id.is_(None),
        of=REFUND,
    )
    wrong = (REFUND.c.by_vouchers_minor != reversals) | (REFUND.c.by_card_minor != to_card)
    total = REFUND.c.by_card_minor + REFUND.c.by_vouchers_minor
    return select(keys_of(REFUND.c.program_id, REFUND.c.id)).where(wrong | (total != lines))


def _of_refund(table: Any) -> ColumnElement[bool]:
    return and_(table.c.program_id == REFUND.c.program_id, table.c.fee_refund_id == REFUND.c.id)


def _reversed_otherwise() -> Select[Any]:
    of_it = and_(REVERSAL.c.program_id == REDEMPTION.c.program_id, REVERSAL.c.redemption_id == REDEMPTION.c.id)
    reversals = sum_of(REVERSAL.c.amount_minor, of_it, of=REDEMPTION)
    return select(keys_of(REDEMPTION.c.program_id, REDEMPTION.c.id)).where(REDEMPTION.c.reversed_minor != reversals)


def _restored_otherwise() -> Select[Any]:
    """A voucher of which something else was reversed than its redemptions say."""
    of_it = and_(REDEMPTION.c.program_id == VOUCHER.c.program_id, REDEMPTION.c.voucher_id == VOUCHER.c.id)
    reversed_of_all = sum_of(REDEMPTION.c.reversed_minor, of_it, of=VOUCHER)
    return select(keys_of(VOUCHER.c.program_id, VOUCHER.c.id)).where(VOUCHER.c.reversed_minor != reversed_of_all)


def _charged_otherwise() -> Select[Any]:
    """An order whose card charge is not in the ledger as it was."""
    charged = sum_of(
        ENTRY.c.amount_minor,
        ENTRY.c.program_id == ORDER.c.program_id,
        ENTRY.c.fee_order_id == ORDER.c.id,
        ENTRY.c.event == LedgerEvent.CARD_CHARGED,
        of=ORDER,
    )
    return select(keys_of(ORDER.c.program_id, ORDER.c.id)).where(ORDER.c.by_card_minor != charged)


FEE_REFUND_INVARIANTS = (
    Invariant("refunded-lines", "Of a line that was given back which its refunds say.", _lines_otherwise()),
    Invariant("refunded-parts", "What went back to card and vouchers is what its lines say.", _parts_otherwise()),
    Invariant("reversed", "Of a redemption that was reversed which its reversals say.", _reversed_otherwise()),
    Invariant("restored", "Of a voucher that was reversed which its redemptions say.", _restored_otherwise()),
    Invariant("card-charged", "What a card paid of an order is in the ledger.", _charged_otherwise()),
)
