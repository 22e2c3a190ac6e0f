"""How long the month takes for 1,000,000 learners and 2.5 million windows in 500 organizations, and with which memory.

The goal is at most twice one plain INSERT … SELECT of the same entries into the same table with the same constraints,
in one transaction: from the windows of everybody, as anybody would write it; and, stricter, from a table that holds
the very entries in the order of their keys. Sealing is timed apart. Rounds are interleaved; the entries of a round are
thrown away as a replica would, since nobody else may.

    python -m tests.benchmarks --only month

For memory, one stage runs in a process of its own:

    python -m tests.benchmarks.billing_month taking URL
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
from rich.console import Console

from models.activity import Window
from models.billing import SnapshotEntry
from models.contracts import NO_LAST_DAY, ContractTerm, Measure
from models.interval import FOREVER_US, UTC, to_microseconds
from models.learners import Learner
from models.organizations import BillingZone, Organization, OrganizationClock, Scope
from resolvers.evidence.signing import Signer
from resolvers.snapshots.month import Month, run_month
from server.database import Database, migrate
from server.signing import fresh_signer
from tests.builders import STAFF

DATE = dt.date(2017, 9, 1)
CUTOFF_US = to_microseconds(dt.datetime(2017, 9, 1, tzinfo=UTC))
NOW = dt.datetime(2026, 2, 1, 12, tzinfo=UTC)
KNOWN_US = to_microseconds(dt.datetime(2018, 1, 1, tzinfo=UTC))
DAY_US = 86_400_000_000
LIBRARY = 1
MONTH, FROM_THE_WINDOWS, FROM_SAVED_ENTRIES = (
    "month",
    "INSERT … SELECT of the windows",
    "INSERT … SELECT of saved entries",
)
console = Console()

Row = tuple[object, ...]


# --------------------------------------------------------------------------------------------------- the data


def organizations(count: int) -> Iterator[tuple[str, list[Row]]]:
    """All but learners and windows: each organization has seats and one library, licensed for a few."""
    ids = range(1, count + 1)
    yield Organization.__tablename__, [(i, f"client-{i}", f"Client {i}", f"client {i}") for i in ids]
    yield OrganizationClock.__tablename__, [(i, KNOWN_US) for i in ids]
    yield BillingZone.__tablename__, [(i, dt.date.min, "UTC", dt.time()) for i in ids]
    own = [(i, i, "ORGANIZATION", f"Client {i}", f"client {i}") for i in ids]
    libraries = [(i, library(i), "LIBRARY", "Safety", "safety") for i in ids]
    yield Scope.__tablename__, [*own, *libraries]
    term = (DATE.replace(year=2016), NO_LAST_DAY, 400, 1_250, "USD", Measure.AT_CUTOFF.name, True)
    products = ((i, product) for i in ids for product in (i, library(i)))
    yield ContractTerm.__tablename__, [(i, n, KNOWN_US, product, *term) for n, (i, product) in enumerate(products)]


def library(organization_id: int) -> int:
    return organization_id * 1_000 + LIBRARY


def learners(organization_count: int, learner_count: int) -> Iterator[Row]:
    return ((o, n, None) for o in range(1, organization_count + 1) for n in range(1, learner_count + 1))


def windows(organization_count: int, learner_count: int) -> Iterator[Row]:
    """In the order of their keys: 1.6 windows of activity a learner, and nine tenths of one with access."""
    for organization_id in range(1, organization_count + 1):
        yield from _windows_of(organization_id, organization_id, range(1, learner_count + 1))
        yield from _windows_of(organization_id, library(organization_id), range(1, learner_count * 9 // 16 + 1))


def _windows_of(organization_id: int, scope_id: int, of: range) -> Iterator[Row]:
    for n in of:
        first = CUTOFF_US - (400 + n % 300) * DAY_US
        ends = [first + (100 + n % 90) * DAY_US] if n % 5 < 3 else []
        if ends:
            yield (organization_id, scope_id, n, ends[0], first, None, KNOWN_US)
            first = ends[0] + (n % 200) * DAY_US + DAY_US
        end = first + (n % 250 + 20) * DAY_US if n % 4 == 0 else FOREVER_US
        yield (organization_id, scope_id, n, end, first, ends[0] if ends else None, KNOWN_US)


async def fill(url: str, organization_count: int, learner_count: int) -> None:
    await migrate(url)
    write = _fill_postgresql if url.startswith("postgresql") else _fill_sqlite
    await write(url, organization_count, learner_count)


def _tables(organization_count: int, learner_count: int) -> Iterator[tuple[str, Iterator[Row]]]:
    for table, rows in organizations(organization_count):
        yield table, iter(rows)
    yield Learner.__tablename__, learners(organization_count, learner_count)
    yield Window.__tablename__, windows(organization_count, learner_count)


async def _fill_sqlite(url: str, organization_count: int, learner_count: int) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("BEGIN")
    for table, rows in _tables(organization_count, learner_count):
        first = next(rows)
        columns = len(first)
        statement = f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"
        connection.execute(statement, _as_sqlite(first))
        connection.executemany(statement, map(_as_sqlite, rows))
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()


def _as_sqlite(row: Row) -> Row:
    return tuple(str(v) if isinstance(v, dt.date) else f"{v}.000000" if isinstance(v, dt.time) else v for v in row)


async def _fill_postgresql(url: str, organization_count: int, learner_count: int) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    # The data is right by construction; its foreign keys need not be checked row by row.
    await connection.execute("SET session_replication_role = replica")
    for table, rows in _tables(organization_count, learner_count):
        await connection.copy_records_to_table(table, records=rows)
    await connection.execute("ANALYZE")
    await connection.close()


# ------------------------------------------------------------------------------------------ what is timed


async def month(url: str, signer: Signer | None = None) -> float:
    """All snapshots of the date: a transaction for each organization, as the product takes them. Where they are taken
    already a signer seals them.
    """
    database = Database.open(url, statement_timeout_seconds=3_600)
    began = time.perf_counter()
    asked = Month(date=DATE, signer=signer, invoices=False)
    async for step in run_month(database.reading, database.run, STAFF, NOW, asked):
        if step.failure:
            raise step.failure
    took = time.perf_counter() - began
    await database.close()
    return took


COLUMNS = ", ".join(column.name for column in SnapshotEntry.__table__.columns)
PLAIN = f"INSERT INTO snapshot_entry ({COLUMNS}) SELECT {COLUMNS} FROM saved_entry"
SAVED = "CREATE TABLE saved_entry AS SELECT * FROM snapshot_entry ORDER BY organization_id, snapshot_id, learner_id"
FROM_WINDOWS = f"""INSERT INTO snapshot_entry ({COLUMNS})
    SELECT s.organization_id, s.id, w.learner_id, w.from_at, w.from_at, w.to_at, w.to_at, w.known_from, true
    FROM billing_snapshot s JOIN activity_window w ON w.organization_id = s.organization_id
        AND w.scope_id = s.product_id AND w.from_at <= s.cutoff AND w.to_at > s.cutoff"""
FORGET = ("DELETE FROM snapshot_entry", "DELETE FROM billing_snapshot")


async def plainly(url: str, statement: str) -> float:
    """The same entries by one statement, with their snapshots already there."""
    if url.startswith("postgresql"):
        return await _plainly_on_postgresql(url, statement)
    connection = _sqlite(url)
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(statement)
    connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took


async def _plainly_on_postgresql(url: str, statement: str) -> float:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    began = time.perf_counter()
    async with connection.transaction(isolation="serializable"):
        await connection.execute(statement)
    took = time.perf_counter() - began
    await connection.close()
    return took


async def forget(url: str, *statements: str) -> None:
    """Empties what is append-only, so that the next way finds the database as the one before did."""
    if not url.startswith("postgresql"):
        connection = _sqlite(url)
        for table in ("snapshot_entry", "billing_snapshot"):
            connection.execute(f"DROP TRIGGER IF EXISTS {table}_refuses_DELETE")
        for statement in statements:
            connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return
    administrator = await asyncpg.connect(url.replace("+asyncpg", ""))
    await administrator.execute("SET session_replication_role = replica")
    for statement in statements:
        await administrator.execute(statement)
    for table in ("snapshot_entry", "billing_snapshot"):
        await administrator.execute(f"VACUUM {table}")
    await administrator.execute("CHECKPOINT")
    await administrator.close()


def _sqlite(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


# --------------------------------------------------------------------------------------------- the rounds


async def compared(
    kind: str, url: str, organization_count: int, learner_count: int, rounds: int
) -> dict[str, list[float]]:
    """The seconds of each round, of the month and of both plain statements. The last one's entries are left."""
    began = time.perf_counter()
    await fill(url, organization_count, learner_count)
    console.print(f"{kind}: the data took {time.perf_counter() - began:.0f} s")
    plain = {FROM_THE_WINDOWS: FROM_WINDOWS, FROM_SAVED_ENTRIES: PLAIN}
    seconds: dict[str, list[float]] = {MONTH: [], **{name: [] for name in plain}}
    for number in range(rounds + 1):
        seconds[MONTH].append(await month(url))
        entries = await _entries(url)
        await forget(url, "DROP TABLE IF EXISTS saved_entry", SAVED)
        for name, statement in plain.items():
            await forget(url, FORGET[0])
            seconds[name].append(await plainly(url, statement))
            assert await _entries(url) == entries
        if number < rounds:
            await forget(url, *FORGET)
    # The first round warms what there is to warm.
    return {name: took[1:] for name, took in seconds.items()}


def measured_apart(url: str) -> Iterator[tuple[str, str, str]]:
    """Taking, and then sealing, each with the peak memory of its process."""
    for what in ("taking", "sealing"):
        command = [sys.executable, "-m", "tests.benchmarks.billing_month", what, url]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        took, peak = done.stdout.split()
        yield what, peak, took


def one(what: str, url: str) -> None:
    took = asyncio.run(month(url, fresh_signer(NOW) if what == "sealing" else None))
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak_kibibytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(f"{took:.1f} {peak_kibibytes / 1024:.0f}")


async def _entries(url: str) -> int:
    database = Database.open(url)
    async with database.reading() as connection:
        count = (await connection.exec_driver_sql("SELECT count(*) FROM snapshot_entry")).scalar_one()
    await database.close()
    return int(count)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("taking", "sealing"))
    options.add_argument("url")
    given = options.parse_args()
    one(given.what, given.url)
