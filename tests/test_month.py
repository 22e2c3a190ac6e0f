"""The month of all organizations: each at its own cutoff, once, whatever happens meanwhile."""

from __future__ import annotations

import datetime as dt
from asyncio import to_thread
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner

from models.access import Role
from models.contracts import Measure
from models.errors import DateOutOfRange, NotAllowed
from resolvers.principal import Principal
from resolvers.snapshots.month import Month, Stage, run_month
from resolvers.snapshots.previewing import ProductPreview, preview
from resolvers.snapshots.standing import standings
from server.cli import app
from server.database import Database
from tests.billing import Billed
from tests.builders import STAFF, organization
from tests.importing import contents
from tests.months import LATER, SEPTEMBER, SIGNER, client, clients, made, said, whole_month

T = TypeVar("T")
FEBRUARY = dt.date(2026, 2, 1)


async def test_the_month_takes_every_product_of_every_organization_and_bills_who_is_over(database: Database) -> None:
    one, other = await client(database, people=5, licensed=2), await client(database, people=3, licensed=3)
    steps = await whole_month(database)
    assert [made(steps, stage) for stage in Stage] == [4, 4, 2]
    assert await lines(database, one) == [("OVERAGE", 3, 3_000), ("OVERAGE", 2, 1_000)]
    assert await lines(database, other) == [("OVERAGE", 1, 500)]


async def lines(database: Database, billed: Billed) -> list[tuple[object, ...]]:
    statement = "SELECT kind, quantity, total_minor FROM invoice_line WHERE organization_id = :id ORDER BY number"
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(text(statement), {"id": billed.tenant.id})]


async def test_the_run_again_changes_nothing(database: Database) -> None:
    await clients(database, 3)
    await whole_month(database)
    before = await contents(database)
    steps = await whole_month(database, now=LATER + dt.timedelta(days=1))
    assert [made(steps, stage) for stage in Stage] == [0, 0, 0]
    assert await contents(database) == before


async def test_a_library_that_is_new_is_taken_by_the_next_run_and_nothing_else(database: Database) -> None:
    billed = await client(database)
    await whole_month(database)
    await billed.tenant.library("Forklifts")
    steps = await whole_month(database)
    assert [(step.made, step.before) for step in steps if step.stage is Stage.TAKE] == [(1, 2)]


async def test_an_organization_whose_cutoff_has_not_come_is_passed_over_and_says_when_it_comes(
    database: Database,
) -> None:
    """The first of February comes to Auckland 23 hours before it comes to Honolulu."""
    auckland = await client(database, zone="Pacific/Auckland")
    honolulu = await client(database, zone="Pacific/Honolulu")
    midday = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    steps = await whole_month(database, date=FEBRUARY, now=midday)
    taken = {step.organization.organization_id: step for step in steps if step.stage is Stage.TAKE}
    assert (taken[auckland.tenant.id].made, taken[auckland.tenant.id].waits_until) == (2, None)
    assert taken[honolulu.tenant.id].made == 0
    assert taken[honolulu.tenant.id].waits_until == dt.datetime(2026, 2, 1, 10, tzinfo=dt.UTC)
    assert {step.organization.organization_id for step in steps if step.stage is Stage.DRAFT} == {auckland.tenant.id}
    steps = await whole_month(database, date=FEBRUARY, now=dt.datetime(2026, 2, 1, 10, tzinfo=dt.UTC))
    assert [made(steps, stage) for stage in Stage] == [2, 2, 1]


async def test_a_cutoff_at_another_time_of_day_is_waited_for(database: Database) -> None:
    await client(database, zone="UTC", cutoff=dt.time(18))
    early = await whole_month(database, date=FEBRUARY, now=dt.datetime(2026, 2, 1, 17, 59, tzinfo=dt.UTC))
    assert early[0].waits_until == dt.datetime(2026, 2, 1, 18, tzinfo=dt.UTC)
    on_time = await whole_month(database, date=FEBRUARY, now=dt.datetime(2026, 2, 1, 18, tzinfo=dt.UTC))
    assert made(on_time, Stage.TAKE) == 2


async def test_a_product_counted_over_the_day_is_taken_a_day_later_and_the_invoice_is_drafted_then(
    database: Database,
) -> None:
    billed = await client(database)
    await agreed_by(database, billed, Measure.ANY_ON_DAY)
    midnight, next_midnight = (dt.datetime(2026, 2, day, tzinfo=dt.UTC) for day in (1, 2))
    steps = await whole_month(database, date=FEBRUARY, now=midnight)
    assert [made(steps, stage) for stage in Stage] == [1, 1, 0]
    assert steps[0].waits_until == next_midnight
    steps = await whole_month(database, date=FEBRUARY, now=next_midnight)
    assert [made(steps, stage) for stage in Stage] == [1, 1, 1]


async def agreed_by(database: Database, billed: Billed, measure: Measure) -> None:
    """The seats are counted in another way; the library as before."""
    change = text("UPDATE contract_term SET measure = :m WHERE organization_id = :id AND product_id = :id")
    await unguarded(database, lambda s: s.execute(change, {"m": measure.name, "id": billed.tenant.id}))


async def unguarded(database: Database, step: Callable[[AsyncSession], Awaitable[object]]) -> None:
    """What nobody may do: a change of what is append-only, behind the product's back."""

    async def change(session: AsyncSession) -> None:
        if database.dialect == "postgresql":
            await session.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            guards = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for name in (await session.execute(text(guards))).scalars().all():
                await session.execute(text(f'DROP TRIGGER "{name}"'))
        await step(session)

    await database.run(change)


# ---------------------------------------------------------------------------------------------- failures


async def test_an_organization_with_bad_data_is_told_and_stops_nobody_else(database: Database) -> None:
    first, bad, last = await clients(database, 3)
    change = text("UPDATE billing_zone SET zone = 'Mars/Olympus' WHERE organization_id = :id")
    await database.run(lambda session: session.execute(change, {"id": bad.tenant.id}))
    steps = await whole_month(database)
    assert [step.organization.organization_id for step in steps if step.failure] == [bad.tenant.id]
    assert {step.organization.organization_id for step in steps if step.made} == {first.tenant.id, last.tenant.id}


async def test_an_organization_that_fails_in_its_transaction_keeps_nothing_of_it(database: Database) -> None:
    good, bad = await clients(database, 2)

    async def run(step: Callable[[AsyncSession], Awaitable[T]]) -> T:
        async def spoiled(session: AsyncSession) -> T:
            done = await step(session)
            recorded = await session.scalar(
                text("SELECT count(*) FROM billing_snapshot WHERE organization_id = :id"), {"id": bad.tenant.id}
            )
            if recorded:
                raise ZeroDivisionError
            return done

        return await database.run(spoiled)

    steps = await whole_month(database, run=run)
    assert [type(step.failure) for step in steps if step.failure] == [ZeroDivisionError]
    told = await said(database)
    assert len(told["snapshots"]) == 2
    assert all(str(good.tenant.id) in row for row in told["snapshots"])


class Killed(BaseException):
    """As a signal would: nothing that only expects failures catches it."""


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("commit", range(1, 7))
async def test_a_run_killed_at_any_commit_and_run_again_comes_to_the_same(
    database: Database, commit: int, late: bool
) -> None:
    """Two organizations make six commits: each is taken, sealed and drafted."""
    many = [await client(database) for _ in range(2)]
    commits = 0

    async def deadly(step: Callable[[AsyncSession], Awaitable[T]]) -> T:
        nonlocal commits
        commits += 1
        if commits == commit and not late:
            raise Killed
        done = await database.run(step)
        if commits == commit:
            raise Killed
        return done

    with pytest.raises(Killed):
        await whole_month(database, run=deadly)
    await whole_month(database)
    told = await said(database)
    assert [len(told[name]) for name in ("snapshots", "seals", "invoices", "lines")] == [4, 4, 2, 4]
    assert len(told["entries"]) == sum(5 + 3 for _ in many)
    assert len(set(told["snapshots"])) == 4


# ------------------------------------------------------------------------------------------------ dry run


async def previewed(database: Database, *, now: dt.datetime = LATER, date: dt.date = SEPTEMBER) -> list[ProductPreview]:
    async with database.reading() as connection:
        found = await preview(connection, now, date, await standings(connection, now, date))
    return [product for one in found for product in one.products]


@pytest.mark.parametrize("measure", list(Measure))
async def test_the_dry_run_writes_nothing_and_says_what_the_run_then_does(database: Database, measure: Measure) -> None:
    for billed in await clients(database, 3):
        await billed.lost(1)
        await agreed_by(database, billed, measure)
    before = await contents(database)
    told = await previewed(database)
    assert await contents(database) == before
    assert {one.is_taken for one in told} == {False}
    await whole_month(database)
    taken = await previewed(database)
    assert {one.is_taken for one in taken} == {True}
    figures = [[(p.product_id, p.measure, p.count, p.licensed, p.overage) for p in one] for one in (told, taken)]
    assert figures[0] == figures[1]
    assert any(count and count.least < count.most for _, _, count, _, _ in figures[0])


async def test_the_dry_run_does_not_count_what_has_not_happened(database: Database) -> None:
    await client(database, zone="Pacific/Honolulu")
    told = await previewed(database, now=dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC), date=FEBRUARY)
    assert {(one.count, one.overage, one.licensed is None) for one in told} == {(None, None, False)}


async def test_what_is_not_licensed_has_a_count_and_no_overage(database: Database) -> None:
    tenant = await organization(database)
    await tenant.crowd(4, active=["2017-01-01.."])
    (seats,) = await previewed(database)
    assert seats.count == (4, 4)
    assert (seats.licensed, seats.overage) == (None, None)


# ------------------------------------------------------------------------------------------------ refusals


async def test_a_draft_that_somebody_dropped_is_not_drafted_again_by_the_run(database: Database) -> None:
    billed = await client(database)
    await whole_month(database)
    async with database.reading() as connection:
        invoice_id = (await connection.execute(text("SELECT id FROM invoice"))).scalar_one()
    await billed.cancelled(invoice_id)
    assert made(await whole_month(database), Stage.DRAFT) == 0


async def test_only_staff_run_the_month(database: Database) -> None:
    billed = await client(database)
    month = Month(date=SEPTEMBER, signer=SIGNER)
    for role in (Role.ORGANIZATION, Role.PARTNER):
        principal = Principal(name="Kim", role=role, organization_id=billed.tenant.id)
        with pytest.raises(NotAllowed):
            await anext(run_month(database.reading, database.run, principal, LATER, month))


async def test_a_date_that_no_calendar_reaches_is_refused_before_anything_is_done(database: Database) -> None:
    with pytest.raises(DateOutOfRange):
        await anext(run_month(database.reading, database.run, STAFF, LATER, Month(date=dt.date(1017, 9, 1))))


# ----------------------------------------------------------------------------------------------- commands


def command(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> tuple[int, str]:
    """Its exit code, and what it printed."""
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COUNTERSIGN_SIGNING_KEYS", str(tmp_path / "keys"))
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    return result.exit_code, result.output


async def test_the_command_shows_who_is_over_first_and_ends_with_an_error_if_anybody_failed(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, over, bad = [await client(sqlite_database, people=people, licensed=4) for people in (3, 9, 5)]
    code, said_dry = await to_thread(
        command, sqlite_database, monkeypatch, tmp_path, "billing-month", "2017-09-01", "--dry-run"
    )
    assert code == 0
    first = next(line for line in said_dry.splitlines() if "Seats" in line or "library" in line)
    assert [cell.strip() for cell in first.split("│")[2:6]] == ["Seats", "9", "4", "5"]
    assert over.tenant.id
    change = text("UPDATE billing_zone SET zone = 'Mars/Olympus' WHERE organization_id = :id")
    await sqlite_database.run(lambda session: session.execute(change, {"id": bad.tenant.id}))
    code, told = await to_thread(command, sqlite_database, monkeypatch, tmp_path, "billing-month", "2017-09-01")
    assert code == 1
    assert "4 snapshots taken, 0 sealed, 2 invoices drafted." in told
    assert "failed: ZoneInfoNotFoundError" in told


async def test_the_drift_command_lists_person_by_person_and_fails_only_where_history_was_changed(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    billed = await client(sqlite_database)
    ann = await billed.tenant.learner(active="2017-01-01..", name="Ann")
    await whole_month(sqlite_database)
    assert (await to_thread(command, sqlite_database, monkeypatch, tmp_path, "drift"))[0] == 0
    billed.tenant.now = LATER
    await billed.tenant.deactivated(ann, "2017-08-15")
    code, told = await to_thread(command, sqlite_database, monkeypatch, tmp_path, "drift", "--open-cases")
    assert code == 0
    assert "Billed for 2017-09-01: 6; known now: 5." in told
    assert "Ann: in the snapshot, and not counted as now known" in told
    assert "1 cases opened" in told
    forge = text("DELETE FROM former_activity_window")
    await unguarded(sqlite_database, lambda session: session.execute(forge))
    code, told = await to_thread(command, sqlite_database, monkeypatch, tmp_path, "drift")
    assert code == 1
    assert "History as known then no longer gives what was billed." in told
