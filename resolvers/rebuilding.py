"""Deriving an organization's windows anew from its beliefs: to check them, or to make them again from nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from itertools import groupby, islice

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.activity import FormerWindow, UncertainWindow, Window
from models.batches import as_parameter
from models.derivation import current_windows, derived_windows
from models.history import Belief
from models.keys import Keys
from models.learners import Learner
from models.organizations import OrganizationClock
from resolvers.levels import recount_levels
from resolvers.recording import Recording, derive_windows

# PostgreSQL meets activity and membership by comparing all with all: large chunks cost more than many small ones.
LEARNERS_AT_ONCE = 250


async def windows_that_differ(session: AsyncSession, organization_id: int) -> int:
    """How many current windows are not what the beliefs make, or are missing: always 0, or something went wrong."""
    recorded_at = await _held_clock(session, organization_id)
    found = 0
    async for learners in _learners(session, organization_id):
        parameters = {
            "organization_id": organization_id,
            "recorded_at": recorded_at,
            "learners": as_parameter((i,) for i in learners),
        }
        derived, current = [
            {tuple(row) for row in await session.execute(statement(), parameters)}
            for statement in (derived_windows, current_windows)
        ]
        found += len(derived ^ current)
    return found


async def rebuild_windows(session: AsyncSession, organization_id: int) -> int:
    """Forgets all windows and plays every act back at its recorded time, then counts the levels anew; gives how many
    acts there were.
    """
    await _held_clock(session, organization_id)
    for table in (Window, FormerWindow, UncertainWindow):
        await session.execute(delete(table).where(table.organization_id == organization_id))
    said = await session.execute(
        select(Belief.recorded_at, Belief.learner_id)
        .where(Belief.organization_id == organization_id)
        .order_by(Belief.recorded_at)
    )
    acts = 0
    for recorded_at, rows in groupby(said.all(), key=lambda row: row.recorded_at):
        recording = Recording(session, organization_id, recorded_at, Keys(recorded_at))
        learners = iter(dict.fromkeys(row.learner_id for row in rows))
        while chunk := list(islice(learners, LEARNERS_AT_ONCE)):
            await derive_windows(recording, chunk)
        acts += 1
    await recount_levels(session, organization_id)
    return acts


async def _held_clock(session: AsyncSession, organization_id: int) -> dt.datetime:
    """The organization's recorded time, held so that nobody records meanwhile."""
    clock = OrganizationClock.__table__
    held = update(clock).where(clock.c.organization_id == organization_id).values(recorded_at=clock.c.recorded_at)
    recorded_at: dt.datetime = (await session.execute(held.returning(clock.c.recorded_at))).scalar_one()
    return recorded_at


async def _learners(session: AsyncSession, organization_id: int) -> AsyncIterator[Sequence[int]]:
    """The learners of an organization, some at a time."""
    after = None
    while True:
        page = select(Learner.id).where(Learner.organization_id == organization_id).order_by(Learner.id)
        page = page if after is None else page.where(Learner.id > after)
        learners = (await session.scalars(page.limit(LEARNERS_AT_ONCE))).all()
        if not learners:
            return
        yield learners
        after = learners[-1]
