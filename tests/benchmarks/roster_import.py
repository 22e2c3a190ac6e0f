"""How fast a roster is imported, and with how much memory: against executemany of the same final rows.

The goal (PERFORMANCE.md) is an import no slower than a bare executemany of the rows that it ends in, into the same
tables, with memory that does not grow with the file. The rows are read from a finished import beforehand, in the order
of their keys, and written in one transaction, by the driver itself and by SQLAlchemy Core; reading, checking, matching
and deriving are the import's alone. Rounds are interleaved, each in a fresh database; medians are shown.

    COUNTERSIGN_ROSTER=roster.csv python -m tests.benchmarks.roster_import [--rounds 5] [--postgres URL] [--no-memory]

The URL is that of a server on which databases may be made and dropped; without one a server is started.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import datetime as dt
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy import Table as SqlTable
from sqlalchemy import insert, select, text

from models.base import Base
from server.database import Database, migrate
from server.import_roster import ImportOptions, import_file
from server.postgres import running_postgres
from tests.builders import STAFF

NOW = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)
OPTIONS = ImportOptions(new_organizations_in_zone="UTC")
console = Console()


@dataclass(frozen=True, slots=True)
class FinalRows:
    """What an import ends in: of each table its columns, its rows as the driver takes them and as Core does."""

    table: SqlTable
    columns: tuple[str, ...]
    plain: list[tuple[object, ...]]
    typed: list[dict[str, object]]


async def final_rows(database: Database) -> list[FinalRows]:
    found = []
    async with database.reading() as connection:
        for table in Base.metadata.sorted_tables:
            keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
            plain = (await connection.execute(text(f'SELECT * FROM "{table.name}" ORDER BY {keys}'))).all()
            typed = (await connection.execute(select(table).order_by(*table.primary_key))).mappings().all()
            if plain:
                columns = tuple(plain[0]._fields)
                found.append(FinalRows(table, columns, [tuple(row) for row in plain], [dict(row) for row in typed]))
    return found


# ------------------------------------------------------------------------------------------ what is timed


async def imported(url: str, path: Path) -> float:
    database = Database.open(url, statement_timeout_seconds=3_600)
    began = time.perf_counter()
    await import_file(database, path, STAFF, NOW, OPTIONS)
    took = time.perf_counter() - began
    await database.close()
    return took


async def by_driver(url: str, rows: list[FinalRows]) -> float:
    return await _by_asyncpg(url, rows) if url.startswith("postgresql") else _by_sqlite3(url, rows)


def _by_sqlite3(url: str, rows: list[FinalRows]) -> float:
    connection = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    for of_one in rows:
        connection.executemany(_insert(of_one, ["?"] * len(of_one.columns)), of_one.plain)
    connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took


async def _by_asyncpg(url: str, rows: list[FinalRows]) -> float:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    began = time.perf_counter()
    async with connection.transaction(isolation="serializable"):
        for of_one in rows:
            places = [f"${number + 1}" for number in range(len(of_one.columns))]
            await connection.executemany(_insert(of_one, places), of_one.plain)
    took = time.perf_counter() - began
    await connection.close()
    return took


def _insert(rows: FinalRows, places: list[str]) -> str:
    columns = ", ".join(f'"{name}"' for name in rows.columns)
    return f'INSERT INTO "{rows.table.name}" ({columns}) VALUES ({", ".join(places)})'


async def by_core(url: str, rows: list[FinalRows]) -> float:
    database = Database.open(url, statement_timeout_seconds=3_600)
    began = time.perf_counter()
    async with database.writing() as session:
        for of_one in rows:
            await session.execute(insert(of_one.table), of_one.typed)
    took = time.perf_counter() - began
    await database.close()
    return took


# ------------------------------------------------------------------------------------------ fresh databases


class Databases:
    """Fresh, migrated databases of one kind."""

    def __init__(self, kind: str, folder: Path, server: str) -> None:
        self.kind = kind
        self._folder = folder
        self._server = server
        self._template = folder / "template.db"

    async def prepare(self) -> None:
        if self.kind == "sqlite":
            await migrate(f"sqlite+aiosqlite:///{self._template}")

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        if self.kind == "sqlite":
            path = Path(shutil.copy(self._template, self._folder / f"{time.monotonic_ns()}.db"))
            yield f"sqlite+aiosqlite:///{path}"
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return
        name = f"benchmark_{time.monotonic_ns()}"
        await self._administer(f"CREATE DATABASE {name}")
        url = f"{self._server.rsplit('/', 1)[0]}/{name}"
        await migrate(url)
        yield url
        await self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.replace("+asyncpg", ""))
        await connection.execute(statement)
        await connection.close()


# ---------------------------------------------------------------------------------------------- the report


async def compare(databases: Databases, path: Path, rounds: int) -> dict[str, list[float]]:
    """The seconds of each round, of the import and of both other ways."""
    await databases.prepare()
    async with databases.fresh() as url:
        await imported(url, path)
        finished = Database.open(url)
        rows = await final_rows(finished)
        await finished.close()
    ways: dict[str, Callable[[str], Awaitable[float]]] = {
        "import": lambda url: imported(url, path),
        "driver executemany": lambda url: by_driver(url, rows),
        "Core executemany": lambda url: by_core(url, rows),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            async with databases.fresh() as url:
                seconds[name].append(await way(url))
    _show(databases.kind, seconds, sum(len(of_one.plain) for of_one in rows))
    return seconds


def _show(kind: str, seconds: dict[str, list[float]], final: int) -> None:
    table = Table("way", "median s", "all rounds", "import ÷ this", title=f"{kind}: {final:,} final rows")
    ours = statistics.median(seconds["import"])
    for name, took in seconds.items():
        median = statistics.median(took)
        table.add_row(name, f"{median:.2f}", " ".join(f"{one:.2f}" for one in took), f"{ours / median:.2f}")
    console.print(table)
    longest = max(statistics.median(took) for took in seconds.values())
    for name, took in seconds.items():
        console.print(f"{name:>20} {'█' * round(40 * statistics.median(took) / longest)}")


def enlarged(path: Path, times: int, folder: Path) -> Path:
    """The same roster with so many times the learners."""
    larger = folder / f"times_{times}.csv"
    with path.open(encoding="utf-8", newline="") as source, larger.open("w", encoding="utf-8", newline="") as target:
        lines = csv.reader(source)
        writer = csv.writer(target)
        header = next(lines)
        place = header.index("external_id")
        writer.writerow(header)
        for row in lines:
            for copy in range(times):
                writer.writerow([*row[:place], f"{row[place]}-{copy}", *row[place + 1 :]])
    return larger


async def show_memory(databases: Databases, path: Path, folder: Path) -> None:
    table = Table("rows of the file", "peak MiB", "s", title=f"{databases.kind}: memory of the importer")
    await databases.prepare()
    for times in (1, 10):
        seconds, mebibytes = await imported_apart(databases, enlarged(path, times, folder))
        table.add_row(f"{times}×", f"{mebibytes}", f"{seconds}")
    console.print(table)


async def imported_apart(databases: Databases, path: Path) -> tuple[float, int]:
    """The seconds that a process of its own took, and its peak memory in MiB."""
    async with databases.fresh() as url:
        command = [sys.executable, "-m", "tests.benchmarks.roster_import", "--one", url, str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: ASYNC221
    seconds, mebibytes = done.stdout.split()
    return float(seconds), int(mebibytes)


def import_once(url: str, path: Path) -> None:
    took = asyncio.run(imported(url, path))
    print(f"{took:.1f} {peak_kibibytes() / 1024:.0f}")


def peak_kibibytes() -> int:
    """Linux's own record of this process. `resource` would tell the parent's peak too, in which we were forked."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@contextmanager
def server_at(url: str | None, folder: Path) -> Iterator[str]:
    if url:
        yield url
        return
    with running_postgres(folder / "postgres") as started:
        yield started


async def main(arguments: argparse.Namespace) -> None:
    path = Path(os.environ["COUNTERSIGN_ROSTER"])
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-benchmark-")))
        server = stack.enter_context(server_at(arguments.postgres, folder))
        for kind in arguments.only or ("sqlite", "postgresql"):
            databases = Databases(kind, folder, server)
            if arguments.rounds:
                await compare(databases, path, arguments.rounds)
            if arguments.memory:
                await show_memory(databases, path, folder)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--postgres")
    options.add_argument("--only", choices=("sqlite", "postgresql"), action="append")
    options.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    options.add_argument("--one", nargs=2, metavar=("URL", "FILE"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        import_once(given.one[0], Path(given.one[1]))
    else:
        asyncio.run(main(given))
