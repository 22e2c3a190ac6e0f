"""The five questions, as rules. Counts and lists of names are asked alike, on both databases.

Days are those of the organization: America/Chicago unless a test names another zone.
"""

import datetime as dt

import pytest

from models.activity import Predicate
from models.errors import DateOutOfRange, DayDoesNotExist, EmptyRange, KnownAtInFuture, RangeTooLong
from models.history import Change
from models.interval import BEGINNING_US, FOREVER, UTC, BillingCalendar
from resolvers.activity import (
    ActivityQuestion,
    At,
    CutoffOf,
    Days,
    Instants,
    Peak,
    Span,
    answerable,
    as_known,
    days_asked,
    must_be_past,
    peak_of,
    settle,
)
from resolvers.loaders.counts import Count
from resolvers.loaders.learner_lists import LearnersKey, LearnersPage, ListPart, Who, learner_totals, learners_of
from server.database import Database
from tests.builders import NOON, Tenant, known, organization

AT = Predicate.ACTIVE_AT
DURING = Predicate.ACTIVE_DURING
THROUGHOUT = Predicate.ACTIVE_THROUGHOUT
ACTIVATED = Predicate.ACTIVATED_WITHIN
DEACTIVATED = Predicate.DEACTIVATED_WITHIN
SEPTEMBER = "2017-09-01..2017-09-30"


async def of_everybody(database: Database) -> Tenant:
    """Those whom the client's words would drop, and some around September."""
    tenant = await organization(database)
    await tenant.learner("2017-09-01..", name="joined on 9/1")
    await tenant.learner("2017-01-01..2017-09-30", name="left on 9/30")
    await tenant.learner("2017-01-01..", name="never left")
    await tenant.learner("2017-01-01..2017-08-31", name="left before")
    await tenant.learner("2017-10-01..", name="joined after")
    await tenant.learner("2017-09-10..2017-09-12", name="came and went")
    return tenant


# ------------------------------------------------------------------------------------------- questions


async def test_from_9_1_through_9_30_means_active_at_any_time_in_it(database: Database) -> None:
    tenant = await of_everybody(database)
    found = await tenant.names(DURING, SEPTEMBER)
    assert found == ["came and went", "joined on 9/1", "left on 9/30", "never left"]


async def test_who_joined_on_9_1_left_on_9_30_or_never_left_was_active_throughout(database: Database) -> None:
    tenant = await of_everybody(database)
    assert await tenant.names(THROUGHOUT, SEPTEMBER) == ["joined on 9/1", "left on 9/30", "never left"]


async def test_joined_in_the_range_is_told_by_the_start_alone(database: Database) -> None:
    tenant = await of_everybody(database)
    assert await tenant.names(ACTIVATED, SEPTEMBER) == ["came and went", "joined on 9/1"]


async def test_left_in_the_range_is_told_by_the_last_active_day(database: Database) -> None:
    tenant = await of_everybody(database)
    assert await tenant.names(DEACTIVATED, SEPTEMBER) == ["came and went", "left on 9/30"]
    assert await tenant.names(DEACTIVATED, "2017-10-01..2017-10-31") == []


async def test_the_cutoff_of_a_day_counts_who_joined_then_and_not_who_left_the_day_before(database: Database) -> None:
    tenant = await of_everybody(database)
    assert await tenant.names(AT, "2017-09-01") == ["joined on 9/1", "left on 9/30", "never left"]


async def test_counts_agree_with_lists(database: Database) -> None:
    tenant = await of_everybody(database)
    for predicate in Predicate:
        span = "2017-09-01" if predicate is AT else SEPTEMBER
        names = await tenant.names(predicate, span)
        assert await tenant.count(predicate, span) == Count(len(names), len(names))


async def test_a_window_that_ends_at_the_instant_is_not_active_then(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-09-01T05:00Z..2017-09-15T12:00Z")
    assert await tenant.count(AT, "2017-09-01T05:00Z") == (1, 1)
    assert await tenant.count(AT, "2017-09-01T04:59:59.999999Z") == (0, 0)
    assert await tenant.count(AT, "2017-09-15T11:59:59.999999Z") == (1, 1)
    assert await tenant.count(AT, "2017-09-15T12:00Z") == (0, 0)


async def test_exact_ranges_are_half_open_to_the_microsecond(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-09-01T00:00Z..2017-09-02T00:00Z")
    assert await tenant.count(DURING, "2017-08-31T00:00Z..2017-09-01T00:00Z") == (0, 0)
    assert await tenant.count(DURING, "2017-08-31T00:00Z..2017-09-01T00:00:00.000001Z") == (1, 1)
    assert await tenant.count(DURING, "2017-09-02T00:00Z..2017-09-03T00:00Z") == (0, 0)
    assert await tenant.count(THROUGHOUT, "2017-09-01T00:00Z..2017-09-02T00:00Z") == (1, 1)
    assert await tenant.count(ACTIVATED, "2017-08-31T00:00Z..2017-09-01T00:00Z") == (0, 0)
    assert await tenant.count(DEACTIVATED, "2017-09-01T00:00Z..2017-09-02T00:00Z") == (1, 1)
    assert await tenant.count(DEACTIVATED, "2017-09-02T00:00Z..2017-09-03T00:00Z") == (0, 0)


async def test_a_window_that_starts_in_the_future_does_not_count_now(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2026-02-01..")
    assert await tenant.count(AT, "2026-01-02") == (0, 0)
    assert await tenant.count(AT, "2026-02-01") == (1, 1)


async def test_a_person_with_many_windows_in_the_range_counts_once(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-09-01..2017-09-02, 2017-09-10..2017-09-11, 2017-09-20..2017-09-21")
    for predicate in (DURING, ACTIVATED, DEACTIVATED):
        assert await tenant.count(predicate, SEPTEMBER) == (1, 1)


async def test_a_window_that_ended_where_the_range_starts_does_not_stand_for_a_later_one(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-01..2017-08-31, 2017-09-10..2017-09-20")
    for predicate in (DURING, ACTIVATED, DEACTIVATED):
        assert await tenant.count(predicate, SEPTEMBER) == (1, 1)


async def test_two_windows_with_a_gap_are_not_active_throughout(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-01..2017-09-14, 2017-09-16..2017-10-31", name="with a gap")
    await tenant.learner("2017-08-01..2017-09-14, 2017-09-15..2017-10-31", name="without")
    assert await tenant.names(THROUGHOUT, SEPTEMBER) == ["without"]


async def test_windows_that_touch_are_one_so_nobody_left_or_joined_between(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..2017-09-14, 2017-09-15..2017-10-31")
    assert await tenant.windows(learner) == ["2017-08-01..2017-10-31"]
    assert await tenant.count(ACTIVATED, SEPTEMBER) == (0, 0)
    assert await tenant.count(DEACTIVATED, SEPTEMBER) == (0, 0)


# ------------------------------------------------------------------------------- teams and libraries


async def test_in_a_team_counts_activity_while_a_member(database: Database) -> None:
    tenant = await organization(database)
    team = await tenant.team()
    ada = await tenant.stranger("Ada")
    activity, membership = "2017-08-01..2017-09-15", "2017-09-10.."
    await tenant.believed(ada, known(tenant, tenant.id, activity), known(tenant, team, membership))
    assert await tenant.windows(ada, scope=team) == ["2017-09-10..2017-09-15"]
    assert await tenant.count(ACTIVATED, SEPTEMBER, scope=team) == (1, 1)
    assert await tenant.count(ACTIVATED, SEPTEMBER) == (0, 0)


async def test_a_member_who_is_not_active_does_not_count(database: Database) -> None:
    tenant = await organization(database)
    team = await tenant.team()
    ada = await tenant.stranger("Ada")
    await tenant.believed(ada, known(tenant, team, "2017-09-01.."))
    assert await tenant.count(AT, "2017-09-15", scope=team) == (0, 0)


async def test_people_in_two_teams_count_once_in_the_organization(database: Database) -> None:
    tenant = await organization(database)
    one, other = await tenant.team(), await tenant.team()
    ada = await tenant.stranger("Ada")
    await tenant.believed(ada, *(known(tenant, scope, "2017-09-01..") for scope in (tenant.id, one, other)))
    counts = [await tenant.count(AT, "2017-09-15", scope=scope) for scope in (tenant.id, one, other)]
    assert counts == [(1, 1)] * 3


async def in_both(tenant: Tenant, predicate: Predicate, span: str, *scopes: tuple[int, int]) -> list[int]:
    """How many of each pair of scopes, all asked at once."""
    asked = tenant.asked(predicate, span)
    keys = [LearnersKey(tenant.id, one, other, asked.a, asked.b, tenant.known_at()) for one, other in scopes]
    who = Who(predicate=predicate, whole_organization=False, in_two_scopes=True)
    async with tenant.database.reading() as connection:
        found = list(map(len, await learners_of(connection, list(map(ListPart, keys)), who, LearnersPage(100))))
        assert await learner_totals(connection, keys, who) == found
    return found


async def test_of_a_team_with_a_library_is_each_pair_s_own_answer(database: Database) -> None:
    """Two pairs in one batch once answered from the windows of both."""
    tenant = await organization(database)
    team, other, library = await tenant.team(), await tenant.team(), await tenant.library()
    ada = await tenant.stranger("Ada")
    await tenant.believed(ada, *(known(tenant, scope, "2017-09-01..") for scope in (tenant.id, team, library)))
    assert await in_both(tenant, AT, "2017-09-15", (team, library), (team, other), (other, library)) == [1, 0, 0]


@pytest.mark.parametrize("predicate", [ACTIVATED, DEACTIVATED])
async def test_what_team_and_library_share_may_begin_and_end_where_neither_does(
    database: Database, predicate: Predicate
) -> None:
    tenant = await organization(database)
    team, library = await tenant.team(), await tenant.library()
    ada = await tenant.stranger("Ada")
    spans = {tenant.id: "2017-01-01..", team: "2017-01-01..", library: "2017-09-10..2017-09-12"}
    await tenant.believed(ada, *(known(tenant, scope, span) for scope, span in spans.items()))
    assert await in_both(tenant, predicate, SEPTEMBER, (team, library), (library, team)) == [1, 1]


# ---------------------------------------------------------------------------------------- odd days


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("America/Chicago", "2017-03-12", "2017-03-12T06:00Z", "2017-03-13T04:59:59.999999Z"),  # 23 hours
        ("America/Chicago", "2017-11-05", "2017-11-05T05:00Z", "2017-11-06T05:59:59.999999Z"),  # 25 hours
        ("America/Sao_Paulo", "2017-10-15", "2017-10-15T03:00Z", "2017-10-16T01:59:59.999999Z"),  # no midnight
        ("Asia/Beirut", "2017-03-26", "2017-03-25T22:00Z", "2017-03-26T20:59:59.999999Z"),  # no midnight
        ("America/Havana", "2017-11-05", "2017-11-05T04:00Z", "2017-11-06T04:59:59.999999Z"),  # midnight twice
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00Z", "2011-12-30T09:59:59.999999Z"),  # the next was skipped
        ("Pacific/Kiritimati", "2017-09-01", "2017-08-31T10:00Z", "2017-09-01T09:59:59.999999Z"),  # UTC+14
    ],
)
async def test_a_day_of_activity_lasts_from_its_first_instant_to_its_last(
    database: Database, zone: str, day: str, first: str, last: str
) -> None:
    tenant = await organization(database, zone=zone)
    await tenant.learner(f"{day}..{day}")
    assert await tenant.count(THROUGHOUT, f"{day}..{day}") == (1, 1)
    assert await tenant.count(ACTIVATED, f"{day}..{day}") == (1, 1)
    assert await tenant.count(DEACTIVATED, f"{day}..{day}") == (1, 1)
    inside = [await tenant.count(AT, moment) for moment in (first, last)]
    beside = [await tenant.count(AT, moment) for moment in (just_before(first), just_after(last))]
    assert (inside, beside) == ([(1, 1)] * 2, [(0, 0)] * 2)


def just_before(moment: str) -> str:
    return (dt.datetime.fromisoformat(moment) - dt.timedelta(microseconds=1)).isoformat()


def just_after(moment: str) -> str:
    return (dt.datetime.fromisoformat(moment) + dt.timedelta(microseconds=1)).isoformat()


async def test_a_cutoff_at_another_time_of_day_counts_who_is_active_then(database: Database) -> None:
    tenant = await organization(database, cutoff=dt.time(17))
    await tenant.learner("2017-09-01T21:59Z..2017-09-01T22:00Z", name="until five o'clock")
    await tenant.learner("2017-09-01T22:00Z..", name="from five o'clock on")
    assert await tenant.names(AT, "2017-09-01") == ["from five o'clock on"]


async def test_days_stay_whole_whatever_the_cutoff(database: Database) -> None:
    tenant = await organization(database, cutoff=dt.time(17))
    await tenant.learner("2017-09-01..2017-09-01")
    assert await tenant.count(THROUGHOUT, "2017-09-01..2017-09-01") == (1, 1)
    assert await tenant.count(AT, "2017-09-02") == (0, 0)


# --------------------------------------------------------------------------------- what cannot be asked

CHICAGO = BillingCalendar.of("America/Chicago", dt.time(17))
SAMOA = BillingCalendar.of("Pacific/Apia")
FIRST, LAST = dt.date(2017, 9, 1), dt.date(2017, 9, 30)
MOMENT = dt.datetime(2017, 9, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize("span", [Days(LAST, FIRST), Instants(MOMENT, MOMENT), Instants(NOON, MOMENT)])
def test_a_range_that_ends_before_or_where_it_starts_is_refused(span: Span) -> None:
    with pytest.raises(EmptyRange, match="must end after it starts"):
        answerable(ActivityQuestion(DURING, span), CHICAGO)


@pytest.mark.parametrize(
    "span",
    [
        Days(dt.date(1899, 12, 31), LAST),
        Days(FIRST, dt.date(2200, 1, 1)),
        CutoffOf(dt.date(1, 1, 1)),
        CutoffOf(dt.date(9999, 12, 31)),
        At(FOREVER),
        Instants(MOMENT, FOREVER),
        Instants(dt.datetime.min.replace(tzinfo=UTC), MOMENT),
    ],
)
def test_a_date_of_an_absurd_year_is_refused(span: Span) -> None:
    with pytest.raises(DateOutOfRange, match="Check its year"):
        answerable(ActivityQuestion(DURING, span), CHICAGO)


@pytest.mark.parametrize("span", [Days(dt.date(2011, 12, 30), dt.date(2011, 12, 30)), CutoffOf(dt.date(2011, 12, 30))])
def test_a_day_that_the_zone_skipped_is_refused_by_name(span: Span) -> None:
    with pytest.raises(DayDoesNotExist, match="clocks of Pacific/Apia skipped 2011-12-30"):
        answerable(ActivityQuestion(AT, span), SAMOA)


def test_a_series_of_too_many_days_is_refused_with_both_figures() -> None:
    with pytest.raises(RangeTooLong, match=r"1,101 days .* at most 1,100"):
        days_asked(FIRST, FIRST + dt.timedelta(days=1_100))
    assert len(days_asked(FIRST, FIRST + dt.timedelta(days=1_099))) == 1_100


def test_nothing_is_known_of_the_future() -> None:
    with pytest.raises(KnownAtInFuture, match="lies in the future"):
        must_be_past(NOON + dt.timedelta(microseconds=1), NOON)
    assert must_be_past(NOON, NOON) == NOON


# --------------------------------------------------------------------------------------- in words, peaks


@pytest.mark.parametrize(
    ("predicate", "span", "words"),
    [
        (DURING, Days(FIRST, LAST), "Active at any time from 2017-09-01 through 2017-09-30 (America/Chicago)"),
        (DEACTIVATED, Days(FIRST, FIRST), "Last active on 2017-09-01 (America/Chicago)"),
        (
            AT,
            CutoffOf(FIRST),
            "Active at the billing cutoff of 2017-09-01 (17:00 America/Chicago, 2017-09-01 22:00:00 UTC)",
        ),
        (AT, At(MOMENT), "Active at 2017-09-01 05:00:00 UTC"),
        (THROUGHOUT, Instants(MOMENT, NOON), "Active the whole time from 2017-09-01 05:00:00 UTC until"),
    ],
)
def test_a_question_is_told_in_words_with_its_zone(predicate: Predicate, span: Span, words: str) -> None:
    assert answerable(ActivityQuestion(predicate, span), CHICAGO).words.startswith(words)


def test_as_known_when_is_told_if_it_was_asked() -> None:
    assert as_known("Active", None) == "Active"
    assert as_known("Active", NOON) == "Active, as known at 2026-01-01 12:00:00 UTC"


def test_the_peak_is_the_first_day_that_provably_reached_it() -> None:
    days = [FIRST + dt.timedelta(days=n) for n in range(4)]
    counts = [Count(1, 1), Count(3, 5), Count(2, 7), Count(3, 3)]
    assert peak_of(days, counts) == Peak(Count(3, 7), days[1], 2)


# -------------------------------------------------------------------------------------- as known then


async def test_what_is_learned_later_changes_no_answer_as_known_before(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..")
    before = tenant.now
    await tenant.deactivated(learner, "2017-08-20")
    assert await tenant.count(AT, "2017-09-01", known_at=before) == (1, 1)
    assert await tenant.count(AT, "2017-09-01") == (0, 0)
    assert await tenant.windows(learner, known_at=before) == ["2017-08-01.."]


async def test_an_answer_that_was_settled_stays_when_a_clock_lags_behind(database: Database) -> None:
    tenant = await organization(database)
    ada = await tenant.stranger("Ada")
    settled = tenant.now + dt.timedelta(hours=1)
    await database.run(lambda session: settle(session, tenant.id, settled))
    before = await tenant.count(AT, "2017-09-01", known_at=settled)
    recorded = await tenant.believed(ada, open_from(tenant, "2017-08-01"))
    assert recorded > settled
    assert await tenant.count(AT, "2017-09-01", known_at=settled) == before == (0, 0)


async def test_settling_an_earlier_time_moves_no_clock_back(database: Database) -> None:
    tenant = await organization(database)
    ada = await tenant.stranger("Ada")
    first = await tenant.believed(ada, open_from(tenant, "2017-08-01"))
    await database.run(lambda session: settle(session, tenant.id, first - dt.timedelta(days=1)))
    tenant.now -= dt.timedelta(days=2)
    assert await tenant.believed(ada, open_from(tenant, "2017-07-01")) > first


def open_from(tenant: Tenant, day: str) -> Change:
    return known(tenant, tenant.id, f"{day}..")


async def test_an_organization_of_which_nothing_was_recorded_lists_nobody(database: Database) -> None:
    tenant = await organization(database)
    key = LearnersKey(tenant.id, tenant.id, 0, 0, 0, BEGINNING_US)
    async with database.reading() as connection:
        assert await learners_of(connection, [ListPart(key)], Who(), LearnersPage(10)) == [[]]
        assert await learner_totals(connection, [key], Who()) == [0]


async def test_a_learner_is_listed_only_from_when_we_knew_of_them(database: Database) -> None:
    tenant = await organization(database)
    await tenant.stranger("Ada")
    before = tenant.now
    await tenant.stranger("Bo")
    key = LearnersKey(tenant.id, tenant.id, 0, 0, 0, tenant.known_at(before))
    async with database.reading() as connection:
        (rows,) = await learners_of(connection, [ListPart(key)], Who(), LearnersPage(10))
    assert [row.name for row in rows] == ["Ada"]
