"""A database of an earlier version is brought to this one with all that is in it."""

from __future__ import annotations

from pathlib import Path

import alembic.command
from sqlalchemy import Connection, text

from server import database as server_database
from server.database import Database, migrate

TOKEN = text(
    "INSERT INTO token (digest, ending, name, role, use, began_with, created_at, expires_at)"
    " VALUES (:digest, 'abcd', 'Support', 'STAFF', :use, :began_with, 1, 2)"
)


async def test_who_was_signed_in_before_programs_came_stays_signed_in(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'former.db'}"
    former = Database.open(url)
    async with former.writing() as session:
        await (await session.connection()).run_sync(to_the_second)
    async with former.writing() as session:
        await session.execute(TOKEN, {"digest": "link", "use": "SIGN_IN", "began_with": None})
        await session.execute(TOKEN, {"digest": "session", "use": "SESSION", "began_with": "link"})
    await former.close()
    await migrate(url)
    async with former.reading() as connection:
        kept = await connection.execute(text("SELECT digest, began_with, program_id FROM token ORDER BY digest"))
        assert [tuple(row) for row in kept] == [("link", None, None), ("session", "link", None)]
        assert (await connection.execute(text("PRAGMA foreign_key_check"))).all() == []
    await former.close()


def to_the_second(connection: Connection) -> None:
    alembic.command.upgrade(server_database._alembic_config(connection), "0002")
