"""SQLite's connections that read, kept from one reading to the next.

To take a connection out of SQLAlchemy's pool, to begin, to roll back and to put it in again takes several times as
long as a statement does that finds its row by a key. A reading has ended when SQLite lets go of its snapshot: of a
connection that did nothing else all the rest stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[AsyncConnection]:
        connection = self._kept.pop() if self._kept else await self._another()
        is_as_new = False
        try:
            yield connection
            is_as_new = _lets_go(connection)
        finally:
            if is_as_new and not self._asking:
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


def _lets_go(connection: AsyncConnection) -> bool:
    """Whether nothing of the reading is left; SQLAlchemy's transaction goes on, as the next one's."""
    if connection.closed or connection.invalidated or connection.in_nested_transaction():
        return False
    own: Any = connection.sync_connection
    driver: OneTripConnection = own.connection.dbapi_connection
    return driver.let_go()
