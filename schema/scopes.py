"""What learners are counted in: an organization, a team, a library. All three answer the same questions."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import Annotated

import strawberry

from models.activity import Predicate
from models.errors import EmptyRange, NotFound
from models.organizations import ScopeKind
from resolvers.activity import (
    ActivityQuestion,
    CutoffOf,
    Days,
    answerable,
    as_known,
    days_asked,
    peak_of,
)
from resolvers.lists import AsKnown, Listed, NamedScope, as_known_at, in_words, learner_list
from resolvers.loaders.certifications import Certified
from resolvers.loaders.counts import Count, Question, counts
from resolvers.loaders.learner_lists import LearnerOrder, LearnersPage, ListPart, learner_totals, learners_of
from resolvers.loaders.learners import LearnerRow
from resolvers.loaders.places import OrganizationRow, ScopeKey, ScopeRow, scopes_by_id
from schema.alike import Alike
from schema.context import Info
from schema.fields import field, given
from schema.ids import decode_id
from schema.learners import Learner, LearnerConnection
from schema.pagination import After, Before, First, Last, Page, Paging, paging
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


@strawberry.input(description="Who holds a certification. What is left out is not asked for.")
class LearnerCertificationFilter:
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="Its name; upper and lower case are the same."
    )
    expires_from: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="Only if its last day is this one or a later one."
    )
    expires_through: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="Only if its last day is this one or an earlier one."
    )

    def certified(self) -> Certified:
        name, first, last = given(self.name), given(self.expires_from), given(self.expires_through)
        if first and last and first > last:
            raise EmptyRange(first, last, "certification")
        return Certified(name=name, expires_from=first, expires_through=last)


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
CertificationArgument = Annotated[
    LearnerCertificationFilter | None,
    strawberry.argument(description="Only who holds a certification."),
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
        context = info.context
        return await as_known_at(context.run, self.organization_row, known_at, context.now)

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
        certification: CertificationArgument = strawberry.UNSET,
        sort_by: Annotated[LearnerSort, strawberry.argument(description="The order.")] = LearnerSort.NAME,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> LearnerConnection:
        known = await self.known_to(info, known_at)
        narrowed = {ScopeKind.TEAM: team, ScopeKind.LIBRARY: library}
        within = [await narrower(info, self.organization_row, i, kind) for kind, i in narrowed.items() if i]
        question = question_of(activity) if activity else None
        scopes = [NamedScope(self.scope_id, self.scope_name), *within]
        certified = certification.certified() if certification else None
        listed = learner_list(self.organization_row, scopes, question, known, search, department or (), certified)
        parts = (listed.key[:3], activity, known_at, search, department, certified, sort_by)
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
        scope = NamedScope(self.scope_id, self.scope_name)
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
        return ActivityPeak(count=count_of(peak.count, words), first_date=peak.first, days=peak.times)


async def count_in(
    info: Info, organization: OrganizationRow, scope: NamedScope, activity: ActivityFilter, known: AsKnown
) -> ActivityCount:
    asked = answerable(question_of(activity), organization.calendar, "activity")
    key = Question(organization.organization_id, scope.scope_id, asked.a, asked.b, known.at_us)
    count: Count = await info.context.loaders.values(counts, asked.predicate).load(key)
    return count_of(count, in_words(asked.words, organization, [scope], known))


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
    return question, in_words(asked.words, organization, [NamedScope(scope.scope_id, scope.scope_name)], known)


# ---------------------------------------------------------------------------------------- lists of learners


async def narrower(info: Info, organization: OrganizationRow, given: strawberry.ID, kind: ScopeKind) -> NamedScope:
    """The team or library of the organization with this id."""
    what = kind.name.lower()
    key = ScopeKey(*decode_id(given, kind.name.capitalize(), 2, what))
    rows: list[ScopeRow] = await info.context.loaders.rows(scopes_by_id).load(key)
    if key.organization_id != organization.organization_id or not rows or rows[0].kind != kind.name:
        raise NotFound(what, what)
    return NamedScope(key.scope_id, rows[0].name)


async def _page_of_learners(
    info: Info, organization: OrganizationRow, listed: Listed, page: Paging, sort_by: LearnerSort
) -> LearnerConnection:
    asked = LearnersPage(page.limit, sort_by.order, sort_by.descending != page.backward)
    loaders = info.context.loaders
    rows = await loaders.values(learners_of, listed.who, asked).load(ListPart(listed.key, page.beyond))

    def learner(row: LearnerRow) -> Learner:
        return Learner(row=row, organization_row=organization, known_at=listed.known.at_us)

    async def total() -> int:
        return await loaders.values(learner_totals, listed.who).load(listed.key)

    return LearnerConnection(page=Page.of(Alike.of(learner, rows), _position, page), listed=listed, total=total)


def _position(learner: Learner) -> tuple[str, int]:
    return learner.row.position, learner.row.learner_id
