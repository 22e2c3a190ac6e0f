"""The bridge from a count to another is made of people: opening + joined − left = closing, with cause and act."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from models.contracts import Measure
from models.history import Change, Source
from models.interval import UTC
from resolvers.history import AtInstant, Transfer, transfer
from resolvers.loaders.counts import Count
from resolvers.loaders.places import organization_by_slug
from resolvers.loaders.snapshots import SnapshotRow
from resolvers.snapshots.bridging import Bridge, Mover, bridge, from_snapshot
from resolvers.snapshots.causes import BridgeAsked, Cause, End, Movement
from resolvers.snapshots.products import products_of
from server.database import Database
from tests.builders import MINUTE, STAFF, Tenant, known, lost_start, organization
from tests.test_statements import reads, statements

OPENING, CLOSING = "2017-09-01", "2017-10-16"


def cutoff(tenant: Tenant, date: str) -> dt.datetime:
    return tenant.calendar.cutoff_of(dt.date.fromisoformat(date))


async def bridged(
    tenant: Tenant,
    *,
    opening: str = OPENING,
    closing: str = CLOSING,
    known_then: dt.datetime | None = None,
    product: int | None = None,
) -> Bridge:
    """From who was active at a cutoff, as known then if that is given, to who was at another, as known now."""
    async with tenant.database.reading() as connection:
        asked = BridgeAsked(
            organization_id=tenant.id,
            product_id=product or tenant.id,
            excluded_id=(await products_of(connection, tenant.id)).excluded_id,
            opening=End.at(cutoff(tenant, opening), known_then or tenant.now),
            closing=End.at(cutoff(tenant, closing), tenant.now),
        )
        found = await bridge(connection, asked)
    adds_up(found)
    return found


async def bridged_from(tenant: Tenant, snapshot: SnapshotRow, closing: str = CLOSING) -> Bridge:
    async with tenant.database.reading() as connection:
        excluded_id = (await products_of(connection, tenant.id)).excluded_id
        asked = from_snapshot(snapshot, excluded_id, cutoff(tenant, closing), tenant.now)
        found = await bridge(connection, asked)
    adds_up(found)
    return found


def adds_up(found: Bridge) -> None:
    assert found.opening.least + len(found.joined) - len(found.left) == found.closing.least


def people(found: Bridge) -> dict[int, tuple[Movement, Cause | None]]:
    """Everybody on the bridge, each once."""
    movers = [*found.joined, *found.left, *found.passed, *found.uncertain]
    assert len({mover.learner_id for mover in movers}) == len(movers)
    return {mover.learner_id: (mover.movement, mover.cause) for mover in movers}


def days(tenant: Tenant, movers: Sequence[Mover]) -> list[str]:
    """The local days on which they came or went."""
    return [str(tenant.calendar.day_of(mover.at)) if mover.at else "" for mover in movers]


def recorded_at(mover: Mover) -> dt.datetime:
    assert mover.learned is not None
    return mover.learned.recorded_at


# ---------------------------------------------------------------------------------------------- what time brings


async def test_people_join_leave_and_pass(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-10..")
    left = await tenant.learner("2017-08-10..")
    joined = await tenant.learner("2017-09-10..")
    joined_at = tenant.now
    passed = await tenant.learner("2017-09-05..2017-09-20")
    left_at = (await tenant.deactivated(left, "2017-09-08")).recorded_at
    found = await bridged(tenant)
    assert (found.opening, found.closing) == (Count(2, 2), Count(2, 2))
    assert people(found) == {
        joined: (Movement.JOINED, Cause.ACTIVATION),
        left: (Movement.LEFT, Cause.DEACTIVATION),
        passed: (Movement.PASSED, Cause.ACTIVATION),
    }
    assert days(tenant, [*found.joined, *found.left, *found.passed]) == ["2017-09-10", "2017-09-09", "2017-09-05"]
    assert found.passed[0].until == tenant.calendar.start_of(dt.date(2017, 9, 21))
    assert (recorded_at(found.joined[0]), recorded_at(found.left[0])) == (joined_at, left_at)
    assert found.left[0].learned is not None
    assert found.left[0].learned.actor == STAFF.name


async def test_who_left_and_returned_is_not_on_the_bridge(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-10..2017-09-05,2017-09-20..")
    found = await bridged(tenant)
    assert people(found) == {}
    assert (found.opening, found.closing) == (Count(1, 1), Count(1, 1))


async def test_who_leaves_at_the_closing_instant_has_left_and_who_came_then_has_joined(database: Database) -> None:
    tenant = await organization(database)
    left, joined = await tenant.learner("2017-08-10..2017-10-15"), await tenant.learner("2017-10-16..")
    await tenant.learner("2017-09-01..2017-10-16")
    await tenant.learner("2017-08-10..2017-08-31")
    found = await bridged(tenant)
    assert people(found) == {
        left: (Movement.LEFT, Cause.DEACTIVATION),
        joined: (Movement.JOINED, Cause.ACTIVATION),
    }
    assert days(tenant, found.left) == ["2017-10-16"]


async def test_of_who_was_known_from_the_start_to_leave_the_act_is_the_activation(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-10..2017-09-10")
    activated_at = tenant.now
    await tenant.learner("2017-08-10..")
    found = await bridged(tenant)
    assert recorded_at(found.left[0]) == activated_at


async def test_a_transfer_is_marked_in_both_organizations(database: Database) -> None:
    tenant, other = await organization(database), await organization(database)
    learner = await tenant.learner("2017-08-10..")
    moved_at = cutoff(tenant, "2017-09-20")
    given = Transfer(
        who=tenant.who(learner), to_organization_id=other.id, start=AtInstant(moved_at), reason="The branch was sold"
    )
    tenant.tick()
    left, joined = await database.run(lambda session: transfer(session, STAFF, tenant.now, given))
    other.now = tenant.tick()
    leaving, joining = await bridged(tenant), await bridged(other)
    assert people(leaving) == {left.learner.learner_id: (Movement.LEFT, Cause.TRANSFER)}
    assert people(joining) == {joined.learner.learner_id: (Movement.JOINED, Cause.TRANSFER)}
    for mover in (leaving.left[0], joining.joined[0]):
        assert mover.at == moved_at
        assert mover.learned is not None
        assert (mover.learned.source, mover.learned.reason) == (Source.TRANSFER, "The branch was sold")


async def test_access_to_a_library_is_bridged_apart(database: Database) -> None:
    tenant = await organization(database)
    library = await tenant.library("Safety")
    given, taken = [await tenant.learner("2017-08-01..") for _ in range(2)]
    await tenant.believed(given, known(tenant, library, "2017-09-10.."))
    await tenant.believed(taken, known(tenant, library, "2017-08-10..2017-09-10"))
    assert {learner: movement for learner, (movement, _) in people(await bridged(tenant, product=library)).items()} == {
        given: Movement.JOINED,
        taken: Movement.LEFT,
    }
    assert people(await bridged(tenant)) == {}


# --------------------------------------------------------------------------------------------------- exclusions


async def test_who_begins_or_ceases_to_be_excluded_is_marked(database: Database) -> None:
    tenant = await organization(database)
    begins, ceases, stays, between = [await tenant.learner("2017-08-01..") for _ in range(4)]
    exclusion = await tenant.exclusion_scope()
    began_at = await tenant.believed(begins, known(tenant, exclusion, "2017-09-20.."), reason="Is a test account now")
    await tenant.believed(ceases, known(tenant, exclusion, "2017-08-01..2017-09-09"))
    await tenant.believed(stays, known(tenant, exclusion, "2017-08-01.."))
    await tenant.believed(
        between, known(tenant, exclusion, "2017-08-01..2017-09-12"), known(tenant, exclusion, "2017-10-01..")
    )
    found = await bridged(tenant)
    assert people(found) == {
        begins: (Movement.LEFT, Cause.EXCLUSION),
        ceases: (Movement.JOINED, Cause.EXCLUSION),
        between: (Movement.PASSED, Cause.EXCLUSION),
    }
    assert days(tenant, [*found.left, *found.joined, *found.passed]) == ["2017-09-20", "2017-09-10", "2017-09-13"]
    assert recorded_at(found.left[0]) == began_at
    assert found.left[0].learned is not None
    assert found.left[0].learned.reason == "Is a test account now"


async def test_an_exclusion_learned_later_is_an_exclusion_and_no_correction(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..")
    exclusion = await tenant.exclusion_scope()
    snapshot = await tenant.snapshot(OPENING)
    excluded_at = await tenant.believed(learner, known(tenant, exclusion, "2017-08-01.."))
    found = await bridged_from(tenant, snapshot)
    assert people(found) == {learner: (Movement.LEFT, Cause.EXCLUSION)}
    assert recorded_at(found.left[0]) == excluded_at


# -------------------------------------------------------------------------------------------------- corrections


async def correct(tenant: Tenant, learner: int, to: str | None) -> dt.datetime:
    """What was held of the one window was wrong: it was this, or never was."""
    held = (await tenant.fact_ids(learner))[0]
    change = known(tenant, tenant.id, to or "2017-01-01..", held)
    return await tenant.believed(
        learner, Change(tenant.id, change.bounds, held, holds=to is not None), reason="Payroll says so"
    )


async def test_what_was_learned_of_the_opening_since_is_marked_as_a_correction(database: Database) -> None:
    tenant = await organization(database)
    never, before, since = [await tenant.learner("2017-08-01..") for _ in range(3)]
    later = await tenant.learner("2017-09-20..")
    snapshot = await tenant.snapshot(OPENING)
    never_at = await correct(tenant, never, None)
    await correct(tenant, before, "2017-08-01..2017-08-20")
    await tenant.deactivated(since, "2017-09-10")
    await correct(tenant, later, "2017-08-15..")
    found = await bridged_from(tenant, snapshot)
    assert people(found) == {
        never: (Movement.LEFT, Cause.CORRECTION),
        before: (Movement.LEFT, Cause.CORRECTION),
        since: (Movement.LEFT, Cause.DEACTIVATION),
        later: (Movement.JOINED, Cause.CORRECTION),
    }
    assert (found.opening, found.closing) == (Count(3, 3), Count(1, 1))
    # Who never was active never left; the other had left before the opening.
    assert days(tenant, found.left) == ["", "2017-08-21", "2017-09-11"]
    assert recorded_at(found.left[0]) == never_at
    assert found.left[0].learned is not None
    assert found.left[0].learned.reason == "Payroll says so"


async def test_a_deactivation_told_too_late_corrects_what_was_billed(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..")
    snapshot = await tenant.snapshot(OPENING)
    told_at = (await tenant.deactivated(learner, "2017-08-25")).recorded_at
    found = await bridged_from(tenant, snapshot)
    assert people(found) == {learner: (Movement.LEFT, Cause.CORRECTION)}
    assert recorded_at(found.left[0]) == told_at


async def test_a_bridge_between_two_times_of_knowing_the_same_cutoff_is_all_corrections(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..")
    await tenant.learner("2017-08-01..2017-09-10")
    snapshot = await tenant.snapshot(OPENING)
    await correct(tenant, learner, "2017-09-02..")
    found = await bridged_from(tenant, snapshot, OPENING)
    assert people(found) == {learner: (Movement.LEFT, Cause.CORRECTION)}
    assert (found.opening, found.closing) == (Count(2, 2), Count(1, 1))


async def test_a_bridge_of_what_was_known_then_does_not_change(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-08-01..")
    await tenant.learner("2017-09-05..")
    before = await bridged(tenant)
    then = tenant.now
    await correct(tenant, learner, None)
    async with database.reading() as connection:
        asked = BridgeAsked(
            organization_id=tenant.id,
            product_id=tenant.id,
            excluded_id=0,
            opening=End.at(cutoff(tenant, OPENING), then),
            closing=End.at(cutoff(tenant, CLOSING), then),
        )
        assert await bridge(connection, asked) == before


# --------------------------------------------------------------------------------------------------- lost dates


async def test_who_is_only_possible_at_an_end_is_listed_apart(database: Database) -> None:
    tenant = await organization(database)
    lost = await tenant.stranger("Ada")
    await tenant.believed(lost, lost_start(tenant, tenant.id, "2017-09-20"))
    lost_at = tenant.now
    await tenant.learner("2017-08-01..")
    found = await bridged(tenant)
    assert (found.opening, found.closing) == (Count(1, 2), Count(1, 1))
    assert people(found) == {lost: (Movement.UNCERTAIN, None)}
    assert (found.uncertain[0].at, found.uncertain[0].certain) == (None, False)
    assert recorded_at(found.uncertain[0]) == lost_at


async def test_who_was_only_possible_and_is_certain_now_has_joined_the_provable_count(database: Database) -> None:
    tenant = await organization(database)
    lost = await tenant.stranger("Ada")
    await tenant.believed(lost, lost_start(tenant, tenant.id, "2017-12-20"))
    snapshot = await tenant.snapshot(OPENING)
    assert (snapshot.count_least, snapshot.count_most) == (0, 1)
    await correct(tenant, lost, "2017-08-01..2017-12-20")
    found = await bridged_from(tenant, snapshot)
    assert people(found) == {lost: (Movement.JOINED, Cause.CORRECTION)}
    assert not found.joined[0].certain


# -------------------------------------------------------------------------------------------- other measures


async def test_the_bridge_from_a_month_begins_with_the_people_of_the_snapshot(database: Database) -> None:
    tenant = await organization(database)
    gone_in_august = await tenant.learner("2017-08-01..2017-08-10")
    await tenant.learner("2017-08-20..")
    joined = await tenant.learner("2017-09-01..")
    snapshot = await tenant.inquiry(OPENING, Measure.DISTINCT_IN_PERIOD)
    found = await bridged_from(tenant, snapshot)
    assert found.opening == Count(snapshot.count_least, snapshot.count_most) == Count(2, 2)
    assert people(found) == {
        gone_in_august: (Movement.LEFT, Cause.DEACTIVATION),
        joined: (Movement.JOINED, Cause.ACTIVATION),
    }


async def test_the_bridge_from_a_peak_begins_at_its_first_day(database: Database) -> None:
    tenant = await organization(database)
    peaked = await tenant.learner("2017-08-10..2017-08-11")
    passed = await tenant.learner("2017-08-20..2017-08-20")
    await tenant.learner("2017-08-10..")
    snapshot = await tenant.inquiry(OPENING, Measure.PEAK_DAY)
    found = await bridged_from(tenant, snapshot)
    assert found.opening == Count(2, 2)
    assert people(found) == {
        peaked: (Movement.LEFT, Cause.DEACTIVATION),
        passed: (Movement.PASSED, Cause.ACTIVATION),
    }


# ------------------------------------------------------------------------------------------------- statements


async def test_a_bridge_takes_as_many_statements_however_many_move(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-08-01..2017-09-10")
    few, moved = await statements_of(tenant)
    await tenant.crowd(120, active=("2017-08-01..2017-09-10", "2017-09-10..", "2017-09-05..2017-09-06", "2017-08-01.."))
    many, moved_later = await statements_of(tenant)
    assert (few, many) == (6, 6)
    assert (moved, moved_later) == (1, 91)


async def statements_of(tenant: Tenant) -> tuple[int, int]:
    async with tenant.database.reading() as connection:
        asked = BridgeAsked(
            organization_id=tenant.id,
            product_id=tenant.id,
            excluded_id=0,
            opening=End.at(cutoff(tenant, OPENING), tenant.now),
            closing=End.at(cutoff(tenant, CLOSING), tenant.now),
        )
        with statements() as ran:
            found = await bridge(connection, asked)
    return len(reads(ran)), len(people(found))


# ------------------------------------------------------------------------------------------------- the demo


async def test_xtra_leases_403_become_391_by_28_who_left_and_16_who_joined(demo: Database) -> None:
    async with demo.reading() as connection:
        row = await organization_by_slug(connection, "xtra-lease")
        assert row is not None
        then, now = (row.calendar.cutoff_of(dt.date.fromisoformat(day)) for day in (OPENING, CLOSING))
        asked = BridgeAsked(
            organization_id=row.organization_id,
            product_id=row.organization_id,
            excluded_id=0,
            opening=End.at(then, then),
            closing=End.at(now, dt.datetime(2026, 1, 1, tzinfo=UTC)),
        )
        found = await bridge(connection, asked)
    assert (found.opening, found.closing) == (Count(403, 403), Count(391, 391))
    assert (len(found.left), len(found.joined), len(found.passed), len(found.uncertain)) == (28, 16, 0, 0)
    assert {mover.cause for mover in found.left} == {Cause.DEACTIVATION}
    assert {mover.cause for mover in found.joined} == {Cause.ACTIVATION}
    assert all(mover.learned and mover.learned.actor == "LMS nightly sync" for mover in [*found.left, *found.joined])
    # Who leaves with a day is told the evening before the next one begins.
    assert all(mover.at and recorded_at(mover) - mover.at < MINUTE for mover in found.left)
    assert [mover.at for mover in found.left] == sorted(mover.at for mover in found.left if mover.at)
    last_of_september = row.calendar.start_of(dt.date(2017, 10, 1))
    assert sum(mover.at == last_of_september for mover in found.left) >= 2
