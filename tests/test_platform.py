"""The ground that everything stands on: the environment, the settings, the two databases."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Database


async def make_counter(database: Database) -> None:
    async with database.writing() as session:
        await session.execute(text("CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"))
        await session.execute(text("INSERT INTO counter VALUES ('visits', 0)"))


async def value(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(text("SELECT value FROM counter"))).scalar_one())


async def add_one(session: AsyncSession) -> None:
    """Reads, thinks, and writes what it thought: the shape that loses updates when nothing guards it."""
    seen = (await session.execute(text("SELECT value FROM counter"))).scalar_one()
    await asyncio.sleep(0)
    await session.execute(text("UPDATE counter SET value = :value"), {"value": seen + 1})


async def test_forty_callers_that_read_then_write_lose_no_update(database: Database) -> None:
    await make_counter(database)
    await asyncio.gather(*(database.run(add_one) for _ in range(40)))
    assert await value(database) == 40
