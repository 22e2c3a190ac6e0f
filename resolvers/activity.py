"""Questions about activity: what a person asks, in instants and in words, and until when it is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from models.activity import Predicate
from models.errors import DateOutOfRange, DayDoesNotExist, EmptyRange, KnownAtInFuture, RangeTooLong
from models.interval import DAY, UTC, BillingCalendar, Interval, to_microseconds
from models.organizations import OrganizationClock
from resolvers.loaders.counts import Count

EARLIEST, LATEST = dt.date(1900, 1, 1), dt.date(2199, 12, 31)
MOST_DAYS = 1_100


@dataclass(frozen=True, slots=True)
class Days:
    """From a local day through another, both included."""

    first: dt.date
    last: dt.date


@dataclass(frozen=True, slots=True)
class CutoffOf:
    """The organization's billing cutoff of a local day."""

    day: dt.date


@dataclass(frozen=True, slots=True)
class At:
    """An exact instant."""

    instant: dt.datetime


@dataclass(frozen=True, slots=True)
class Instants:
    """An exact range, `[start, end)`."""

    start: dt.datetime
    end: dt.datetime


Span = Days | CutoffOf | At | Instants


@dataclass(frozen=True, slots=True)
class ActivityQuestion:
    """One of the five questions, as a person asks it: ACTIVE_AT of a moment, the others of a span."""

    predicate: Predicate
    span: Span


@dataclass(frozen=True, slots=True)
class Answerable:
    """A question in the instants of one organization, and in words."""

    predicate: Predicate
    a: int
    b: int
    words: str


WORDS = {
    Predicate.ACTIVE_AT: "Active",
    Predicate.ACTIVE_DURING: "Active at any time",
    Predicate.ACTIVE_THROUGHOUT: "Active the whole time",
    Predicate.ACTIVATED_WITHIN: "Became active",
    Predicate.DEACTIVATED_WITHIN: "Last active",
}


def answerable(question: ActivityQuestion, calendar: BillingCalendar, *field: str) -> Answerable:
    """The question in the days of an organization; a range that is empty or absurd is refused."""
    a, b = _edges(question.span, calendar, field)
    words = f"{WORDS[question.predicate]} {_words(question.span, calendar)}"
    return Answerable(question.predicate, to_microseconds(a), to_microseconds(b), words)


def _edges(span: Span, calendar: BillingCalendar, field: tuple[str, ...]) -> tuple[dt.datetime, dt.datetime]:
    match span:
        case Days(first, last):
            whole = span_of(calendar, first, last, *field)
            return whole.start, whole.end
        case CutoffOf(day):
            span_of(calendar, day, day, *field)
            return calendar.cutoff_of(day), calendar.cutoff_of(day)
        case At(instant):
            return sane_instant(instant, *field), instant
        case Instants(start, end):
            if not sane_instant(start, *field) < sane_instant(end, *field):
                raise EmptyRange(start.isoformat(), end.isoformat(), *field)
            return start, end


def span_of(calendar: BillingCalendar, first: dt.date, last: dt.date, *field: str) -> Interval:
    """All of the local days from the first through the last."""
    if sane_day(first, *field) > sane_day(last, *field):
        raise EmptyRange(first, last, *field)
    try:
        return calendar.span(first, last)
    except ValueError as skipped:
        raise DayDoesNotExist(first, calendar.period_of(first).zone, *field) from skipped


def sane_day(day: dt.date, *field: str) -> dt.date:
    if not EARLIEST <= day <= LATEST:
        raise DateOutOfRange(day, *field)
    return day


def sane_instant(instant: dt.datetime, *field: str) -> dt.datetime:
    sane_day(instant.astimezone(UTC).date() if EARLIEST < instant.date() < LATEST else instant.date(), *field)
    return instant


def _words(span: Span, calendar: BillingCalendar) -> str:
    match span:
        case Days(first, last):
            zone = calendar.period_of(last).zone
            return f"on {first} ({zone})" if first == last else f"from {first} through {last} ({zone})"
        case CutoffOf(day):
            period = calendar.period_of(day)
            return (
                f"at the billing cutoff of {day} ({period.cutoff:%H:%M} {period.zone}, {_utc(calendar.cutoff_of(day))})"
            )
        case At(instant):
            return f"at {_utc(instant)}"
        case Instants(start, end):
            return f"from {_utc(start)} until {_utc(end)}"


def _utc(instant: dt.datetime) -> str:
    text = instant.astimezone(UTC).isoformat(sep=" ").removesuffix("+00:00")
    return f"{text} UTC"


def as_known(words: str, known_at: dt.datetime | None) -> str:
    """The words with the moment as of which the answer was known, if one was asked for."""
    return words if known_at is None else f"{words}, as known at {_utc(known_at)}"


def must_be_past(known_at: dt.datetime, now: dt.datetime, *field: str) -> dt.datetime:
    if known_at > now:
        raise KnownAtInFuture(known_at, *field)
    return sane_instant(known_at, *field)


async def settle(session: AsyncSession, organization_id: int, known_at: dt.datetime) -> None:
    """Makes sure that nothing is ever recorded at or before this time, so that an answer as known then stays.

    Whoever records holds the clock's row until it commits: this waits for them, and later ones get a later time.
    """
    clock = OrganizationClock.__table__
    await session.execute(
        update(clock)
        .where(clock.c.organization_id == organization_id, clock.c.recorded_at < known_at)
        .values(recorded_at=known_at)
    )


# ------------------------------------------------------------------------------------------------ days


M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Peak(Generic[M]):
    """The most people active at any of several moments (the cutoffs of days), the first such one, and how many
    reached it.

    Where dates are lost, `count` is bounds, and the moments are those that provably reached its lower one.
    """

    count: Count
    first: M
    times: int


def days_asked(first: dt.date, last: dt.date, *field: str) -> list[dt.date]:
    if sane_day(first, *field) > sane_day(last, *field):
        raise EmptyRange(first, last, *field)
    asked = (last - first).days + 1
    if asked > MOST_DAYS:
        raise RangeTooLong(asked, MOST_DAYS, *field)
    return [first + n * DAY for n in range(asked)]


def peak_of(moments: list[M], counts: list[Count]) -> Peak[M]:
    """The peak of a series: its bounds are the largest provable and the largest possible count."""
    least, most = max(count.least for count in counts), max(count.most for count in counts)
    reached = [moment for moment, count in zip(moments, counts, strict=True) if count.least == least]
    return Peak(Count(least, most), reached[0], len(reached))
