"""Attempts to use a code, limited: each is counted before anything is looked for, and is forgiven unless it fails.

Counting is a transaction of its own, so that what the attempt itself undoes does not undo it, and of many at once each
is counted. Who is refused here is told the same for a code that works and for one that does not, and counts no more:
nobody who is shut out can go on and shut out others. They are refused by a look at the counts, so that a flood of
guesses writes nothing, and no writer waits for it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Integer, Select, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from models.access import Role
from models.attempts import MOST, MOST_SERVING_OTHERS, WINDOW, AskedCount, AttemptBy, AttemptCount, window_of
from models.batches import counting
from models.codes import normalized
from models.errors import DomainError, VoucherError, VoucherErrorCode
from resolvers.database import Reading, Writing
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act

COUNT, ASKED = AttemptCount.__table__, AskedCount.__table__
KEPT = dt.timedelta(days=1)
"""How long counts stay after their window, for who looks into an attack."""
# As many addresses as one subscriber has.
IPV6_PREFIX = 64

FAILED = (VoucherErrorCode.CODE_NOT_USABLE, VoucherErrorCode.CLAIM_NOT_USABLE)

T = TypeVar("T")


class Counted(NamedTuple):
    """A count that an attempt adds to, and how far it may go."""

    by: AttemptBy
    subject: str
    most: int


async def limited(
    reading: Reading,
    run: Writing,
    principal: Principal,
    now: dt.datetime,
    program_id: int,
    target: str | None,
    step: Callable[[], Awaitable[T]],
) -> T:
    """What `step` answers, if not too many failed before. `target` is the code as it was typed, if one was.

    An attempt that was broken off stays counted, since nobody knows how it would have ended.
    """
    counts = _counts(principal, program_id, target)
    await _refuse_at_once(reading, now, program_id, counts)
    await run(partial(_count, principal=principal, now=now, program_id=program_id, counts=counts))
    forgive = partial(_forgive, now=now, program_id=program_id, counts=counts)
    try:
        answer = await step()
    except Exception as problem:
        if not _is_failed(problem):
            await run(forgive)
        raise
    await run(forgive)
    return answer


async def forget_attempts(session: AsyncSession, now: dt.datetime) -> int:
    """Removes what no window counts any more."""
    old = now - WINDOW - KEPT
    await session.execute(delete(ASKED).where(ASKED.c.window_at < old))
    forgotten = delete(COUNT).where(COUNT.c.window_at < old).returning(COUNT.c.attempts)
    return len((await session.execute(forgotten)).all())


def _is_failed(problem: Exception) -> bool:
    return isinstance(problem, DomainError) and problem.code in FAILED


# ----------------------------------------------------------------------------------------- what is counted


def _counts(principal: Principal, program_id: int, target: str | None) -> list[Counted]:
    """In one order for everybody, or two callers would wait for each other."""
    serves_others = principal.runs(program_id) or principal.role is Role.PARTNER
    most = MOST_SERVING_OTHERS if serves_others else MOST
    subjects = {
        AttemptBy.ACTOR: _actor(principal),
        AttemptBy.ADDRESS: network_of(principal.origin),
        # What has not the shape of a voucher's code is none, and may be a promotion's, which a crowd enters at once.
        AttemptBy.TARGET: normalized(target or ""),
    }
    return [Counted(by, _digest(by, subject), most[by]) for by, subject in subjects.items() if subject]


def _actor(principal: Principal) -> str | None:
    """An organization's tokens count together, as a person's do; None for who has no account."""
    own = principal.organization_id or principal.person_id
    if own is None:
        own_name = principal.is_staff or principal.program_id is not None
        return f"{principal.role.name} {principal.program_id} {principal.name}" if own_name else None
    return f"{principal.role.name} {own}"


def network_of(origin: str) -> str:
    """The address; of version 6 the network, within which anybody takes another address at will."""
    try:
        address = ip_address(origin)
    except ValueError:
        return origin
    if not isinstance(address, IPv6Address):
        return origin
    return str(address.ipv4_mapped or ip_network((address, IPV6_PREFIX), strict=False))


def _digest(by: AttemptBy, subject: str) -> str:
    return hashlib.sha256(f"{by.name} {subject}".encode("utf-8", "surrogatepass")).hexdigest()


# ------------------------------------------------------------------------------------------------ counting


async def _refuse_at_once(reading: Reading, now: dt.datetime, program_id: int, counts: Sequence[Counted]) -> None:
    """Whom counting would refuse as well; of those who come at the same moment it is counting that tells."""
    most = {one.by: one.most for one in counts}
    asked = {
        "program": program_id,
        "window": window_of(now),
        "by": list(most),
        "subjects": [own.subject for own in counts],
    }
    async with reading() as connection:
        found = (await connection.execute(_counted(), asked)).all()
    if any(row.attempts >= most[row.by] for row in found):
        raise _too_many(now)


@lru_cache
def _counted() -> Select[Any]:
    """Of each subject what was counted of it; no two kinds have one subject, which is a digest of both."""
    return select(COUNT.c.by, COUNT.c.attempts).where(
        COUNT.c.program_id == bindparam("program"),
        COUNT.c.by.in_(bindparam("by", expanding=True)),
        COUNT.c.subject.in_(bindparam("subjects", expanding=True)),
        COUNT.c.window_at == bindparam("window"),
    )


async def _count(
    session: AsyncSession, principal: Principal, now: dt.datetime, program_id: int, counts: Sequence[Counted]
) -> None:
    """All or none: a refusal takes back what was counted before it."""
    act = await begin_act(session, principal, now, program_id)
    statement = _counting((await session.connection()).dialect.name)
    for one in counts:
        key = {"program_id": act.program_id, "window_at": window_of(now), "by": one.by, "subject": one.subject}
        counted = await session.execute(statement, key | {"most": one.most})
        if counted.scalar_one_or_none() is None:
            raise _too_many(now)


async def _forgive(session: AsyncSession, now: dt.datetime, program_id: int, counts: Sequence[Counted]) -> None:
    for one in counts:
        await session.execute(
            update(COUNT)
            .where(
                COUNT.c.program_id == program_id,
                COUNT.c.by == one.by,
                COUNT.c.subject == one.subject,
                COUNT.c.window_at == window_of(now),
            )
            .values(attempts=COUNT.c.attempts - 1)
        )


@lru_cache
def _counting(dialect: str) -> ReturningInsert[Any]:
    return counting(dialect, COUNT, "attempts", bindparam("most", type_=Integer))


def _too_many(now: dt.datetime) -> VoucherError:
    again = window_of(now) + WINDOW
    said = f"Too many codes that cannot be used were tried. Try again from {again:%Y-%m-%d %H:%M} UTC on."
    return VoucherError(VoucherErrorCode.TOO_MANY_ATTEMPTS, said)
