"""Portals of any size on both databases, each filled once in a run of all goals: of many learners by copying fewer.

PostgreSQL learns by itself how many rows there are, within a minute; here it is told at once. SQLite is not told where
rows are copied, nor is it in production.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.exceptions import DuplicateDatabaseError

from server.database import Database
from tests.benchmarks.goals.multiplied import multiply, prove
from tests.benchmarks.measured import Kind, Setting
from tests.benchmarks.portal_data import Portal, filled

# Of so many our import takes half a minute, or one and a half on PostgreSQL.
MOST_IMPORTED, MOST_IMPORTED_QUICKLY = 50_000, 1_000


@asynccontextmanager
async def portal_of(setting: Setting, kind: Kind, learners: int) -> AsyncIterator[tuple[Portal, Database]]:
    """The database that another goal has filled before, if one has; its file is the one that the rivals read too."""
    name = f"portal_{learners}"
    url = f"sqlite+aiosqlite:///{setting.folder / name}.db"
    if kind == "postgresql":
        url = f"{setting.server.rsplit('/', 1)[0]}/{name}"
        await _make_sure(setting.server, name)
    portal = await _filled(url, learners, MOST_IMPORTED_QUICKLY if setting.quick else MOST_IMPORTED)
    if setting.quick:
        await prove(url, portal.big.id)
    database = Database.open(url, statement_timeout_seconds=600)
    try:
        yield portal, database
    finally:
        await database.close()


async def _filled(url: str, learners: int, most_imported: int) -> Portal:
    times = max(1, learners // most_imported)
    portal = await filled(url, learners // times)
    if portal.big.learners < learners:
        await multiply(url, portal.big, times)
        portal = await filled(url, learners)
    assert portal.big.learners == learners
    return portal


async def _make_sure(server: str, name: str) -> None:
    connection = await asyncpg.connect(server.replace("+asyncpg", ""))
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    except DuplicateDatabaseError:
        return
    finally:
        await connection.close()
