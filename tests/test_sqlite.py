"""SQLite's driver takes one trip to its thread a statement, and tells all that is asked of a cursor."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from server.database import CONNECTIONS, Database


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


async def fruits(database: Database) -> list[str]:
    async with database.reading() as connection:
        return list((await connection.scalars(text("SELECT name FROM fruit ORDER BY name"))).all())


async def test_who_reads_next_sees_what_was_written_since(sqlite_database: Database) -> None:
    async with sqlite_database.writing() as session:
        await session.execute(text("CREATE TABLE fruit (name TEXT UNIQUE)"))
    for number in range(3):
        assert len(await fruits(sqlite_database)) == number
        async with sqlite_database.writing() as session:
            await session.execute(text("INSERT INTO fruit VALUES (:name)"), {"name": f"fig {number}"})


async def test_nothing_of_a_reading_is_left_to_the_next_one(sqlite_database: Database) -> None:
    async def ends_itself() -> None:
        async with sqlite_database.reading() as connection:
            await connection.execute(text("SELECT 1"))
            await connection.rollback()

    async def stays_within() -> None:
        async with sqlite_database.reading() as connection:
            await connection.begin_nested()
            await connection.execute(text("SELECT 1"))

    async def gives_up() -> None:
        with suppress(KeyError):
            async with sqlite_database.reading() as connection:
                await connection.execute(text("SELECT 1"))
                raise KeyError

    async def loses_it() -> None:
        async with sqlite_database.reading() as connection:
            await connection.execute(text("SELECT 1"))
            await connection.invalidate()

    async with sqlite_database.writing() as session:
        await session.execute(text("CREATE TABLE fruit (name TEXT UNIQUE)"))
    for number, read in enumerate([ends_itself, stays_within, gives_up, loses_it]):
        await read()
        async with sqlite_database.writing() as session:
            await session.execute(text("INSERT INTO fruit VALUES (:name)"), {"name": f"fig {number}"})
        async with sqlite_database.reading() as connection:
            assert not connection.in_nested_transaction()
            assert await connection.scalar(text("SELECT count(*) FROM fruit")) == number + 1


async def test_who_finds_every_reader_lent_waits_for_the_first_that_comes_back(sqlite_database: Database) -> None:
    lent, enough = asyncio.Semaphore(0), asyncio.Event()

    async def read() -> None:
        async with sqlite_database.reading() as connection:
            await connection.execute(text("SELECT 1"))
            lent.release()
            await enough.wait()

    async def one_of_all() -> None:
        async with sqlite_database.reading() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1

    for _ in range(2):
        readers = [asyncio.create_task(read()) for _ in range(CONNECTIONS)]
        for _ in readers:
            await lent.acquire()
        late = asyncio.create_task(one_of_all())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not late.done()
        enough.set()
        async with asyncio.timeout(30):
            await asyncio.gather(late, *readers)
        enough.clear()
