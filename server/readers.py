"""SQLite's connections that read, kept from one reading to the next.

To take a connection out of SQLAlchemy's pool, to begin, to roll back and to put it in again takes several times as
long as a statement does that finds its row by a key. A reading has ended when SQLite lets go of its snapshot: of a
connection that did nothing else all the rest stays as it is.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.sqlite import OneTripConnection


class Readers:
    """How many there are, and how long somebody waits for one, is the pool's to say: to it these are all in use."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._kept: list[AsyncConnection] = []
        # How many ask the pool for one.
        self._asking = 0

    def lent(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return Lent(self)

    async def take(self) -> AsyncConnection:
        return self._kept.pop() if self._kept else await self._another()

    async def give_back(self, connection: AsyncConnection, *, is_unharmed: bool) -> None:
        if is_unharmed and not self._asking and _lets_go(connection):
            self._kept.append(connection)
        else:
            await asyncio.shield(asyncio.create_task(connection.close()))

    async def close(self) -> None:
        kept, self._kept = self._kept, []
        for connection in kept:
            await connection.close()

    async def _another(self) -> AsyncConnection:
        self._asking += 1
        try:
            return await self._engine.connect()
        finally:
            self._asking -= 1


class Lent:
    """For one reading. An asynchronous generator would take as long as a statement does."""

    __slots__ = ("_connection", "_readers")

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def __aenter__(self) -> AsyncConnection:
        self._connection = await self._readers.take()
        return self._connection

    async def __aexit__(self, problem: type[BaseException] | None, *_: object) -> None:
        await self._readers.give_back(self._connection, is_unharmed=problem is None)


def _lets_go(connection: AsyncConnection) -> bool:
    """Whether nothing of the reading is left; SQLAlchemy's transaction goes on, as the next one's."""
    own: Any = connection.sync_connection
    if own is None or own.closed or own.invalidated or own.in_nested_transaction():
        return False
    driver: OneTripConnection = own.connection.dbapi_connection
    return driver.let_go()
