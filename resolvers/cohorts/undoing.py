"""Taking back what was assigned to a cohort, but for what was redeemed and what a cart holds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, exists, func, insert, literal, select, update

from models.base import Instant
from models.cohorts import BulkState
from models.errors import VoucherError, VoucherErrorCode
from models.program_events import ProgramDeed, ProgramEvent, ProgramThing
from models.redemptions import Redemption
from models.vouchers import AssignmentEnd, AssignmentState, VoucherStanding
from resolvers.cohorts.defining import COHORT
from resolvers.cohorts.previewing import BULK, FoundBulk, must_own_bulk
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER, of_program

EVENT = ProgramEvent.__table__
REDEMPTION = Redemption.__table__


async def undo(act: ProgramAct, bulk_id: int) -> int:
    """The assignment. Undone again it takes back what carts have let go of since."""
    bulk = await must_own_bulk(act, bulk_id)
    if bulk.state is BulkState.PREVIEWED:
        raise VoucherError(VoucherErrorCode.WRONG_STATE, "Nothing of this preview was assigned.", "bulkAssignment")
    value_minor, taken_back = await _free(act, bulk)
    if taken_back:
        await _end(act, bulk, taken_back)
    if taken_back or bulk.state is BulkState.COMMITTED:
        await _count(act, bulk, taken_back, value_minor)
        told = f"{taken_back:,} of {bulk.assigned:,} vouchers"
        deed = ProgramDeed.COHORT_UNDONE
        await tell(act, Told(thing=ProgramThing.COHORT, thing_id=bulk.cohort_id, deed=deed, after=told))
    return bulk.id


async def _free(act: ProgramAct, bulk: FoundBulk) -> tuple[int, int]:
    """What is taken back is in stock again: of how much value, and how many. A capture at the same time changes the
    same row, so that one of the two is run again."""
    freed = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.standing == VoucherStanding.LIVE, VOUCHER.c.held_minor == 0)
        .where(VOUCHER.c.assignment_id.in_(select(ASSIGNMENT.c.id).where(_of(bulk), ~_is_redeemed())))
        .values(assignment_id=None, flagged_at=None)
        .returning(VOUCHER.c.remaining_minor)
    )
    values = list(freed.scalars())
    return sum(values), len(values)


def _of(bulk: FoundBulk) -> ColumnElement[bool]:
    return and_(
        ASSIGNMENT.c.program_id == bulk.program_id,
        ASSIGNMENT.c.bulk_assignment_id == bulk.id,
        ASSIGNMENT.c.ended_at.is_(None),
    )


def _is_redeemed() -> ColumnElement[bool]:
    """Something of it under this assignment, that was not wholly reversed."""
    return exists().where(
        REDEMPTION.c.program_id == ASSIGNMENT.c.program_id,
        REDEMPTION.c.voucher_id == ASSIGNMENT.c.voucher_id,
        REDEMPTION.c.assignment_id == ASSIGNMENT.c.id,
        REDEMPTION.c.reversed_minor < REDEMPTION.c.amount_minor,
    )


async def _end(act: ProgramAct, bulk: FoundBulk, taken_back: int) -> None:
    """The assignments that no voucher names any more are over, and each voucher's story tells it."""
    named = exists().where(VOUCHER.c.program_id == ASSIGNMENT.c.program_id, VOUCHER.c.id == ASSIGNMENT.c.voucher_id)
    first = act.keys.take(taken_back)
    freed = and_(_of(bulk), ~named.where(VOUCHER.c.assignment_id == ASSIGNMENT.c.id))
    await act.session.execute(insert(EVENT).from_select(*_events(act, first, freed)))
    await act.session.execute(
        update(ASSIGNMENT).where(freed).values(state=AssignmentState.ENDED, ended_at=act.now, end=AssignmentEnd.UNDONE)
    )


def _events(act: ProgramAct, first: int, freed: ColumnElement[bool]) -> tuple[list[str], Any]:
    place = func.row_number().over(order_by=ASSIGNMENT.c.id)
    values = {
        "program_id": ASSIGNMENT.c.program_id,
        "id": place + literal(first - 1, BigInteger),
        "recorded_at": literal(act.now, Instant),
        "thing": literal(ProgramThing.VOUCHER.name),
        "thing_id": ASSIGNMENT.c.voucher_id,
        "deed": literal(ProgramDeed.ASSIGNMENT_CANCELLED.name),
        "actor": literal(act.principal.name),
        "origin": literal(act.principal.origin),
    }
    return list(values), select(*values.values()).where(freed)


async def _count(act: ProgramAct, bulk: FoundBulk, taken_back: int, value_minor: int) -> None:
    """The value is in the budget again."""
    of_bulk = BULK.c.program_id == act.program_id, BULK.c.id == bulk.id
    undone_at = func.coalesce(BULK.c.undone_at, literal(act.now, Instant))
    await act.session.execute(
        update(BULK)
        .where(*of_bulk)
        .values(state=BulkState.UNDONE, taken_back=BULK.c.taken_back + taken_back, undone_at=undone_at)
    )
    spent = COHORT.c.spent_minor
    await act.session.execute(
        update(COHORT)
        .where(COHORT.c.program_id == act.program_id, COHORT.c.id == bulk.cohort_id)
        .values(spent_minor=case((spent > value_minor, spent - value_minor), else_=0))
    )
