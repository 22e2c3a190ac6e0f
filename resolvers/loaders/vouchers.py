"""Reading vouchers, and what belongs to each: its assignment, and what it paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_keys, asked
from models.interval import FOREVER
from models.learners import Learner
from models.ledger import LedgerAccount, LedgerEntry, LedgerEvent
from models.money import Money
from models.promotions import Promotion
from models.redemptions import FeeOrder, FeeOrderLine, Redemption
from models.voucher_programs import VoucherFunding
from models.vouchers import (
    AssigneeKind,
    AssignmentEnd,
    AssignmentState,
    Voucher,
    VoucherAssignment,
    VoucherStanding,
)
from resolvers.loaders.voucher_programs import InProgram

VOUCHER = Voucher.__table__
ASSIGNMENT = VoucherAssignment.__table__
REDEMPTION = Redemption.__table__
LEDGER = LedgerEntry.__table__
FEE_LINE = FeeOrderLine.__table__
FEE = FeeOrder.__table__
LEARNER = Learner.__table__
PROMOTION = Promotion.__table__

Connected = AsyncConnection | AsyncSession


class VoucherKey(NamedTuple):
    program_id: int
    voucher_id: int


class VoucherRow(NamedTuple):
    place: int
    program_id: int
    id: int
    organization_id: int
    voucher_program_id: int
    voucher_order_id: int
    funding: VoucherFunding
    standing: VoucherStanding
    last_four: str
    purpose: str | None
    issued_at: dt.datetime
    # FOREVER if it never does.
    expires_at: dt.datetime
    assignment_id: int | None
    flagged_at: dt.datetime | None
    face_value_minor: int
    currency: str
    remaining_minor: int
    held_minor: int
    captured_minor: int
    reversed_minor: int
    expired_minor: int
    forfeited_minor: int
    refunded_minor: int

    @property
    def key(self) -> VoucherKey:
        return VoucherKey(self.program_id, self.id)

    @property
    def ends_at(self) -> dt.datetime | None:
        return None if self.expires_at == FOREVER else self.expires_at

    def money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.currency)


COLUMNS = [VOUCHER.c[name] for name in VoucherRow._fields[1:]]


async def vouchers_by_id(connection: Connected, keys: Sequence[VoucherKey]) -> list[VoucherRow]:
    """Those of the vouchers that exist."""
    return [VoucherRow._make(row) for row in await connection.execute(_vouchers_by_id(), as_keys(keys))]


@lru_cache
def _vouchers_by_id() -> Select[Any]:
    keys = asked("keys", "place", *VoucherKey._fields)
    same = and_(VOUCHER.c.program_id == keys.c.program_id, VOUCHER.c.id == keys.c.voucher_id)
    return select(keys.c.place, *COLUMNS).join(VOUCHER, same)


# -------------------------------------------------------------------------------------------- assignments


class AssignmentKey(NamedTuple):
    program_id: int
    assignment_id: int


class AssignmentRow(NamedTuple):
    place: int
    program_id: int
    id: int
    voucher_id: int
    organization_id: int
    kind: AssigneeKind
    learner_id: int | None
    person_id: int | None
    email: str | None
    message: str | None
    state: AssignmentState
    assigned_at: dt.datetime
    ended_at: dt.datetime | None
    end: AssignmentEnd | None


ASSIGNMENT_COLUMNS = [ASSIGNMENT.c[name] for name in AssignmentRow._fields[1:]]


async def assignments_by_id(connection: Connected, keys: Sequence[AssignmentKey]) -> list[AssignmentRow]:
    """Those of the assignments that exist."""
    return [AssignmentRow._make(row) for row in await connection.execute(_assignments_by_id(), as_keys(keys))]


@lru_cache
def _assignments_by_id() -> Select[Any]:
    keys = asked("keys", "place", *AssignmentKey._fields)
    same = and_(ASSIGNMENT.c.program_id == keys.c.program_id, ASSIGNMENT.c.id == keys.c.assignment_id)
    return select(keys.c.place, *ASSIGNMENT_COLUMNS).join(ASSIGNMENT, same)


class TheirsRow(NamedTuple):
    """A voucher that is, or to the end was, a person's to use; since when."""

    place: int
    assignment_id: int
    assigned_at: dt.datetime


async def theirs(connection: Connected, keys: Sequence[VoucherKey], person_id: int) -> list[TheirsRow]:
    """Those of the vouchers that a person may see as theirs."""
    rows = await connection.execute(_theirs(), {**as_keys(keys), "person": person_id})
    return [TheirsRow._make(row) for row in rows]


@lru_cache
def _theirs() -> Select[Any]:
    keys = asked("keys", "place", *VoucherKey._fields)
    same = and_(VOUCHER.c.program_id == keys.c.program_id, VOUCHER.c.id == keys.c.voucher_id)
    columns = (keys.c.place, ASSIGNMENT.c.id, ASSIGNMENT.c.assigned_at)
    joined = select(*columns).select_from(keys).join(VOUCHER, same).join(ASSIGNMENT, OF_VOUCHER)
    return joined.outerjoin(LEARNER, IS_LEARNER).where(IS_THEIRS).order_by(ASSIGNMENT.c.assigned_at)


OF_VOUCHER: ColumnElement[bool] = and_(
    ASSIGNMENT.c.program_id == VOUCHER.c.program_id, ASSIGNMENT.c.voucher_id == VOUCHER.c.id
)
IS_LEARNER: ColumnElement[bool] = and_(
    LEARNER.c.organization_id == ASSIGNMENT.c.organization_id, LEARNER.c.id == ASSIGNMENT.c.learner_id
)
# Whose assignment ended otherwise than with the voucher itself has no business with it any more.
TO_THE_END = (AssignmentEnd.SPENT, AssignmentEnd.EXPIRED)
IS_THEIRS: ColumnElement[bool] = and_(
    or_(
        ASSIGNMENT.c.person_id == bindparam("person", type_=BigInteger),
        LEARNER.c.person_id == bindparam("person", type_=BigInteger),
    ),
    or_(
        and_(ASSIGNMENT.c.state == AssignmentState.ACTIVE, ASSIGNMENT.c.id == VOUCHER.c.assignment_id),
        and_(ASSIGNMENT.c.end.in_(TO_THE_END), VOUCHER.c.standing != VoucherStanding.LIVE),
    ),
)


# -------------------------------------------------------------------------------------------- redemptions


class RedemptionKey(NamedTuple):
    program_id: int
    redemption_id: int


class RedemptionRow(NamedTuple):
    place: int
    program_id: int
    id: int
    fee_order_id: int
    line_number: int
    # One of these two paid.
    voucher_id: int | None
    promotion_id: int | None
    organization_id: int
    # None for a bearer and a promotion.
    assignment_id: int | None
    amount_minor: int
    currency: str
    redeemed_at: dt.datetime
    product_id: int
    # By which the program's own systems know what was paid, and who paid it, if that was told.
    reference: str
    person_id: int | None
    # So much of it was taken back.
    reversed_minor: int
    # Of the voucher, and of the promotion.
    last_four: str | None
    promotion_code: str | None

    @property
    def key(self) -> RedemptionKey:
        return RedemptionKey(self.program_id, self.id)

    @property
    def voucher(self) -> VoucherKey | None:
        return None if self.voucher_id is None else VoucherKey(self.program_id, self.voucher_id)


_UNDONE = LEDGER.alias("undone")
# A reversal takes the fee back from what was earned; of what was forfeited by the way, it takes nothing from fees.
_REVERSED = (
    select(func.coalesce(func.sum(_UNDONE.c.amount_minor), 0))
    .where(
        _UNDONE.c.program_id == REDEMPTION.c.program_id,
        _UNDONE.c.redemption_id == REDEMPTION.c.id,
        _UNDONE.c.event == LedgerEvent.REVERSAL,
        _UNDONE.c.debit == LedgerAccount.FEE_REVENUE,
    )
    .correlate(REDEMPTION)
    .scalar_subquery()
)
_PAID = VOUCHER.alias("paid")
_LAST_FOUR = (
    select(_PAID.c.last_four)
    .where(_PAID.c.program_id == REDEMPTION.c.program_id, _PAID.c.id == REDEMPTION.c.voucher_id)
    .correlate(REDEMPTION)
    .scalar_subquery()
)
_PROMOTION_CODE = (
    select(PROMOTION.c.code)
    .where(PROMOTION.c.program_id == REDEMPTION.c.program_id, PROMOTION.c.id == REDEMPTION.c.promotion_id)
    .correlate(REDEMPTION)
    .scalar_subquery()
)
REDEMPTION_COLUMNS = [
    *(REDEMPTION.c[name] for name in RedemptionRow._fields[1:12]),
    FEE_LINE.c.product_id,
    FEE.c.reference,
    FEE.c.person_id,
    _REVERSED.cast(BigInteger).label("reversed_minor"),
    _LAST_FOUR.label("last_four"),
    _PROMOTION_CODE.label("promotion_code"),
]
OF_LINE: ColumnElement[bool] = and_(
    FEE_LINE.c.program_id == REDEMPTION.c.program_id,
    FEE_LINE.c.fee_order_id == REDEMPTION.c.fee_order_id,
    FEE_LINE.c.number == REDEMPTION.c.line_number,
)
OF_FEE: ColumnElement[bool] = and_(FEE.c.program_id == REDEMPTION.c.program_id, FEE.c.id == REDEMPTION.c.fee_order_id)


async def redemptions_by_id(connection: Connected, keys: Sequence[RedemptionKey]) -> list[RedemptionRow]:
    """Those of the redemptions that exist."""
    return [RedemptionRow._make(row) for row in await connection.execute(_redemptions_by_id(), as_keys(keys))]


@lru_cache
def _redemptions_by_id() -> Select[Any]:
    keys = asked("keys", "place", *RedemptionKey._fields)
    same = and_(REDEMPTION.c.program_id == keys.c.program_id, REDEMPTION.c.id == keys.c.redemption_id)
    joined = select(keys.c.place, *REDEMPTION_COLUMNS).select_from(keys).join(REDEMPTION, same)
    return joined.join(FEE_LINE, OF_LINE).join(FEE, OF_FEE)


async def redemptions_of_vouchers(connection: Connected, keys: Sequence[VoucherKey]) -> list[RedemptionRow]:
    """What each voucher paid, the first first."""
    return [RedemptionRow._make(row) for row in await connection.execute(_redemptions_of_vouchers(), as_keys(keys))]


@lru_cache
def _redemptions_of_vouchers() -> Select[Any]:
    keys = asked("keys", "place", *VoucherKey._fields)
    same = and_(REDEMPTION.c.program_id == keys.c.program_id, REDEMPTION.c.voucher_id == keys.c.voucher_id)
    joined = select(keys.c.place, *REDEMPTION_COLUMNS).select_from(keys).join(REDEMPTION, same)
    return joined.join(FEE_LINE, OF_LINE).join(FEE, OF_FEE).order_by(REDEMPTION.c.redeemed_at, REDEMPTION.c.id)


async def redemptions_of_fee_orders(connection: Connected, keys: Sequence[InProgram]) -> list[RedemptionRow]:
    """What paid each order, by line and in the order in which it was written."""
    return [RedemptionRow._make(row) for row in await connection.execute(_redemptions_of_fee_orders(), as_keys(keys))]


@lru_cache
def _redemptions_of_fee_orders() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    same = and_(REDEMPTION.c.program_id == keys.c.program_id, REDEMPTION.c.fee_order_id == keys.c.id)
    joined = select(keys.c.place, *REDEMPTION_COLUMNS).select_from(keys).join(REDEMPTION, same)
    return joined.join(FEE_LINE, OF_LINE).join(FEE, OF_FEE).order_by(REDEMPTION.c.line_number, REDEMPTION.c.id)
