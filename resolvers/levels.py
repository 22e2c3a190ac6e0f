"""Keeping daily levels: moved by whatever changes windows, in its transaction, and counted anew from the windows."""

from __future__ import annotations

from collections import Counter
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


class Step(NamedTuple):
    """From one instant until another the level of a scope is so much higher, or lower."""

    scope_id: int
    from_at: int
    until: int
    rise: int


@dataclass(slots=True)
class LevelChanges:
    """By how much an act under way changes levels, and when. Of so many changes that counting anew takes less time
    nothing is kept in mind, however large the act becomes.
    """

    _pending: Counter[tuple[int, int]] = field(default_factory=Counter)
    are_many: bool = False

    def add(self, windows: Iterable[Span], by: int = 1) -> None:
        """Windows that are new, or by -1 those that are no more."""
        for scope_id, from_at, to_at in windows:
            self.change(scope_id, quarter_from(from_at), by)
            if to_at != FOREVER_US:
                self.change(scope_id, quarter_from(to_at), -by)

    def change(self, scope_id: int, quarter: int, by: int) -> None:
        if not self.are_many:
            self._pending[scope_id, quarter] += by
            if len(self._pending) > RECOUNTED_FROM:
                self.become_many()

    def become_many(self) -> None:
        self.are_many = True
        self._pending.clear()

    def taken(self) -> list[Step]:
        """What is to be written; from now on it counts as written."""
        changes = sorted((*place, by) for place, by in self._pending.items() if by)
        self._pending.clear()
        return [step for _, of_one in groupby(changes, itemgetter(0)) for step in _steps(list(of_one))]


def _steps(changes: list[tuple[int, int, int]]) -> Iterator[Step]:
    """The changes of one scope in their order, each until the next."""
    rise = 0
    for (scope_id, quarter, by), (_, following, _) in pairwise([*changes, (0, FOREVER_US, 0)]):
        rise += by
        yield Step(scope_id, quarter, following, rise)


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
    if rising := [step for step in steps if step.rise]:
        connection = await session.connection()
        names = ("scope", "first", "until", "rise")
        each = [of_one | dict(zip(names, step, strict=True)) for step in rising]
        await connection.execute(levels.raise_levels(), each)


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
