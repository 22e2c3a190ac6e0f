"""Learners and their windows, memberships and library access."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import strawberry

from models.activity import Predicate
from models.history import Quality, Source
from models.interval import from_microseconds, to_microseconds
from models.organizations import ScopeKind
from resolvers.activity import Answerable, answerable, span_of
from resolvers.lists import as_known_at
from resolvers.loaders.beliefs import (
    ActKey,
    ActRow,
    BeliefRow,
    BeliefsKey,
    acts_by_time,
    beliefs_of_learners,
    held_at_the_last,
)
from resolvers.loaders.certifications import CertificationRow, CertificationsKey, certifications_of_learners
from resolvers.loaders.erasures import erasures_of_learners
from resolvers.loaders.learners import LearnerKey, LearnerRow
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
from schema.fields import field
from schema.ids import encode_id
from schema.pagination import After, Before, Connection, First, Last, Page, PageInfo, Paging, paging
from schema.questions import Activity, ActivityFilter, KnownAt, question_of
from schema.scalars import described, instant_or_none

if TYPE_CHECKING:
    from schema.organizations import Library, Organization, Team

T = TypeVar("T")

described(Quality, "How well the dates of a window are known.", "WindowQuality")
described(Source, "Where a fact came from.", "RecordSource")
described(ScopeKind, "What something is counted in, or held to be so of.")


@strawberry.interface(description="Anything that can be asked for again by its id.")
class Node:
    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        raise NotImplementedError


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
        exact = self.row.from_earliest == self.row.from_latest
        return instant_or_none(self.row.from_earliest) if exact else None

    @field("When it ended, not included; null while it is open, and if that was lost (see quality).")
    def to(self) -> dt.datetime | None:
        exact = self.row.to_earliest == self.row.to_latest
        return instant_or_none(self.row.to_latest) if exact else None

    @field("The first active day; null if that was lost.")
    def activated_on(self) -> dt.date | None:
        start = self.from_()
        return self.organization_row.calendar.day_of(start) if start else None

    @field("The local day of the end; null while open, or if that was lost.")
    def deactivated_on(self) -> dt.date | None:
        end = self.to()
        return self.organization_row.calendar.day_of(end) if end else None

    @field("The last local day touched: for an end at midnight the day before. Null while open, or if that was lost.")
    def last_active_on(self) -> dt.date | None:
        end = self.to()
        return self.organization_row.calendar.last_day_before(end) if end else None

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


@strawberry.type(description="Having access to a library, from when until when.")
class LibraryAccess:
    row: strawberry.Private[BeliefRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("The library.")
    def library(self) -> Annotated[Library, strawberry.lazy("schema.organizations")]:
        from schema.organizations import Library

        return Library.of(self.organization_row, self.row.scope_id, self.row.scope_name)

    @field("Since when; null if that was lost.", name="from")
    def from_(self) -> dt.datetime | None:
        exact = self.row.from_earliest == self.row.from_latest
        return instant_or_none(self.row.from_earliest) if exact else None

    @field("Until when, not included; null while it lasts, and if that was lost.")
    def to(self) -> dt.datetime | None:
        exact = self.row.to_earliest == self.row.to_latest
        return instant_or_none(self.row.to_latest) if exact else None

    @field("When this was learned.")
    def recorded_at(self) -> dt.datetime:
        return from_microseconds(self.row.recorded_at)


@strawberry.type(description="Something that a learner is certified in, until a day or for good.")
class Certification:
    name: str = strawberry.field(description="Its name.")
    expires_on: dt.date | None = strawberry.field(
        description="The last day on which it is valid; null if it never expires."
    )
    recorded_at: dt.datetime = strawberry.field(description="When this was learned.")


@strawberry.type(description="Not being billed though active, from when until when: a test or a staff account.")
class BillingExclusion:
    row: strawberry.Private[BeliefRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Since when.", name="from")
    def from_(self) -> dt.datetime:
        return from_microseconds(self.row.from_earliest)

    @field("Until when, not included; null if for good.")
    def to(self) -> dt.datetime | None:
        return instant_or_none(self.row.to_latest)

    @field("The first local day.")
    def first_day(self) -> dt.date:
        return self.organization_row.calendar.day_of(self.from_())

    @field("The last local day; null if for good.")
    def last_day(self) -> dt.date | None:
        end = self.to()
        return self.organization_row.calendar.last_day_before(end) if end else None

    @field("When this was learned.")
    def recorded_at(self) -> dt.datetime:
        return from_microseconds(self.row.recorded_at)

    @field("Who recorded it.")
    def recorded_by(self) -> str:
        return self.row.actor

    @field("Why.")
    def reason(self) -> str | None:
        return self.row.reason


@strawberry.type(description="Something learned of a learner: what was then believed, by whom, from where and why.")
class Belief:
    row: strawberry.Private[BeliefRow]

    @field(
        "What it is about: ORGANIZATION for activity, TEAM for a membership, LIBRARY for access, EXCLUSION for not "
        "being billed."
    )
    def about(self) -> ScopeKind:
        return ScopeKind[self.row.scope_kind]

    @field("The name of the organization, team or library.")
    def name(self) -> str:
        return self.row.scope_name

    @field("The earliest that it can have started; null if nothing bounds it.")
    def from_earliest(self) -> dt.datetime | None:
        return instant_or_none(self.row.from_earliest)

    @field("The latest that it can have started; the same as fromEarliest if that is known.")
    def from_latest(self) -> dt.datetime:
        return from_microseconds(self.row.from_latest)

    @field("The earliest that it can have ended; null if it is open.")
    def to_earliest(self) -> dt.datetime | None:
        return instant_or_none(self.row.to_earliest)

    @field("The latest that it can have ended; null if it is open or nothing bounds it.")
    def to_latest(self) -> dt.datetime | None:
        return instant_or_none(self.row.to_latest)

    @field("How well its dates were known.")
    def quality(self) -> Quality:
        return Quality[self.row.quality]

    @field("False if it was then believed that this never was.")
    def holds(self) -> bool:
        return bool(self.row.holds)

    @field("When it was learned.")
    def recorded_at(self) -> dt.datetime:
        return from_microseconds(self.row.recorded_at)

    @field("Who recorded it.")
    def recorded_by(self) -> str:
        return self.row.actor

    @field("Where it came from.")
    def source(self) -> Source:
        return Source[self.row.source]

    @field("Why, if it was a correction.")
    def reason(self) -> str | None:
        return self.row.reason


# ------------------------------------------------------------------------------- the windows of many learners


def of_latest(told: Callable[[ActivityWindow], T]) -> Callable[..., Awaitable[list[T | None]]]:
    """What is told of the latest window of each learner; None where there is none."""

    async def of_learners(learners: Sequence[Learner], info: Info) -> list[T | None]:
        found = await _windows(info, [_windows_key(learner, learner.known_at) for learner in learners], LATEST)
        return [
            told(ActivityWindow(row=rows[0], organization_row=learner.organization_row)) if rows else None
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
    ask = lru_cache(lambda calendar: answerable(question, calendar, "activity") if question else None)
    lists = []
    for learner in learners:
        known = await _known_of(info, learner, known_at)
        of = (learner.row.organization_id, learner.row.learner_id, known, question)
        part = same._replace(of=of) if same else paging(of, *page, int, int, int)
        lists.append(_window_list(learner, known, ask(learner.organization_row.calendar), part))
    found: dict[int, Sequence[WindowRow]] = {}
    for wanted in dict.fromkeys(one.wanted for one in lists):
        places = [place for place, one in enumerate(lists) if one.wanted == wanted]
        pages = await _windows(info, [lists[place].key for place in places], wanted)
        found.update(zip(places, pages, strict=True))
    return [_window_page(info, one, found[place]) for place, one in enumerate(lists)]


async def _known_of(info: Info, learner: Learner, known_at: dt.datetime | None) -> int:
    if not known_at:
        return learner.known_at
    context = info.context
    return (await as_known_at(context.run, learner.organization_row, known_at, context.now)).at_us


async def _windows(info: Info, keys: Sequence[WindowsKey], page: WindowsPage) -> Sequence[Sequence[WindowRow]]:
    """The page of each learner's windows. Several pages of the same learners are most often read as one."""
    loaders = info.context.loaders
    few = await loaders.values(few_windows_of_learners, page.predicate).load_many(keys)
    pages = [page.of(rows) for rows in few if rows is not None]
    return pages if len(pages) == len(keys) else await loaders.rows(windows_of_learners, page).load_many(keys)


class WindowList(NamedTuple):
    """One learner's windows as a list, and which part of it is asked for."""

    learner: Learner
    key: WindowsKey
    paging: Paging
    wanted: WindowsPage


def _window_list(learner: Learner, known: int, asked: Answerable | None, part: Paging) -> WindowList:
    key = _windows_key(learner, known, (asked.a, asked.b) if asked else (0, 0))
    wanted = WindowsPage(asked.predicate if asked else None, part.limit, part.backward, part.beyond)
    return WindowList(learner, key, part, wanted)


def _window_page(info: Info, of: WindowList, rows: Sequence[WindowRow]) -> Connection[ActivityWindow]:
    async def total() -> int:
        (rows,) = await _windows(info, [of.key], WindowsPage(of.wanted.predicate, MOST_WINDOWS))
        return len(rows)

    organization = of.learner.organization_row
    nodes = [ActivityWindow(row=row, organization_row=organization) for row in rows]
    return Connection(page=Page.of(nodes, _position, of.paging), total=total)


def _windows_key(learner: Learner, known_at: int, span: tuple[int, int] = (0, 0)) -> WindowsKey:
    organization_id = learner.row.organization_id
    return WindowsKey(organization_id, organization_id, learner.row.learner_id, *span, known_at)


MOST_WINDOWS = 1_000_000
LATEST = WindowsPage(None, 1, newest_first=True)


def _position(window: ActivityWindow) -> tuple[int, int, int]:
    position: tuple[int, int, int] = position_of(window.row)
    return position


# ------------------------------------------------------------------------------------------------ learners


On = Annotated[dt.date | None, strawberry.argument(description="On this local day; now if left out.")]


@strawberry.type(
    description="A person in one organization: what is counted and billed. Answers as known at the knownAt of its list."
)
class Learner(Node):
    row: strawberry.Private[LearnerRow]
    organization_row: strawberry.Private[OrganizationRow]
    known_at: strawberry.Private[int]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Learner", self.row.organization_id, self.row.learner_id))

    @field("The full name; null if it is not known or was erased.")
    def name(self) -> str | None:
        return self.row.name or None

    @field("The e-mail address; null if it is not known or was erased.")
    def email(self) -> str | None:
        return self.row.email or None

    @field("The organization's own id of the learner; what stands for it once the person was erased.")
    def external_id(self) -> str | None:
        return self.row.external_id or None

    @field("The department; null if none is known.")
    def department(self) -> str | None:
        return self.row.department or None

    @field("When the personal data were erased; null if they were not.")
    async def erased_at(self, info: Info) -> dt.datetime | None:
        key = LearnerKey(self.row.organization_id, self.row.learner_id)
        rows = await info.context.loaders.rows(erasures_of_learners).load(key)
        return rows[0].recorded_at if rows else None

    @field("The organization in which this learner is counted.")
    def organization(self) -> Annotated[Organization, strawberry.lazy("schema.organizations")]:
        from schema.organizations import Organization

        return Organization.of(self.organization_row)

    @field(
        "Since when, in the latest window; stays after deactivation. Null if that was lost, or there is no window.",
        batch=of_latest(ActivityWindow.from_),
    )
    async def activated_at(self, info: Info) -> dt.datetime | None:
        return await self._of_latest(info, ActivityWindow.from_)

    @field("The local day of activatedAt.", batch=of_latest(ActivityWindow.activated_on))
    async def activated_on(self, info: Info) -> dt.date | None:
        return await self._of_latest(info, ActivityWindow.activated_on)

    @field(
        "Until when, not included, in the latest window; null while it is open.",
        batch=of_latest(ActivityWindow.to),
    )
    async def deactivated_at(self, info: Info) -> dt.datetime | None:
        return await self._of_latest(info, ActivityWindow.to)

    @field(
        "The local day of deactivatedAt: the first day no longer active, for a deactivation at midnight.",
        batch=of_latest(ActivityWindow.deactivated_on),
    )
    async def deactivated_on(self, info: Info) -> dt.date | None:
        return await self._of_latest(info, ActivityWindow.deactivated_on)

    @field(
        "The last local day touched by the latest window; null while it is open.",
        batch=of_latest(ActivityWindow.last_active_on),
    )
    async def last_active_on(self, info: Info) -> dt.date | None:
        return await self._of_latest(info, ActivityWindow.last_active_on)

    @field("Whether the learner is certainly active at this moment.")
    async def active_now(self, info: Info) -> bool:
        now = to_microseconds(info.context.now)
        key, any_then = _windows_key(self, self.known_at, (now, now)), WindowsPage(Predicate.ACTIVE_AT, 100)
        (rows,) = await _windows(info, [key], any_then)
        return any(row.from_latest <= now < row.to_earliest for row in rows)

    @field("All windows of activity in the organization, in order of their ends.", batch=windows_of)
    async def windows(
        self,
        info: Info,
        activity: Activity = strawberry.UNSET,
        known_at: KnownAt = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[ActivityWindow]:
        (connection,) = await windows_of([self], info, activity, known_at, first, after, last, before)
        return connection

    @field("The teams of which the learner is a member, on a day or now, by name.")
    async def teams(
        self, info: Info, on: On = strawberry.UNSET
    ) -> list[Annotated[Team, strawberry.lazy("schema.organizations")]]:
        from schema.organizations import Team

        start, end = self._day(info, on)
        members = [
            belief
            for belief in held_at_the_last(await self._beliefs(info))
            if belief.scope_kind == ScopeKind.TEAM.name and belief.from_earliest < end and belief.to_latest > start
        ]
        teams = {belief.scope_id: belief.scope_name for belief in members}
        by_name = sorted(teams.items(), key=lambda team: (team[1].casefold(), team[0]))
        return [Team.of(self.organization_row, scope_id, name) for scope_id, name in by_name]

    @field("Access to libraries, now and formerly.")
    async def library_access(self, info: Info) -> list[LibraryAccess]:
        held = held_at_the_last(await self._beliefs(info))
        accesses = sorted((b for b in held if b.scope_kind == ScopeKind.LIBRARY.name), key=lambda b: b.from_earliest)
        return [LibraryAccess(row=row, organization_row=self.organization_row) for row in accesses]

    @field("The certifications that the learner holds, by name; those that have expired too.")
    async def certifications(self, info: Info) -> list[Certification]:
        key = CertificationsKey(self.row.organization_id, self.row.learner_id, self.known_at)
        rows: list[CertificationRow] = await info.context.loaders.rows(certifications_of_learners).load(key)
        return [Certification(name=row.name, expires_on=row.expires_on, recorded_at=row.recorded_at) for row in rows]

    @field("From when until when the learner is, or was, not billed though active.")
    async def billing_exclusions(self, info: Info) -> list[BillingExclusion]:
        held = held_at_the_last(await self._beliefs(info))
        spans = sorted((b for b in held if b.scope_kind == ScopeKind.EXCLUSION.name), key=lambda b: b.from_earliest)
        return [BillingExclusion(row=row, organization_row=self.organization_row) for row in spans]

    @field("Everything ever recorded of this learner, oldest first: nothing is ever overwritten.")
    async def history(self, info: Info) -> list[Belief]:
        return [Belief(row=row) for row in await self._beliefs(info)]

    async def _beliefs(self, info: Info) -> list[BeliefRow]:
        key = BeliefsKey(self.row.organization_id, self.row.learner_id, self.known_at)
        rows: list[BeliefRow] = await info.context.loaders.rows(beliefs_of_learners).load(key)
        return rows

    def _day(self, info: Info, on: dt.date | None) -> tuple[int, int]:
        if not on:
            now = to_microseconds(info.context.now)
            return now, now + 1
        day = span_of(self.organization_row.calendar, on, on, "on")
        return to_microseconds(day.start), to_microseconds(day.end)

    async def _of_latest(self, info: Info, told: Callable[[ActivityWindow], T]) -> T | None:
        (value,) = await of_latest(told)([self], info)
        return value


@strawberry.type(description="A learner in a list, with how certain the answer is.")
class LearnerEdge:
    node: Learner = strawberry.field(description="The learner.")
    page: strawberry.Private[Page[Learner]]
    place: strawberry.Private[int]
    asked: strawberry.Private[tuple[WindowsKey, WindowsPage]]

    @field("Where the learner stands in this list, in this order.")
    def cursor(self) -> str:
        return self.page.cursor_at(self.place)

    @field("Whether the answer is yes whatever the lost dates were; false if it only may be.")
    def certain(self) -> bool:
        return bool(self.node.row.certain)

    @field("The latest window that answers the question, where it was asked: of a team's list, while a member.")
    async def window(self, info: Info) -> ActivityWindow | None:
        key, page = self.asked
        (rows,) = await _windows(info, [key], page)
        return ActivityWindow(row=rows[0], organization_row=self.node.organization_row) if rows else None


@strawberry.type(description="A page of learners, and the question that it answers.")
class LearnerConnection:
    page: strawberry.Private[Page[Learner]]
    # Of each learner of the page the key of the windows that answer the question, and which of them is meant.
    asked: strawberry.Private[Callable[[Learner], tuple[WindowsKey, WindowsPage]]]
    words: strawberry.Private[str | None]
    total: strawberry.Private[Callable[[], Awaitable[int]]]

    @field("The learners of this page, in order.")
    def edges(self) -> list[LearnerEdge]:
        page, asked = self.page, self.asked
        return [
            LearnerEdge(node=node, page=page, place=place, asked=asked(node)) for place, node in enumerate(page.nodes)
        ]

    @field("Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo(page=self.page)

    @field("What was asked, in words; null if nothing was.")
    def question(self) -> str | None:
        return self.words

    @field("The learners of this page, without their cursors.")
    def nodes(self) -> list[Learner]:
        return list(self.page.nodes)

    @field("How many learners the whole list has, the uncertain ones included; counted only when asked for.")
    async def total_count(self) -> int:
        return await self.total()
