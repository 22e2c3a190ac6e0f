"""What is due by itself: the month on its first day in each zone, the nightly check, and challenge windows that end.

Asked of all organizations at once; what is missing is added in a transaction for each organization.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from sqlalchemy import and_, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.billing import countable_from, month_before
from models.contracts import Term
from models.interval import DAY, first_instant
from models.invoices import Invoice, InvoiceState
from models.work import TaskKind
from resolvers.database import Reading, Writing
from resolvers.loaders.places import OrganizationRow, organizations_page
from resolvers.loaders.snapshots import IS_BILLED, SNAPSHOT
from resolvers.loaders.terms import held_terms
from resolvers.snapshots.standing import EVERYBODY
from resolvers.tasks.leasing import TASK, NewTask, add_tasks

INVOICE = Invoice.__table__
NIGHT = dt.time(2)
MONTHS = 3
# Tasks that were due longer ago than any that is planned need not be looked at.
HORIZON = dt.timedelta(days=120)
NIGHTS_KEPT = 7 * DAY

Planned = dict[int, list[NewTask]]


async def plan(reading: Reading, run: Writing, now: dt.datetime) -> int:
    """Adds the tasks that have become due, and says how many. Again, or at once by several workers, it adds none."""
    async with reading() as connection:
        rows = await organizations_page(connection, EVERYBODY, None)
        known = await _known(connection, now)
        wanted: Planned = defaultdict(list)
        for part in (await _months(connection, now, rows, known), await _nights(connection, now, rows, known)):
            for organization_id, tasks in part.items():
                wanted[organization_id] += tasks
        for organization_id, task in await _challenges(connection):
            wanted[organization_id].append(task)
    missing = {
        i: left for i, tasks in wanted.items() if (left := [one for one in tasks if (i, *_named(one)) not in known])
    }
    for organization_id, tasks in missing.items():
        await run(partial(_add, organization_id=organization_id, tasks=tasks, now=now))
    return sum(map(len, missing.values()))


Known = set[tuple[int, TaskKind, str]]


async def _known(connection: AsyncConnection, now: dt.datetime) -> Known:
    recent = select(TASK.c.organization_id, TASK.c.kind, TASK.c.subject).where(TASK.c.due_at >= now - HORIZON)
    rows = await connection.execute(recent)
    return {(row.organization_id, row.kind, row.subject) for row in rows}


def _named(task: NewTask) -> tuple[TaskKind, str]:
    return task.kind, task.subject


async def _add(session: AsyncSession, organization_id: int, tasks: Sequence[NewTask], now: dt.datetime) -> None:
    await add_tasks(session, organization_id, tasks)
    # There is one for each night; what they found is told by the cases that they opened.
    nights = and_(TASK.c.organization_id == organization_id, TASK.c.kind == TaskKind.CHECK_DRIFT)
    await session.execute(delete(TASK).where(nights, TASK.c.done_at <= now - NIGHTS_KEPT))


# --------------------------------------------------------------------------------------------- the month


async def _months(
    connection: AsyncConnection, now: dt.datetime, rows: Iterable[OrganizationRow], known: Known
) -> Planned:
    """This month's and at most the two before: of an organization that had a term, as known at its cutoff.

    So a contract that is written down later bills no past by itself.
    """
    by_cutoff: dict[dt.datetime, list[tuple[OrganizationRow, dt.date]]] = defaultdict(list)
    for row in rows:
        for date, cutoff in _firsts(row, now):
            if cutoff <= now and (row.organization_id, TaskKind.TAKE_MONTH, date.isoformat()) not in known:
                by_cutoff[cutoff].append((row, date))
    planned: Planned = {}
    for cutoff, of_it in by_cutoff.items():
        held = await held_terms(connection, [row.organization_id for row, _ in of_it], cutoff)
        for row, date in of_it:
            if terms := [term for term in held[row.organization_id] if term.covers(date)]:
                planned.setdefault(row.organization_id, []).append(_month(row, date, terms))
    return planned


def _firsts(row: OrganizationRow, now: dt.datetime) -> Iterator[tuple[dt.date, dt.datetime]]:
    """The last firsts of a month, with their cutoffs; one that is ahead of `now` is perhaps the first of them."""
    try:
        date = row.calendar.day_of(now).replace(day=1)
        for _ in range(MONTHS):
            yield date, row.calendar.cutoff_of(date)
            date = month_before(date)
    except (KeyError, ValueError, OSError):
        # A zone that nobody knows: what is asked of that organization says so, and the others have their month.
        return


def _month(row: OrganizationRow, date: dt.date, terms: Sequence[Term]) -> NewTask:
    due_at = min(countable_from(term.measure, date, row.calendar) for term in terms)
    return NewTask(TaskKind.TAKE_MONTH, date.isoformat(), due_at)


# --------------------------------------------------------------------------------------------- every night


async def _nights(
    connection: AsyncConnection, now: dt.datetime, rows: Sequence[OrganizationRow], known: Known
) -> Planned:
    """The last night of each organization of which anything was billed."""
    nights = dict(_last_nights(rows, now))
    wanted = [i for i, night in nights.items() if (i, *_named(night)) not in known]
    return {i: [nights[i]] for i in await _billed(connection, wanted)}


def _last_nights(rows: Iterable[OrganizationRow], now: dt.datetime) -> Iterator[tuple[int, NewTask]]:
    for row in rows:
        try:
            today = row.calendar.day_of(now)
            at = _night_of(row, today)
            day, at = (today, at) if at <= now else (today - DAY, _night_of(row, today - DAY))
        except (KeyError, ValueError, OSError):
            continue
        yield row.organization_id, NewTask(TaskKind.CHECK_DRIFT, day.isoformat(), at)


def _night_of(row: OrganizationRow, day: dt.date) -> dt.datetime:
    return first_instant(row.calendar.period_of(day).zone, day, NIGHT)


async def _billed(connection: AsyncConnection, organization_ids: Sequence[int]) -> list[int]:
    if not organization_ids:
        return []
    keys = asked("keys", "organization_id")
    billed = exists().where(SNAPSHOT.c.organization_id == keys.c.organization_id, IS_BILLED)
    found = await connection.execute(
        select(keys.c.organization_id).where(billed), {"keys": as_parameter((i,) for i in organization_ids)}
    )
    return list(found.scalars())


# --------------------------------------------------------------------------------------- challenge windows


async def _challenges(connection: AsyncConnection) -> list[tuple[int, NewTask]]:
    """The end of each challenge window, a task for all invoices of which it is the same."""
    rows = await connection.execute(
        select(INVOICE.c.organization_id, INVOICE.c.challenge_until)
        .where(INVOICE.c.state == InvoiceState.CHALLENGE, INVOICE.c.challenge_until.is_not(None))
        .distinct()
    )
    return [(i, NewTask(TaskKind.END_CHALLENGE, until.isoformat(), until)) for i, until in rows]
