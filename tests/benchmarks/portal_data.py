"""The portal that benchmarks ask: one organization of so many learners in fifty teams, and a small one beside it.

Learners have 2.24 windows over eight years on average, so that 20,000 have 44,825; a few percent are open, and of one
in two hundred the start was lost. All comes through our own roster import, and is the same for the same number of
learners.

    python -m tests.benchmarks.portal_data URL [--learners 20000]
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import datetime as dt
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console
from sqlalchemy import func, select, text

from models.learners import Learner
from models.organizations import Organization, Scope, ScopeKind
from server.database import Database, migrate
from server.import_roster import ImportOptions, import_file
from tests.builders import STAFF

BIG, SMALL = "Big", "Small"
SMALL_LEARNERS = 400
TEAMS = 50
ZONE = "America/Chicago"
# As 44,825 of 20,000; in a thousandth, so that the windows of the first n learners are a whole number.
WINDOWS_A_THOUSAND = 2_241.25
FIRST_DAY = dt.date(2018, 1, 1)
LATEST_FIRST_DAYS = 5 * 365
IMPORTED_AT = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)
OPEN_EVERY, LOST_EVERY = 25, 90
RARE_EVERY = 1_000
RARE_DEPARTMENT = "Night shift"
DEPARTMENTS = (
    *("Assembly", "Billing", "Cleaning", "Dispatch", "Engineering", "Finance", "Fleet", "Freight", "Housekeeping"),
    *("Kitchen", "Laboratory", "Legal", "Maintenance", "Nursing", "Packing", "Pharmacy", "Reception", "Security"),
    *("Training", "Warehouse"),
)
GIVEN = (
    *("Ada", "Aiko", "Amara", "Ben", "Carla", "Chidi", "Dana", "Elif", "Emil", "Farid", "Grace", "Hana", "Ivan"),
    *("Jana", "João", "Karim", "Lena", "Luis", "Mara", "Mei", "Nadia", "Noor", "Olga", "Omar", "Paula", "Priya"),
    *("Quinn", "Rosa", "Sam", "Sofia", "Tariq", "Tom", "Uma", "Vera", "Wei", "Yara", "Yusuf", "Zoe"),
)
FAMILY = (
    *("Abbott", "Adeyemi", "Bauer", "Bianchi", "Costa", "Diaz", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad"),
    *("Ito", "Jensen", "Kaya", "Khan", "Kim", "Kowalski", "Larsen", "Lopez", "Mbeki", "Moreau", "Nguyen", "Novak"),
    *("Okafor", "Olsen", "Patel", "Petrov", "Quispe", "Rossi", "Sato", "Schmidt", "Silva", "Singh", "Tanaka"),
    *("Ueda", "Varga", "Weber", "Wong", "Yilmaz", "Zhang"),
)
console = Console()


@dataclass(frozen=True, slots=True)
class Filled:
    """An organization of the portal: its id, and those of its teams in the order of their names."""

    id: int
    teams: tuple[int, ...]
    learners: int


@dataclass(frozen=True, slots=True)
class Portal:
    url: str
    big: Filled
    small: Filled


async def filled(database_url: str, learners: int) -> Portal:
    """The portal in this database, which is migrated and filled unless it was before."""
    await migrate(database_url)
    database = Database.open(database_url, statement_timeout_seconds=3_600)
    try:
        if not await _is_filled(database):
            await _fill(database, learners)
        return Portal(database_url, await _found(database, BIG), await _found(database, SMALL))
    finally:
        await database.close()


async def _is_filled(database: Database) -> bool:
    async with database.reading() as connection:
        return bool(await connection.scalar(select(Organization.id).where(Organization.name == SMALL)))


async def _fill(database: Database, learners: int) -> None:
    options = ImportOptions(new_organizations_in_zone=ZONE)
    with tempfile.TemporaryDirectory(prefix="countersign-portal-") as folder:
        for organization, count in ((BIG, learners), (SMALL, SMALL_LEARNERS)):
            path = Path(folder) / f"{organization}.csv"
            write_roster(path, organization, count)
            summary = await import_file(database, path, STAFF, IMPORTED_AT, options)
            assert summary.rows_refused == 0, summary
    async with database.writing() as session:
        await session.execute(text("ANALYZE"))


async def _found(database: Database, name: str) -> Filled:
    async with database.reading() as connection:
        organization_id = await connection.scalar(select(Organization.id).where(Organization.name == name))
        assert organization_id is not None
        of_it = Scope.organization_id == organization_id
        teams = select(Scope.id).where(of_it, Scope.kind == ScopeKind.TEAM).order_by(Scope.name)
        learners = select(func.count()).select_from(Learner).where(Learner.organization_id == organization_id)
        found = (await connection.execute(teams)).scalars().all()
        return Filled(organization_id, tuple(found), await connection.scalar(learners) or 0)


# ------------------------------------------------------------------------------------------- the roster

HEADER = ("organization", "team", "external_id", "name", "email", "department", "activated_on", "deactivated_on")


def write_roster(path: Path, organization: str, learners: int, most_lines: int | None = None) -> None:
    """With all windows of everybody, or the first ones."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(roster_rows(organization, learners, most_lines))


def roster_rows(organization: str, learners: int, most_lines: int | None = None) -> Iterator[tuple[str, ...]]:
    """A row a window, team after team."""
    chance = random.Random(f"{organization} {learners}")
    for number in range(learners):
        team = f"Team {number * TEAMS // learners + 1:02}"
        external_id = f"{organization[0]}{number:07}"
        name = f"{chance.choice(GIVEN)} {chance.choice(FAMILY)}"
        email = f"{name.replace(' ', '.').lower()}.{number}@example.com"
        department = RARE_DEPARTMENT if number % RARE_EVERY == 17 else chance.choice(DEPARTMENTS)
        for starts, ends in islice(_windows(chance, number), most_lines):
            yield organization, team, external_id, name, email, department, starts, ends


def _windows(chance: random.Random, number: int) -> Iterator[tuple[str, str]]:
    """First and last days that neither overlap nor touch. The start of a first one may be lost, the last one open."""
    count = windows_of(number)
    day = FIRST_DAY + dt.timedelta(days=chance.randrange(LATEST_FIRST_DAYS))
    for place in range(count):
        ends = day + dt.timedelta(days=chance.randrange(30, 300))
        is_lost = place == 0 and number % LOST_EVERY == 11
        is_open = place == count - 1 and number % OPEN_EVERY == 7
        yield "" if is_lost else day.isoformat(), "" if is_open else ends.isoformat()
        day = ends + dt.timedelta(days=chance.randrange(2, 200))


def windows_of(number: int) -> int:
    """One to four, 2.24125 on average."""
    until = [int(n * WINDOWS_A_THOUSAND / 1_000) for n in (number, number + 1)]
    return until[1] - until[0] + (1, -1, 0, 0)[number % 4]


async def main(url: str, learners: int) -> None:
    began = time.perf_counter()
    portal = await filled(url, learners)
    took = time.perf_counter() - began
    console.print(f"{portal.big.learners:,} learners in {len(portal.big.teams)} teams took {took:.1f} s")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("url")
    options.add_argument("--learners", type=int, default=20_000)
    given = options.parse_args()
    asyncio.run(main(given.url, given.learners))
