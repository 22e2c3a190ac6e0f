"""What a roster row is: activity, membership and a name, and what it changes when it comes again."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select

from models.history import Change
from models.interval import FOREVER, UTC, Bounds, Interval
from models.roster import RosterLine
from tests.builders import organization
from tests.importing import Roster


async def test_a_row_makes_activity_and_membership_in_the_days_of_the_billing_zone(roster: Roster) -> None:
    summary = await roster.imports("Blue,1,2017-03-01,2017-09-16")
    assert (summary.rows_landed, summary.rows_refused) == (1, 0)
    assert await roster.windows("1") == ["2017-03-01..2017-09-15"]
    assert await roster.windows("1", "Blue") == ["2017-03-01..2017-09-15"]


async def test_an_empty_end_means_still_active(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    assert await roster.windows("1", "Blue") == ["2017-03-01.."]


async def test_a_lost_start_is_kept_as_bounds_and_never_guessed(roster: Roster) -> None:
    await roster.imports("Blue,1,,2017-09-16")
    assert await roster.windows("1") == ["..2017-09-15?"]
    assert await roster.windows("1", "Blue") == ["..2017-09-15?"]


async def test_a_lost_start_of_somebody_still_active_lies_before_the_import(roster: Roster) -> None:
    await roster.imports("Blue,1,,")
    roster.tenant.now = roster.now
    (row,) = await roster.tenant.window_rows(await roster.learner("1"))
    tenant_now = roster.now - dt.timedelta(microseconds=1)
    assert row.from_latest == (tenant_now - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(microseconds=1)


async def test_rows_of_two_teams_that_overlap_make_one_window_of_activity(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,2017-06-01", "Red,1,2017-05-01,2017-09-01")
    assert await roster.windows("1") == ["2017-03-01..2017-08-31"]
    assert await roster.windows("1", "Blue") == ["2017-03-01..2017-05-31"]
    assert await roster.windows("1", "Red") == ["2017-05-01..2017-08-31"]


async def test_the_same_row_again_changes_nothing(roster: Roster) -> None:
    lines = ("Blue,1,2017-03-01,2017-06-01", "Blue,2,,2017-06-01", "Red,1,2018-05-01,")
    await roster.imports(*lines)
    before = await roster.contents()
    again = await roster.imports(*lines)
    assert (again.rows_landed, again.rows_unchanged) == (0, 3)
    assert await roster.contents() == before


async def test_the_same_row_again_leaves_a_correction_by_hand_alone(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    await correct(roster, "2017-02-01", "2017-07-01")
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    assert await roster.windows("1") == ["2017-02-01..2017-06-30"]


async def test_another_end_is_a_correction_of_both_facts(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    known = roster.now
    summary = await roster.imports("Blue,1,2017-03-01,2017-06-01")
    assert (summary.rows_landed, summary.rows_unchanged) == (1, 0)
    assert await roster.windows("1") == await roster.windows("1", "Blue") == ["2017-03-01..2017-05-31"]
    assert await roster.tenant.windows(await roster.learner("1"), known_at=known) == ["2017-03-01.."]


async def test_another_end_keeps_a_start_that_was_corrected_by_hand(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    await correct(roster, "2017-02-01", None)
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    assert await roster.windows("1") == ["2017-02-01..2017-05-31"]


async def test_an_end_that_is_held_already_is_believed_no_second_time(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    await correct(roster, "2017-03-01", "2017-06-01")
    before = (await roster.contents())["belief"]
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    added = set((await roster.contents())["belief"]) - set(before)
    # Only membership was not yet held to end then.
    assert len(added) == 1


async def test_another_end_of_a_row_without_a_start_moves_its_bounds(roster: Roster) -> None:
    await roster.imports("Blue,1,,2017-09-16")
    await roster.imports("Blue,1,,2017-12-01")
    assert await roster.windows("1") == ["..2017-11-30?"]


async def test_another_start_is_another_window(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,2017-06-01")
    await roster.imports("Blue,1,2017-08-01,")
    assert await roster.windows("1") == ["2017-03-01..2017-05-31", "2017-08-01.."]


async def test_an_absent_row_means_nothing(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,", "Blue,2,2017-03-01,")
    await roster.imports("Blue,2,2017-03-01,")
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_a_row_adopts_what_a_mutation_made_with_the_same_start(roster: Roster) -> None:
    team = await roster.tenant.team("Blue")
    learner_id = await roster.tenant.learner("2017-03-01..", team=team)
    await roster.imports("Blue,learner-1,2017-03-01,2017-06-01")
    assert await roster.learner("learner-1") == learner_id
    assert await roster.facts("learner-1") == 2
    assert await roster.windows("learner-1", "Blue") == ["2017-03-01..2017-05-31"]


async def test_two_teams_with_one_start_do_not_share_a_fact(roster: Roster) -> None:
    team = await roster.tenant.team("Blue")
    await roster.tenant.learner("2017-03-01..", team=team)
    await roster.imports("Blue,learner-1,2017-03-01,", "Red,learner-1,2017-03-01,")
    await roster.imports("Blue,learner-1,2017-03-01,2017-06-01")
    assert await roster.windows("learner-1") == ["2017-03-01.."]
    assert await roster.facts("learner-1") == 4


async def test_a_row_adopts_nothing_that_another_row_made(roster: Roster) -> None:
    await roster.imports("Blue,1,2017-03-01,")
    await roster.imports("Red,1,2017-03-01,2017-06-01")
    assert await roster.windows("1") == ["2017-03-01.."]
    assert await roster.facts("1") == 4


async def test_a_learner_of_another_organization_with_the_same_external_id_is_another(roster: Roster) -> None:
    other = await organization(roster.database, name="Other")
    await other.activated("1", "2016-01-01..")
    await roster.imports("Blue,1,2017-03-01,")
    assert await roster.windows("1") == ["2017-03-01.."]


async def test_names_are_updated_and_an_empty_cell_says_nothing(roster: Roster) -> None:
    header = "team,external_id,name,email,department,activated_on,deactivated_on"
    await roster.imports("Blue,1,Ann,ann@a.example,Law,2017-03-01,", header=header)
    await roster.imports("Blue,1,Anne,,Tax,2017-03-01,", header=header)
    assert await roster.profile("1") == ("Anne", "ann@a.example", "Tax")


async def test_the_last_line_that_says_a_name_is_right_and_saying_it_again_changes_nothing(roster: Roster) -> None:
    header = "team,external_id,name,email,department,activated_on,deactivated_on"
    lines = ("Blue,1,Ann,a@a.example,,2017-03-01,", "Red,1,Anne,,,2017-03-01,", "Green,1,,,Law,2017-04-01,")
    await roster.imports(*lines, header=header)
    assert await roster.profile("1") == ("Anne", "a@a.example", "Law")
    before = await roster.contents()
    await roster.imports(*lines, header=header)
    assert await roster.contents() == before


async def correct(roster: Roster, start: str, end: str | None) -> None:
    """What `activityWindowCorrect` does to activity alone."""
    learner_id = await roster.learner("1")
    day = roster.tenant.calendar.start_of
    to = Interval(day(dt.date.fromisoformat(start)), day(dt.date.fromisoformat(end)) if end else FOREVER)
    async with roster.database.reading() as connection:
        fact = await connection.execute(select(RosterLine.activity_fact_id).where(RosterLine.learner_id == learner_id))
        change = Change(roster.tenant.id, Bounds.exactly(to), int(fact.scalar_one()))
    roster.now += dt.timedelta(days=1)
    roster.tenant.now = roster.now
    await roster.tenant.believed(learner_id, change, reason="seen in the contract")
