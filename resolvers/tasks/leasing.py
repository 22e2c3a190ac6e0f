"""Who does a task: a lease that one of many workers gets, and that somebody else gets once it has run out.

Everything is one conditional UPDATE of the task's row whose row count is checked, in a transaction of its organization.
What a task does is idempotent under the organization's lock; the lease only spares the work of doing it twice.
"""

from __future__ import annotations

import datetime as dt
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from traceback import extract_tb
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.base import Instant
from models.errors import DomainError
from models.work import Task, TaskKind
from resolvers.database import Reading, Writing

TASK = Task.__table__
LEASE = dt.timedelta(minutes=15)
FIRST_PAUSE = dt.timedelta(minutes=1)
LONGEST_PAUSE = dt.timedelta(hours=6)
# Workers choose among so many, so that they seldom reach for the same.
CHOICE = 16
OUR_FOLDERS = {"models", "resolvers", "schema", "server"}


@dataclass(frozen=True, slots=True, order=True)
class TaskKey:
    organization_id: int
    kind: TaskKind
    subject: str


@dataclass(frozen=True, slots=True)
class Leased:
    """A task in the hands of one worker: the lease is its proof that nobody else has taken it over."""

    key: TaskKey
    lease: str
    # This one counted.
    attempts: int


class LeaseLost(Exception):
    """Somebody else has taken the task over, since the lease ran out: what becomes of it is theirs to say."""


# ----------------------------------------------------------------------------------------------- claiming


async def claim(reading: Reading, run: Writing, now: dt.datetime) -> Leased | None:
    """One of the tasks that are due; None if nothing is, or if all that is was taken by others meanwhile."""
    async with reading() as connection:
        rows = (await connection.execute(_due(), {"now": now, "most": CHOICE})).all()
    for row in random.sample(rows, len(rows)):
        leased = await run(partial(claim_one, key=TaskKey(*row), now=now))
        if leased:
            return leased
    return None


async def claim_one(session: AsyncSession, key: TaskKey, now: dt.datetime) -> Leased | None:
    """This very task, if it is due and nobody has it."""
    lease = secrets.token_hex(16)
    taken = await session.execute(
        update(TASK)
        .where(_same(key), _free(now))
        .values(lease=lease, leased_until=now + LEASE, attempts=TASK.c.attempts + 1)
        .returning(TASK.c.attempts)
    )
    attempts = taken.scalar_one_or_none()
    return None if attempts is None else Leased(key, lease, attempts)


@cache
def _due() -> Select[Any]:
    now = bindparam("now", type_=Instant)
    columns = (TASK.c.organization_id, TASK.c.kind, TASK.c.subject)
    return select(*columns).where(_free(now)).order_by(TASK.c.due_at, *columns).limit(bindparam("most"))


def _free(now: dt.datetime | ColumnElement[dt.datetime]) -> ColumnElement[bool]:
    unleased = or_(TASK.c.leased_until.is_(None), TASK.c.leased_until <= now)
    return and_(TASK.c.done_at.is_(None), TASK.c.due_at <= now, unleased)


def _same(key: TaskKey) -> ColumnElement[bool]:
    return and_(TASK.c.organization_id == key.organization_id, TASK.c.kind == key.kind, TASK.c.subject == key.subject)


# ------------------------------------------------------------------------------------------------- ending


async def finish(session: AsyncSession, leased: Leased, now: dt.datetime) -> None:
    """It is done. Raises LeaseLost for a worker that is too late."""
    await _end(session, leased, done_at=now, failure=None)


async def postpone(session: AsyncSession, leased: Leased, until: dt.datetime) -> None:
    """Part of it has to wait: it is due again then."""
    await _end(session, leased, due_at=until, attempts=0, failure=None)


async def fail(session: AsyncSession, leased: Leased, now: dt.datetime, failure: BaseException) -> None:
    """It is tried again later, and each time later still."""
    await _end(session, leased, due_at=now + pause_after(leased.attempts), failure=told(failure))


async def _end(session: AsyncSession, leased: Leased, **values: object) -> None:
    ended = await session.execute(_ending(leased).values(lease=None, leased_until=None, **values))
    if ended.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(f"{leased.key.kind.name} {leased.key.subject} of {leased.key.organization_id}")


def _ending(leased: Leased) -> Update:
    return update(TASK).where(_same(leased.key), TASK.c.lease == leased.lease, TASK.c.done_at.is_(None))


def pause_after(attempts: int) -> dt.timedelta:
    """1, 2, 4, 8 … minutes after the first, second … attempt, and never more than 6 hours."""
    doublings = min(attempts - 1, 20)
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << doublings))


def told(failure: BaseException) -> str:
    """What went wrong without what it was about, which may be personal: a code, or where in our code it happened."""
    if isinstance(failure, DomainError):
        return f"{type(failure).__name__}: {failure.code.name}. {failure.code.value}"
    ours = [frame for frame in extract_tb(failure.__traceback__) if _folder(frame.filename) in OUR_FOLDERS]
    where = f" at {_within(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""
    return f"{type(failure).__name__}{where}"


def _folder(file: str) -> str:
    return _within(file).split("/", maxsplit=1)[0]


def _within(file: str) -> str:
    root = Path(__file__).resolve().parents[2]
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else file


# ------------------------------------------------------------------------------------------------ adding


@dataclass(frozen=True, slots=True)
class NewTask:
    kind: TaskKind
    subject: str
    due_at: dt.datetime


async def add_tasks(session: AsyncSession, organization_id: int, tasks: Sequence[NewTask]) -> None:
    """Adds those that are not there; what was added before stays as it is, done or not.

    Of two at once one adds them and the other, which had looked before, is tried again as a whole.
    """
    known = await _known(session, organization_id)
    missing = [one for one in tasks if (one.kind, one.subject) not in known]
    if missing:
        await session.execute(insert(TASK), [_row(organization_id, one) for one in missing])


async def ask_again(session: AsyncSession, organization_id: int, task: NewTask) -> None:
    """A person wants it: it is due, though it was done before or waits after a failure. Who has it now keeps it."""
    key = TaskKey(organization_id, task.kind, task.subject)
    await add_tasks(session, organization_id, [task])
    await session.execute(
        update(TASK)
        .where(_same(key), TASK.c.lease.is_(None))
        .values(due_at=task.due_at, done_at=None, attempts=0, failure=None)
    )


async def _known(session: AsyncSession, organization_id: int) -> set[tuple[TaskKind, str]]:
    rows = await session.execute(select(TASK.c.kind, TASK.c.subject).where(TASK.c.organization_id == organization_id))
    return {(row.kind, row.subject) for row in rows}


def _row(organization_id: int, task: NewTask) -> dict[str, object]:
    return {
        "organization_id": organization_id,
        "kind": task.kind,
        "subject": task.subject,
        "due_at": task.due_at,
        "attempts": 0,
    }
