"""What must always hold of vouchers and of the money in them, each as one query that returns no row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    func,
    not_,
    or_,
    select,
    tuple_,
    union,
    union_all,
)

from models.invitations import VoucherInvitation
from models.ledger import SIDES, LedgerAccount, LedgerEntry, LedgerEvent
from models.products import Product
from models.promotions import Promotion
from models.redemptions import FeeOrder, FeeOrderLine, Redemption
from models.voucher_orders import BillingAgreement, VoucherOrder, VoucherOrderState
from models.voucher_programs import ProductRuling, VoucherFunding, VoucherProgramProduct
from models.vouchers import AssigneeKind, AssignmentState, Voucher, VoucherAssignment, VoucherCode, VoucherStanding
from resolvers.invariant import Invariant, keys_of, sum_of

LEDGER = LedgerEntry.__table__
VOUCHER = Voucher.__table__
CODE = VoucherCode.__table__
ASSIGNMENT = VoucherAssignment.__table__
INVITATION = VoucherInvitation.__table__
ORDER = VoucherOrder.__table__
AGREEMENT = BillingAgreement.__table__
PROMOTION = Promotion.__table__
REDEMPTION = Redemption.__table__
FEE = FeeOrder.__table__
FEE_LINE = FeeOrderLine.__table__
RULING = VoucherProgramProduct.__table__
PRODUCT = Product.__table__

LIABILITY = LedgerAccount.VOUCHER_LIABILITY
ON_ACCOUNT = VoucherFunding.BILL_LATER
LIVE = VoucherStanding.LIVE


def _in_program(table: Any, other: Any, column: str, other_column: str = "id") -> ColumnElement[bool]:
    return and_(table.c.program_id == other.c.program_id, table.c[column] == other.c[other_column])


# ------------------------------------------------------------------------------------------------ the ledger


def _other_accounts() -> Select[Any]:
    """An entry between other accounts than those of its event; of a reversal, than the opposite of the reversed."""
    undone = LEDGER.alias("undone")
    right = or_(
        *(
            and_(LEDGER.c.event == event, LEDGER.c.debit == sides.debit, LEDGER.c.credit == sides.credit)
            for event, sides in SIDES.items()
        )
    )
    opposite = exists().where(
        _in_program(undone, LEDGER, "id", "reverses_id"),
        undone.c.debit == LEDGER.c.credit,
        undone.c.credit == LEDGER.c.debit,
        undone.c.currency == LEDGER.c.currency,
    )
    is_reversal = LEDGER.c.event == LedgerEvent.REVERSAL
    wrong = or_(and_(is_reversal, ~opposite), and_(~is_reversal, not_(right)))
    return select(keys_of(LEDGER.c.program_id, LEDGER.c.id)).where(wrong)


def _reversed_beyond() -> Select[Any]:
    undone = LEDGER.alias("undone")
    taken_back = sum_of(undone.c.amount_minor, _in_program(undone, LEDGER, "reverses_id"), of=LEDGER)
    return select(keys_of(LEDGER.c.program_id, LEDGER.c.id)).where(taken_back > LEDGER.c.amount_minor)


def _liability_apart() -> Select[Any]:
    """What the ledger says is owed, less what the vouchers and funded promotions hold, is nothing."""
    sign = case((LEDGER.c.credit == LIABILITY, LEDGER.c.amount_minor), else_=-LEDGER.c.amount_minor)
    own = ("program_id", "organization_id", "currency")
    parts = union_all(
        select(*(LEDGER.c[name] for name in own), sign.label("minor")).where(
            or_(LEDGER.c.credit == LIABILITY, LEDGER.c.debit == LIABILITY)
        ),
        select(*(VOUCHER.c[name] for name in own), (-VOUCHER.c.remaining_minor).label("minor")).where(
            VOUCHER.c.funding != ON_ACCOUNT
        ),
        select(*(PROMOTION.c[name] for name in own), (-PROMOTION.c.remaining_minor).label("minor")).where(
            PROMOTION.c.funding != ON_ACCOUNT, PROMOTION.c.funded_at.is_not(None)
        ),
    ).subquery("parts")
    columns = [parts.c[name] for name in own]
    named = keys_of(parts.c.program_id, func.coalesce(parts.c.organization_id, 0), parts.c.currency)
    return select(named).group_by(*columns).having(func.sum(parts.c.minor) != 0)


# ------------------------------------------------------------------------------------------------ vouchers


def _remains_otherwise() -> Select[Any]:
    kept = VOUCHER.c.face_value_minor - VOUCHER.c.captured_minor + VOUCHER.c.reversed_minor
    gone = VOUCHER.c.expired_minor + VOUCHER.c.forfeited_minor + VOUCHER.c.refunded_minor
    return select(keys_of(VOUCHER.c.program_id, VOUCHER.c.id)).where(VOUCHER.c.remaining_minor != kept - gone)


def _captured_otherwise() -> Select[Any]:
    redeemed = sum_of(REDEMPTION.c.amount_minor, _in_program(REDEMPTION, VOUCHER, "voucher_id"), of=VOUCHER)
    return select(keys_of(VOUCHER.c.program_id, VOUCHER.c.id)).where(VOUCHER.c.captured_minor != redeemed)


def _codes_otherwise() -> Select[Any]:
    """A live voucher without exactly one live code, or a dead one with any."""
    alive = and_(_in_program(CODE, VOUCHER, "voucher_id"), CODE.c.ended_at.is_(None))
    codes = select(func.count()).select_from(CODE).where(alive).correlate(VOUCHER).scalar_subquery()
    expected = case((VOUCHER.c.standing == LIVE, 1), else_=0)
    return select(keys_of(VOUCHER.c.program_id, VOUCHER.c.id)).where(codes != expected)


def _assigned_otherwise() -> Select[Any]:
    """An assignment in force that its voucher does not name, or that a voucher names and is over or another's."""
    named = exists().where(
        _in_program(VOUCHER, ASSIGNMENT, "id", "voucher_id"),
        VOUCHER.c.standing == LIVE,
        VOUCHER.c.assignment_id == ASSIGNMENT.c.id,
        VOUCHER.c.organization_id == ASSIGNMENT.c.organization_id,
    )
    in_force = exists().where(
        _in_program(ASSIGNMENT, VOUCHER, "id", "assignment_id"),
        ASSIGNMENT.c.voucher_id == VOUCHER.c.id,
        ASSIGNMENT.c.ended_at.is_(None),
    )
    unnamed = select(keys_of(ASSIGNMENT.c.program_id, ASSIGNMENT.c.voucher_id)).where(
        ASSIGNMENT.c.ended_at.is_(None), ~named
    )
    lost = select(keys_of(VOUCHER.c.program_id, VOUCHER.c.id)).where(VOUCHER.c.assignment_id.is_not(None), ~in_force)
    return select(union(unnamed, lost).subquery("both_ways").c.offending)


def _linked_otherwise() -> Select[Any]:
    """A live link of an assignment that nobody is invited to any more; whoever followed it would have nothing."""
    invited = exists().where(
        _in_program(ASSIGNMENT, INVITATION, "id", "voucher_assignment_id"),
        ASSIGNMENT.c.kind == AssigneeKind.EMAIL,
        ASSIGNMENT.c.state == AssignmentState.INVITED,
    )
    return select(keys_of(INVITATION.c.program_id, INVITATION.c.id)).where(INVITATION.c.ended_at.is_(None), ~invited)


# ------------------------------------------------------------------------------------------------ orders


def _paid_otherwise() -> Select[Any]:
    total = ORDER.c.quantity * ORDER.c.unit_price_minor
    due = case((ORDER.c.state == VoucherOrderState.SETTLED, total), else_=0)
    return select(keys_of(ORDER.c.program_id, ORDER.c.id)).where(ORDER.c.paid_minor != due)


def _issued_otherwise() -> Select[Any]:
    """What an order issued is worth what was bought, each at its price; else it has no vouchers."""
    own = _in_program(VOUCHER, ORDER, "voucher_order_id")
    face = sum_of(VOUCHER.c.face_value_minor, own, of=ORDER)
    other = exists().where(own, tuple_(VOUCHER.c.face_value_minor, VOUCHER.c.currency) != _price()).correlate(ORDER)
    bought = case((ORDER.c.issued_at.is_not(None), ORDER.c.quantity * ORDER.c.unit_price_minor), else_=0)
    wrong = or_(face != bought, other)
    return select(keys_of(ORDER.c.program_id, ORDER.c.id)).where(ORDER.c.voucher_program_id.is_not(None), wrong)


def _price() -> Any:
    return tuple_(ORDER.c.unit_price_minor, ORDER.c.currency)


# ------------------------------------------------------------------------------------------------ redemptions


def _fee_paid_otherwise() -> Select[Any]:
    redeemed = sum_of(REDEMPTION.c.amount_minor, _in_program(REDEMPTION, FEE, "fee_order_id"), of=FEE)
    lines = sum_of(
        FEE_LINE.c.quantity * FEE_LINE.c.unit_price_minor, _in_program(FEE_LINE, FEE, "fee_order_id"), of=FEE
    )
    wrong = or_(FEE.c.total_minor != redeemed + FEE.c.by_card_minor, FEE.c.total_minor != lines)
    return select(keys_of(FEE.c.program_id, FEE.c.id)).where(wrong)


def _redeemed_by_another() -> Select[Any]:
    """Under another voucher's assignment, outside of its time, or by another person than its own."""
    used = and_(
        ASSIGNMENT.c.program_id == REDEMPTION.c.program_id,
        ASSIGNMENT.c.voucher_id == REDEMPTION.c.voucher_id,
        ASSIGNMENT.c.assigned_at <= REDEMPTION.c.redeemed_at,
        or_(ASSIGNMENT.c.ended_at.is_(None), ASSIGNMENT.c.ended_at >= REDEMPTION.c.redeemed_at),
    )
    own = exists().where(used, ASSIGNMENT.c.id == REDEMPTION.c.assignment_id)
    # At the very moment of an assignment a bearer may have come before it.
    anybody = exists().where(used, ASSIGNMENT.c.assigned_at < REDEMPTION.c.redeemed_at, _still_in_force())
    someone = REDEMPTION.c.assignment_id.is_not(None)
    wrong = or_(and_(someone, ~own), and_(~someone, anybody), _by_another_person())
    return select(keys_of(REDEMPTION.c.program_id, REDEMPTION.c.id)).where(wrong)


def _still_in_force() -> ColumnElement[bool]:
    return or_(ASSIGNMENT.c.ended_at.is_(None), ASSIGNMENT.c.ended_at > REDEMPTION.c.redeemed_at)


def _by_another_person() -> ColumnElement[bool]:
    return exists().where(
        _in_program(ASSIGNMENT, REDEMPTION, "id", "assignment_id"),
        _in_program(FEE, REDEMPTION, "id", "fee_order_id"),
        ASSIGNMENT.c.kind != AssigneeKind.LEARNER,
        FEE.c.person_id != ASSIGNMENT.c.person_id,
    )


def _paid_for_excluded() -> Select[Any]:
    """By a voucher that may not pay for the product: it is excluded, or others are included and it is not."""
    joined = REDEMPTION.join(FEE_LINE, _on_line()).join(VOUCHER, _in_program(VOUCHER, REDEMPTION, "id", "voucher_id"))
    ruled = and_(
        RULING.c.program_id == VOUCHER.c.program_id, RULING.c.voucher_program_id == VOUCHER.c.voucher_program_id
    )
    same = RULING.c.product_id == FEE_LINE.c.product_id
    excluded = exists().where(ruled, same, RULING.c.ruling == ProductRuling.EXCLUDED)
    some = exists().where(ruled, RULING.c.ruling == ProductRuling.INCLUDED)
    included = exists().where(ruled, same, RULING.c.ruling == ProductRuling.INCLUDED)
    named = select(keys_of(REDEMPTION.c.program_id, REDEMPTION.c.id)).select_from(joined)
    return named.where(or_(excluded, and_(some, ~included)))


def _on_line() -> ColumnElement[bool]:
    return and_(
        _in_program(FEE_LINE, REDEMPTION, "fee_order_id", "fee_order_id"), FEE_LINE.c.number == REDEMPTION.c.line_number
    )


def _all() -> Iterator[Invariant]:
    yield Invariant(
        "ledger-accounts", "Each entry of the ledger is between the accounts of its event.", _other_accounts()
    )
    yield Invariant("ledger-reversals", "No more of an entry is reversed than it moved.", _reversed_beyond())
    yield Invariant(
        "voucher-liability", "What the ledger owes is what prepaid vouchers and promotions hold.", _liability_apart()
    )
    yield Invariant("voucher-remaining", "A voucher holds what its movements leave of its face.", _remains_otherwise())
    yield Invariant("voucher-captured", "What was taken from a voucher is what it paid.", _captured_otherwise())
    yield Invariant("voucher-codes", "A live voucher has one live code, and a dead one none.", _codes_otherwise())
    yield Invariant(
        "voucher-assignments", "A voucher and the assignment in force name each other.", _assigned_otherwise()
    )
    yield Invariant("voucher-links", "A live link is of somebody who is invited.", _linked_otherwise())
    yield Invariant("order-paid", "A settled order is paid in full, and no other is paid.", _paid_otherwise())
    yield Invariant("order-issued", "What an order issued is worth what was bought.", _issued_otherwise())
    yield Invariant("fee-paid", "Vouchers and card together paid the total of a fee order.", _fee_paid_otherwise())
    yield Invariant("redeemed-by", "A voucher that is assigned is used by its assignee only.", _redeemed_by_another())
    yield Invariant("redeemed-for", "No voucher paid for a product that it may not pay for.", _paid_for_excluded())


VOUCHER_INVARIANTS = tuple(_all())
