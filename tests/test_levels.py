"""Daily levels give what counting windows gives, whatever was done; and whoever changes them by hand is found out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Executable, delete, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.activity import Predicate
from models.errors import DomainError
from models.interval import MICROSECOND, BillingCalendar, Bounds, from_microseconds, to_microseconds
from models.levels import LEVEL, quarter_from, quarter_of
from models.organizations import OrganizationClock
from resolvers.activity import settle
from resolvers.erasure.erasing import Erasing, erase
from resolvers.erasure.previewing import preview
from resolvers.history import Correction, Move, On, Place, Transfer, Who, correct_window, move_team, transfer
from resolvers.invariants import findings
from resolvers.levels import LEVEL_INVARIANTS, levels_that_differ, recount_levels
from resolvers.loaders.counts import Count, Question, counts
from resolvers.loaders.places import ScopeKey
from resolvers.loaders.windows import WindowRow
from resolvers.rebuilding import rebuild_windows
from resolvers.roster.batches import Batch, BatchRow, import_batch
from server.database import Database
from tests.builders import STAFF, Tenant, instant, lost_start, organization

FIRST = dt.date(2017, 3, 6)
DAYS = 12
# Clocks change in Chicago on March 12; in Kathmandu a day starts at a quarter past six in the evening, in UTC.
CALENDARS = [
    BillingCalendar.of("America/Chicago"),
    BillingCalendar.of("Asia/Kathmandu"),
    BillingCalendar.of("Europe/London", dt.time(17, 30)),
    BillingCalendar.of("UTC", dt.time(17, 7)),
]
QUARTER = dt.timedelta(minutes=15)


# ------------------------------------------------------------------------------------- both ways of counting


async def by_levels(tenant: Tenant, scopes: Sequence[int], instants: Sequence[dt.datetime]) -> list[Count]:
    """As known by the last recorded time: whatever levels can answer they do."""
    return await counted(tenant, scopes, instants, await clock(tenant))


async def by_windows(tenant: Tenant, scopes: Sequence[int], instants: Sequence[dt.datetime]) -> list[Count]:
    """The same, as known by a time that is past, though nothing was recorded since: of that levels say nothing."""
    known = await clock(tenant)
    await tenant.database.run(lambda session: settle(session, tenant.id, known + MICROSECOND))
    return await counted(tenant, scopes, instants, known)


async def counted(
    tenant: Tenant, scopes: Sequence[int], instants: Sequence[dt.datetime], known: dt.datetime
) -> list[Count]:
    at = [to_microseconds(one) for one in instants]
    questions = [Question(tenant.id, scope, a, a, to_microseconds(known)) for scope in scopes for a in at]
    async with tenant.database.reading() as connection:
        return await counts(connection, questions, Predicate.ACTIVE_AT)


async def clock(tenant: Tenant) -> dt.datetime:
    recorded_at = select(OrganizationClock.recorded_at).where(OrganizationClock.organization_id == tenant.id)
    async with tenant.database.reading() as connection:
        found: dt.datetime = (await connection.execute(recorded_at)).scalar_one()
        return found


async def offending(database: Database) -> tuple[str, ...]:
    async with database.reading() as connection:
        return (await findings(connection, LEVEL_INVARIANTS))[0].offending


# ----------------------------------------------------------------------------------------------- histories


@dataclass
class Clerk:
    """Does what numbers pick, of whomever they pick, between two organizations; a refusal is an answer too."""

    here: Tenant
    there: Tenant
    red: int
    blue: int
    exclusions: int
    done: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, database: Database) -> Clerk:
        here, there = [await organization(database) for _ in range(2)]
        return cls(here, there, await here.team("Red"), await here.team("Blue"), await here.exclusion_scope())

    async def activate(self, who: int, day: int, more: int) -> None:
        first = str(date_of(day)) if more % 4 else f"{date_of(day)}T12:34Z"
        end = date_of(day + more) if more % 3 else ""
        team = (None, self.red, self.blue)[more % 3]
        await self.here.activated(name_of(who), f"{first}..{end}", team=team)

    async def deactivate(self, who: int, day: int, _: int) -> None:
        await self.here.deactivated(await self.learner(who), str(date_of(day)))

    async def move(self, who: int, day: int, more: int) -> None:
        to_team = Place(key=ScopeKey(self.here.id, (self.red, self.blue)[more % 2]))
        given = Move(who=self._who(who), to_team=to_team, start=On(date_of(day)))
        await self._run(lambda session, now: move_team(session, STAFF, now, given))

    async def correct(self, who: int, day: int, more: int) -> None:
        windows = await self.here.window_rows(await self.learner(who))
        if windows:
            given = Correction(
                who=self._who(who),
                scope_id=self.here.id,
                window=seen(windows[more % len(windows)]),
                reason="told so",
                start=On(date_of(day)),
                never_was=more == 1,
            )
            await self._run(lambda session, now: correct_window(session, STAFF, now, given))

    async def lose(self, who: int, day: int, _: int) -> None:
        if learner := await self.learner(who):
            await self.here.believed(learner, lost_start(self.here, self.here.id, str(date_of(day))))

    async def send(self, who: int, day: int, more: int) -> None:
        """Two rows of a roster; of the one the start may be lost."""
        start = str(date_of(day)) if more % 3 else ""
        rows = (
            BatchRow(number=1, team="Red", external_id=name_of(who), activated_on=start),
            BatchRow(
                number=2,
                team="Blue",
                external_id=name_of(who + more % 2),
                activated_on=str(date_of(day + 1)),
                deactivated_on=str(date_of(day + 2 + more)),
            ),
        )
        batch = Batch(organization_id=self.here.id, import_id=f"batch {len(self.done)}", rows=rows)
        await self._run(lambda session, now: import_batch(session, STAFF, now, batch))

    async def exclude(self, who: int, day: int, more: int) -> None:
        await self.here.excluded(await self.learner(who), f"{date_of(day)}..{date_of(day + more)}")

    async def transfer(self, who: int, day: int, _: int) -> None:
        given = Transfer(who=self._who(who), to_organization_id=self.there.id, start=On(date_of(day)))
        await self._run(lambda session, now: transfer(session, STAFF, now, given))

    async def erase(self, who: int, _: int, __: int) -> None:
        async with self.here.database.reading() as connection:
            digest = (await preview(connection, STAFF, self._who(who), ())).digest
        asked = Erasing(who=self._who(who), reason="asked for it", preview_digest=digest)
        await self._run(lambda session, now: erase(session, STAFF, now, asked))

    async def change_zone(self, _: int, __: int, more: int) -> None:
        zone = CALENDARS[more % len(CALENDARS)].periods[0].zone
        change = text("UPDATE billing_zone SET zone = :zone").bindparams(zone=zone)
        await self.here.database.run(lambda session: session.execute(change))
        self.here.calendar = BillingCalendar.of(zone)

    async def learner(self, who: int) -> int:
        found = text("SELECT learner_id FROM profile WHERE external_id = :who AND organization_id = :here")
        async with self.here.database.reading() as connection:
            rows = await connection.execute(found, {"who": name_of(who), "here": self.here.id})
            return rows.scalar() or 0

    def _who(self, who: int) -> Who:
        return Who(organization_id=self.here.id, external_id=name_of(who))

    async def _run(self, step: Callable[[AsyncSession, dt.datetime], Awaitable[object]]) -> None:
        now = self.here.tick()
        await self.here.database.run(lambda session: step(session, now))


DEEDS = [
    *(Clerk.activate, Clerk.activate, Clerk.activate, Clerk.send, Clerk.send, Clerk.deactivate, Clerk.move),
    *(Clerk.correct, Clerk.correct, Clerk.lose, Clerk.exclude, Clerk.transfer, Clerk.erase, Clerk.change_zone),
]
Deed = tuple[Callable[[Clerk, int, int, int], Awaitable[None]], int, int, int]
A_DEED = st.tuples(st.sampled_from(DEEDS), st.integers(0, 3), st.integers(0, DAYS), st.integers(0, 5))


def seen(window: WindowRow) -> Bounds:
    edges = (window.from_earliest, window.from_latest, window.to_earliest, window.to_latest)
    a, b, c, d = map(from_microseconds, edges)
    return Bounds(a, b, c, d)


def name_of(who: int) -> str:
    return f"learner {who}"


def date_of(day: int) -> dt.date:
    return FIRST + dt.timedelta(days=day)


def instants() -> list[dt.datetime]:
    """Every cutoff by any of the calendars, and what is beside the first ones."""
    cutoffs = [calendar.cutoff_of(date_of(day)) for calendar in CALENDARS for day in range(-1, DAYS + 8)]
    return [*cutoffs, *(one + step for one in cutoffs[:9] for step in (-MICROSECOND, MICROSECOND, QUARTER))]


@given(st.lists(A_DEED, min_size=8, max_size=14))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_levels_are_what_counting_windows_gives_whatever_is_done(database: Database, deeds: list[Deed]) -> None:
    clerk = await Clerk.of(database)
    for deed, *picked in deeds:
        with suppress(DomainError):
            await deed(clerk, *picked)
            clerk.done.append(deed.__name__)
    here, there = (
        (clerk.here, [clerk.here.id, clerk.red, clerk.blue, clerk.exclusions]),
        (clerk.there, [clerk.there.id]),
    )
    for tenant, scopes in (here, there):
        assert await by_levels(tenant, scopes, instants()) == await by_windows(tenant, scopes, instants())
    assert await offending(database) == ()


# -------------------------------------------------------------------------------------------- what answers


async def test_a_cutoff_as_known_now_is_looked_up_and_all_else_is_counted(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner(active="2017-03-01..")
    at = instant("2017-03-02T06:00Z")
    await database.run(lambda session: session.execute(update(LEVEL).values(least=7, most=8)))
    assert await by_levels(tenant, [tenant.id], [at, at + MICROSECOND]) == [Count(7, 8), Count(1, 1)]
    assert await by_windows(tenant, [tenant.id], [at]) == [Count(1, 1)]


async def test_what_is_recorded_between_a_question_and_its_answer_is_not_counted(database: Database) -> None:
    """The time as of which is asked is read first, and somebody may record before the counts are."""
    tenant = await organization(database)
    await tenant.learner(active="2017-03-01..")
    known = await clock(tenant)
    await tenant.learner(active="2017-03-01..")
    assert await counted(tenant, [tenant.id], [instant("2017-03-02T06:00Z")], known) == [Count(1, 1)]


async def test_whose_start_is_lost_is_counted_in_the_level(database: Database) -> None:
    tenant = await organization(database)
    await tenant.learner(active="2017-03-01..")
    bob = await tenant.stranger("Bob")
    await tenant.believed(bob, lost_start(tenant, tenant.id, "2017-03-05"))
    asked = [instant("2017-03-02T06:00Z")]
    assert await by_levels(tenant, [tenant.id], asked) == [Count(1, 2)] == await by_windows(tenant, [tenant.id], asked)


# ------------------------------------------------------------------------------------------ tampered with

TAMPERING = [
    update(LEVEL).values(least=LEVEL.c.least + 1, most=LEVEL.c.most + 1),
    update(LEVEL).values(most=LEVEL.c.most + 1),
    delete(LEVEL).where(LEVEL.c.from_at == instant("2017-03-01T06:00Z")),
    text("DELETE FROM activity_window"),
]


@pytest.mark.parametrize("tampering", TAMPERING, ids=["raised", "most raised", "gone", "windows gone"])
async def test_levels_that_are_not_those_of_the_windows_are_found_and_mended(
    database: Database, tampering: Executable
) -> None:
    tenant = await organization(database)
    await tenant.learner(active="2017-03-01..2017-03-09")
    await tenant.learner(active="2017-03-05..")
    assert await offending(database) == ()
    await database.run(lambda session: session.execute(tampering))
    first = f"{tenant.id}:{tenant.id}:{to_microseconds(instant('2017-03-01T06:00Z'))}"
    assert first in await offending(database)
    assert await database.run(partial(levels_that_differ, organization_id=tenant.id)) > 0
    await database.run(partial(rebuild_windows, organization_id=tenant.id))
    assert await offending(database) == ()
    assert await database.run(partial(levels_that_differ, organization_id=tenant.id)) == 0
    at = [instant("2017-03-06T06:00Z"), instant("2017-03-10T06:00Z")]
    assert await by_levels(tenant, [tenant.id], at) == [Count(2, 2), Count(1, 1)]


async def test_levels_counted_anew_are_those_that_were_moved(database: Database) -> None:
    tenant = await organization(database)
    team = await tenant.team()
    await tenant.crowd(20, team, active=["2017-03-01..2017-03-09", "2017-03-05..", "2017-03-10..2017-03-12"])
    before = await kept(database)
    assert len(before) > 5
    await database.run(partial(recount_levels, organization_id=tenant.id))
    assert await kept(database) == before


async def kept(database: Database) -> list[tuple[int, ...]]:
    async with database.reading() as connection:
        return sorted(tuple(row) for row in await connection.execute(text("SELECT * FROM activity_level")))


# --------------------------------------------------------------------------------------------- upgraded


async def test_a_database_of_before_is_given_the_levels_of_its_windows(database: Database) -> None:
    tenant = await organization(database)
    await tenant.crowd(
        9, await tenant.team(), active=["1969-03-01..2017-03-09", "2017-03-05..", "2017-03-10..2017-03-12"]
    )
    before = await kept(database)
    migration = import_module("models.migrations.versions.0005_levels_of_lost_dates")

    async def again(session: AsyncSession) -> None:
        await session.execute(delete(LEVEL))
        await session.execute(text(migration.COUNT))

    await database.run(again)
    assert await kept(database) == before


# ------------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize("year", [1, 1800, 1969, 1970, 2017, 2199])
async def test_a_quarter_is_the_same_in_sql(sqlite_database: Database, year: int) -> None:
    mark = to_microseconds(dt.datetime(year, 3, 1, 6, 15, tzinfo=dt.UTC))
    edges = [mark + step for step in (-1, 0, 1)]
    async with sqlite_database.reading() as connection:
        found = [
            (await connection.execute(select(quarter_of(literal(edge, BigInteger))))).scalar_one() for edge in edges
        ]
    assert found == [quarter_from(edge) for edge in edges] == [mark, mark, mark + 900_000_000]
