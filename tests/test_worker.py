"""What is done by itself: planned once, done by one of many workers, tried again, and never in the way of the rest."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from models.contracts import Measure
from models.errors import NotFound
from models.interval import DAY, UTC
from models.work import TaskKind
from resolvers.tasks.doing import Ended
from resolvers.tasks.leasing import (
    FIRST_PAUSE,
    LEASE,
    LONGEST_PAUSE,
    Leased,
    LeaseLost,
    NewTask,
    TaskKey,
    add_tasks,
    ask_again,
    claim,
    claim_one,
    fail,
    finish,
    pause_after,
    postpone,
    told,
)
from resolvers.tasks.planning import plan
from server.database import Database
from server.settings import Settings
from server.worker import Worker, working
from tests.billing import billed_organization
from tests.builders import organization
from tests.months import SIGNER, client
from tests.test_month import agreed_by

MINUTE = dt.timedelta(minutes=1)
# The builders record on the first of January 2026.
FEBRUARY = dt.datetime(2026, 2, 1, tzinfo=UTC)


@dataclass
class Clock:
    now: dt.datetime

    def __call__(self) -> dt.datetime:
        return self.now


def worker(database: Database, now: dt.datetime) -> Worker:
    return Worker(database, SIGNER, Clock(now))


async def tasks(database: Database) -> list[tuple[str, str, bool]]:
    """Kind, subject and whether it is done, of every task."""
    statement = "SELECT kind, subject, done_at IS NOT NULL FROM task ORDER BY kind, subject, organization_id"
    async with database.reading() as connection:
        return [(kind, subject, bool(done)) for kind, subject, done in await connection.execute(text(statement))]


async def count(database: Database, table: str) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


# ------------------------------------------------------------------------------------------------ planning


async def test_the_month_is_planned_for_its_first_day_in_each_zone(database: Database) -> None:
    for zone in ("Pacific/Auckland", "Pacific/Honolulu"):
        await client(database, zone=zone)
    midday = FEBRUARY - dt.timedelta(hours=12)
    assert await plan(database.reading, database.run, midday - DAY) == 0
    assert await plan(database.reading, database.run, midday) == 1
    assert await plan(database.reading, database.run, midday) == 0
    assert await plan(database.reading, database.run, FEBRUARY + dt.timedelta(hours=10)) == 1
    async with database.reading() as connection:
        due = await connection.execute(text("SELECT due_at FROM task ORDER BY due_at"))
        first, last = due.scalars()
    assert last - first == 23 * 3_600_000_000


async def test_at_most_two_earlier_months_are_caught_up_and_none_before_the_contract_was_known(
    database: Database,
) -> None:
    """It was written down on the first of January at noon, after that day's cutoff."""
    await client(database)
    assert await plan(database.reading, database.run, dt.datetime(2026, 3, 15, tzinfo=UTC)) == 2
    assert [subject for _, subject, _ in await tasks(database)] == ["2026-02-01", "2026-03-01"]
    await plan(database.reading, database.run, dt.datetime(2026, 7, 15, tzinfo=UTC))
    assert [subject for _, subject, _ in await tasks(database)][2:] == ["2026-05-01", "2026-06-01", "2026-07-01"]


async def test_who_has_no_contract_is_not_billed_by_itself(database: Database) -> None:
    tenant = await organization(database)
    await tenant.crowd(3, active=["2017-01-01.."])
    assert await plan(database.reading, database.run, FEBRUARY + DAY) == 0


async def test_an_organization_of_an_unknown_zone_stops_no_other(database: Database) -> None:
    bad = await client(database)
    await client(database)
    change = text("UPDATE billing_zone SET zone = 'Mars/Olympus' WHERE organization_id = :id")
    await database.run(lambda session: session.execute(change, {"id": bad.tenant.id}))
    assert await plan(database.reading, database.run, FEBRUARY) == 1


async def test_the_drift_of_who_was_ever_billed_is_checked_once_a_night_at_two(database: Database) -> None:
    billed = await client(database, zone="America/Chicago")
    await client(database)
    await billed.taken()
    night = dt.datetime(2026, 1, 20, 8, tzinfo=UTC)
    assert await plan(database.reading, database.run, night - MINUTE) == 1
    assert await plan(database.reading, database.run, night) == 1
    assert await plan(database.reading, database.run, night + dt.timedelta(hours=20)) == 0
    assert [subject for _, subject, _ in await tasks(database)] == ["2026-01-19", "2026-01-20"]


async def test_nights_long_past_are_forgotten(database: Database) -> None:
    billed = await client(database)
    await billed.taken()
    for day in range(1, 20):
        await worker(database, dt.datetime(2026, 1, 1 + day, 12, tzinfo=UTC)).work_off()
    assert 7 <= len(await tasks(database)) <= 9


# ------------------------------------------------------------------------------------------------- leasing


async def one_task(database: Database) -> TaskKey:
    billed = await client(database)
    new = NewTask(TaskKind.TAKE_MONTH, "2026-02-01", FEBRUARY)
    await database.run(partial(add_tasks, organization_id=billed.tenant.id, tasks=[new]))
    return TaskKey(billed.tenant.id, new.kind, new.subject)


async def claimed(database: Database, now: dt.datetime) -> Leased:
    leased = await claim(database.reading, database.run, now)
    assert leased is not None
    return leased


async def test_a_task_is_claimed_when_it_is_due_and_by_nobody_else(database: Database) -> None:
    key = await one_task(database)
    assert await claim(database.reading, database.run, FEBRUARY - MINUTE) is None
    assert (await claimed(database, FEBRUARY)).key == key
    assert await claim(database.reading, database.run, FEBRUARY + LEASE - MINUTE) is None


async def test_a_lease_that_ran_out_goes_to_somebody_else_and_the_first_can_end_nothing(database: Database) -> None:
    await one_task(database)
    slow = await claimed(database, FEBRUARY)
    late = FEBRUARY + LEASE
    quick = await claimed(database, late)
    assert quick.attempts == 2
    for end in (partial(finish, now=late), partial(postpone, until=late), partial(fail, now=late, failure=OSError())):
        with pytest.raises(LeaseLost):
            await database.run(lambda session, end=end: end(session, leased=slow))  # type: ignore[misc]
    await database.run(partial(finish, leased=quick, now=late))
    assert await tasks(database) == [("TAKE_MONTH", "2026-02-01", True)]
    with pytest.raises(LeaseLost):
        await database.run(partial(finish, leased=quick, now=late))


async def test_a_task_that_was_done_is_claimed_by_nobody(database: Database) -> None:
    key = await one_task(database)
    await database.run(partial(finish, leased=await claimed(database, FEBRUARY), now=FEBRUARY))
    assert await database.run(partial(claim_one, key=key, now=FEBRUARY + DAY)) is None


async def test_what_failed_waits_longer_each_time_and_never_longer_than_six_hours(database: Database) -> None:
    await one_task(database)
    now, waited = FEBRUARY, []
    for _ in range(12):
        leased = await claimed(database, now)
        await database.run(partial(fail, leased=leased, now=now, failure=NotFound("organization")))
        wait = pause_after(leased.attempts)
        assert await claim(database.reading, database.run, now + wait - dt.timedelta(microseconds=1)) is None
        waited.append(wait)
        now += wait
    assert waited[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert waited[-1] == LONGEST_PAUSE == max(waited)
    assert pause_after(10_000) == LONGEST_PAUSE


async def test_a_person_may_ask_for_a_task_again_but_not_take_it_from_who_has_it(database: Database) -> None:
    key = await one_task(database)
    new = NewTask(key.kind, key.subject, FEBRUARY)
    leased = await claimed(database, FEBRUARY)
    await database.run(partial(ask_again, organization_id=key.organization_id, task=new))
    await database.run(partial(finish, leased=leased, now=FEBRUARY))
    assert await claim(database.reading, database.run, FEBRUARY) is None
    await database.run(partial(ask_again, organization_id=key.organization_id, task=new))
    assert (await claimed(database, FEBRUARY)).key == key


async def test_what_is_kept_of_a_failure_names_nobody(database: Database) -> None:
    billed = await client(database)

    async def insert_twice(session: AsyncSession) -> None:
        row = "INSERT INTO profile (organization_id, learner_id, external_id, name) VALUES (1, 1, 'x', 'Ann Secret')"
        await session.execute(text(row))

    for failure in (ValueError("Ann Secret"), await _raised_by(database, insert_twice), NotFound("organization")):
        assert "Ann" not in told(failure)
    assert told(NotFound("x")).startswith("NotFound: NOT_FOUND")
    assert billed.tenant.id


async def _raised_by(database: Database, step: object) -> BaseException:
    with pytest.raises(Exception, match="profile") as raised:
        await database.run(step)  # type: ignore[arg-type]
    assert "resolvers/" not in told(raised.value) or ":" in told(raised.value)
    return raised.value


# ---------------------------------------------------------------------------------------------- the worker


async def test_the_worker_takes_the_month_seals_it_and_drafts_invoices_when_it_comes(database: Database) -> None:
    auckland, honolulu = (
        await client(database, zone="Pacific/Auckland"),
        await client(database, zone="Pacific/Honolulu"),
    )
    clock = Clock(FEBRUARY - dt.timedelta(hours=12))
    one = Worker(database, SIGNER, clock)
    assert [ended.failure for ended in await one.work_off()] == [None]
    assert await taken_of(database) == {auckland.tenant.id}
    assert months_of(await one.work_off()) == {}
    clock.now = FEBRUARY + dt.timedelta(hours=10)
    assert months_of(await one.work_off()) == {honolulu.tenant.id: None}
    assert await taken_of(database) == {auckland.tenant.id, honolulu.tenant.id}
    assert [await count(database, table) for table in ("billing_snapshot", "snapshot_seal", "invoice")] == [4, 4, 2]


def months_of(ended: Sequence[Ended]) -> dict[int, Exception | None]:
    """Of each organization whose month was worked on, why it failed if it did."""
    return {one.key.organization_id: one.failure for one in ended if one.key.kind is TaskKind.TAKE_MONTH}


async def taken_of(database: Database) -> set[int]:
    async with database.reading() as connection:
        return set((await connection.execute(text("SELECT organization_id FROM billing_snapshot"))).scalars())


async def test_what_can_be_counted_only_later_is_taken_later_by_the_same_task(database: Database) -> None:
    billed = await client(database)
    await agreed_by(database, billed, Measure.ANY_ON_DAY)
    clock = Clock(FEBRUARY)
    one = Worker(database, SIGNER, clock)
    await one.work_off()
    assert await count(database, "billing_snapshot") == 1
    assert await count(database, "invoice") == 0
    assert months_of(await one.work_off()) == {}
    clock.now = FEBRUARY + DAY
    await one.work_off()
    assert await count(database, "billing_snapshot") == 2
    assert await count(database, "invoice") == 1


async def test_a_failing_organization_stops_no_other_and_is_tried_again(database: Database) -> None:
    good, bad = await client(database), await client(database)
    clock = Clock(FEBRUARY)
    await plan(database.reading, database.run, clock())
    zone = text("UPDATE billing_zone SET zone = :zone WHERE organization_id = :id")
    await database.run(lambda s: s.execute(zone, {"zone": "Mars/Olympus", "id": bad.tenant.id}))
    one = Worker(database, SIGNER, clock)
    ended = months_of(await one.work_off())
    assert ended[good.tenant.id] is None
    assert ended[bad.tenant.id] is not None
    async with database.reading() as connection:
        kept = (await connection.execute(text("SELECT failure FROM task WHERE failure IS NOT NULL"))).scalar_one()
    assert kept.startswith("ZoneInfoNotFoundError")
    await database.run(lambda s: s.execute(zone, {"zone": "UTC", "id": bad.tenant.id}))
    clock.now += FIRST_PAUSE
    assert months_of(await one.work_off()) == {bad.tenant.id: None}
    assert await taken_of(database) == {good.tenant.id, bad.tenant.id}


async def test_an_invoice_is_issued_when_its_challenge_window_ends(database: Database) -> None:
    billed = await billed_organization(database)
    await billed.taken()
    (invoice_id,) = await billed.drafted()
    until = await billed.challenged(invoice_id, days=14)
    await worker(database, until - MINUTE).work_off()
    assert (await billed.invoice(invoice_id)).row.state.name == "CHALLENGE"
    await worker(database, until).work_off()
    assert (await billed.invoice(invoice_id)).row.state.name == "ISSUED"


async def test_the_nightly_check_opens_one_case_for_what_is_now_known_otherwise(database: Database) -> None:
    billed = await billed_organization(database)
    leaver = await billed.tenant.learner(active="2017-01-01..")
    await billed.taken()
    night = dt.datetime(2026, 1, 20, 12, tzinfo=UTC)
    await worker(database, night).work_off()
    assert await count(database, "dispute") == 0
    await billed.tenant.deactivated(leaver, "2017-08-15")
    for day in (1, 2, 3):
        assert [end.failure for end in await worker(database, night + day * DAY).work_off()] == [None]
    async with database.reading() as connection:
        row = (await connection.execute(text("SELECT origin, reason FROM dispute"))).one()
    assert row == ("DRIFT", "Billed for 2017-09-01: 6; known now: 5.")


async def test_what_was_decided_opens_no_other_case_until_something_more_is_learned(database: Database) -> None:
    billed = await billed_organization(database)
    leavers = [await billed.tenant.learner(active="2017-01-01..") for _ in range(2)]
    snapshot = await billed.taken()
    (invoice_id,) = await billed.drafted()
    await billed.issued(invoice_id)
    await billed.tenant.deactivated(leavers[0], "2017-08-15")
    await billed.adjusted(snapshot.id)
    night = dt.datetime(2026, 1, 20, 12, tzinfo=UTC)
    await worker(database, night).work_off()
    assert await count(database, "dispute") == 0
    await billed.tenant.deactivated(leavers[1], "2017-08-20")
    await worker(database, night + DAY).work_off()
    assert await count(database, "dispute") == 1


async def test_a_worker_that_was_told_to_stop_begins_nothing_more(database: Database) -> None:
    await client(database)
    one = worker(database, FEBRUARY)
    one.stop()
    assert await one.work_off() == []
    await one.work()
    assert await count(database, "billing_snapshot") == 0


async def test_beside_a_server_it_works_in_a_thread_and_ends_when_the_server_does(sqlite_database: Database) -> None:
    await client(sqlite_database)
    url = sqlite_database.url.render_as_string(hide_password=False)
    settings = Settings.model_validate({"database_url": url})
    with working(settings, SIGNER, Clock(FEBRUARY), stop_seconds=30) as beside:
        while await count(sqlite_database, "billing_snapshot") < 2:
            pass
        assert beside is not None
        beside.end()
        assert "worker" not in {thread.name for thread in threading.enumerate()}


def test_a_server_without_a_worker_starts_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"
    with working(Settings.model_validate({"database_url": url, "worker": False}), None, Clock(FEBRUARY), 1):
        assert "worker" not in {thread.name for thread in threading.enumerate()}
