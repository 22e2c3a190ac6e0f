"""Learners, and pages of lists of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, TypeVar

import strawberry

from models.activity import Predicate
from models.interval import to_microseconds
from models.organizations import ScopeKind
from resolvers.activity import span_of
from resolvers.lists import Listed
from resolvers.loaders.beliefs import BeliefRow, BeliefsKey, beliefs_of_learners, held_at_the_last
from resolvers.loaders.certifications import CertificationRow, CertificationsKey, certifications_of_learners
from resolvers.loaders.erasures import erasures_of_learners
from resolvers.loaders.learner_lists import Who, certainties
from resolvers.loaders.learners import LearnerKey, LearnerRow
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.windows import WindowRow, WindowsOf, WindowsPage
from schema.alike import Alike, runs_of
from schema.beliefs import Belief, BillingExclusion, Certification, LibraryAccess
from schema.context import Info
from schema.fields import OfRows, by_kind, field
from schema.ids import Node, encode_id, encode_ids
from schema.pagination import After, Before, Connection, First, Last, Page, PageInfo, nodes_along, nodes_at
from schema.questions import Activity, KnownAt
from schema.windows import (
    ActivityWindow,
    Told,
    end_days,
    ends,
    first_days,
    last_days,
    of_latest,
    read_windows,
    starts,
    windows_of,
)

if TYPE_CHECKING:
    from schema.organizations import Organization, Team

T = TypeVar("T")

On = Annotated[dt.date | None, strawberry.argument(description="On this local day; now if left out.")]


def _ids_of(rows: Sequence[LearnerRow]) -> list[str]:
    return encode_ids("Learner", map(attrgetter("organization_id", "learner_id"), rows))


def _known(column: str) -> OfRows:
    """A column of the rows; an empty text is one that is not known."""
    of = attrgetter(column)
    return lambda rows: [value or None for value in map(of, rows)]


@strawberry.type(
    description="A person in one organization: what is counted and billed. Answers as known at the knownAt of its list."
)
class Learner(Node):
    row: strawberry.Private[LearnerRow]
    organization_row: strawberry.Private[OrganizationRow]
    known_at: strawberry.Private[int]

    @field("Opaque and lasting.", rows=_ids_of)
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Learner", self.row.organization_id, self.row.learner_id))

    @field("The full name; null if it is not known or was erased.", rows=_known("name"))
    def name(self) -> str | None:
        return self.row.name or None

    @field("The e-mail address; null if it is not known or was erased.", rows=_known("email"))
    def email(self) -> str | None:
        return self.row.email or None

    @field(
        "The organization's own id of the learner; what stands for it once the person was erased.",
        rows=_known("external_id"),
    )
    def external_id(self) -> str | None:
        return self.row.external_id or None

    @field("The department; null if none is known.", rows=_known("department"))
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
        batch=of_latest(starts),
    )
    async def activated_at(self, info: Info) -> dt.datetime | None:
        return await self._of_latest(info, starts)

    @field("The local day of activatedAt.", batch=of_latest(first_days))
    async def activated_on(self, info: Info) -> dt.date | None:
        return await self._of_latest(info, first_days)

    @field(
        "Until when, not included, in the latest window; null while it is open.",
        batch=of_latest(ends),
    )
    async def deactivated_at(self, info: Info) -> dt.datetime | None:
        return await self._of_latest(info, ends)

    @field(
        "The local day of deactivatedAt: the first day no longer active, for a deactivation at midnight.",
        batch=of_latest(end_days),
    )
    async def deactivated_on(self, info: Info) -> dt.date | None:
        return await self._of_latest(info, end_days)

    @field(
        "The last local day touched by the latest window; null while it is open.",
        batch=of_latest(last_days),
    )
    async def last_active_on(self, info: Info) -> dt.date | None:
        return await self._of_latest(info, last_days)

    @field("Whether the learner is certainly active at this moment.")
    async def active_now(self, info: Info) -> bool:
        now = to_microseconds(info.context.now)
        organization_id = self.row.organization_id
        of = WindowsOf(organization_id, organization_id, now, now, self.known_at)
        ((rows,),) = await read_windows(info, [(of, [self.row.learner_id])], WindowsPage(Predicate.ACTIVE_AT, 100))
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

    async def _of_latest(self, info: Info, told: Told[T]) -> T | None:
        (value,) = await of_latest(told)([self], info)
        return value


def _ids(learners: Sequence[Learner]) -> list[int]:
    return [row.learner_id for _, rows in runs_of(learners) for row in rows]


async def certain_of(edges: Sequence[LearnerEdge], info: Info) -> Sequence[bool]:
    """Of each learner whether the list's answer is certain."""
    runs = [(edge.listed, _ids(learners)) for edge, learners in nodes_along(edges)]

    async def read(who: Who, alike: Sequence[tuple[Listed, list[int]]]) -> Sequence[Sequence[bool]]:
        loader = info.context.loaders.groups(certainties, who)
        return await loader.load_groups([(listed.key, ids) for listed, ids in alike])

    return list(chain.from_iterable(await by_kind(runs, [listed.who for listed, _ in runs], read)))


async def answering_windows(edges: Sequence[LearnerEdge], info: Info) -> list[ActivityWindow | None]:
    """Of each learner the latest window that answers the list's question; None where there is none."""
    runs = [(edge, _ids(learners)) for edge, learners in nodes_along(edges)]

    async def read(
        predicate: Predicate | None, alike: Sequence[tuple[LearnerEdge, list[int]]]
    ) -> Sequence[Sequence[Sequence[WindowRow]]]:
        asked = [(edge.listed.key.windows, ids) for edge, ids in alike]
        return await read_windows(info, asked, WindowsPage(predicate, 1, newest_first=True))

    found = await by_kind(runs, [edge.listed.who.predicate for edge, _ in runs], read)
    return [
        _answering(edge, rows[0]) if rows else None
        for (edge, _), of_run in zip(runs, found, strict=True)
        for rows in of_run
    ]


def _answering(edge: LearnerEdge, row: WindowRow) -> ActivityWindow:
    scope_id = edge.listed.key.windows.scope_id
    return ActivityWindow(row=row, scope_id=scope_id, organization_row=edge.node().organization_row)


@strawberry.type(description="A learner in a list, with how certain the answer is.")
class LearnerEdge:
    page: strawberry.Private[Page[Learner]]
    # Which of the page.
    row: strawberry.Private[int]
    listed: strawberry.Private[Listed]

    @field("The learner.", batch=nodes_at)
    def node(self) -> Learner:
        return self.page.nodes[self.row]

    @field("Where the learner stands in this list, in this order.")
    def cursor(self) -> str:
        return self.page.cursor_at(self.row)

    @field("Whether the answer is yes whatever the lost dates were; false if it only may be.", batch=certain_of)
    async def certain(self, info: Info) -> bool:
        (certain,) = await certain_of([self], info)
        return certain

    @field(
        "The latest window that answers the question, where it was asked: of a team's list, while a member.",
        batch=answering_windows,
    )
    async def window(self, info: Info) -> ActivityWindow | None:
        (window,) = await answering_windows([self], info)
        return window


@strawberry.type(description="A page of learners, and the question that it answers.")
class LearnerConnection:
    page: strawberry.Private[Page[Learner]]
    listed: strawberry.Private[Listed]
    total: strawberry.Private[Callable[[], Awaitable[int]]]

    @field("The learners of this page, in order.")
    def edges(self) -> Sequence[LearnerEdge]:
        page, listed = self.page, self.listed
        return Alike.of(lambda row: LearnerEdge(page=page, row=row, listed=listed), range(len(page.nodes)))

    @field("Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo(page=self.page)

    @field("What was asked, in words; null if nothing was.")
    def question(self) -> str | None:
        return self.listed.words if self.listed.who.predicate else None

    @field("The learners of this page, without their cursors.")
    def nodes(self) -> Sequence[Learner]:
        return self.page.nodes

    @field("How many learners the whole list has, the uncertain ones included; counted only when asked for.")
    async def total_count(self) -> int:
        return await self.total()
