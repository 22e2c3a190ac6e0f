"""The database, opened once a process: reading that never waits for a writer, and writing in whole transactions.

SQLite has two engines on one file: readers that cannot write, and one writer that takes the write lock when it begins.
PostgreSQL has one pool; readers see one snapshot, and writers are serializable. So both databases keep one promise:
what a transaction read is still true when it commits, or the whole transaction is tried again.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from asyncpg import PostgresError
from sqlalchemy import Connection, Engine, event
from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from resolvers.database import First, Outrun
from server.postgresql import StraightDriver
from server.readers import Readers
from server.sqlite import OneTripDriver
from server.turns import Turns
from server.watched import listen

MIGRATIONS = Path(__file__).resolve().parent.parent / "models" / "migrations"
CONNECTIONS = 10
BUSY_TIMEOUT_SECONDS = 10
# A writer may queue behind a roster import; a caller that will not wait brings a time-out of its own.
WRITER_QUEUE_SECONDS = 120
ATTEMPTS = 25
LONGEST_PAUSE_SECONDS = 0.5
READINESS_LOOKS = 2
# Of keys that are drawn at random two may once be the same, and not thrice.
KEY_ATTEMPTS = 3
# PostgreSQL: serialization failure, deadlock.
WORTH_RETRYING = {"40001", "40P01"}
# What a large transaction changes stays in 16 MiB of memory; of SQLite's own 2 it would write most pages again and
# again. Each of a statement's sorts takes as much again before it goes to a file, which is why it is not more: an
# import of 100,000 lines took 209 MiB with 64, 147 with 16, and no longer.
WRITER_CACHE = "cache_size=-16384"
# How many SQLite instructions run between two looks at the clock: some milliseconds.
INSTRUCTIONS_BETWEEN_LOOKS = 100_000

T = TypeVar("T")


class Database:
    """Open with `Database.open(url)`, read with `reading()`, write with `run(step)`, and `close()` at the end."""

    def __init__(self, url: URL, reader: AsyncEngine, writer: AsyncEngine) -> None:
        self.url = url
        self._reader = reader
        self._readers = Readers(reader) if url.get_backend_name() == "sqlite" else None
        self._writer = writer
        # SQLite takes one writer at a time, whatever we do.
        self._turns = Turns(1 if url.get_backend_name() == "sqlite" else CONNECTIONS)

    @classmethod
    def open(cls, url: str, *, statement_timeout_seconds: float = 10.0, durable: bool = True) -> Self:
        """Makes the engines; nothing connects before the first statement.

        Not `durable` is for tests: SQLite then leaves it to the system when a commit reaches the disk.
        """
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            reader, writer = (
                _sqlite_engine(address, statement_timeout_seconds, writes=writes, durable=durable)
                for writes in (False, True)
            )
            return cls(address, reader, writer)
        pool = _postgresql_engine(address, statement_timeout_seconds)
        reader = pool.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return cls(address, reader, pool.execution_options(isolation_level="SERIALIZABLE"))

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        return "sqlite" if self.url.get_backend_name() == "sqlite" else "postgresql"

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that cannot write and sees one snapshot; it never waits for a writer."""
        return self._readers.lent() if self._readers else self._reader.connect()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """One transaction: commits at the end, rolls back on any error.

        A conflict with another writer is raised as it is; `run` is the same with the retries.
        """
        async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    async def run(self, step: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """One transaction for one named step, tried again as a whole when another writer was in its way.

        The step may run several times, so it changes nothing but the database.
        """
        first = isinstance(step, First)
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._once(step, first=first or attempt > 1)
            except (DBAPIError, PostgresError, Outrun) as problem:
                if not (is_conflict(problem) or (attempt < KEY_ATTEMPTS and is_same_key(problem))):
                    raise
            self._turns.narrow()
            await asyncio.sleep(_pause_seconds(attempt))
        return await self._once(step, first=True)

    async def _once(self, step: Callable[[AsyncSession], Awaitable[T]], *, first: bool) -> T:
        async with self._turns.taken(first=first), self.writing() as session:
            return await step(session)

    async def is_ready(self) -> bool:
        """Whether the database answers and has every migration: what a health check asks.

        That a server has closed a connection is noticed when it is used again: then the next one tells.
        """
        newest = newest_revision()
        for _ in range(READINESS_LOOKS):
            with suppress(SQLAlchemyError, OSError):
                async with self.reading() as connection:
                    return await connection.run_sync(_revision) == newest
        return False

    async def close(self) -> None:
        """Closes every connection; the database can be opened again."""
        if self._readers:
            await self._readers.close()
        await self._reader.dispose()
        await self._writer.dispose()


def is_conflict(problem: Exception) -> bool:
    """Whether another writer was in the way, so that the same transaction may well succeed the next time.

    SQLAlchemy passes on as it is what PostgreSQL says while rows are streamed, and wraps all else.
    """
    if isinstance(problem, Outrun):
        return True
    told = problem.orig if isinstance(problem, DBAPIError) else problem
    if isinstance(told, sqlite3.Error):
        # The low byte is the kind: SQLITE_BUSY_SNAPSHOT and its like are SQLITE_BUSY too.
        return getattr(told, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(told, "sqlstate", None) in WORTH_RETRYING


def is_same_key(problem: Exception) -> bool:
    """Whether another row has the primary key that was drawn: the next time it is another one."""
    if not isinstance(problem, DBAPIError):
        return False
    if isinstance(problem.orig, sqlite3.Error):
        return getattr(problem.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
    constraint = getattr(problem.orig.__cause__, "constraint_name", None) if problem.orig else None
    return str(constraint).startswith("pk_")


async def migrate(url: str) -> None:
    """Brings the database to the newest migration, in one transaction; makes the SQLite file where there is none."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        Path(address.database or "").parent.mkdir(parents=True, exist_ok=True)
    database = Database.open(url, statement_timeout_seconds=3_600)
    try:
        async with database.writing() as session:
            await (await session.connection()).run_sync(_upgrade)
    finally:
        await database.close()


async def sketch_migration(url: str, message: str) -> None:
    """Writes a new migration from the difference between the models and this database, for a person to finish."""
    database = Database.open(url)
    try:
        async with database.reading() as connection:
            await connection.run_sync(_sketch, message)
    finally:
        await database.close()


def _upgrade(connection: Connection) -> None:
    alembic.command.upgrade(_alembic_config(connection), "head")


def _sketch(connection: Connection, message: str) -> None:
    alembic.command.revision(_alembic_config(connection), message, autogenerate=True)


def _alembic_config(connection: Connection | None = None) -> Config:
    """Alembic, configured here and not in a file: the connection is ours, so its pragmas and time-outs hold too."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def newest_revision() -> str | None:
    """Of this version: to find it, every migration is read and run through."""
    return ScriptDirectory.from_config(_alembic_config()).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _pause_seconds(attempt: int) -> float:
    """Longer with each attempt and never the same for two callers, or they would meet again."""
    return random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.005 * 2**attempt))  # noqa: S311


def _postgresql_engine(url: URL, statement_timeout_seconds: float) -> AsyncEngine:
    # Compiling a statement takes longer than running it: PostgreSQL expects a hundred rows of each list of keys.
    settings = {"statement_timeout": str(int(statement_timeout_seconds * 1000)), "timezone": "UTC", "jit": "off"}
    engine = create_async_engine(
        url,
        module=StraightDriver(),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=WRITER_QUEUE_SECONDS,
        connect_args={"server_settings": settings},
    )
    listen(engine.sync_engine)
    return engine


def _sqlite_engine(url: URL, statement_timeout_seconds: float, *, writes: bool, durable: bool) -> AsyncEngine:
    """The writer is one connection, so writers queue in order here instead of waking each other at the file's lock."""
    engine = create_async_engine(
        url,
        module=OneTripDriver(),
        pool_size=1 if writes else CONNECTIONS,
        max_overflow=0,
        pool_timeout=WRITER_QUEUE_SECONDS,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None},
    )
    _Deadline.listen(engine.sync_engine, statement_timeout_seconds)
    listen(engine.sync_engine)
    # WAL is kept by the file, so only the writer sets it; synchronous=FULL keeps every commit through a power cut.
    kept = f"synchronous={'FULL' if durable else 'OFF'}"
    own = ("journal_mode=WAL", kept, WRITER_CACHE) if writes else ("query_only=ON",)
    event.listen(engine.sync_engine, "connect", _pragmas("foreign_keys=ON", *own))
    event.listen(engine.sync_engine, "begin", _begin_to_write if writes else _begin_to_read)
    return engine


class _Deadline:
    """The statement time-out that SQLite does not have: its progress handler stops a statement that runs too long."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._end = float("inf")

    def restart(self) -> None:
        self._end = time.monotonic() + self._limit_seconds

    def passed(self) -> bool:
        return time.monotonic() > self._end

    @classmethod
    def listen(cls, engine: Engine, limit_seconds: float) -> None:
        """Gives each connection of the engine a deadline of its own, restarted by each statement."""

        def watch(connection: AsyncAdapt_dbapi_connection, record: ConnectionPoolEntry) -> None:
            deadline = record.info["deadline"] = cls(limit_seconds)
            connection.run_async(lambda own: own.set_progress_handler(deadline.passed, INSTRUCTIONS_BETWEEN_LOOKS))

        def restart(connection: Connection, *_: object) -> None:
            connection.info["deadline"].restart()

        event.listen(engine, "connect", watch)
        event.listen(engine, "before_cursor_execute", restart)


def _pragmas(*statements: str) -> Callable[[DBAPIConnection, ConnectionPoolEntry], None]:
    def apply(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(f"PRAGMA {statement}")
        cursor.close()

    return apply


# The driver begins nothing itself (isolation_level=None): its own late BEGIN is what loses updates.


def _begin_to_write(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_to_read(connection: Connection) -> None:
    own: Any = connection.connection.dbapi_connection
    own.begin_later()
