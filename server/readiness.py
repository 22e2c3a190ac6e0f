"""Whether the server can answer: its database does, has the newest tables, and nobody has asked it to stop."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from server.database import Database, migrate
from server.settings import Settings


class DatabaseNotReady(Exception):
    """The database cannot be served from; the message says why and what to do."""


@dataclass
class Readiness:
    database: Database
    # Set when the server is told to stop, before it waits for the requests that are running.
    stopping: bool = False

    async def why_not(self) -> str | None:
        """Why nothing should be sent here now, in a sentence; none if all is well."""
        if self.stopping:
            return "The server is stopping."
        return await why_not_ready(self.database)


async def why_not_ready(database: Database) -> str | None:
    if await database.is_ready():
        return None
    try:
        async with database.reading() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError):
        return "The database does not answer."
    return "The database does not have the tables of this version. Run: python3 -m server migrate"


async def prepare_database(settings: Settings) -> None:
    """Before serving: an SQLite file of our own is brought up to date, a shared PostgreSQL only on a person's word."""
    database = Database.open(settings.database_url)
    try:
        if database.dialect == "sqlite":
            await migrate(settings.database_url)
        if reason := await why_not_ready(database):
            raise DatabaseNotReady(reason)
    finally:
        await database.close()
