"""A run of the month that a person asks for: a small one is done at once, a large one is left to the workers.

Either way each organization has its task, so that what fails is tried again, and how far it is can be asked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_parameter, asked
from models.work import TaskKind
from resolvers.activity import sane_day
from resolvers.loaders.places import OrganizationRow
from resolvers.snapshots.month import Month, left_to_do
from resolvers.snapshots.standing import standings
from resolvers.tasks.doing import Hands, work_on
from resolvers.tasks.leasing import TASK, NewTask, TaskKey, ask_again, claim_one

MOST_AT_ONCE = 25
MOST_FAILURES = 100


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Why an organization's month is not done, without personal data, and when it is tried again."""

    organization: OrganizationRow
    reason: str
    attempts: int
    again_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the month is, of so many organizations."""

    date: dt.date
    organizations: int
    # All of their products.
    taken: int
    # Something of them cannot be counted yet.
    waiting: int
    # Asked for, or planned, and not done.
    queued: int
    failed: int
    failures: Sequence[RunFailure]

    @property
    def is_done(self) -> bool:
        """Nothing is left that can be done now."""
        return self.taken + self.waiting == self.organizations and not self.queued


async def start_run(hands: Hands, now: dt.datetime, date: dt.date, organization_ids: Sequence[int] | None) -> None:
    """Asks for whatever is left to do, and does it if that is little. The same again asks for nothing more."""
    hands.principal.must_be_staff("take billing snapshots")
    month = Month(date=sane_day(date, "date"), organization_ids=organization_ids, signer=hands.signer)
    async with hands.reading() as connection:
        left = await left_to_do(connection, now, month)
    task = NewTask(TaskKind.TAKE_MONTH, date.isoformat(), now)
    for row in left:
        await hands.run(partial(ask_again, organization_id=row.organization_id, task=task))
    if len(left) <= MOST_AT_ONCE:
        for row in left:
            await _do_now(hands, now, TaskKey(row.organization_id, task.kind, task.subject))


async def _do_now(hands: Hands, now: dt.datetime, key: TaskKey) -> None:
    """Unless a worker was quicker."""
    leased = await hands.run(partial(claim_one, key=key, now=now))
    if leased:
        await work_on(hands, lambda: now, leased)


async def progress(
    connection: AsyncConnection, now: dt.datetime, date: dt.date, organization_ids: Sequence[int] | None
) -> Progress:
    found = await standings(connection, now, date, organization_ids)
    rows = {one.organization.organization_id: one.organization for one in found}
    tasks = await _open_tasks(connection, date, list(rows))
    due = [task for task in tasks if task.due_at <= now or task.failure]
    failed = [task for task in due if task.failure]
    return Progress(
        date=date,
        organizations=len(found),
        taken=sum(not one.problem and one.taken == len(one.products) for one in found),
        waiting=sum(one.waits_until(now) is not None for one in found),
        queued=len(due),
        failed=len(failed),
        failures=[
            RunFailure(rows[task.organization_id], task.failure, task.attempts, task.due_at)
            for task in failed[:MOST_FAILURES]
        ],
    )


async def _open_tasks(
    connection: AsyncConnection, date: dt.date, organization_ids: Sequence[int]
) -> Sequence[Row[Any, Any, Any, Any]]:
    keys = asked("keys", "organization_id")
    rows = await connection.execute(
        select(TASK.c.organization_id, TASK.c.due_at, TASK.c.attempts, TASK.c.failure)
        .where(TASK.c.organization_id.in_(select(keys.c.organization_id)))
        .where(TASK.c.kind == TaskKind.TAKE_MONTH, TASK.c.subject == date.isoformat(), TASK.c.done_at.is_(None))
        .order_by(TASK.c.due_at, TASK.c.organization_id),
        {"keys": as_parameter((i,) for i in organization_ids)},
    )
    return rows.all()
