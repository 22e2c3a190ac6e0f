"""A database of an earlier version is brought to this one with all that is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import alembic.command
import pytest
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
        await (await session.connection()).run_sync(to_the, "0002")
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


def to_the(connection: Connection, revision: str) -> None:
    alembic.command.upgrade(server_database._alembic_config(connection), revision)


async def test_a_file_of_a_pack_that_was_kept_in_one_piece_is_its_first_part(tmp_path: Path) -> None:
    path = tmp_path / "former.db"
    former = Database.open(f"sqlite+aiosqlite:///{path}")
    async with former.writing() as session:
        await (await session.connection()).run_sync(to_the, "0005")
    await former.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO evidence_pack VALUES (1, 2, 3, 4, 'Sam', 1, '{}', 'key', 'signature')")
        connection.execute("INSERT INTO evidence_file VALUES (1, 2, 'days.csv', 'day,least,most')")
    await migrate(f"sqlite+aiosqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT organization_id, pack_id, name, part, content FROM evidence_file")
        assert kept.fetchall() == [(1, 2, "days.csv", 1, "day,least,most")]
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute("DELETE FROM evidence_file")
