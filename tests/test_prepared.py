"""Statements that are compiled once and run on the driver: they say the same as SQLAlchemy's own way does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from models.base import Instant
from models.carts import CartState
from models.learners import Person
from resolvers.loaders.carts import CART, CART_COLUMNS
from resolvers.prepared import Prepared, add, prepared
from server.database import Database
from tests.rushing import Rush, crowd
from tests.test_statements import statements
from tests.vouchering import shop

PERSON = Person.__table__


@pytest.fixture
async def rush(database: Database) -> Rush:
    return await crowd(await shop(database), 2, 2)


@prepared
def _open_since() -> Select[tuple[object, ...]]:
    since = CART.c.opened_at >= bindparam("since", type_=Instant)
    return select(*CART_COLUMNS).where(since, CART.c.state == CartState.OPEN).order_by(CART.c.id)


async def test_its_rows_are_those_that_sqlalchemy_reads(database: Database, rush: Rush) -> None:
    given = {"since": rush.began_at}
    async with database.writing() as session:
        usual = [tuple(row) for row in await session.execute(_open_since._build(), given)]
        assert await _open_since.rows(session, given) == usual
    async with database.reading() as connection:
        assert await _open_since.rows(connection, given) == usual
    assert len(usual) == 2


async def test_what_it_changes_is_undone_with_its_transaction(database: Database, rush: Rush) -> None:
    closing = Prepared(lambda: update(CART).values(state=CartState.ABANDONED).returning(CART.c.id))

    async def step(session: AsyncSession) -> None:
        assert len(await closing.rows(session, {})) == 2
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await database.run(step)
    async with database.reading() as connection:
        assert len(await _open_since.rows(connection, {"since": rush.began_at})) == 2


@pytest.mark.parametrize("many", [1, 2])
async def test_a_row_that_is_there_already_is_refused_as_sqlalchemy_refuses_it(database: Database, many: int) -> None:
    people: list[Mapping[str, object]] = [{"id": number} for number in range(1, many + 1)]
    await database.run(lambda session: add(session, PERSON, people))
    with pytest.raises(IntegrityError):
        async with database.writing() as session:
            await add(session, PERSON, people)
    async with database.writing() as session:
        assert len((await session.execute(select(PERSON.c.id))).all()) == many


async def test_a_reader_sees_one_snapshot_from_its_first_statement_on(database: Database, rush: Rush) -> None:
    given = {"since": rush.began_at}
    async with database.reading() as connection:
        before = await _open_since.rows(connection, given)
        await database.run(lambda session: session.execute(update(CART).values(state=CartState.ABANDONED)))
        assert await _open_since.rows(connection, given) == before


async def test_who_watches_statements_sees_it(database: Database, rush: Rush) -> None:
    async with database.writing() as session:
        await session.connection()
        with statements() as ran:
            await _open_since.rows(session, {"since": rush.began_at})
    assert [one.sql.split()[0] for one in ran] == ["SELECT"]


async def test_it_is_tried_again_when_another_was_in_its_way(database: Database, rush: Rush) -> None:
    """Two that read and then write the same row: the second is told by the driver, and finds what the first wrote."""
    later = Prepared(lambda: update(CART).values(version=CART.c.version + 1).returning(CART.c.version))
    await asyncio.gather(*(database.run(lambda session: later.rows(session, {})) for _ in range(5)))
    async with database.reading() as connection:
        rows = await _open_since.rows(connection, {"since": rush.began_at})
    assert {row[CART_COLUMNS.index(CART.c.version)] for row in rows} == {6}
