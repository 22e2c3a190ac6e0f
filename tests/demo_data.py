"""The demo's data for tests: recorded once a run in each worker, then copied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from server.database import Database, migrate
from server.demo.recording import record_client
from server.demo.sponsoring import record_program
from server.demo.stories import clients
from tests.code_keys import CODE_KEYS
from tests.opening import copied, opened


@pytest.fixture(scope="session")
async def demo_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    url = f"sqlite+aiosqlite:///{path}"
    await migrate(url)
    database = Database.open(url)
    recorded = clients()
    for client in recorded:
        await database.run(partial(record_client, client=client))
    await database.run(partial(record_program, client=recorded[0], keys=CODE_KEYS))
    await database.close()
    return path


@pytest.fixture(scope="session")
def demo_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo-copy") / "demo.db"


@pytest.fixture
def demo_url(demo_template: Path, demo_place: Path) -> str:
    """The URL of a copy of the demo's database that nobody else changes."""
    return copied(demo_template, demo_place)


@pytest.fixture
async def demo(demo_url: str) -> AsyncIterator[Database]:
    async with opened(demo_url) as database:
        yield database
