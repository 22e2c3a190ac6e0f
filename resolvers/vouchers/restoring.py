"""Restoring: what a voucher had paid goes back to it when a fee is given back, if it can still be used.

One that was used up lives again, under a new code, since the old one is dead; and for whom it was assigned to. One that
has expired gets nothing back, unless its program reopens such vouchers for some days.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import case, insert, select, update

from models.interval import BillingCalendar
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import AssignmentState, VoucherStanding
from resolvers.loaders.voucher_programs import program_of
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.vouchers.codes import CodeKeys, keep_codes, must_have, new_codes
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER, of_program

# What is alive, and what the organization can bring back to life by itself.
ALIVE = (VoucherStanding.LIVE, VoucherStanding.REVOKED)
SAME_ASSIGNEE = ("organization_id", "kind", "learner_id", "person_id", "email")


class Voucher(NamedTuple):
    id: int
    standing: VoucherStanding
    expires_at: dt.datetime
    currency: str


async def restore(
    act: ProgramAct, keys: CodeKeys | None, voucher_id: int, amount_minor: int, assignment_id: int | None
) -> int:
    """How much of it can be used again: all or nothing. `assignment_id`: under which it was redeemed."""
    voucher = await _voucher(act, voucher_id)
    until = await _usable_until(act, voucher)
    if until <= act.now:
        await _break(act, voucher, amount_minor)
        return 0
    await _return(act, voucher, amount_minor, until)
    if voucher.standing not in ALIVE:
        await _revive(act, keys, voucher, assignment_id)
    return amount_minor


async def _voucher(act: ProgramAct, voucher_id: int) -> Voucher:
    columns = [VOUCHER.c[name] for name in Voucher._fields]
    rows = await act.session.execute(select(*columns).where(of_program(act), VOUCHER.c.id == voucher_id))
    return Voucher(*rows.one())


async def _usable_until(act: ProgramAct, voucher: Voucher) -> dt.datetime:
    """Its own last moment, or the end of the last day on which the program reopens it."""
    if voucher.expires_at > act.now and voucher.standing is not VoucherStanding.EXPIRED:
        return voucher.expires_at
    program = await program_of(act.session, act.program_id)
    if not program.reopen_days:
        return act.now
    calendar = BillingCalendar.of(program.zone)
    return calendar.start_of(calendar.day_of(act.now) + dt.timedelta(days=program.reopen_days + 1))


async def _return(act: ProgramAct, voucher: Voucher, amount_minor: int, until: dt.datetime) -> None:
    alive = case((VOUCHER.c.standing == VoucherStanding.REVOKED, VoucherStanding.REVOKED.name), else_="LIVE")
    returned = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher.id, VOUCHER.c.standing == voucher.standing)
        .where(VOUCHER.c.captured_minor - VOUCHER.c.reversed_minor >= amount_minor)
        .values(remaining_minor=VOUCHER.c.remaining_minor + amount_minor)
        .values(reversed_minor=VOUCHER.c.reversed_minor + amount_minor, standing=alive, expires_at=until)
        .returning(VOUCHER.c.id)
    )
    returned.scalar_one()
    what = f"{Money(amount_minor, voucher.currency)} is back on it"
    reopened = "" if until == voucher.expires_at else ", reopened for some days"
    await _tell(act, voucher, ProgramDeed.REVERSED, what + reopened)


async def _break(act: ProgramAct, voucher: Voucher, amount_minor: int) -> None:
    broken = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher.id)
        .where(VOUCHER.c.captured_minor - VOUCHER.c.reversed_minor >= amount_minor)
        .values(reversed_minor=VOUCHER.c.reversed_minor + amount_minor)
        .values(expired_minor=VOUCHER.c.expired_minor + amount_minor)
        .returning(VOUCHER.c.id)
    )
    broken.scalar_one()
    what = f"{Money(amount_minor, voucher.currency)} was given back after it had expired, and is lost"
    await _tell(act, voucher, ProgramDeed.REVERSED, what)


async def _revive(act: ProgramAct, keys: CodeKeys | None, voucher: Voucher, assignment_id: int | None) -> None:
    (new,) = new_codes([voucher.id])
    await keep_codes(act, must_have(keys), [new])
    again = await _assigned_again(act, voucher, assignment_id) if assignment_id else None
    revived = update(VOUCHER).where(of_program(act), VOUCHER.c.id == voucher.id)
    await act.session.execute(revived.values(last_four=new.last_four, assignment_id=again))


async def _assigned_again(act: ProgramAct, voucher: Voucher, assignment_id: int) -> int:
    of_it = (ASSIGNMENT.c.program_id == act.program_id) & (ASSIGNMENT.c.id == assignment_id)
    before = (await act.session.execute(select(*(ASSIGNMENT.c[name] for name in SAME_ASSIGNEE)).where(of_it))).one()
    key = act.keys.take()
    own = {"program_id": act.program_id, "id": key, "voucher_id": voucher.id}
    row = {**before._mapping, **own, "state": AssignmentState.ACTIVE, "assigned_at": act.now}
    await act.session.execute(insert(ASSIGNMENT), row)
    return key


async def _tell(act: ProgramAct, voucher: Voucher, deed: ProgramDeed, said: str) -> None:
    await tell(act, Told(thing=ProgramThing.VOUCHER, thing_id=voucher.id, deed=deed, said=said))
