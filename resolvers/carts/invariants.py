"""What must always hold of carts and of what they hold, each as one query that returns no row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, union

from models.carts import Cart, CartAllocation, CartLine, CartState, CartVoucher, CartVoucherEnd
from models.voucher_orders import BillingAgreement
from models.vouchers import Voucher
from resolvers.invariant import Invariant, keys_of, sum_of

CART = Cart.__table__
LINE = CartLine.__table__
APPLIED = CartVoucher.__table__
PART = CartAllocation.__table__
VOUCHER = Voucher.__table__
AGREEMENT = BillingAgreement.__table__

IS_LIVE: ColumnElement[bool] = APPLIED.c.ended_at.is_(None)
PAYS: ColumnElement[bool] = or_(IS_LIVE, APPLIED.c.end == CartVoucherEnd.CAPTURED)


def _on_cart(table: Any) -> ColumnElement[bool]:
    return and_(table.c.program_id == CART.c.program_id, table.c.cart_id == CART.c.id)


def _held_of(table: Any, column: ColumnElement[Any]) -> Select[Any]:
    """Where what is held is not what carts hold of it."""
    own = and_(APPLIED.c.program_id == table.c.program_id, column == table.c.id)
    held = sum_of(APPLIED.c.held_minor, own, IS_LIVE, of=table)
    return select(keys_of(table.c.program_id, table.c.id)).where(table.c.held_minor != held)


def _summed_otherwise() -> Select[Any]:
    lines = sum_of(LINE.c.quantity * LINE.c.unit_price_minor, _on_cart(LINE), of=CART)
    paid = sum_of(APPLIED.c.held_minor, _on_cart(APPLIED), PAYS, of=CART)
    wrong = or_(CART.c.total_minor != lines, CART.c.by_vouchers_minor != paid)
    return select(keys_of(CART.c.program_id, CART.c.id)).where(wrong)


def _allocated_otherwise() -> Select[Any]:
    """What is held and not on lines, or on a line beyond what it comes to."""
    of_row = and_(PART.c.program_id == APPLIED.c.program_id, PART.c.cart_voucher_id == APPLIED.c.id)
    parts = sum_of(PART.c.amount_minor, of_row, of=APPLIED)
    on_line = and_(
        APPLIED.c.program_id == LINE.c.program_id,
        APPLIED.c.cart_id == LINE.c.cart_id,
        PART.c.line_number == LINE.c.number,
    )
    paid = (
        select(func.coalesce(func.sum(PART.c.amount_minor), 0))
        .select_from(PART.join(APPLIED, of_row))
        .where(on_line)
        .correlate(LINE)
        .scalar_subquery()
    )
    apart = select(keys_of(APPLIED.c.program_id, APPLIED.c.cart_id)).where(APPLIED.c.held_minor != parts)
    beyond = select(keys_of(LINE.c.program_id, LINE.c.cart_id)).where(paid > LINE.c.quantity * LINE.c.unit_price_minor)
    return select(union(apart, beyond).subquery("both").c.offending)


def _held_for_nobody() -> Select[Any]:
    """By a cart that is paid or was given up."""
    over = CART.c.state.in_([CartState.COMPLETED, CartState.ABANDONED])
    return select(keys_of(CART.c.program_id, CART.c.id)).join(APPLIED, _on_cart(APPLIED)).where(IS_LIVE, over)


CART_INVARIANTS = (
    Invariant("voucher-held", "What is held of a voucher is what carts hold.", _held_of(VOUCHER, APPLIED.c.voucher_id)),
    Invariant(
        "agreement-held",
        "What is held under an agreement is what carts hold.",
        _held_of(AGREEMENT, APPLIED.c.billing_agreement_id),
    ),
    Invariant("cart-sums", "A cart's sums are those of its lines and of what pays them.", _summed_otherwise()),
    Invariant("cart-allocations", "What is held is on lines, and no line gets too much.", _allocated_otherwise()),
    Invariant("cart-holds", "Only a cart that can still be paid holds anything.", _held_for_nobody()),
)
