"""The database of a command: the one that the server of the same settings uses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Database
from server.readiness import prepare_database
from server.settings import Settings

T = TypeVar("T")
# A command may take as long as it needs: a person waits for it, and can stop it.
NO_HURRY_SECONDS = 3_600


def with_database(settings: Settings, use: Callable[[Database], Awaitable[T]]) -> T:
    """Runs something on the database, opened before and closed after it."""

    async def opened() -> T:
        await prepare_database(settings)
        database = Database.open(settings.database_url, statement_timeout_seconds=NO_HURRY_SECONDS)
        try:
            return await use(database)
        finally:
            await database.close()

    return asyncio.run(opened())


def in_database(settings: Settings, step: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """One transaction of a command."""
    return with_database(settings, lambda database: database.run(step))
