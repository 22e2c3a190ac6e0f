"""Value moves by one conditional update whose row count is checked; constraints of the table stand behind it.

Whoever comes second finds no row to change, on both databases, however many come at once.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, literal, select, update

from models.invitations import InvitationEnd
from models.vouchers import (
    AssigneeKind,
    AssignmentEnd,
    AssignmentState,
    CodeEnd,
    Voucher,
    VoucherAssignment,
    VoucherCode,
    VoucherStanding,
)
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.links import end_links

VOUCHER = Voucher.__table__
CODE = VoucherCode.__table__
ASSIGNMENT = VoucherAssignment.__table__


@dataclass(frozen=True, slots=True)
class Ending:
    """How vouchers end, and with them their codes and assignments."""

    standing: VoucherStanding
    code: CodeEnd
    assignment: AssignmentEnd


SPENT = Ending(VoucherStanding.SPENT, CodeEnd.SPENT, AssignmentEnd.SPENT)
EXPIRED = Ending(VoucherStanding.EXPIRED, CodeEnd.EXPIRED, AssignmentEnd.EXPIRED)
REVOKED = Ending(VoucherStanding.REVOKED, CodeEnd.REVOKED, AssignmentEnd.REVOKED)
REFUNDED = Ending(VoucherStanding.REFUNDED, CodeEnd.REFUNDED, AssignmentEnd.REFUNDED)
CANCELLED = Ending(VoucherStanding.CANCELLED, CodeEnd.CANCELLED, AssignmentEnd.CANCELLED)


def of_program(act: ProgramAct) -> ColumnElement[bool]:
    return VOUCHER.c.program_id == act.program_id


async def capture(
    act: ProgramAct, voucher_id: int, amount_minor: int, *, forfeits_rest: bool, is_held: bool = False
) -> int | None:
    """Takes so much of a live voucher, and what is left of it if that is forfeited.

    Gives what was forfeited by it; None if the voucher is not live, or does not hold so much that nobody else holds.
    What the caller holds of it (`is_held`) pays even if the voucher has expired since; anything else does not.
    """
    before, own_minor = await _forfeited(act, voucher_id), amount_minor if is_held else 0
    free = VOUCHER.c.remaining_minor - VOUCHER.c.held_minor + own_minor
    live = VOUCHER.c.standing == VoucherStanding.LIVE if is_held else is_usable(act.now)
    enough = and_(free >= amount_minor, VOUCHER.c.held_minor >= own_minor, VOUCHER.c.forfeited_minor == before)
    forfeited = free - amount_minor if forfeits_rest else literal(0)
    rest = VOUCHER.c.remaining_minor - amount_minor - forfeited
    taken = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher_id, live, enough)
        .values(
            remaining_minor=rest,
            held_minor=VOUCHER.c.held_minor - own_minor,
            captured_minor=VOUCHER.c.captured_minor + amount_minor,
            forfeited_minor=VOUCHER.c.forfeited_minor + forfeited,
            standing=case((rest == 0, VoucherStanding.SPENT.name), else_=VOUCHER.c.standing),
            assignment_id=case((rest == 0, None), else_=VOUCHER.c.assignment_id),
            flagged_at=case((rest == 0, None), else_=VOUCHER.c.flagged_at),
        )
        .returning(VOUCHER.c.forfeited_minor, VOUCHER.c.remaining_minor)
    )
    row = taken.one_or_none()
    if row is None:
        return None
    if row.remaining_minor == 0:
        await end_codes_and_assignments(act, [voucher_id], SPENT)
    return int(row.forfeited_minor) - before


async def hold(act: ProgramAct, voucher_id: int, amount_minor: int, *, alone_beside_minor: int | None = None) -> bool:
    """Whether so much more of a live voucher is held: what is held nobody else can take.

    `alone_beside_minor`: what the same cart holds of it already, if nobody else may hold any.
    """
    free = VOUCHER.c.remaining_minor - VOUCHER.c.held_minor
    alone = [] if alone_beside_minor is None else [VOUCHER.c.held_minor == alone_beside_minor]
    held = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher_id, is_usable(act.now), free >= amount_minor, *alone)
        .values(held_minor=VOUCHER.c.held_minor + amount_minor)
        .returning(VOUCHER.c.id)
    )
    return held.scalar_one_or_none() is not None


async def release(act: ProgramAct, voucher_id: int, amount_minor: int) -> None:
    """Of what is held so much is free again."""
    released = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher_id, VOUCHER.c.held_minor >= amount_minor)
        .values(held_minor=VOUCHER.c.held_minor - amount_minor)
        .returning(VOUCHER.c.id)
    )
    released.scalar_one()


async def _forfeited(act: ProgramAct, voucher_id: int) -> int:
    """Up to now: a reversal may have restored what was left after something was forfeited."""
    forfeited = select(VOUCHER.c.forfeited_minor).where(of_program(act), VOUCHER.c.id == voucher_id)
    return int((await act.session.execute(forfeited)).scalar_one())


async def end_codes_and_assignments(act: ProgramAct, voucher_ids: list[int], ending: Ending) -> None:
    """The live code dies, and the assignment that was in force ends; the voucher's own row is the caller's."""
    await end_codes(act, voucher_ids, ending.code)
    await end_assignments(act, voucher_ids, ending.assignment)


async def end_codes(act: ProgramAct, voucher_ids: list[int], end: CodeEnd) -> None:
    of_them = and_(CODE.c.program_id == act.program_id, CODE.c.voucher_id.in_(voucher_ids), CODE.c.ended_at.is_(None))
    await act.session.execute(update(CODE).where(of_them).values(ended_at=act.now, end=end))


async def end_assignments(act: ProgramAct, voucher_ids: list[int], end: AssignmentEnd) -> None:
    """With their links. Whoever waited for approval never had anything of the voucher, and has nothing of its end."""
    of_them = and_(
        ASSIGNMENT.c.program_id == act.program_id,
        ASSIGNMENT.c.voucher_id.in_(voucher_ids),
        ASSIGNMENT.c.ended_at.is_(None),
    )
    waited = ASSIGNMENT.c.state == AssignmentState.AWAITING_APPROVAL
    ended = await act.session.execute(
        update(ASSIGNMENT)
        .where(of_them)
        .values(state=AssignmentState.ENDED, ended_at=act.now, end=end)
        .values(person_id=case((waited, None), else_=ASSIGNMENT.c.person_id))
        .returning(ASSIGNMENT.c.id, ASSIGNMENT.c.kind)
    )
    invited = [row.id for row in ended if row.kind is AssigneeKind.EMAIL]
    await end_links(act, invited, _LINK_ENDS.get(end, InvitationEnd.CANCELLED))


_LINK_ENDS = {AssignmentEnd.EXPIRED: InvitationEnd.EXPIRED}


def is_usable(now: dt.datetime) -> ColumnElement[bool]:
    """Live, and not past its last moment."""
    return and_(VOUCHER.c.standing == VoucherStanding.LIVE, VOUCHER.c.expires_at > now)
