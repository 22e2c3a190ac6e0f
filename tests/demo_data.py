"""The demo's data for tests: recorded once a run in each worker, then copied."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from server.database import Database, migrate
from server.demo.recording import record_client
from server.demo.stories import clients


@pytest.fixture(scope="session")
async def demo_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    url = f"sqlite+aiosqlite:///{path}"
    await migrate(url)
    database = Database.open(url)
    for client in clients():
        await database.run(partial(record_client, client=client))
    await database.close()
    return path


@pytest.fixture
def demo_url(demo_template: Path, tmp_path: Path) -> str:
    """The URL of a copy of the demo's database that nobody else changes."""
    return f"sqlite+aiosqlite:///{shutil.copy(demo_template, tmp_path / 'demo.db')}"


@pytest.fixture
async def demo(demo_url: str) -> AsyncIterator[Database]:
    database = Database.open(demo_url)
    yield database
    await database.close()
