"""What is known otherwise than a snapshot says, person by person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TypeVar

import strawberry

from models.history import Source
from models.interval import BEGINNING_US, instant_unless_lost, to_microseconds
from resolvers.loaders.learned import Learned
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.snapshots import SnapshotRow
from resolvers.snapshots.drift import Dates, Difference, DifferenceKind, differences_of_each
from schema.context import Info
from schema.fields import field
from schema.learners import Learner
from schema.nodes import learner_by_key
from schema.pagination import Connection, Paging, connection_of
from schema.scalars import described

described(DifferenceKind, "How somebody counts otherwise.", "SnapshotDifferenceKind")
T = TypeVar("T")


@strawberry.type(description="The act by which something was learned: when, from whom, and why.")
class Learning:
    learned: strawberry.Private[Learned]

    @field("When it was recorded.")
    def recorded_at(self) -> dt.datetime:
        return self.learned.recorded_at

    @field("Who recorded it.")
    def recorded_by(self) -> str:
        return self.learned.actor

    @field("Where it came from.")
    def source(self) -> Source:
        return self.learned.source

    @field("Why, if they said so.")
    def reason(self) -> str | None:
        return self.learned.reason


@strawberry.type(description="The dates by which somebody counts.")
class CountedDates:
    dates: strawberry.Private[Dates]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Since when; null if that was lost.")
    def activated_at(self) -> dt.datetime | None:
        bounds = self.dates.bounds
        return instant_unless_lost(to_microseconds(bounds.from_earliest), to_microseconds(bounds.from_latest))

    @field("The first active day; null if that was lost.")
    def activated_on(self) -> dt.date | None:
        start = self.activated_at()
        return self.organization_row.calendar.day_of(start) if start else None

    @field("Until when, not included; null if it has not ended, or that was lost.")
    def deactivated_at(self) -> dt.datetime | None:
        bounds = self.dates.bounds
        return instant_unless_lost(to_microseconds(bounds.to_earliest), to_microseconds(bounds.to_latest))

    @field("The last local day touched: for an end at midnight the day before.")
    def last_active_on(self) -> dt.date | None:
        end = self.deactivated_at()
        return self.organization_row.calendar.last_day_before(end) if end else None

    @field("Whether the person counts whatever the lost dates were.")
    def certain(self) -> bool:
        return self.dates.certain


@strawberry.type(description="Somebody who counts otherwise than a snapshot says, and the act that made it so.")
class SnapshotDifference:
    difference: strawberry.Private[Difference]
    organization_row: strawberry.Private[OrganizationRow]

    @field("How they count otherwise.")
    def kind(self) -> DifferenceKind:
        return self.difference.kind

    @field("Who.")
    async def learner(self, info: Info) -> Learner | None:
        key = LearnerKey(self.organization_row.organization_id, self.difference.learner_id)
        return await learner_by_key(info, key)

    @field("The dates in the snapshot; null for who was not in it.")
    def then(self) -> CountedDates | None:
        return self._dates(self.difference.then)

    @field("The dates as known at the time that was asked about; null for who does not count then.")
    def now(self) -> CountedDates | None:
        return self._dates(self.difference.now)

    @field("The act that made the difference; null where only the day of the peak is another one.")
    def learned(self) -> Learning | None:
        learned = self.difference.learned
        return Learning(learned=learned) if learned else None

    def _dates(self, dates: Dates | None) -> CountedDates | None:
        return CountedDates(dates=dates, organization_row=self.organization_row) if dates else None


async def differences_page(
    info: Info, organization: OrganizationRow, key: tuple[SnapshotRow, dt.datetime], page: Paging
) -> Connection[SnapshotDifference]:
    found: list[Difference] = await info.context.loaders.values(differences_of_each).load(key)

    async def total() -> int:
        return len(found)

    rows = part_of(found, _position, page)
    nodes = [(SnapshotDifference(difference=one, organization_row=organization), _position(one)) for one in rows]
    return connection_of(nodes, page, total)


def _position(difference: Difference) -> tuple[int, int]:
    learned = difference.learned
    return to_microseconds(learned.recorded_at) if learned else BEGINNING_US, difference.learner_id


def part_of(rows: Sequence[T], position: Callable[[T], tuple[int, int]], page: Paging) -> list[T]:
    """Of a list that had to be made as a whole, in the order of its positions, the part that a page asks for."""
    ordered = sorted(rows, key=position, reverse=page.backward)
    if page.beyond is not None:
        beyond = page.beyond
        ordered = [r for r in ordered if (position(r) < beyond if page.backward else position(r) > beyond)]
    return ordered[: page.limit]
