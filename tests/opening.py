"""Opening databases: one object a worker and address, since it remembers how statements are compiled, which takes
longer than to run them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.database import Database

OPENED: dict[str, Database] = {}
# Several workers share a small machine; what takes too long is tested with databases of its own.
PATIENCE_SECONDS = 60.0


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The database at an address, all of whose connections are closed at the end."""
    database = OPENED.setdefault(url, Database.open(url, statement_timeout_seconds=PATIENCE_SECONDS, durable=False))
    try:
        yield database
    finally:
        await database.close()


def copied(template: Path, place: Path) -> str:
    """The URL of a copy of an SQLite file at a place, where another one may have been."""
    for ending in ("", "-wal", "-shm"):
        place.with_name(place.name + ending).unlink(missing_ok=True)
    return f"sqlite+aiosqlite:///{shutil.copy(template, place)}"
