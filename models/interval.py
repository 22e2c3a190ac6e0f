"""Intervals of time, and the days of an organization.

Every interval here is half-open, `[start, end)`: the start belongs to it, the end does not, so that one that ends
where another starts neither overlaps it nor leaves a gap. This module is the only place where that is decided.
Instants are aware UTC datetimes; in tables and batches they are integer microseconds since 1970.
"""

from __future__ import annotations

import datetime as dt
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from zoneinfo import ZoneInfo

from models.remembered import remembered

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = dt.timedelta(microseconds=1)
DAY = dt.timedelta(days=1)

BEGINNING = dt.datetime.min.replace(tzinfo=UTC)
"""Earlier than anything: where an unknown start may lie."""
FOREVER = dt.datetime.max.replace(tzinfo=UTC)
"""Later than anything: the end of what has not ended."""


def to_microseconds(instant: dt.datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> dt.datetime:
    return EPOCH + dt.timedelta(microseconds=microseconds)


BEGINNING_US, FOREVER_US = to_microseconds(BEGINNING), to_microseconds(FOREVER)


@remembered
def instant_or_none(microseconds: int | None) -> dt.datetime | None:
    """An instant of a batch; None for one that is unknown or will never come."""
    if microseconds is None or microseconds in (BEGINNING_US, FOREVER_US):
        return None
    return from_microseconds(microseconds)


def instant_unless_lost(earliest: int, latest: int) -> dt.datetime | None:
    """The one end of a window that lies between these microseconds; None if it was lost or will never come."""
    return instant_or_none(latest) if earliest == latest else None


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """`[start, end)`; an open one ends at FOREVER."""

    start: dt.datetime
    end: dt.datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"an interval must end after it starts: {self.start} .. {self.end}")

    def covers(self, instant: dt.datetime) -> bool:
        return self.start <= instant < self.end

    def overlaps(self, other: Interval) -> bool:
        return self.start < other.end and self.end > other.start

    @property
    def is_open(self) -> bool:
        return self.end == FOREVER


def coalesce(intervals: Iterable[Interval]) -> list[Interval]:
    """The same instants in as few intervals as possible: what overlaps or touches becomes one."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def intersections(these: Sequence[Interval], those: Sequence[Interval]) -> list[Interval]:
    """The instants in both of two coalesced lists. No two of these touch, since one of the lists has a gap there."""
    return sorted(
        Interval(max(one.start, other.start), min(one.end, other.end))
        for one in these
        for other in those
        if one.overlaps(other)
    )


def remainder(these: Sequence[Interval], those: Sequence[Interval]) -> list[Interval]:
    """The instants of one coalesced list that are in none of another; both in order."""
    edges = [BEGINNING, *(edge for one in those for edge in (one.start, one.end)), FOREVER]
    gaps = [Interval(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
    return intersections(these, gaps)


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval of which a date may be lost: it starts from `from_earliest` to `from_latest` (both possible), and
    ends from `to_earliest` to `to_latest`. A completion is any choice of the two within these that makes an interval.
    """

    from_earliest: dt.datetime
    from_latest: dt.datetime
    to_earliest: dt.datetime
    to_latest: dt.datetime
    may_be_empty: bool = False
    """True for an intersection that some completions leave empty: then nothing about it is certain."""

    @classmethod
    def exactly(cls, interval: Interval) -> Bounds:
        return cls(interval.start, interval.start, interval.end, interval.end)

    @classmethod
    def possible(
        cls, from_earliest: dt.datetime, from_latest: dt.datetime, to_earliest: dt.datetime, to_latest: dt.datetime
    ) -> Bounds | None:
        """Bounds of something that certainly was, so that it started before it ended: less what no completion
        reaches, and None if there is no completion.
        """
        if from_earliest > from_latest or to_earliest > to_latest or from_earliest >= to_latest:
            return None
        return cls(
            from_earliest,
            min(from_latest, to_latest - MICROSECOND),
            max(to_earliest, from_earliest + MICROSECOND),
            to_latest,
        )

    @property
    def is_exact(self) -> bool:
        return self.from_earliest == self.from_latest and self.to_earliest == self.to_latest and not self.may_be_empty

    @property
    def exact(self) -> Interval | None:
        return Interval(self.from_earliest, self.to_earliest) if self.is_exact else None

    @property
    def widest(self) -> Interval:
        return Interval(self.from_earliest, self.to_latest)

    def intersect(self, other: Bounds) -> Bounds | None:
        """What both have in common, in the completions in which they meet."""
        apart = self.from_latest >= other.to_earliest or other.from_latest >= self.to_earliest
        common = Bounds.possible(
            max(self.from_earliest, other.from_earliest),
            max(self.from_latest, other.from_latest),
            min(self.to_earliest, other.to_earliest),
            min(self.to_latest, other.to_latest),
        )
        return common and replace(common, may_be_empty=apart or self.may_be_empty or other.may_be_empty)

    def short_of_known_ends(self, known: Iterable[Interval]) -> Bounds:
        """These bounds, given that no completion spans the end of a known interval: there the learner had left."""
        from_earliest, to_latest = self.from_earliest, self.to_latest
        for left_at in (interval.end for interval in known):
            if from_earliest < left_at <= self.from_latest and left_at < self.to_earliest:
                from_earliest = left_at
            elif self.from_latest < left_at < to_latest and left_at >= self.to_earliest:
                to_latest = left_at
        return replace(self, from_earliest=from_earliest, to_latest=to_latest)


# ------------------------------------------------------------------------------------------------ days


@lru_cache(maxsize=65_536)
def first_instant(zone: str, day: dt.date, time: dt.time = dt.time()) -> dt.datetime:
    """The UTC instant at which a wall clock in `zone` first shows `time` of `day`.

    A time that the clock skips is the first instant after the gap; one that it shows twice is the first of the two.
    """
    wall = dt.datetime.combine(day, time)
    there = wall.replace(tzinfo=ZoneInfo(zone))
    instant = there.astimezone(UTC)
    if instant.astimezone(there.tzinfo).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(zone, there.replace(fold=1).astimezone(UTC), instant)


def _end_of_gap(zone: str, before: dt.datetime, after: dt.datetime) -> dt.datetime:
    """The instant between two at which the offset of a zone changes, to the second."""
    offset_before = before.astimezone(ZoneInfo(zone)).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while low < high:
        middle = (low + high) // 2
        if (before + dt.timedelta(seconds=middle)).astimezone(ZoneInfo(zone)).utcoffset() == offset_before:
            low = middle + 1
        else:
            high = middle
    return before + dt.timedelta(seconds=low)


@dataclass(frozen=True, slots=True)
class ZonePeriod:
    """From this local date on, days and cutoffs are those of this zone."""

    since: dt.date
    zone: str
    cutoff: dt.time


@dataclass(frozen=True, slots=True)
class BillingCalendar:
    """The days of an organization. A date that a person types is inclusive and means a day here."""

    periods: tuple[ZonePeriod, ...]

    @classmethod
    def of(cls, zone: str, cutoff: dt.time = dt.time()) -> BillingCalendar:
        return cls((ZonePeriod(dt.date.min, zone, cutoff),))

    def period_of(self, day: dt.date) -> ZonePeriod:
        return max((p for p in self.periods if p.since <= day), key=lambda p: p.since, default=self.periods[0])

    def start_of(self, day: dt.date) -> dt.datetime:
        return first_instant(self.period_of(day).zone, day)

    def cutoff_of(self, day: dt.date) -> dt.datetime:
        """The instant of this day at which the organization is counted."""
        period = self.period_of(day)
        return first_instant(period.zone, day, period.cutoff)

    def span(self, first: dt.date, last: dt.date) -> Interval:
        """All of the days from `first` through `last`, both included."""
        return Interval(self.start_of(first), self.start_of(last + DAY))

    def day_of(self, instant: dt.datetime) -> dt.date:
        """The local day an instant falls on."""
        if len(self.periods) == 1:
            return day_in(self.periods[0].zone, instant)
        day = day_in(self.period_of(instant.date()).zone, instant)
        while self.start_of(day) > instant:
            day -= DAY
        while self.start_of(day + DAY) <= instant:
            day += DAY
        return day

    def days_of(self, instants: Iterable[dt.datetime | None]) -> list[dt.date | None]:
        """The local day of each; None for None."""
        if len(self.periods) > 1:
            return [self.day_of(instant) if instant else None for instant in instants]
        zone = self.periods[0].zone
        return [day_in(zone, instant) if instant else None for instant in instants]

    def last_day_before(self, instant: dt.datetime) -> dt.date:
        """The last local day touched by something that ends at `instant`; for a midnight the day before."""
        return self.day_of(instant - MICROSECOND)


@lru_cache(maxsize=16_384)
def day_in(zone: str, instant: dt.datetime) -> dt.date:
    """What a calendar on the wall says in a zone. Instants of a list are much the same ones, again and again."""
    return instant.astimezone(ZoneInfo(zone)).date()


def days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    return (first + dt.timedelta(days=n) for n in range((last - first).days + 1))


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day so many months later, or earlier if they are negative; the last of that month if it has no such day:
    08-31 and six months are 02-28."""
    years, month = divmod(day.month - 1 + months, 12)
    last = monthrange(day.year + years, month + 1)[1]
    return dt.date(day.year + years, month + 1, min(day.day, last))
