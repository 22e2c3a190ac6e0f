"""What must always hold of promotions, their uses and their budgets, each as one query that returns no row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select, union

from models.carts import Cart, CartVoucher
from models.ledger import LedgerAccount, LedgerEntry, LedgerEvent
from models.promotions import Promotion, PromotionPerson, PromotionProduct
from models.redemptions import FeeOrder, FeeOrderLine, Redemption
from models.voucher_orders import VoucherOrder, VoucherOrderState
from models.voucher_programs import ProductRuling, VoucherFunding
from resolvers.invariant import Invariant, keys_of, sum_of

PROMOTION = Promotion.__table__
PERSON = PromotionPerson.__table__
RULING = PromotionProduct.__table__
REDEMPTION = Redemption.__table__
FEE = FeeOrder.__table__
FEE_LINE = FeeOrderLine.__table__
ON_CART = CartVoucher.__table__
CART = Cart.__table__
ORDER = VoucherOrder.__table__
LEDGER = LedgerEntry.__table__

KEY = keys_of(PROMOTION.c.program_id, PROMOTION.c.id)
PERSON_KEY = keys_of(PERSON.c.program_id, PERSON.c.promotion_id, PERSON.c.person_id)
PREPAID = PROMOTION.c.funding != VoucherFunding.BILL_LATER
ISSUED = (VoucherOrderState.APPROVED, VoucherOrderState.SETTLED)


def _of(table: Any, other: Any = PROMOTION) -> ColumnElement[bool]:
    """The rows of a table that belong to a promotion, or to a person's use of it."""
    own = other.c.promotion_id if other is PERSON else other.c.id
    return and_(table.c.program_id == other.c.program_id, table.c.promotion_id == own)


def _uses(of: Any, *conditions: ColumnElement[bool]) -> Any:
    """Orders of fees of which a promotion paid a part that is not wholly reversed: as one use each."""
    kept = (
        select(REDEMPTION.c.fee_order_id)
        .select_from(REDEMPTION.join(FEE, _fee_of_redemption()))
        .where(_of(REDEMPTION, of), *conditions)
        .group_by(REDEMPTION.c.fee_order_id)
        .having(func.sum(REDEMPTION.c.amount_minor - REDEMPTION.c.reversed_minor) > 0)
        .correlate(of)
        .subquery("kept")
    )
    return select(func.count()).select_from(kept).scalar_subquery()


def _fee_of_redemption() -> ColumnElement[bool]:
    return and_(FEE.c.program_id == REDEMPTION.c.program_id, FEE.c.id == REDEMPTION.c.fee_order_id)


def _held(of: Any, *conditions: ColumnElement[bool]) -> Any:
    own = and_(CART.c.program_id == ON_CART.c.program_id, CART.c.id == ON_CART.c.cart_id)
    held = select(func.count()).select_from(ON_CART.join(CART, own))
    return held.where(_of(ON_CART, of), ON_CART.c.ended_at.is_(None), *conditions).correlate(of).scalar_subquery()


# ------------------------------------------------------------------------------------------------- uses


def _used_otherwise() -> Select[Any]:
    return select(KEY).where(PROMOTION.c.uses != _uses(PROMOTION))


def _person_used_otherwise() -> Select[Any]:
    return select(PERSON_KEY).where(PERSON.c.uses != _uses(PERSON, FEE.c.person_id == PERSON.c.person_id))


def _beyond_limits() -> Select[Any]:
    whole = select(KEY).where(PROMOTION.c.uses + PROMOTION.c.held_uses > PROMOTION.c.most_uses)
    own = and_(PERSON.c.program_id == PROMOTION.c.program_id, PERSON.c.promotion_id == PROMOTION.c.id)
    beyond = PERSON.c.uses + PERSON.c.held_uses > PROMOTION.c.most_uses_a_person
    by_person = select(PERSON_KEY).select_from(PERSON.join(PROMOTION, own)).where(beyond)
    return select(union(whole, by_person).subquery("beyond").c.offending)


def _people_apart() -> Select[Any]:
    """What its people used and hold, added up."""
    sums = [sum_of(PERSON.c[name], _of(PERSON), of=PROMOTION) for name in ("uses", "held_uses")]
    apart = or_(PROMOTION.c.uses != sums[0], PROMOTION.c.held_uses != sums[1])
    return select(KEY).where(apart)


def _held_otherwise() -> Select[Any]:
    """The uses and the amount that live carts hold, of all and of each person."""
    minor = sum_of(ON_CART.c.held_minor, _of(ON_CART), ON_CART.c.ended_at.is_(None), of=PROMOTION)
    other = or_(PROMOTION.c.held_uses != _held(PROMOTION), PROMOTION.c.held_minor != minor)
    by_person = PERSON.c.held_uses != _held(PERSON, CART.c.person_id == PERSON.c.person_id)
    both = union(select(KEY).where(other), select(PERSON_KEY).where(by_person))
    return select(both.subquery("both").c.offending)


# ------------------------------------------------------------------------------------------------- the budget


def _remains_otherwise() -> Select[Any]:
    kept = PROMOTION.c.face_value_minor - PROMOTION.c.captured_minor + PROMOTION.c.reversed_minor
    gone = PROMOTION.c.expired_minor + PROMOTION.c.forfeited_minor + PROMOTION.c.refunded_minor
    return select(KEY).where(
        or_(PROMOTION.c.remaining_minor != kept - gone, PROMOTION.c.held_minor > PROMOTION.c.remaining_minor)
    )


def _captured_otherwise() -> Select[Any]:
    taken, given_back = (
        sum_of(REDEMPTION.c[name], _of(REDEMPTION), of=PROMOTION) for name in ("amount_minor", "reversed_minor")
    )
    return select(KEY).where(or_(PROMOTION.c.captured_minor != taken, PROMOTION.c.reversed_minor != given_back))


def _expired_otherwise() -> Select[Any]:
    """Prepaid, what has expired of the budget went to breakage."""
    lost = sum_of(LEDGER.c.amount_minor, _of(LEDGER), LEDGER.c.event == LedgerEvent.VALUE_EXPIRED, of=PROMOTION)
    restored = and_(LEDGER.c.event == LedgerEvent.REVERSAL, LEDGER.c.debit == LedgerAccount.BREAKAGE)
    back = sum_of(LEDGER.c.amount_minor, _of(LEDGER), restored, of=PROMOTION)
    return select(KEY).where(PREPAID, PROMOTION.c.expired_minor != lost - back)


def _funded_otherwise() -> Select[Any]:
    """Prepaid, it is funded exactly if one order was approved or paid, of exactly its budget."""
    exact = and_(
        ORDER.c.issued_at.is_not(None),
        ORDER.c.state.in_(ISSUED),
        ORDER.c.quantity * ORDER.c.unit_price_minor == PROMOTION.c.face_value_minor,
        ORDER.c.currency == PROMOTION.c.currency,
        ORDER.c.organization_id == PROMOTION.c.organization_id,
    )
    bought = select(func.count()).select_from(ORDER).where(_of(ORDER), exact).correlate(PROMOTION).scalar_subquery()
    return select(KEY).where(PREPAID, bought != case((PROMOTION.c.funded_at.is_(None), 0), else_=1))


def _paid_for_excluded() -> Select[Any]:
    on_line = and_(
        FEE_LINE.c.program_id == REDEMPTION.c.program_id,
        FEE_LINE.c.fee_order_id == REDEMPTION.c.fee_order_id,
        FEE_LINE.c.number == REDEMPTION.c.line_number,
    )
    ruled = and_(RULING.c.program_id == REDEMPTION.c.program_id, RULING.c.promotion_id == REDEMPTION.c.promotion_id)
    same = RULING.c.product_id == FEE_LINE.c.product_id
    excluded = exists().where(ruled, same, RULING.c.ruling == ProductRuling.EXCLUDED)
    some = exists().where(ruled, RULING.c.ruling == ProductRuling.INCLUDED)
    included = exists().where(ruled, same, RULING.c.ruling == ProductRuling.INCLUDED)
    named = select(keys_of(REDEMPTION.c.program_id, REDEMPTION.c.id)).select_from(REDEMPTION.join(FEE_LINE, on_line))
    return named.where(or_(excluded, and_(some, ~included)))


def _all() -> Iterator[Invariant]:
    yield Invariant("promotion-uses", "A promotion's uses are the orders that it paid a part of.", _used_otherwise())
    yield Invariant("promotion-person-uses", "So are the uses of each person.", _person_used_otherwise())
    yield Invariant(
        "promotion-limits", "No promotion is used or held beyond its limit, or its limit a person.", _beyond_limits()
    )
    yield Invariant("promotion-people", "What its people used and hold is what was used and is held.", _people_apart())
    yield Invariant("promotion-held", "What is held of a promotion is what live carts hold.", _held_otherwise())
    yield Invariant(
        "promotion-remaining",
        "A budget holds what its movements leave of it, and holds are within.",
        _remains_otherwise(),
    )
    yield Invariant("promotion-captured", "What was taken from a budget is what it paid.", _captured_otherwise())
    yield Invariant("promotion-expired", "What expired of a prepaid budget is breakage.", _expired_otherwise())
    yield Invariant(
        "promotion-funded", "A prepaid promotion is funded by one order of exactly its budget.", _funded_otherwise()
    )
    yield Invariant("promoted-for", "No promotion paid for a product that it may not pay for.", _paid_for_excluded())


PROMOTION_INVARIANTS = tuple(_all())
