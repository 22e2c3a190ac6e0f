"""SQLite's driver takes one trip to its thread a statement, and tells all that is asked of a cursor."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from server.database import Database


async def test_rows_their_names_and_their_number_come_along(sqlite_database: Database) -> None:
    async with sqlite_database.writing() as session:
        await session.execute(text("CREATE TABLE fruit (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))
        made = await session.execute(
            text("INSERT INTO fruit (name) VALUES (:name)"), [{"name": "fig"}, {"name": "plum"}]
        )
        assert made.rowcount == 2  # type: ignore[attr-defined]
        found = await session.execute(text("SELECT id, name FROM fruit ORDER BY id"))
        assert list(found.keys()) == ["id", "name"]
        assert found.all() == [(1, "fig"), (2, "plum")]
        again = await session.execute(text("INSERT INTO fruit (name) VALUES ('pear') RETURNING id"))
        assert again.scalar_one() == 3


async def test_what_the_database_refuses_is_raised_as_the_library_names_it(sqlite_database: Database) -> None:
    async with sqlite_database.writing() as session:
        await session.execute(text("CREATE TABLE fruit (name TEXT UNIQUE)"))
        await session.execute(text("INSERT INTO fruit VALUES ('fig')"))
    with pytest.raises(IntegrityError):
        await sqlite_database.run(lambda session: session.execute(text("INSERT INTO fruit VALUES ('fig')")))
    with pytest.raises(OperationalError, match="no such table"):
        await sqlite_database.run(lambda session: session.execute(text("SELECT * FROM vegetable")))
    async with sqlite_database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM fruit")) == 1


async def test_a_statement_is_one_trip(sqlite_database: Database) -> None:
    trips = []
    async with sqlite_database.reading() as connection:
        await connection.execute(text("SELECT 'the transaction begins'"))
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        go = driver._execute

        async def counted(*arguments: object) -> object:
            trips.append(1)
            return await go(*arguments)

        driver._execute = counted
        await connection.execute(text("SELECT 1 UNION SELECT 2"))
        driver._execute = go
    assert len(trips) == 1
