"""Doing a task, and saying how it ended. Every kind is idempotent, so that a task may be done twice without harm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from models.work import TaskKind
from resolvers.database import Reading, Writing
from resolvers.evidence.signing import Signer
from resolvers.invoices.issuing import issue_due
from resolvers.principal import Principal
from resolvers.recording import begin_recording, end_recording
from resolvers.snapshots.checking import open_cases
from resolvers.snapshots.month import Month, run_month
from resolvers.tasks.leasing import Leased, LeaseLost, TaskKey, fail, finish, postpone

Clock = Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """With what, and in whose name, tasks are done."""

    reading: Reading
    run: Writing
    principal: Principal
    # None where the server has no signing key: then nothing is sealed yet.
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: done if there is no failure."""

    key: TaskKey
    failure: Exception | None = None


async def work_on(hands: Hands, clock: Clock, leased: Leased) -> Ended:
    """Does a task that was claimed. What fails is tried again later; what was taken over is left to who took it."""
    try:
        rest = await _do(hands, leased.key, clock())
        step = partial(postpone, leased=leased, until=rest) if rest else partial(finish, leased=leased, now=clock())
        await hands.run(step)
    except LeaseLost as lost:
        return Ended(leased.key, lost)
    except Exception as failure:
        return await _failed(hands, clock, leased, failure)
    return Ended(leased.key)


async def _failed(hands: Hands, clock: Clock, leased: Leased, failure: Exception) -> Ended:
    try:
        await hands.run(partial(fail, leased=leased, now=clock(), failure=failure))
    except LeaseLost as lost:
        failure.add_note(f"{lost} was taken over meanwhile.")
    return Ended(leased.key, failure)


async def _do(hands: Hands, key: TaskKey, now: dt.datetime) -> dt.datetime | None:
    """Does what can be done now; gives the instant at which the rest can be done."""
    match key.kind:
        case TaskKind.TAKE_MONTH:
            return await _take_month(hands, key, now)
        case TaskKind.END_CHALLENGE:
            await hands.run(
                partial(_issue_due, principal=hands.principal, now=now, organization_id=key.organization_id)
            )
        case TaskKind.CHECK_DRIFT:
            await open_cases(hands.reading, hands.run, hands.principal, hands.signer, now, key.organization_id)
    return None


async def _take_month(hands: Hands, key: TaskKey, now: dt.datetime) -> dt.datetime | None:
    date, rest = dt.date.fromisoformat(key.subject), None
    month = Month(date=date, organization_ids=[key.organization_id], signer=hands.signer)
    failures = []
    async for step in run_month(hands.reading, hands.run, hands.principal, now, month):
        rest = rest or step.waits_until
        if step.failure:
            failures.append(step.failure)
    if failures:
        raise failures[0]
    return rest


async def _issue_due(session: AsyncSession, principal: Principal, now: dt.datetime, organization_id: int) -> None:
    recording = await begin_recording(session, organization_id, now)
    await issue_due(recording, principal, now)
    await end_recording(recording)
