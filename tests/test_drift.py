"""Past snapshots are what was known then, whatever is learned later; and what differs is told person by person."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import text

from models.activity import Predicate
from models.contracts import Measure
from models.history import Change, Source
from resolvers.loaders.counts import Count
from resolvers.loaders.snapshots import SnapshotRow
from resolvers.snapshots.drift import (
    Difference,
    DifferenceKind,
    counts_known,
    differences,
    reproduces,
    snapshots_that_differ,
)
from server.database import Database
from tests.builders import MINUTE, STAFF, Tenant, known, lost_start, organization
from tests.test_statements import reads, statements

MEASURES = list(Measure)


async def differing(tenant: Tenant, snapshot: SnapshotRow, known_at: dt.datetime | None = None) -> list[Difference]:
    async with tenant.database.reading() as connection:
        return await differences(connection, snapshot, known_at or tenant.now)


async def still_so(tenant: Tenant, snapshot: SnapshotRow) -> bool:
    async with tenant.database.reading() as connection:
        return await reproduces(connection, snapshot)


async def now_known(tenant: Tenant, snapshot: SnapshotRow) -> Count:
    async with tenant.database.reading() as connection:
        return (await counts_known(connection, [(snapshot, tenant.now)]))[0]


async def corrected(tenant: Tenant, learner: int, to: str | None, *, scope: int | None = None) -> dt.datetime:
    """What was held of a learner's one window was wrong: it was this, or never was."""
    (held,) = await tenant.fact_ids(learner, scope)
    change = known(tenant, scope or tenant.id, to or "2017-01-01..", held)
    return await tenant.believed(
        learner, Change(change.scope_id, change.bounds, held, holds=to is not None), reason="Payroll says so"
    )


# ------------------------------------------------------------------------------------------------ reproducing


@pytest.mark.parametrize("measure", MEASURES)
async def test_a_snapshot_is_what_was_known_then_whatever_is_learned_later(
    database: Database, measure: Measure
) -> None:
    tenant = await organization(database)
    learners = [await tenant.learner("2017-08-10.."), await tenant.learner("2017-08-01..2017-08-20")]
    learners += [await tenant.learner("2017-09-01.."), await tenant.learner("2017-07-01..2017-07-31")]
    snapshot = await tenant.inquiry("2017-09-01", measure)
    counts = (snapshot.count_least, snapshot.count_most)
    for learner in learners:
        await corrected(tenant, learner, "2017-08-30..2017-09-03")
    await corrected(tenant, learners[0], None)
    assert await still_so(tenant, snapshot)
    again = await tenant.inquiry("2017-09-01", measure, known_at=snapshot.known_at)
    assert (again.count_least, again.count_most) == counts


async def test_a_snapshot_of_which_an_entry_was_changed_is_found(sqlite_database: Database) -> None:
    tenant = await organization(sqlite_database)
    await tenant.learner("2017-08-10..")
    await tenant.learner("2017-08-10..")
    snapshot = await tenant.snapshot("2017-09-01")
    assert await still_so(tenant, snapshot)
    await tamper(tenant, "UPDATE snapshot_entry SET to_latest = to_latest - 1, to_earliest = to_earliest - 1")
    assert not await still_so(tenant, snapshot)


async def test_a_snapshot_without_one_of_its_entries_is_found(sqlite_database: Database) -> None:
    tenant = await organization(sqlite_database)
    learner = await tenant.learner("2017-08-10..")
    await tenant.learner("2017-08-10..")
    snapshot = await tenant.snapshot("2017-09-01")
    await tamper(tenant, f"DELETE FROM snapshot_entry WHERE learner_id = {learner}")
    assert not await still_so(tenant, snapshot)


async def test_a_snapshot_whose_count_is_not_that_of_its_entries_is_found(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-10..")
    snapshot = await tenant.snapshot("2017-09-01")
    assert await still_so(tenant, snapshot)
    assert not await still_so(tenant, snapshot._replace(count_least=2, count_most=2))


async def tamper(tenant: Tenant, statement: str) -> None:
    """What somebody could do who has the file and drops the triggers that refuse."""

    async def write(session: object) -> None:
        triggers = await session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))  # type: ignore[attr-defined]
        for (name,) in triggers.all():
            await session.execute(text(f"DROP TRIGGER {name}"))  # type: ignore[attr-defined]
        await session.execute(text(statement))  # type: ignore[attr-defined]

    await tenant.database.run(write)


# -------------------------------------------------------------------------------------------------- differences


async def test_somebody_learned_of_later_was_added(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-10..")
    snapshot = await tenant.snapshot("2017-09-01")
    late = await tenant.learner("2017-08-31..")
    recorded_at = tenant.now
    (found,) = await differing(tenant, snapshot)
    assert (found.kind, found.learner_id, found.then) == (DifferenceKind.ADDED, late, None)
    assert found.now is not None
    assert found.now.bounds.from_earliest == tenant.calendar.start_of(dt.date(2017, 8, 31))
    assert found.learned is not None
    assert (found.learned.recorded_at, found.learned.actor, found.learned.source) == (
        recorded_at,
        STAFF.name,
        Source.API,
    )
    assert await now_known(tenant, snapshot) == Count(2, 2)


async def test_somebody_who_turned_out_to_have_left_before_was_removed_and_why(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-10..")
    snapshot = await tenant.snapshot("2017-09-01")
    recorded_at = await corrected(tenant, learner, "2017-08-10..2017-08-31")
    (found,) = await differing(tenant, snapshot)
    assert (found.kind, found.learner_id, found.now) == (DifferenceKind.REMOVED, learner, None)
    assert found.learned is not None
    assert (found.learned.recorded_at, found.learned.reason) == (recorded_at, "Payroll says so")
    assert await now_known(tenant, snapshot) == Count(0, 0)
    assert await differing(tenant, snapshot, recorded_at - MINUTE / 2) == []


async def test_the_act_is_the_one_that_made_the_difference_and_not_a_later_one(database: Database) -> None:
    """The window is learned anew when its end comes; the difference was made by the correction before."""
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-10..")
    snapshot = await tenant.snapshot("2017-09-01")
    recorded_at = await corrected(tenant, learner, "2017-08-10..")
    await tenant.deactivated(learner, "2017-10-15")
    (found,) = await differing(tenant, snapshot)
    assert found.kind is DifferenceKind.ADDED
    assert found.learned is not None
    assert found.learned.recorded_at == recorded_at


async def test_another_activation_date_is_a_change(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-10..")
    snapshot = await tenant.snapshot("2017-09-01")
    recorded_at = await corrected(tenant, learner, "2017-07-01..")
    (found,) = await differing(tenant, snapshot)
    assert (found.kind, found.learner_id) == (DifferenceKind.CHANGED, learner)
    assert found.then
    assert found.now
    assert (found.then.bounds.from_earliest, found.now.bounds.from_earliest) == (
        tenant.calendar.start_of(dt.date(2017, 8, 10)),
        tenant.calendar.start_of(dt.date(2017, 7, 1)),
    )
    assert found.learned is not None
    assert found.learned.recorded_at == recorded_at


@pytest.mark.parametrize("measure", MEASURES)
async def test_who_leaves_after_the_time_that_was_counted_makes_no_difference(
    database: Database, measure: Measure
) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-10..")
    snapshot = await tenant.inquiry("2017-09-01", measure)
    await tenant.deactivated(learner, "2017-09-05")
    assert await differing(tenant, snapshot) == []


async def test_who_left_within_the_month_that_was_counted_has_other_dates(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-10..")
    snapshot = await tenant.inquiry("2017-09-01", Measure.DISTINCT_IN_PERIOD)
    await tenant.deactivated(learner, "2017-08-20")
    (found,) = await differing(tenant, snapshot)
    assert found.kind is DifferenceKind.CHANGED
    assert await now_known(tenant, snapshot) == Count(1, 1)


async def test_a_lost_date_that_is_found_changes_certainty(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.stranger("Ada")
    await tenant.believed(learner, lost_start(tenant, tenant.id, "2017-09-20"))
    snapshot = await tenant.snapshot("2017-09-01")
    assert (snapshot.count_least, snapshot.count_most) == (0, 1)
    await corrected(tenant, learner, "2017-08-01..2017-09-20")
    (found,) = await differing(tenant, snapshot)
    assert found.kind is DifferenceKind.CHANGED
    assert found.then
    assert found.now
    assert (found.then.certain, found.now.certain) == (False, True)
    assert await now_known(tenant, snapshot) == Count(1, 1)


async def test_a_later_exclusion_removes_and_says_so(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-10..")
    exclusion = await tenant.exclusion_scope()
    snapshot = await tenant.snapshot("2017-09-01")
    recorded_at = await tenant.believed(learner, known(tenant, exclusion, "2017-08-01.."), reason="A test account")
    (found,) = await differing(tenant, snapshot)
    assert found.kind is DifferenceKind.REMOVED
    assert found.learned is not None
    assert (found.learned.recorded_at, found.learned.reason) == (recorded_at, "A test account")
    assert await still_so(tenant, snapshot)


async def test_a_peak_that_moved_to_another_day_is_compared_with_that_day(database: Database) -> None:
    tenant = await organization(database)
    early, late = await tenant.learner("2017-08-05..2017-08-06"), await tenant.learner("2017-08-20..2017-08-22")
    snapshot = await tenant.inquiry("2017-09-01", Measure.PEAK_DAY)
    assert snapshot.counted_from == tenant.calendar.cutoff_of(dt.date(2017, 8, 5))
    added = await tenant.learner("2017-08-21..2017-08-21")
    recorded_at = tenant.now
    assert await now_known(tenant, snapshot) == Count(2, 2)
    found = {one.learner_id: one for one in await differing(tenant, snapshot)}
    assert {learner: one.kind for learner, one in found.items()} == {
        early: DifferenceKind.REMOVED,
        late: DifferenceKind.ADDED,
        added: DifferenceKind.ADDED,
    }
    learned = found[added].learned
    assert learned is not None
    assert learned.recorded_at == recorded_at
    # Nothing was learned of the other two: only the day is another.
    assert found[early].learned is found[late].learned is None
    assert await still_so(tenant, snapshot)


async def test_access_to_a_library_that_was_revoked_late_removes(database: Database) -> None:
    tenant = await organization(database)
    library = await tenant.library("Safety")
    learner = await tenant.learner("2017-08-01..")
    await tenant.believed(learner, known(tenant, library, "2017-08-10.."))
    snapshot = await tenant.snapshot("2017-09-01", product=library)
    recorded_at = await corrected(tenant, learner, "2017-08-10..2017-08-20", scope=library)
    (found,) = await differing(tenant, snapshot)
    assert found.kind is DifferenceKind.REMOVED
    assert found.learned is not None
    assert found.learned.recorded_at == recorded_at


# ---------------------------------------------------------------------------------------------- all of them


async def test_of_all_that_was_billed_only_what_counts_others_now_is_listed(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-10..")
    other = await tenant.learner("2017-08-10..")
    august, september, october = [await tenant.snapshot(day) for day in ("2017-08-01", "2017-09-01", "2017-10-01")]
    await corrected(tenant, learner, "2017-08-10..2017-08-31")
    await corrected(tenant, other, "2017-08-09..")
    async with tenant.database.reading() as connection:
        found = await snapshots_that_differ(connection, tenant.id, tenant.now)
    assert found == [(september, Count(1, 1)), (october, Count(1, 1))]
    assert august.count_least == 0


async def test_one_who_came_instead_of_another_is_a_difference_too(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-10..")
    snapshot = await tenant.snapshot("2017-09-01")
    await corrected(tenant, learner, "2017-08-10..2017-08-20")
    await tenant.learner("2017-08-10..")
    async with tenant.database.reading() as connection:
        assert await snapshots_that_differ(connection, tenant.id, tenant.now) == [(snapshot, Count(1, 1))]


async def test_differences_and_checks_take_as_many_statements_however_many_differ(database: Database) -> None:
    tenant = await organization(database)
    snapshots = [await tenant.snapshot(f"2017-{month:02}-01") for month in (8, 9)]
    few = await statements_of(tenant, snapshots)
    await tenant.crowd(60, active=("2017-07-10..", "2017-08-20..2017-09-15"))
    snapshots += [await tenant.snapshot(f"2017-{month:02}-01") for month in (10, 11, 12)]
    await tenant.crowd(60, active=("2017-07-10..", "2017-08-20..2017-09-15"))
    assert len(await differing(tenant, snapshots[1])) == 120
    assert await statements_of(tenant, snapshots) == few == (6, 5)


async def statements_of(tenant: Tenant, snapshots: list[SnapshotRow]) -> tuple[int, int]:
    """How many a drift takes, and how many the check of everything that was billed."""
    with statements() as drift:
        await differing(tenant, snapshots[1])
    async with tenant.database.reading() as connection:
        with statements() as check:
            await snapshots_that_differ(connection, tenant.id, tenant.now)
    return len(reads(drift)), len(reads(check))


async def test_the_count_by_the_questions_of_activity_agrees(database: Database) -> None:
    tenant = await organization(database)
    await tenant.crowd(20, active=("2017-07-10..", "2017-08-20..2017-08-31", "2017-09-01.."))
    snapshot = await tenant.snapshot("2017-09-01")
    counted = await tenant.count(Predicate.ACTIVE_AT, "2017-09-01", known_at=snapshot.known_at)
    assert (snapshot.count_least, snapshot.count_most) == counted
