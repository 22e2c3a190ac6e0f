"""Vouchers of people who have left their organization are flagged, so that somebody reissues them; nothing is revoked.

Whoever may still be there, or is known to start later, has not left; nor has somebody for whom the organization is
responsible, or will be. A flag goes when they return.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, or_, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.activity import Predicate
from models.base import Instant
from models.batches import as_keys, asked
from models.interval import FOREVER_US, to_microseconds
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import AssigneeKind, VoucherStanding
from resolvers.loaders.answers import answers_exactly, answers_uncertainly
from resolvers.loaders.responsibility import is_responsible_from
from resolvers.programs.acting import ProgramAct, Told, tell_all
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER, of_program

HERE = Predicate.ACTIVE_DURING
"""From now on, at any time."""
AT_ONCE = 1_000
LEAVING = (AssigneeKind.LEARNER, AssigneeKind.PERSON)


@dataclass(frozen=True, slots=True)
class Leavers:
    """Vouchers of one program whose flag is not as it should be, each with its assignment."""

    gone: list[tuple[int, int]]
    back: list[tuple[int, int]]


async def leavers(connection: AsyncConnection, program_id: int, now: dt.datetime) -> Leavers:
    """Read in a snapshot, so that looking keeps nobody from writing."""
    organizations = list((await connection.execute(_organizations(), {"program": program_id})).scalars())
    at = to_microseconds(now)
    # A moment before the end of time is what is known now.
    keys = as_keys((one, one, at, FOREVER_US, FOREVER_US - 1) for one in organizations)
    rows = (await connection.execute(_misflagged(), {**keys, "program": program_id})).all() if organizations else []
    gone = [(row.id, row.assignment_id) for row in rows if row.flagged_at is None]
    return Leavers(gone, [(row.id, row.assignment_id) for row in rows if row.flagged_at is not None])


async def flag_leavers(act: ProgramAct, found: Leavers) -> int:
    """How many were flagged. What was assigned to somebody else since it was found is left alone."""
    act.principal.must_run(act.program_id, "flag vouchers")
    flagged = await _set(act, found.gone, act.now)
    await _set(act, found.back, None)
    told = [Told(thing=ProgramThing.VOUCHER, thing_id=one, deed=ProgramDeed.FLAGGED) for one in sorted(flagged)]
    await tell_all(act, told)
    return len(flagged)


async def _set(act: ProgramAct, found: list[tuple[int, int]], flagged_at: dt.datetime | None) -> list[int]:
    changed: list[int] = []
    was = VOUCHER.c.flagged_at.is_(None) if flagged_at else VOUCHER.c.flagged_at.is_not(None)
    for start in range(0, len(found), AT_ONCE):
        part = found[start : start + AT_ONCE]
        rows = await act.session.execute(
            update(VOUCHER)
            .where(of_program(act), VOUCHER.c.id.in_([one for one, _ in part]), was)
            .where(VOUCHER.c.assignment_id.in_([assignment for _, assignment in part]))
            .where(VOUCHER.c.standing == VoucherStanding.LIVE)
            .values(flagged_at=flagged_at)
            .returning(VOUCHER.c.id)
        )
        changed += rows.scalars()
    return changed


def _assigned() -> Select[Any]:
    """Live vouchers that are assigned to learners, and to those for whom organizations were responsible."""
    same = (ASSIGNMENT.c.program_id == VOUCHER.c.program_id) & (ASSIGNMENT.c.id == VOUCHER.c.assignment_id)
    return (
        select(VOUCHER.c.id, VOUCHER.c.assignment_id, VOUCHER.c.flagged_at)
        .join_from(VOUCHER, ASSIGNMENT, same)
        .where(VOUCHER.c.program_id == bindparam("program", type_=BigInteger))
        .where(VOUCHER.c.standing == VoucherStanding.LIVE, ASSIGNMENT.c.kind.in_(LEAVING))
    )


@lru_cache
def _organizations() -> Select[Any]:
    return _assigned().with_only_columns(VOUCHER.c.organization_id).distinct()


@lru_cache
def _misflagged() -> Select[Any]:
    keys = asked("keys", "place", "organization_id", "scope_id", "a", "b", "known_at")
    now = type_coerce(keys.c.a, Instant)
    responsible = is_responsible_from(now, keys.c.organization_id, ASSIGNMENT.c.person_id)
    here = or_(_is_here(keys, ASSIGNMENT.c.learner_id), and_(ASSIGNMENT.c.kind == AssigneeKind.PERSON, responsible))
    flagged = VOUCHER.c.flagged_at.is_not(None)
    return (
        _assigned()
        .join(keys, keys.c.organization_id == VOUCHER.c.organization_id)
        .where(or_(flagged & here, ~flagged & ~here))
    )


def _is_here(keys: CTE, learner: ColumnElement[int]) -> ColumnElement[bool]:
    perhaps = answers_uncertainly(HERE, keys, learner, surely=False).exists()
    return or_(answers_exactly(HERE, keys, learner), perhaps)
