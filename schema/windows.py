"""Windows of activity, and pages of those of many learners at once."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import strawberry

from models.activity import Predicate
from models.history import Quality, Source
from models.interval import BillingCalendar, from_microseconds, instant_or_none, instant_unless_lost
from resolvers.activity import ActivityQuestion, answerable
from resolvers.lists import as_known_at
from resolvers.loaders.beliefs import ActKey, ActRow, acts_by_time
from resolvers.loaders.learners import LearnerRow
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.windows import (
    WindowRow,
    WindowsOf,
    WindowsPage,
    few_windows_of_learners,
    position_of,
    windows_of_learners,
)
from schema.alike import Alike, Lists, Run, runs_of
from schema.context import Info
from schema.fields import field
from schema.ids import Node, encode_id
from schema.pagination import Connection, Page, PageAsked, Pages, Paging, paging
from schema.questions import ActivityFilter, question_of

if TYPE_CHECKING:
    from schema.learners import Learner

T = TypeVar("T")
# What is told of each of some windows, in the days of a calendar.
Told: TypeAlias = Callable[[Sequence[WindowRow], BillingCalendar], Sequence[T | None]]
MOST_WINDOWS = 1_000_000
LATEST = WindowsPage(None, 1, newest_first=True)


# ----------------------------------------------------------------------------------------- the dates of a window


def starts(rows: Sequence[WindowRow], _: BillingCalendar | None = None) -> list[dt.datetime | None]:
    return [
        instant_or_none(row.from_earliest)
        if row.particulars is None
        else instant_unless_lost(row.from_earliest, row.from_latest)
        for row in rows
    ]


def ends(rows: Sequence[WindowRow], _: BillingCalendar | None = None) -> list[dt.datetime | None]:
    return [
        instant_or_none(row.to_latest)
        if row.particulars is None
        else instant_unless_lost(row.to_earliest, row.to_latest)
        for row in rows
    ]


def first_days(rows: Sequence[WindowRow], calendar: BillingCalendar) -> list[dt.date | None]:
    return calendar.days_of(starts(rows))


def end_days(rows: Sequence[WindowRow], calendar: BillingCalendar) -> list[dt.date | None]:
    return calendar.days_of(ends(rows))


def last_days(rows: Sequence[WindowRow], calendar: BillingCalendar) -> list[dt.date | None]:
    return [calendar.last_day_before(end) if end else None for end in ends(rows)]


@strawberry.type(description="One uninterrupted time of activity, as known from one recorded time to the next.")
class ActivityWindow(Node):
    row: strawberry.Private[WindowRow]
    scope_id: strawberry.Private[int]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        row = self.row
        keys = (self.organization_row.organization_id, self.scope_id, row.learner_id, row.known_from, row.from_earliest)
        return strawberry.ID(encode_id("ActivityWindow", *keys, row.to_latest))

    @field("When it started; null if that was lost.", name="from", rows=starts)
    def from_(self) -> dt.datetime | None:
        return starts([self.row])[0]

    @field("When it ended, not included; null while it is open, and if that was lost (see quality).", rows=ends)
    def to(self) -> dt.datetime | None:
        return ends([self.row])[0]

    @field("The first active day; null if that was lost.")
    def activated_on(self) -> dt.date | None:
        return first_days([self.row], self.organization_row.calendar)[0]

    @field("The local day of the end; null while open, or if that was lost.")
    def deactivated_on(self) -> dt.date | None:
        return end_days([self.row], self.organization_row.calendar)[0]

    @field("The last local day touched: for an end at midnight the day before. Null while open, or if that was lost.")
    def last_active_on(self) -> dt.date | None:
        return last_days([self.row], self.organization_row.calendar)[0]

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


def of_latest(told: Told[T]) -> Callable[..., Awaitable[list[T | None]]]:
    """What is told of the latest window of each learner; None where there is none."""

    async def of_learners(learners: Sequence[Learner], info: Info) -> list[T | None]:
        runs = list(runs_of(learners))
        found = await read_windows(info, [(_of(one, one.known_at), _ids(rows)) for one, rows in runs], LATEST)
        latest: list[T | None] = []
        for (learner, _), of_run in zip(runs, found, strict=True):
            values = iter(told([windows[0] for windows in of_run if windows], learner.organization_row.calendar))
            latest += [next(values) if windows else None for windows in of_run]
        return latest

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
) -> Sequence[Connection[ActivityWindow]]:
    """A page of the windows of each learner, read together."""
    asked, page = Asked(info, question_of(activity) if activity else None, known_at), (first, after, last, before)
    if after or before:
        # A cursor belongs to one list, and is looked at as one of each.
        return [await _beyond_cursor(asked, learner, page) for learner in learners]
    return await _first_pages(asked, learners, paging((), *page, int, int, int))


class Asked(NamedTuple):
    """What is asked of the windows of each learner."""

    info: Info
    question: ActivityQuestion | None
    known_at: dt.datetime | None

    async def of(self, learner: Learner) -> WindowsOf:
        known, context = learner.known_at, self.info.context
        if self.known_at:
            known = (await as_known_at(context.run, learner.organization_row, self.known_at, context.now)).at_us
        if not self.question:
            return _of(learner, known)
        asked = answerable(self.question, learner.organization_row.calendar, "activity")
        return _of(learner, known, asked.a, asked.b)

    @property
    def predicate(self) -> Predicate | None:
        return self.question.predicate if self.question else None

    def page(self, of: Paging) -> WindowsPage:
        return WindowsPage(self.predicate, of.limit, of.backward, of.beyond)

    def list_of(self, of: WindowsOf, learner_id: int) -> tuple[object, ...]:
        """What the list of a learner is named by."""
        return (of.organization_id, learner_id, of.known_at, self.question)


async def _beyond_cursor(asked: Asked, learner: Learner, page: PageAsked) -> Connection[ActivityWindow]:
    of, learner_id = await asked.of(learner), learner.row.learner_id
    part = paging(asked.list_of(of, learner_id), *page, int, int, int)
    ((read,),) = await read_windows(asked.info, [(of, [learner_id])], asked.page(part))
    return _connection(asked, learner.organization_row, of, learner_id, part, read)


class Stretch(NamedTuple):
    """Learners whose windows are asked for alike."""

    organization: OrganizationRow
    of: WindowsOf
    learner_ids: list[int]


async def _first_pages(asked: Asked, learners: Sequence[Learner], page: Paging) -> Pages[ActivityWindow]:
    stretches = await _stretches(asked, learners)
    read = await read_windows(asked.info, [(one.of, one.learner_ids) for one in stretches], asked.page(page))
    nodes = [page.nodes(*of_stretch) for of_stretch in read]
    windows = Alike(
        Run(partial(_window, one.organization, one.of.scope_id), list(chain.from_iterable(own)))
        for one, own in zip(stretches, nodes, strict=True)
    )
    behind = list(accumulate(map(len, read)))

    def connection(place: int) -> Connection[ActivityWindow]:
        number = bisect_right(behind, place)
        # Counted from the end of its stretch.
        (organization, of, learner_ids), own = stretches[number], place - behind[number]
        part = Paging(asked.list_of(of, learner_ids[own]), page.size, page.backward, None)
        return _connection(asked, organization, of, learner_ids[own], part, read[number][own])

    return Pages(Lists(windows, map(len, chain.from_iterable(nodes))), connection)


async def _stretches(asked: Asked, learners: Sequence[Learner]) -> list[Stretch]:
    stretches: list[Stretch] = []
    known: dict[tuple[int, int], WindowsOf] = {}
    for learner, rows in runs_of(learners):
        alike = (learner.row.organization_id, learner.known_at)
        if alike not in known:
            known[alike] = await asked.of(learner)
        stretches.append(Stretch(learner.organization_row, known[alike], _ids(rows)))
    return stretches


def _connection(
    asked: Asked,
    organization: OrganizationRow,
    of: WindowsOf,
    learner_id: int,
    part: Paging,
    read: Sequence[WindowRow],
) -> Connection[ActivityWindow]:
    async def total() -> int:
        ((every,),) = await read_windows(asked.info, [(of, [learner_id])], WindowsPage(asked.predicate, MOST_WINDOWS))
        return len(every)

    return Connection(
        page=Page.of(Alike.of(partial(_window, organization, of.scope_id), read), _position, part), total=total
    )


async def read_windows(
    info: Info, asked: Sequence[tuple[WindowsOf, Sequence[int]]], page: WindowsPage
) -> list[Sequence[Sequence[WindowRow]]]:
    """The page of each learner's windows, in the lists that were asked for. Several pages of the same learners are most
    often read as one.
    """
    loaders = info.context.loaders
    few = await loaders.groups(few_windows_of_learners, page.predicate).load_groups(asked)
    whole = [[rows for rows in of_part if rows is not None] for of_part in few]
    if sum(map(len, whole)) == sum(map(len, few)):
        return list(map(page.of_each, whole))
    keys = [of.key(learner_id) for of, ids in asked for learner_id in ids]
    found = iter(await loaders.rows(windows_of_learners, page).load_many(keys))
    return [list(islice(found, len(ids))) for _, ids in asked]


def _of(learner: Learner, known_at: int, a: int = 0, b: int = 0) -> WindowsOf:
    """Those in the organization."""
    organization_id = learner.row.organization_id
    return WindowsOf(organization_id, organization_id, a, b, known_at)


def _ids(rows: Sequence[LearnerRow]) -> list[int]:
    return [row.learner_id for row in rows]


def _window(organization: OrganizationRow, scope_id: int, row: WindowRow) -> ActivityWindow:
    return ActivityWindow(row=row, scope_id=scope_id, organization_row=organization)


def _position(window: ActivityWindow) -> tuple[int, int, int]:
    position: tuple[int, int, int] = position_of(window.row)
    return position
