"""What learners are counted in: an organization, a team, a library. All three answer the same questions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import strawberry

from models.activity import Predicate
from models.errors import NotFound, QuestionError, QuestionErrorCode
from models.organizations import ScopeKind
from resolvers.activity import (
    ActivityQuestion,
    Answerable,
    CutoffOf,
    Days,
    answerable,
    as_known,
    days_asked,
    peak_of,
)
from resolvers.loaders.learners import (
    LearnerOrder,
    LearnersKey,
    LearnersPage,
    Who,
    learner_totals,
    learners_of,
    windows_key,
)
from resolvers.loaders.places import OrganizationRow, ScopeKey, ScopeRow, scopes_by_id
from resolvers.loaders.windows import Count, Question, WindowsPage, counts
from schema.context import Info
from schema.fields import field
from schema.ids import decode_id
from schema.known import AsKnown, as_known_at
from schema.learners import Learner, LearnerConnection, LearnerEdge
from schema.pagination import After, Before, First, Last, Paging, edges_and_info, paging
from schema.questions import (
    Activity,
    ActivityCount,
    ActivityFilter,
    ActivityPeak,
    DateRange,
    KnownAt,
    count_of,
    question_of,
)
from schema.scalars import described


class LearnerSort(Enum):
    NAME = "By name."
    NAME_DESC = "By name, last first."
    EMAIL = "By e-mail address."
    EMAIL_DESC = "By e-mail address, last first."
    EXTERNAL_ID = "By the organization's own id of the learner."
    EXTERNAL_ID_DESC = "By the organization's own id of the learner, last first."
    DEPARTMENT = "By department."
    DEPARTMENT_DESC = "By department, last first."

    @property
    def order(self) -> LearnerOrder:
        return LearnerOrder[self.name.removesuffix("_DESC")]

    @property
    def descending(self) -> bool:
        return self.name.endswith("_DESC")


described(LearnerSort, "By what a list of learners is ordered. Upper and lower case are the same.")

Search = Annotated[
    str | None,
    strawberry.argument(description="Only with this text in the name, e-mail, external id or department."),
]
Departments = Annotated[list[str] | None, strawberry.argument(description="Only of these departments.")]
TeamArgument = Annotated[
    strawberry.ID | None, strawberry.argument(description="Activity while a member of this team.", name="team")
]
LibraryArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Activity while having access to this library.", name="library"),
]
Dates = Annotated[DateRange, strawberry.argument(description="Local days, both included; at most 1,100.")]


@strawberry.interface(description="What learners are counted in: an organization, a team or a library.")
class ActivityScope:
    organization_row: strawberry.Private[OrganizationRow]
    scope_id: strawberry.Private[int]
    scope_name: strawberry.Private[str]

    async def known_to(self, info: Info, known_at: dt.datetime | None) -> AsKnown:
        """As of when to answer, for somebody who may see everybody here; an individual may not."""
        info.context.principal.must_see(self.organization_row.organization_id, "organization")
        return await as_known_at(info, self.organization_row, known_at)

    @field("Learners, with certainty per row, and the question in words. Without activity: all who ever belonged here.")
    async def learners(
        self,
        info: Info,
        activity: Activity = strawberry.UNSET,
        known_at: KnownAt = strawberry.UNSET,
        search: Search = strawberry.UNSET,
        department: Departments = strawberry.UNSET,
        team: TeamArgument = strawberry.UNSET,
        library: LibraryArgument = strawberry.UNSET,
        sort_by: Annotated[LearnerSort, strawberry.argument(description="The order.")] = LearnerSort.NAME,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> LearnerConnection:
        known = await self.known_to(info, known_at)
        narrowed = {ScopeKind.TEAM: team, ScopeKind.LIBRARY: library}
        within = [await narrower(info, self.organization_row, i, kind) for kind, i in narrowed.items() if i]
        listed = _listed(self, activity, known, search, department, within)
        parts = (listed.key[:3], activity, known_at, search, department, sort_by)
        page = paging(parts, first, after, last, before, str, int)
        return await _page_of_learners(info, self.organization_row, listed, page, sort_by)

    @field("How many answer a question with yes, each person once.")
    async def active_count(
        self,
        info: Info,
        activity: Annotated[ActivityFilter, strawberry.argument(description="The question.")],
        known_at: KnownAt = strawberry.UNSET,
    ) -> ActivityCount:
        known = await self.known_to(info, known_at)
        scope = Narrower(self.scope_id, self.scope_name)
        return await count_in(info, self.organization_row, scope, activity, known)

    @field("Day by day: active at the cutoff, joined, left. A plain list of at most 1,100 days.")
    async def activity_series(
        self, info: Info, dates: Dates, known_at: KnownAt = strawberry.UNSET
    ) -> list[ActivityDay]:
        days = days_asked(dates.from_, dates.through, "dates")
        known = await self.known_to(info, known_at)
        return [ActivityDay(scope=self, known=known, day=day) for day in days]

    @field("The most people active at the cutoff of any of these days, and when that was.")
    async def activity_peak(self, info: Info, dates: Dates, known_at: KnownAt = strawberry.UNSET) -> ActivityPeak:
        days = days_asked(dates.from_, dates.through, "dates")
        known = await self.known_to(info, known_at)
        questions = [_question_of_day(self, Predicate.ACTIVE_AT, day, known)[0] for day in days]
        peak = peak_of(days, await info.context.loaders.values(counts, Predicate.ACTIVE_AT).load_many(questions))
        words = as_known(f"Most active at a billing cutoff from {days[0]} through {days[-1]}", known.asked)
        return ActivityPeak(count=count_of(peak.count, words), first_date=peak.first_day, days=peak.days)


async def count_in(
    info: Info, organization: OrganizationRow, scope: Narrower, activity: ActivityFilter, known: AsKnown
) -> ActivityCount:
    asked = answerable(question_of(activity), organization.calendar, "activity")
    key = Question(organization.organization_id, scope.scope_id, asked.a, asked.b, known.at_us)
    count: Count = await info.context.loaders.values(counts, asked.predicate).load(key)
    return count_of(count, as_known(f"{asked.words}, {scope.name}", known.asked))


@strawberry.type(description="One day of a series.")
class ActivityDay:
    scope: strawberry.Private[ActivityScope]
    known: strawberry.Private[AsKnown]
    day: dt.date = strawberry.field(description="The local day.")

    @field("Active at the billing cutoff of the day.")
    async def active(self, info: Info) -> ActivityCount:
        return await self._count(info, Predicate.ACTIVE_AT)

    @field("Became active on the day.")
    async def joined(self, info: Info) -> ActivityCount:
        return await self._count(info, Predicate.ACTIVATED_WITHIN)

    @field("Were last active on the day.")
    async def left(self, info: Info) -> ActivityCount:
        return await self._count(info, Predicate.DEACTIVATED_WITHIN)

    async def _count(self, info: Info, predicate: Predicate) -> ActivityCount:
        question, words = _question_of_day(self.scope, predicate, self.day, self.known)
        return count_of(await info.context.loaders.values(counts, predicate).load(question), words)


def _question_of_day(scope: ActivityScope, predicate: Predicate, day: dt.date, known: AsKnown) -> tuple[Question, str]:
    """What is asked of one day, with its words; the loader asks it of all days at once."""
    organization = scope.organization_row
    span = CutoffOf(day) if predicate is Predicate.ACTIVE_AT else Days(day, day)
    asked = answerable(ActivityQuestion(predicate, span), organization.calendar, "dates")
    question = Question(organization.organization_id, scope.scope_id, asked.a, asked.b, known.at_us)
    return question, as_known(f"{asked.words}, {scope.scope_name}", known.asked)


# ---------------------------------------------------------------------------------------- lists of learners


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of learners: its key, who belongs to it, and the question it answers in words."""

    key: LearnersKey
    who: Who
    words: str | None
    known: AsKnown


def _listed(
    scope: ActivityScope,
    activity: ActivityFilter | None,
    known: AsKnown,
    search: str | None,
    departments: list[str] | None,
    within: list[Narrower],
) -> Listed:
    organization = scope.organization_row
    asked = answerable(question_of(activity), organization.calendar, "activity") if activity else None
    one, other = _scopes(scope, [narrow.scope_id for narrow in within])
    who = Who(
        predicate=asked.predicate if asked else None,
        search=(search or "").strip() or None,
        departments=tuple(departments or ()),
        whole_organization=one == organization.organization_id,
        in_two_scopes=other != 0,
    )
    key = LearnersKey(
        organization.organization_id, one, other, asked.a if asked else 0, asked.b if asked else 0, known.at_us
    )
    return Listed(key, who, _in_words(asked, scope, within, known), known)


def _scopes(scope: ActivityScope, narrower: list[int]) -> tuple[int, int]:
    """The one or two scopes that a list is of; what is in a team is in its organization anyway."""
    own = [] if narrower and scope.scope_id == scope.organization_row.organization_id else [scope.scope_id]
    one, other, *more = [*own, *narrower, 0, 0]
    if any(more):
        raise QuestionError(QuestionErrorCode.TOO_MANY_SCOPES, "Narrow a team or a library by one other.", "team")
    return one, other


def _in_words(asked: Answerable | None, scope: ActivityScope, within: list[Narrower], known: AsKnown) -> str | None:
    if asked is None:
        return None
    names = ", ".join([scope.scope_name, *(narrow.name for narrow in within)])
    return as_known(f"{asked.words}, {names}", known.asked)


@dataclass(frozen=True, slots=True)
class Narrower:
    """A team or a library that a question is about."""

    scope_id: int
    name: str


async def narrower(info: Info, organization: OrganizationRow, given: strawberry.ID, kind: ScopeKind) -> Narrower:
    """The team or library of the organization with this id."""
    what = kind.name.lower()
    key = ScopeKey(*decode_id(given, kind.name.capitalize(), 2, what))
    rows: list[ScopeRow] = await info.context.loaders.rows(scopes_by_id).load(key)
    if key.organization_id != organization.organization_id or not rows or rows[0].kind != kind.name:
        raise NotFound(what, what)
    return Narrower(key.scope_id, rows[0].name)


async def _page_of_learners(
    info: Info, organization: OrganizationRow, listed: Listed, page: Paging, sort_by: LearnerSort
) -> LearnerConnection:
    asked = LearnersPage(page.limit, sort_by.order, sort_by.descending != page.backward, page.beyond)
    loaders = info.context.loaders
    rows = await loaders.rows(learners_of, listed.who, asked).load(listed.key)
    latest = WindowsPage(listed.who.predicate, 1, newest_first=True)
    kept, page_info = edges_and_info([(row, (row.position, row.learner_id)) for row in rows], page)

    async def total() -> int:
        return await loaders.values(learner_totals, listed.who).load(listed.key)

    edges = [
        LearnerEdge(
            node=Learner(row=row, organization_row=organization, known_at=listed.known.at_us),
            cursor=cursor,
            certain=bool(row.certain),
            asked=(windows_key(listed.key, row.learner_id), latest),
        )
        for row, cursor in kept
    ]
    return LearnerConnection(edges=edges, page_info=page_info, total=total, question=listed.words)
