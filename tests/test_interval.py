"""Half-open intervals, and the days of an organization where its clocks do odd things."""

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.interval import (
    BEGINNING,
    FOREVER,
    MICROSECOND,
    UTC,
    BillingCalendar,
    Interval,
    ZonePeriod,
    coalesce,
    days,
    from_microseconds,
    intersections,
    to_microseconds,
)
from tests.brute_force import first_minute

START = dt.datetime(2017, 9, 1, tzinfo=UTC)


def at(hour: int) -> dt.datetime:
    return START + dt.timedelta(hours=hour)


def interval(start: int, end: int) -> Interval:
    return Interval(at(start), at(end))


spans = st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[0] < pair[1])
lists_of_spans = st.lists(spans, max_size=6)


def hours_of(intervals: Sequence[Interval]) -> list[int]:
    return [hour for hour in range(13) if any(one.covers(at(hour)) for one in intervals)]


# ------------------------------------------------------------------------------------------- intervals


def test_the_start_belongs_to_an_interval_and_the_end_does_not() -> None:
    assert [hour for hour in range(5) if interval(1, 3).covers(at(hour))] == [1, 2]


@pytest.mark.parametrize("end", [1, 0])
def test_an_interval_that_ends_where_or_before_it_starts_is_refused(end: int) -> None:
    with pytest.raises(ValueError, match="must end after it starts"):
        interval(1, end)


def test_one_that_ends_where_another_starts_does_not_overlap_it() -> None:
    assert not interval(1, 3).overlaps(interval(3, 5))
    assert interval(1, 4).overlaps(interval(3, 5))


def test_only_what_has_not_ended_is_open() -> None:
    assert Interval(START, FOREVER).is_open
    assert not interval(1, 3).is_open


def test_touching_intervals_coalesce_and_a_gap_of_a_microsecond_does_not() -> None:
    late = Interval(at(3) + MICROSECOND, at(5))
    assert coalesce([interval(3, 5), interval(1, 3)]) == [interval(1, 5)]
    assert coalesce([late, interval(1, 3)]) == [interval(1, 3), late]


def test_one_inside_another_leaves_no_trace() -> None:
    assert coalesce([interval(1, 9), interval(2, 3), interval(4, 5)]) == [interval(1, 9)]


@given(lists_of_spans)
def test_coalescing_keeps_every_instant_and_leaves_nothing_that_touches(given_spans: list[tuple[int, int]]) -> None:
    intervals = [interval(*span) for span in given_spans]
    merged = coalesce(intervals)
    assert hours_of(merged) == hours_of(intervals)
    assert all(one.end < following.start for one, following in pairwise(merged))


@given(lists_of_spans, lists_of_spans)
def test_intersections_hold_what_is_in_both(these: list[tuple[int, int]], those: list[tuple[int, int]]) -> None:
    one, other = (coalesce(interval(*span) for span in listed) for listed in (these, those))
    common = intersections(one, other)
    assert hours_of(common) == [hour for hour in hours_of(one) if hour in hours_of(other)]
    assert common == coalesce(common)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_name_an_instant_exactly(moment: dt.datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


@pytest.mark.parametrize("end_of_time", [BEGINNING, FOREVER])
def test_the_ends_of_time_fit_into_microseconds(end_of_time: dt.datetime) -> None:
    assert from_microseconds(to_microseconds(end_of_time)) == end_of_time


# ------------------------------------------------------------------------------------------------ days


@pytest.mark.parametrize(
    ("zone", "day", "first_instant"),
    [
        ("America/Chicago", "2017-09-01", "2017-09-01T05:00Z"),
        ("America/Chicago", "2017-12-01", "2017-12-01T06:00Z"),
        ("Pacific/Kiritimati", "2017-09-01", "2017-08-31T10:00Z"),  # UTC+14
        ("Etc/GMT+12", "2017-09-01", "2017-09-01T12:00Z"),
        ("America/Sao_Paulo", "2017-10-15", "2017-10-15T03:00Z"),  # the clock went from 23:59 to 01:00
        ("Asia/Beirut", "2017-03-26", "2017-03-25T22:00Z"),  # so did this one
        ("America/Havana", "2017-11-05", "2017-11-05T04:00Z"),  # 00:00 twice: the first
        ("America/St_Johns", "2006-10-29", "2006-10-29T02:30Z"),  # 00:00, a minute later 23:01 of the day before
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: str, first_instant: str) -> None:
    calendar = BillingCalendar.of(zone)
    assert calendar.start_of(dt.date.fromisoformat(day)) == dt.datetime.fromisoformat(first_instant)


@pytest.mark.parametrize(
    ("day", "hours"), [("2017-03-12", 23), ("2017-11-05", 25), ("2017-09-01", 24)], ids=["spring", "autumn", "plain"]
)
def test_a_day_has_as_many_hours_as_its_clock_shows(day: str, hours: int) -> None:
    only = dt.date.fromisoformat(day)
    span = BillingCalendar.of("America/Chicago").span(only, only)
    assert span.end - span.start == dt.timedelta(hours=hours)


def test_a_day_that_a_zone_skipped_holds_no_instant() -> None:
    samoa, skipped = BillingCalendar.of("Pacific/Apia"), dt.date(2011, 12, 30)
    assert samoa.start_of(skipped) == samoa.start_of(dt.date(2011, 12, 31))
    with pytest.raises(ValueError, match="must end after it starts"):
        samoa.span(skipped, skipped)


def test_a_span_over_a_skipped_day_holds_its_neighbours() -> None:
    span = BillingCalendar.of("Pacific/Apia").span(dt.date(2011, 12, 29), dt.date(2011, 12, 31))
    assert span.end - span.start == dt.timedelta(hours=48)


@pytest.mark.parametrize(
    ("zone", "cutoff", "day", "instant"),
    [
        ("America/Chicago", "17:00", "2017-09-01", "2017-09-01T22:00Z"),
        ("America/Chicago", "02:30", "2017-03-12", "2017-03-12T08:00Z"),  # skipped: the first instant after the gap
        ("America/Chicago", "01:30", "2017-11-05", "2017-11-05T06:30Z"),  # shown twice: the first
        ("Pacific/Apia", "12:00", "2011-12-30", "2011-12-30T10:00Z"),  # no such day: the first instant after it
        ("America/St_Johns", "00:00:30", "2006-10-29", "2006-10-29T02:30:30Z"),
    ],
)
def test_a_cutoff_is_the_first_time_that_the_clock_shows_it(zone: str, cutoff: str, day: str, instant: str) -> None:
    calendar = BillingCalendar.of(zone, dt.time.fromisoformat(cutoff))
    assert calendar.cutoff_of(dt.date.fromisoformat(day)) == dt.datetime.fromisoformat(instant)


def test_the_last_day_before_a_midnight_is_the_day_before() -> None:
    calendar = BillingCalendar.of("America/Chicago")
    midnight = calendar.start_of(dt.date(2017, 10, 1))
    assert calendar.last_day_before(midnight) == dt.date(2017, 9, 30)
    assert calendar.last_day_before(midnight + MICROSECOND) == calendar.day_of(midnight) == dt.date(2017, 10, 1)


def test_from_a_date_on_days_are_those_of_the_new_zone() -> None:
    moved = dt.date(2017, 9, 2)
    periods = (ZonePeriod(dt.date.min, "America/Chicago", dt.time()), ZonePeriod(moved, "UTC", dt.time(12)))
    calendar = BillingCalendar(periods)
    last_old = calendar.span(dt.date(2017, 9, 1), dt.date(2017, 9, 1))
    assert last_old == Interval(dt.datetime(2017, 9, 1, 5, tzinfo=UTC), dt.datetime(2017, 9, 2, tzinfo=UTC))
    assert calendar.cutoff_of(moved) == dt.datetime(2017, 9, 2, 12, tzinfo=UTC)


ODD_PLACES = [
    ("America/Chicago", dt.date(2017, 3, 11)),
    ("America/Chicago", dt.date(2017, 11, 4)),
    ("America/Sao_Paulo", dt.date(2017, 10, 14)),
    ("America/Havana", dt.date(2017, 3, 11)),
    ("America/Havana", dt.date(2017, 11, 4)),
    ("America/St_Johns", dt.date(2006, 10, 28)),
    ("America/St_Johns", dt.date(2007, 3, 10)),
    ("Asia/Beirut", dt.date(2017, 3, 25)),
    ("Asia/Beirut", dt.date(2017, 10, 28)),
    ("Australia/Lord_Howe", dt.date(2017, 9, 30)),
    ("Pacific/Apia", dt.date(2011, 12, 29)),
    ("Pacific/Kiritimati", dt.date(1994, 12, 30)),
    ("Africa/Cairo", dt.date(2014, 5, 15)),
]


@given(st.sampled_from(ODD_PLACES), st.integers(0, 3), st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))
def test_days_and_cutoffs_are_what_watching_the_clock_finds(
    place: tuple[str, dt.date], days_later: int, hour: int, minute: int
) -> None:
    zone, first = place
    day, cutoff = first + dt.timedelta(days=days_later), dt.time(hour, minute)
    calendar = BillingCalendar.of(zone, cutoff)
    assert calendar.start_of(day) == first_minute(zone, day, dt.time())
    assert calendar.cutoff_of(day) == first_minute(zone, day, cutoff)


@given(st.sampled_from(ODD_PLACES), st.integers(0, 96 * 60))
def test_every_instant_falls_on_one_day_within_its_bounds(place: tuple[str, dt.date], minutes: int) -> None:
    zone, first = place
    calendar = BillingCalendar.of(zone)
    instant = calendar.start_of(first) + dt.timedelta(minutes=minutes)
    day = calendar.day_of(instant)
    assert calendar.span(day, day).covers(instant)


def test_days_run_from_the_first_through_the_last() -> None:
    assert [day.day for day in days(dt.date(2017, 8, 31), dt.date(2017, 9, 2))] == [31, 1, 2]
