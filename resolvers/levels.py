"""Keeping daily levels: moved by whatever changes windows, in its transaction, and counted anew from the windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import levels
from models.batches import as_parameter
from models.interval import FOREVER_US
from models.levels import LEVEL, ORGANIZATION, quarter_from
from resolvers.invariant import Invariant, keys_of

# To count so many steps, and all others, anew takes less time than to raise them one by one.
RECOUNTED_FROM = 2_000


class Span(NamedTuple):
    """Where a window was added or removed, in microseconds."""

    scope_id: int
    from_at: int
    to_at: int


class Change(NamedTuple):
    """At an instant the level of a scope changes by so much, of both bounds."""

    scope_id: int
    from_at: int
    least: int
    most: int


class Step(NamedTuple):
    """From one instant until another the level of a scope is so much higher, or lower."""

    scope_id: int
    from_at: int
    until: int
    least: int
    most: int


@dataclass(slots=True)
class LevelChanges:
    """By how much an act under way changes levels, and when. Of so many changes that counting anew takes less time
    nothing is kept in mind, however large the act becomes.
    """

    _pending: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    are_many: bool = False

    def add(self, windows: Iterable[Span], by: int = 1) -> None:
        """Windows that are new, or by -1 those that are no more."""
        for scope_id, from_at, to_at in windows:
            self.change(Change(scope_id, quarter_from(from_at), by, by))
            if to_at != FOREVER_US:
                self.change(Change(scope_id, quarter_from(to_at), -by, -by))

    def change(self, change: Change, by: int = 1) -> None:
        if not self.are_many:
            least, most = self._pending.get(change[:2], (0, 0))
            self._pending[change[:2]] = (least + by * change.least, most + by * change.most)
            if len(self._pending) > RECOUNTED_FROM:
                self.become_many()

    def become_many(self) -> None:
        self.are_many = True
        self._pending.clear()

    def taken(self) -> list[Step]:
        """What is to be written; from now on it counts as written."""
        changes = sorted(Change(*place, *by) for place, by in self._pending.items() if any(by))
        self._pending.clear()
        return [step for _, of_one in groupby(changes, itemgetter(0)) for step in _steps(list(of_one))]


def _steps(changes: list[Change]) -> Iterator[Step]:
    """The changes of one scope in their order, each until the next."""
    least = most = 0
    for change, following in pairwise([*changes, Change(0, FOREVER_US, 0, 0)]):
        least, most = least + change.least, most + change.most
        yield Step(change.scope_id, change.from_at, following.from_at, least, most)


async def write_levels(session: AsyncSession, organization_id: int, changes: LevelChanges) -> None:
    """When an act ends, or a part of it."""
    if changes.are_many:
        changes.are_many = False
        await recount_levels(session, organization_id)
    elif steps := changes.taken():
        await _move_levels(session, organization_id, steps)


async def _move_levels(session: AsyncSession, organization_id: int, steps: list[Step]) -> None:
    of_one = {"tenant": organization_id}
    await session.execute(levels.open_levels(), of_one | {"steps": as_parameter(map(tuple, steps))})
    if rising := [step for step in steps if step.least or step.most]:
        connection = await session.connection()
        names = ("scope", "first", "until", "least_more", "most_more")
        each = [of_one | dict(zip(names, step, strict=True)) for step in rising]
        await connection.execute(levels.raise_levels(), each)


async def changes_by_lost(session: AsyncSession, organization_id: int, learner_ids: Iterable[int]) -> list[Change]:
    """What these learners have to do with the levels by dates that are lost."""
    given = {"tenant": organization_id, "learners": as_parameter((one,) for one in learner_ids)}
    return [Change._make(row) for row in await session.execute(levels.changes_by_lost_of_named(), given)]


async def recount_levels(session: AsyncSession, organization_id: int) -> None:
    """Forgets an organization's levels and counts them from its windows: where many changed, or by no act of ours."""
    await session.execute(delete(LEVEL).where(LEVEL.c.organization_id == organization_id))
    await session.execute(levels.recount_levels(), {"tenant": organization_id})


async def levels_that_differ(session: AsyncSession, organization_id: int) -> int:
    """At how many instants a level does not change as its windows do: always 0, or something went wrong."""
    differing = levels.levels_that_differ(ORGANIZATION).subquery("differing")
    counted = select(func.count()).select_from(differing)
    return await session.scalar(counted, {"tenant": organization_id}) or 0


def _differing() -> Invariant:
    differing = levels.levels_that_differ().subquery("differing")
    offending = select(keys_of(*differing.c)).select_from(differing)
    return Invariant("levels", "A daily level is what counting its windows gives.", offending)


LEVEL_INVARIANTS = (_differing(),)
