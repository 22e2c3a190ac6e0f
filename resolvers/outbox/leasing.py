"""Who sends a message: a lease that one of many workers gets, and that another gets once it has run out.

Everything is one conditional UPDATE of the message's row whose row count is checked.
"""

from __future__ import annotations

import datetime as dt
import random
import secrets
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.base import Instant
from models.outbox import MessageState, OutboxMessage
from resolvers.database import Reading, Writing
from resolvers.outbox.letters import About

MESSAGE = OutboxMessage.__table__
# Far longer than a mail server is waited for, so that nobody takes over what is just being sent.
LEASE = dt.timedelta(minutes=10)
# Workers choose among so many, so that they seldom reach for the same.
CHOICE = 32
ABOUT = (MESSAGE.c.program_id, MESSAGE.c.id, MESSAGE.c.kind, MESSAGE.c.recipient, MESSAGE.c.voucher_invitation_id)


@dataclass(frozen=True, slots=True)
class Leased:
    """A message in the hands of one worker: the lease is its proof that nobody else has taken it over."""

    about: About
    lease: str
    # This one counted.
    attempts: int


async def claim_some(reading: Reading, run: Writing, now: dt.datetime, most: int) -> list[Leased]:
    """So many of those that are due, of any program; fewer if others took them meanwhile."""
    async with reading() as connection:
        rows = (await connection.execute(_due(), {"now": now, "most": CHOICE})).all()
    chosen = random.sample(rows, min(most, len(rows)))
    claimed = [await run(partial(_claim, program_id=row.program_id, message_id=row.id, now=now)) for row in chosen]
    return [one for one in claimed if one]


async def anything_due(reading: Reading, now: dt.datetime) -> bool:
    async with reading() as connection:
        return (await connection.execute(_due(), {"now": now, "most": 1})).first() is not None


async def _claim(session: AsyncSession, program_id: int, message_id: int, now: dt.datetime) -> Leased | None:
    """This very message, if it is due and nobody has it."""
    lease = secrets.token_hex(16)
    claimed = await session.execute(
        update(MESSAGE)
        .where(_same(program_id, message_id), _free(now))
        .values(lease=lease, leased_until=now + LEASE, attempts=MESSAGE.c.attempts + 1)
        .returning(*ABOUT, MESSAGE.c.attempts)
    )
    row = claimed.one_or_none()
    return Leased(_about(row), lease, row.attempts) if row else None


def _about(row: Any) -> About:
    return About(
        program_id=row.program_id,
        message_id=row.id,
        kind=row.kind,
        recipient=row.recipient,
        voucher_invitation_id=row.voucher_invitation_id,
    )


@cache
def _due() -> Select[Any]:
    now = bindparam("now", type_=Instant)
    keys = (MESSAGE.c.program_id, MESSAGE.c.id)
    return select(*keys).where(_free(now)).order_by(MESSAGE.c.due_at, *keys).limit(bindparam("most"))


def _free(now: dt.datetime | ColumnElement[dt.datetime]) -> ColumnElement[bool]:
    """What has ended has no lease and is never due again."""
    unleased = or_(MESSAGE.c.leased_until.is_(None), MESSAGE.c.leased_until <= now)
    return and_(MESSAGE.c.ended_at.is_(None), MESSAGE.c.due_at <= now, unleased)


def _same(program_id: int, message_id: int) -> ColumnElement[bool]:
    return and_(MESSAGE.c.program_id == program_id, MESSAGE.c.id == message_id)


# ------------------------------------------------------------------------------------------------- ending


async def end(
    session: AsyncSession, leased: Leased, now: dt.datetime, state: MessageState, failure: str | None = None
) -> bool:
    """How it ended for good; False for a worker that is too late, as others have it now or it was withdrawn."""
    return await _let_go(session, leased, state=state, failure=failure, ended_at=now)


async def postpone(session: AsyncSession, leased: Leased, until: dt.datetime, failure: str) -> bool:
    return await _let_go(session, leased, due_at=until, failure=failure)


async def _let_go(session: AsyncSession, leased: Leased, **values: object) -> bool:
    let_go = await session.execute(
        update(MESSAGE)
        .where(_same(leased.about.program_id, leased.about.message_id))
        .where(MESSAGE.c.lease == leased.lease, MESSAGE.c.ended_at.is_(None))
        .values(lease=None, leased_until=None, **values)
        .returning(MESSAGE.c.id)
    )
    return let_go.scalar_one_or_none() is not None
