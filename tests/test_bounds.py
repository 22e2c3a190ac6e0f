"""Lost dates: what is certain, and what is possible, tried against every completion on small numbers."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.activity import Predicate
from models.history import Change, Quality, quality_of
from models.interval import BEGINNING, FOREVER, MICROSECOND, UTC, Bounds, Interval
from server.database import Database
from tests.builders import Tenant, known, lost_start, organization

ZERO = dt.datetime(2017, 9, 1, tzinfo=UTC)
MOST = 7
Pair = tuple[int, int]

# They take no time, and the telling cases are few among many.
many = settings(max_examples=20 * settings().max_examples)
ranges = st.tuples(st.integers(0, MOST), st.integers(0, MOST)).map(sorted).map(lambda pair: (pair[0], pair[1]))


def at(number: int) -> dt.datetime:
    """Small numbers as instants a microsecond apart: between two neighbours there is nothing."""
    return ZERO + number * MICROSECOND


def number(instant: dt.datetime) -> int:
    return (instant - ZERO) // MICROSECOND


def completions(starts: Pair, ends: Pair) -> set[Pair]:
    every = ((start, end) for start in _through(starts) for end in _through(ends))
    return {(start, end) for start, end in every if start < end}


def _through(pair: Pair) -> range:
    return range(pair[0], pair[1] + 1)


def bounded(starts: Pair, ends: Pair) -> Bounds | None:
    return Bounds.possible(*map(at, starts), *map(at, ends))


def of(bounds: Bounds) -> set[Pair]:
    edges = (bounds.from_earliest, bounds.from_latest, bounds.to_earliest, bounds.to_latest)
    first, second, third, last = map(number, edges)
    return completions((first, second), (third, last))


def hull(pairs: set[Pair]) -> tuple[Pair, Pair] | None:
    if not pairs:
        return None
    starts, ends = [start for start, _ in pairs], [end for _, end in pairs]
    return (min(starts), max(starts)), (min(ends), max(ends))


def edges(bounds: Bounds | None) -> tuple[Pair, Pair] | None:
    if bounds is None:
        return None
    starts = (number(bounds.from_earliest), number(bounds.from_latest))
    return starts, (number(bounds.to_earliest), number(bounds.to_latest))


# --------------------------------------------------------------------------------------------- bounds


@many
@given(ranges, ranges)
def test_bounds_are_as_narrow_as_their_completions(starts: Pair, ends: Pair) -> None:
    bounds = bounded(starts, ends)
    assert edges(bounds) == hull(completions(starts, ends))
    assert bounds is None or not bounds.may_be_empty


@many
@given(ranges, ranges, ranges, ranges)
def test_an_intersection_is_bounded_by_the_completions_that_meet(a: Pair, b: Pair, c: Pair, d: Pair) -> None:
    one, other = bounded(a, b), bounded(c, d)
    if one and other:
        met = {(max(s, u), min(e, v)) for s, e in of(one) for u, v in of(other)}
        common = one.intersect(other)
        assert edges(common) == hull({(start, end) for start, end in met if start < end})
        apart = any(start >= end for start, end in met)
        assert common is None or common.may_be_empty is apart


@many
@given(ranges, ranges, st.lists(st.integers(1, MOST), max_size=3))
def test_no_completion_that_is_left_out_was_possible(starts: Pair, ends: Pair, left_at: list[int]) -> None:
    """An end that every completion spans contradicts them all, and tells nothing."""
    bounds = bounded(starts, ends)
    if bounds:
        every = of(bounds)
        telling = [end for end in left_at if not all(start < end < to for start, to in every)]
        kept = {(start, to) for start, to in every if not any(start < end < to for end in telling)}
        shortened = bounds.short_of_known_ends(Interval(at(end - 1), at(end)) for end in sorted(left_at))
        assert edges(shortened) == hull(kept or every)


def test_a_window_is_exact_if_it_has_one_completion() -> None:
    exact = Bounds.exactly(Interval(at(1), at(3)))
    assert exact.is_exact
    assert exact.exact == Interval(at(1), at(3))
    assert not Bounds(at(1), at(1), at(3), at(3), may_be_empty=True).is_exact


@pytest.mark.parametrize(
    ("bounds", "quality"),
    [
        (Bounds(at(1), at(1), at(3), at(3)), Quality.EXACT),
        (Bounds(at(1), at(1), FOREVER, FOREVER), Quality.EXACT),
        (Bounds(at(1), at(2), at(3), at(3)), Quality.BOUNDED),
        (Bounds(at(1), at(2), FOREVER, FOREVER), Quality.BOUNDED),
        (Bounds(BEGINNING, at(2), at(3), at(3)), Quality.LOST),
        (Bounds(at(1), at(1), at(2), FOREVER), Quality.LOST),
    ],
)
def test_quality_says_what_is_lost(bounds: Bounds, quality: Quality) -> None:
    assert quality_of(bounds) is quality


# ------------------------------------------------------------------------------- certain and possible


async def with_a_lost_start(database: Database) -> Tenant:
    """Two who left on 9/15: Ada since nobody knows when, Bo since 9/10."""
    tenant = await organization(database)
    ada, bo = await tenant.stranger("Ada"), await tenant.stranger("Bo")
    await tenant.believed(ada, lost_start(tenant, tenant.id, "2017-09-15"))
    await tenant.believed(bo, known(tenant, tenant.id, "2017-09-10..2017-09-15"))
    return tenant


ASKED = [
    (Predicate.ACTIVE_AT, "2017-09-12", (1, 2)),
    (Predicate.ACTIVE_AT, "2017-09-16", (0, 0)),
    (Predicate.ACTIVE_DURING, "2017-09-15..2017-09-20", (2, 2)),
    (Predicate.ACTIVE_DURING, "2017-09-01..2017-09-02", (0, 1)),
    (Predicate.ACTIVE_THROUGHOUT, "2017-09-10..2017-09-15", (1, 2)),
    (Predicate.ACTIVE_THROUGHOUT, "2017-09-10..2017-09-16", (0, 0)),
    (Predicate.ACTIVATED_WITHIN, "2017-09-10..2017-09-10", (1, 2)),
    (Predicate.ACTIVATED_WITHIN, "2017-09-16..2017-09-20", (0, 0)),
    (Predicate.DEACTIVATED_WITHIN, "2017-09-15..2017-09-15", (2, 2)),
    (Predicate.DEACTIVATED_WITHIN, "2017-09-01..2017-09-14", (0, 0)),
]


async def test_a_lost_start_counts_between_bounds(database: Database) -> None:
    tenant = await with_a_lost_start(database)
    found = [await tenant.count(predicate, span) for predicate, span, _ in ASKED]
    assert found == [count for _, _, count in ASKED]


async def test_a_lost_start_never_reaches_past_a_known_end(database: Database) -> None:
    tenant = await organization(database)
    ada = await tenant.stranger("Ada")
    await tenant.believed(ada, lost_start(tenant, tenant.id, "2017-09-15"))
    assert await tenant.windows(ada) == ["..2017-09-15?"]
    await tenant.believed(ada, known(tenant, tenant.id, "2017-08-01..2017-08-31"))
    assert await tenant.windows(ada) == ["2017-08-01..2017-08-31", "2017-09-01..2017-09-15?"]


async def test_what_a_known_window_holds_anyway_is_not_counted_as_uncertain(database: Database) -> None:
    tenant = await organization(database)
    ada = await tenant.stranger("Ada")
    bounded = known(tenant, tenant.id, "2017-08-05..2017-08-10").bounds
    unsure = Bounds(bounded.from_earliest, bounded.to_latest - MICROSECOND, bounded.to_latest, bounded.to_latest)
    await tenant.believed(ada, known(tenant, tenant.id, "2017-08-01.."), change(tenant, unsure))
    assert await tenant.windows(ada) == ["2017-08-01.."]


async def test_a_membership_lost_with_its_activity_is_bounded_with_it(database: Database) -> None:
    tenant = await organization(database)
    team = await tenant.team()
    ada = await tenant.stranger("Ada")
    await tenant.believed(ada, known(tenant, tenant.id, "2017-08-01..2017-08-31"))
    lost = [lost_start(tenant, scope, "2017-09-15") for scope in (tenant.id, team)]
    await tenant.believed(ada, *lost)
    assert await tenant.windows(ada, scope=team) == ["2017-09-01..2017-09-15?"]


async def test_a_team_window_that_may_be_empty_is_certain_of_nothing(database: Database) -> None:
    tenant = await organization(database)
    team = await tenant.team()
    ada = await tenant.stranger("Ada")
    lost_end = known(tenant, tenant.id, "2017-09-01..").bounds
    left = Bounds(lost_end.from_earliest, lost_end.from_latest, lost_end.from_latest + MICROSECOND, FOREVER)
    await tenant.believed(ada, change(tenant, left), known(tenant, team, "2017-09-10..2017-09-20"))
    assert (await tenant.window_rows(ada, scope=team))[0].may_be_empty
    assert await tenant.count(Predicate.ACTIVE_DURING, "2017-09-01..2017-12-31", scope=team) == (0, 1)


async def test_who_certainly_counts_is_not_counted_again_for_what_is_unsure(database: Database) -> None:
    tenant = await organization(database)
    ada = await tenant.stranger("Ada")
    await tenant.believed(ada, known(tenant, tenant.id, "2017-09-01..2017-09-10"))
    await tenant.believed(ada, lost_start(tenant, tenant.id, "2017-09-20"))
    assert await tenant.count(Predicate.ACTIVE_DURING, "2017-09-01..2017-09-30") == (1, 1)
    assert await tenant.count(Predicate.ACTIVE_AT, "2017-09-15") == (0, 1)


def change(tenant: Tenant, bounds: Bounds) -> Change:
    return Change(tenant.id, bounds)
