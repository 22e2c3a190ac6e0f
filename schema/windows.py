"""Windows of activity, and pages of those of many learners at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import strawberry

from models.activity import Predicate
from models.history import Quality, Source
from models.interval import BillingCalendar, from_microseconds, instant_unless_lost
from resolvers.activity import ActivityQuestion, answerable
from resolvers.lists import as_known_at
from resolvers.loaders.beliefs import ActKey, ActRow, acts_by_time
from resolvers.loaders.learners import LearnerRow
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.windows import (
    WindowRow,
    WindowsKey,
    WindowsPage,
    few_windows_of_learners,
    position_of,
    windows_of_learners,
)
from schema.context import Info
from schema.fields import by_kind, field
from schema.ids import Node, encode_id
from schema.pagination import Connection, Page, Paging, paging
from schema.questions import ActivityFilter, question_of
from schema.scalars import instant_or_none

if TYPE_CHECKING:
    from schema.learners import Learner

T = TypeVar("T")
MOST_WINDOWS = 1_000_000
LATEST = WindowsPage(None, 1, newest_first=True)


# ----------------------------------------------------------------------------------------- the dates of a window


def start_of(row: WindowRow, _: BillingCalendar | None = None) -> dt.datetime | None:
    return instant_unless_lost(row.from_earliest, row.from_latest)


def end_of(row: WindowRow, _: BillingCalendar | None = None) -> dt.datetime | None:
    return instant_unless_lost(row.to_earliest, row.to_latest)


def first_day_of(row: WindowRow, calendar: BillingCalendar) -> dt.date | None:
    start = start_of(row)
    return calendar.day_of(start) if start else None


def end_day_of(row: WindowRow, calendar: BillingCalendar) -> dt.date | None:
    end = end_of(row)
    return calendar.day_of(end) if end else None


def last_day_of(row: WindowRow, calendar: BillingCalendar) -> dt.date | None:
    end = end_of(row)
    return calendar.last_day_before(end) if end else None


@strawberry.type(description="One uninterrupted time of activity, as known from one recorded time to the next.")
class ActivityWindow(Node):
    row: strawberry.Private[WindowRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        row = self.row
        keys = (self.organization_row.organization_id, row.scope_id, row.learner_id, row.known_from, row.from_earliest)
        return strawberry.ID(encode_id("ActivityWindow", *keys, row.to_latest))

    @field("When it started; null if that was lost.", name="from")
    def from_(self) -> dt.datetime | None:
        return start_of(self.row)

    @field("When it ended, not included; null while it is open, and if that was lost (see quality).")
    def to(self) -> dt.datetime | None:
        return end_of(self.row)

    @field("The first active day; null if that was lost.")
    def activated_on(self) -> dt.date | None:
        return first_day_of(self.row, self.organization_row.calendar)

    @field("The local day of the end; null while open, or if that was lost.")
    def deactivated_on(self) -> dt.date | None:
        return end_day_of(self.row, self.organization_row.calendar)

    @field("The last local day touched: for an end at midnight the day before. Null while open, or if that was lost.")
    def last_active_on(self) -> dt.date | None:
        return last_day_of(self.row, self.organization_row.calendar)

    @field("How well its dates are known.")
    def quality(self) -> Quality:
        return Quality[self.row.quality]

    @field("The earliest that it can have started; null if nothing bounds it.")
    def earliest(self) -> dt.datetime | None:
        return instant_or_none(self.row.from_earliest)

    @field("The latest that it can have ended; null if nothing bounds it.")
    def latest(self) -> dt.datetime | None:
        return instant_or_none(self.row.to_latest)

    @field("When this was learned.")
    def recorded_at(self) -> dt.datetime:
        return from_microseconds(self.row.known_from)

    @field("When something else was learned, from which on this was no longer held to be so; null while it is.")
    def superseded_at(self) -> dt.datetime | None:
        return instant_or_none(self.row.known_until)

    @field("Who recorded it.")
    async def recorded_by(self, info: Info) -> str:
        return (await self._act(info)).actor

    @field("Where it came from.")
    async def source(self, info: Info) -> Source:
        return Source[(await self._act(info)).source]

    @field("Why, if it was a correction.")
    async def reason(self, info: Info) -> str | None:
        return (await self._act(info)).reason

    async def _act(self, info: Info) -> ActRow:
        key = ActKey(self.organization_row.organization_id, self.row.known_from)
        rows: list[ActRow] = await info.context.loaders.rows(acts_by_time).load(key)
        return rows[0]


# ------------------------------------------------------------------------------- the windows of many learners


def of_latest(told: Callable[[WindowRow, BillingCalendar], T]) -> Callable[..., Awaitable[list[T | None]]]:
    """What is told of the latest window of each learner; None where there is none."""

    async def of_learners(learners: Sequence[Learner], info: Info) -> list[T | None]:
        found = await read_windows(info, [_key(learner.row, learner.known_at) for learner in learners], LATEST)
        return [
            told(rows[0], learner.organization_row.calendar) if rows else None
            for learner, rows in zip(learners, found, strict=True)
        ]

    return of_learners


async def windows_of(
    learners: Sequence[Learner],
    info: Info,
    activity: ActivityFilter | None = strawberry.UNSET,
    known_at: dt.datetime | None = strawberry.UNSET,
    first: int | None = strawberry.UNSET,
    after: str | None = strawberry.UNSET,
    last: int | None = strawberry.UNSET,
    before: str | None = strawberry.UNSET,
) -> list[Connection[ActivityWindow]]:
    """A page of the windows of each learner; those of the same page are read together."""
    question, page = question_of(activity) if activity else None, (first, after, last, before)
    # A cursor belongs to one list, and is looked at as one of each.
    same = None if after or before else paging((), *page, int, int, int)
    shared: dict[tuple[int, int], Shared] = {}
    keys, pages, parts = [], [], []
    for learner in learners:
        row = learner.row
        alike = (row.organization_id, learner.known_at)
        if alike not in shared:
            shared[alike] = await _shared(info, learner, question, known_at, same)
        known, a, b, wanted = shared[alike]
        of = (row.organization_id, row.learner_id, known, question)
        part = Paging(of, same.size, same.backward, None) if same else paging(of, *page, int, int, int)
        keys.append(_key(row, known, a, b))
        pages.append(wanted if same else _part(wanted.predicate, part))
        parts.append(part)

    def read(page: WindowsPage, alike: Sequence[WindowsKey]) -> Awaitable[Sequence[Sequence[WindowRow]]]:
        return read_windows(info, alike, page)

    found = await by_kind(keys, pages, read)
    return [
        _connection(info, learner.organization_row, part, key, wanted, rows)
        for learner, part, key, wanted, rows in zip(learners, parts, keys, pages, found, strict=True)
    ]


class Shared(NamedTuple):
    """What the lists of many learners have in common: as known when, and which windows answer."""

    known_at: int
    a: int
    b: int
    wanted: WindowsPage


async def _shared(
    info: Info,
    learner: Learner,
    question: ActivityQuestion | None,
    known_at: dt.datetime | None,
    same: Paging | None,
) -> Shared:
    known, context = learner.known_at, info.context
    if known_at:
        known = (await as_known_at(context.run, learner.organization_row, known_at, context.now)).at_us
    asked = answerable(question, learner.organization_row.calendar, "activity") if question else None
    a, b, predicate = (asked.a, asked.b, asked.predicate) if asked else (0, 0, None)
    return Shared(known, a, b, _part(predicate, same or paging((), None, None, None, None)))


def _part(predicate: Predicate | None, of: Paging) -> WindowsPage:
    return WindowsPage(predicate, of.limit, of.backward, of.beyond)


def _connection(
    info: Info,
    organization: OrganizationRow,
    part: Paging,
    key: WindowsKey,
    wanted: WindowsPage,
    rows: Sequence[WindowRow],
) -> Connection[ActivityWindow]:
    async def total() -> int:
        (every,) = await read_windows(info, [key], WindowsPage(wanted.predicate, MOST_WINDOWS))
        return len(every)

    nodes = [ActivityWindow(row=row, organization_row=organization) for row in rows]
    return Connection(page=Page.of(nodes, _position, part), total=total)


async def read_windows(info: Info, keys: Sequence[WindowsKey], page: WindowsPage) -> Sequence[Sequence[WindowRow]]:
    """The page of each learner's windows. Several pages of the same learners are most often read as one."""
    loaders = info.context.loaders
    few = await loaders.values(few_windows_of_learners, page.predicate).load_many(keys)
    whole = [rows for rows in few if rows is not None]
    if len(whole) < len(few):
        return await loaders.rows(windows_of_learners, page).load_many(keys)
    return page.of_each(whole)


def _key(row: LearnerRow, known_at: int, a: int = 0, b: int = 0) -> WindowsKey:
    return WindowsKey(row.organization_id, row.organization_id, row.learner_id, a, b, known_at)


def _position(window: ActivityWindow) -> tuple[int, int, int]:
    position: tuple[int, int, int] = position_of(window.row)
    return position
