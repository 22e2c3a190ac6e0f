"""What a client asks about activity: the five questions, their spans, and what a count answers."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from models.activity import Predicate
from models.errors import QuestionError, QuestionErrorCode
from resolvers.activity import ActivityQuestion, At, CutoffOf, Days, Instants, Span
from resolvers.loaders.counts import Count


@strawberry.input(description="Local days of the organization's billing zone, both included.")
class DateRange:
    from_: dt.date = strawberry.field(name="from", description="The first day, such as 2017-09-01.")
    through: dt.date = strawberry.field(description="The last day, such as 2017-09-30; it belongs to the range.")


@strawberry.input(description="An exact range of time, half-open: its end does not belong to it.")
class InstantRange:
    from_: dt.datetime = strawberry.field(name="from", description="The first instant.")
    until: dt.datetime = strawberry.field(description="The first instant after the range.")


@strawberry.input(description="A span of time: give exactly one.", one_of=True)
class ActivitySpan:
    dates: DateRange | None = strawberry.field(default=strawberry.UNSET, description="Days as a person types them.")
    instants: InstantRange | None = strawberry.field(default=strawberry.UNSET, description="Exact instants.")


@strawberry.input(description="A moment: give exactly one.", one_of=True)
class ActivityMoment:
    at: dt.datetime | None = strawberry.field(default=strawberry.UNSET, description="This instant.")
    cutoff_of: dt.date | None = strawberry.field(
        default=strawberry.UNSET,
        description="The organization's billing cutoff of this local day: what a bill counts.",
    )


@strawberry.input(
    description="One of five questions about activity; there is no single «active». Give exactly one. "
    "«From 9/1 through 9/30» as people mean it is activeDuring.",
    one_of=True,
)
class ActivityFilter:
    active_at: ActivityMoment | None = strawberry.field(
        default=strawberry.UNSET, description="Active at a moment: from <= t < to."
    )
    active_during: ActivitySpan | None = strawberry.field(
        default=strawberry.UNSET, description="Active at any time in the span: from < b and to > a."
    )
    active_throughout: ActivitySpan | None = strawberry.field(
        default=strawberry.UNSET, description="Active the whole span: from <= a and to >= b."
    )
    activated_within: ActivitySpan | None = strawberry.field(
        default=strawberry.UNSET, description="Became active in the span: a <= from < b."
    )
    deactivated_within: ActivitySpan | None = strawberry.field(
        default=strawberry.UNSET, description="Was last active in the span: a < to <= b."
    )


Activity = Annotated[ActivityFilter | None, strawberry.argument(description="Only who answers this question with yes.")]
Since = Annotated[dt.datetime | None, strawberry.argument(description="Only from this moment on.")]
Until = Annotated[dt.datetime | None, strawberry.argument(description="Only before this moment.")]
KnownAt = Annotated[
    dt.datetime | None,
    strawberry.argument(description="Answer as it was known at this past instant; as known now if left out."),
]

PREDICATES = {
    "active_during": Predicate.ACTIVE_DURING,
    "active_throughout": Predicate.ACTIVE_THROUGHOUT,
    "activated_within": Predicate.ACTIVATED_WITHIN,
    "deactivated_within": Predicate.DEACTIVATED_WITHIN,
}


def question_of(given: ActivityFilter) -> ActivityQuestion:
    if given.active_at:
        return ActivityQuestion(Predicate.ACTIVE_AT, _moment(given.active_at))
    for name, predicate in PREDICATES.items():
        span: ActivitySpan | None = getattr(given, name)
        if span:
            return ActivityQuestion(predicate, _span(span))
    raise QuestionError(QuestionErrorCode.EMPTY_RANGE, "Give one of the five questions.", "activity")


def _moment(given: ActivityMoment) -> Span:
    return CutoffOf(given.cutoff_of) if given.cutoff_of else At(_present(given.at))


def _span(given: ActivitySpan) -> Span:
    if given.dates:
        return Days(given.dates.from_, given.dates.through)
    instants = given.instants
    if not instants:
        raise QuestionError(QuestionErrorCode.EMPTY_RANGE, "Give dates or instants.", "activity")
    return Instants(instants.from_, instants.until)


def _present(instant: dt.datetime | None) -> dt.datetime:
    if not instant:
        raise QuestionError(QuestionErrorCode.EMPTY_RANGE, "Give an instant or a day.", "activity")
    return instant


@strawberry.type(
    description="How many people, each counted once. Where dates were lost it is bounds, never a false exact number."
)
class ActivityCount:
    exact: int | None = strawberry.field(description="The number, if nothing that was lost could change it.")
    min: int = strawberry.field(description="Those who count whatever the lost dates were: the provable number.")
    max: int = strawberry.field(description="Those who count if the lost dates were as favourable as they could be.")
    question: str = strawberry.field(description="What was asked, in words, with the zone.")


def count_of(count: Count, question: str) -> ActivityCount:
    exact = count.least if count.least == count.most else None
    return ActivityCount(exact=exact, min=count.least, max=count.most, question=question)


@strawberry.type(description="The day on which most were active, at its billing cutoff.")
class ActivityPeak:
    count: ActivityCount = strawberry.field(description="How many.")
    first_date: dt.date = strawberry.field(description="The first day that provably reached the lower bound.")
    days: int = strawberry.field(description="How many days did.")
