"""A portal of a million learners in minutes: our import brings a part of them, which plain SQL then copies.

Each copy is as many other people, under keys, external ids and addresses of their own, with the same names, teams and
windows. Daily levels are not copied: the product counts them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import asyncpg
from sqlalchemy import Column, Table, make_url
from sqlalchemy.schema import CreateIndex, DropIndex

from models.activity import UncertainWindow, Window
from models.history import Belief
from models.keys import COUNT_BITS
from models.learners import Learner, Profile
from models.roster import RosterLine
from resolvers.invariants import findings
from resolvers.levels import recount_levels
from resolvers.rebuilding import windows_that_differ
from server.database import Database
from tests.benchmarks.portal_data import Filled

# All that an import writes of a learner.
COPIED: tuple[Table, ...] = tuple(
    kind.__table__ for kind in (Learner, Profile, Belief, RosterLine, Window, UncertainWindow)
)
KEYS = {"learner_id", "fact_id", "activity_fact_id", "membership_fact_id"}
# More keys than an import takes for a learner, so that no two copies share one.
KEYS_A_LEARNER = 16


async def multiply(url: str, filled: Filled, times: int) -> None:
    """So many times the learners of an organization of which nothing is recorded but a roster. Indexes are made anew:
    row by row that takes longer than all else.
    """
    stride = filled.learners * KEYS_A_LEARNER
    dialect = make_url(url).get_dialect()()
    statements = [_clock_behind(filled.id, times * stride)]
    for table in COPIED:
        statements += (str(DropIndex(index).compile(dialect=dialect)) for index in table.indexes)
        statements.append(_copies(table, filled.id, times, stride))
        statements += (str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    await (_on_postgresql if dialect.name == "postgresql" else _on_sqlite)(url, statements)
    database = Database.open(url, statement_timeout_seconds=3_600)
    await database.run(lambda session: recount_levels(session, filled.id))
    await database.close()
    if database.dialect == "postgresql":
        # What autovacuum does within a minute, which no round waits for.
        await _on_postgresql(url, ["VACUUM ANALYZE"])


async def prove(url: str, organization_id: int) -> None:
    """That it is what an import would have made: by the product's own checks, which take longer than the copying."""
    database = Database.open(url, statement_timeout_seconds=3_600)
    windows = await database.run(lambda session: windows_that_differ(session, organization_id))
    async with database.reading() as connection:
        offending = [one.invariant.name for one in await findings(connection) if not one.holds]
    await database.close()
    assert (windows, offending) == (0, []), (windows, offending)


def _copies(table: Table, organization_id: int, times: int, stride: int) -> str:
    columns = ", ".join(column.name for column in table.columns)
    values = ", ".join(_copied(table, column, stride) for column in table.columns)
    keys = ", ".join(column.name for column in table.primary_key)
    return f"""INSERT INTO {table.name} ({columns})
        WITH RECURSIVE copies (copy) AS (SELECT 1 UNION ALL SELECT copy + 1 FROM copies WHERE copy < {times - 1})
        SELECT {values} FROM copies CROSS JOIN {table.name}
        WHERE organization_id = {organization_id} ORDER BY copy, {keys}"""


def _copied(table: Table, column: Column[object], stride: int) -> str:
    if column.name in KEYS or column is Learner.__table__.c.id:
        return f"{column.name} + copy * {stride}"
    if column.name == "external_id":
        return "external_id || '-' || copy"
    if column.name in ("email", "email_key"):
        return f"replace({column.name}, '@', '.' || copy || '@')"
    return str(column.name)


def _clock_behind(organization_id: int, keys: int) -> str:
    """As an act leaves it that took so many keys."""
    microseconds = (keys >> COUNT_BITS) + 1
    return f"""UPDATE organization_clock SET recorded_at = recorded_at + {microseconds}
        WHERE organization_id = {organization_id}"""


async def _on_sqlite(url: str, statements: Sequence[str]) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1048576"):
        connection.execute(f"PRAGMA {pragma}")
    for statement in statements:
        connection.execute(statement)
    # Nobody tells it in production how many rows there are.
    connection.execute("DELETE FROM sqlite_stat1")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


async def _on_postgresql(url: str, statements: Sequence[str]) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    # The data is right by construction; its foreign keys need not be checked row by row.
    await connection.execute("SET session_replication_role = replica")
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
