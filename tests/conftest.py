"""What every test may ask for: a fresh, migrated database of each kind, and how many examples hypothesis tries.

One PostgreSQL serves the whole run. With several workers the controlling process starts it before they begin and tells
them its address in an environment variable; without workers it starts when the first test asks. It never skips.
"""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import hypothesis
import pytest
from sqlalchemy.engine import make_url

import models  # noqa: F401  # names every table
from models.base import Base
from server.database import Database, migrate, newest_revision
from server.postgres import PostgresError, running_postgres
from tests.opening import copied, opened

pytest_plugins = ["tests.demo_data", "tests.everything", "tests.importing", "tests.serving"]

TEMPLATE = "countersign_template"
SERVER_VARIABLE = "COUNTERSIGN_TEST_POSTGRES"
PROBLEM_VARIABLE = "COUNTERSIGN_TEST_POSTGRES_PROBLEM"
# As a replica would, since nothing else may delete from the tables that are append-only. Tables of a test's own go, and
# the version is the newest again.
EMPTYING = """
SET session_replication_role = replica;
DO $$ DECLARE own text; BEGIN
  IF EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND backend_type = 'client backend' AND state <> 'idle') THEN
    RAISE EXCEPTION 'the test left a transaction open';
  END IF;
  FOR own IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    IF own = ANY ('{%s}'::text[]) THEN EXECUTE format('DELETE FROM %%I', own);
    ELSE EXECUTE format('DROP TABLE %%I CASCADE', own); END IF;
  END LOOP;
  DELETE FROM alembic_version;
  INSERT INTO alembic_version VALUES ('%s');
END $$;
""" % (",".join(Base.metadata.tables), newest_revision())
# What these ask reaches the database through functions that stories, races and others try on both: on PostgreSQL they
# run if `--thorough`, so that the gate keeps clear of ten minutes.
ON_SQLITE_UNLESS_THOROUGH = {
    "test_activity_properties",
    "test_adjustments",
    "test_billable_properties",
    "test_billing_runs",
    "test_bounds",
    "test_bridge",
    "test_cart_api",
    "test_carts",
    "test_certifications",
    "test_checkout_machine",
    "test_checkout_statements",
    "test_claim_page",
    "test_claims",
    "test_cohorts",
    "test_contracts",
    "test_dispute_api",
    "test_dispute_opening",
    "test_dispute_properties",
    "test_dispute_resolving",
    "test_dispute_steps",
    "test_drift",
    "test_erasure",
    "test_erasure_returning",
    "test_erasure_texts",
    "test_erasure_traces",
    "test_exclusions",
    "test_explain",
    "test_exports",
    "test_history",
    "test_invariants",
    "test_invitations",
    "test_invoices",
    "test_learner_pages",
    "test_month",
    "test_outbox",
    "test_pack_downloads",
    "test_packs",
    "test_pages",
    "test_plans_alike",
    "test_plans_switched_off",
    "test_plans_with_faults",
    "test_programs",
    "test_promotion_orders",
    "test_promotions",
    "test_receipts",
    "test_responsibility",
    "test_roster_batches",
    "test_roster_closing",
    "test_roster_files",
    "test_roster_interruptions",
    "test_roster_rows",
    "test_sign_in",
    "test_simulation",
    "test_snapshot_properties",
    "test_snapshots",
    "test_standing_cohorts",
    "test_statement_pages",
    "test_tokens",
    "test_voucher_orders",
    "test_voucher_views",
    "test_worker",
}
SERVER = pytest.StashKey[ExitStack]()

THOROUGH_EXAMPLES = 1_000
# Steady: the same examples each run, so that a red run is about the change. `--thorough` looks for new ones.
hypothesis.settings.register_profile("bounded", max_examples=8, deadline=None, derandomize=True)
hypothesis.settings.register_profile(
    "thorough", max_examples=THOROUGH_EXAMPLES, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("bounded")


def is_thorough() -> bool:
    return hypothesis.settings().max_examples >= THOROUGH_EXAMPLES


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not is_thorough():
        config.hook.pytest_deselected(items=[item for item in items if _waits_for_thorough(item)])
        items[:] = [item for item in items if not _waits_for_thorough(item)]


def _waits_for_thorough(item: pytest.Item) -> bool:
    return item.path.stem in ON_SQLITE_UNLESS_THOROUGH and "[postgresql" in item.name


@contextmanager
def migrated_server() -> Iterator[str]:
    """A PostgreSQL with a migrated template database, gone afterwards; gives the URL of its database `postgres`."""
    with tempfile.TemporaryDirectory(prefix="countersign-tests-") as folder, running_postgres(Path(folder)) as url:
        asyncio.run(_make_template(url))
        yield url


async def _make_template(url: str) -> None:
    async with administrator(url) as connection:
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await migrate(named(url, TEMPLATE))


@asynccontextmanager
async def administrator(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection outside any transaction, which making and dropping a database needs."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


def named(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def pytest_configure(config: pytest.Config) -> None:
    """Starts PostgreSQL for the workers, in the process that starts them."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        return
    config.stash[SERVER] = ExitStack()
    try:
        os.environ[SERVER_VARIABLE] = config.stash[SERVER].enter_context(migrated_server())
    except PostgresError as problem:
        os.environ[PROBLEM_VARIABLE] = str(problem)


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(SERVER, None):
        server.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The run's PostgreSQL: the controlling process's, or one of our own."""
    if problem := os.environ.get(PROBLEM_VARIABLE):
        pytest.fail(f"The tests need PostgreSQL, and it could not be started: {problem}", pytrace=False)
    if url := os.environ.get(SERVER_VARIABLE):
        yield url
        return
    with migrated_server() as own:
        yield own


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file to copy: a copy takes a millisecond, the migrations far longer."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    await migrate(f"sqlite+aiosqlite:///{path}")
    return path


@dataclass(frozen=True)
class File:
    """A worker's own SQLite database, and what overwrites it with an empty one."""

    database: Database
    empty: sqlite3.Connection
    administrator: sqlite3.Connection


@pytest.fixture(scope="session")
async def sqlite_file(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[File]:
    """One a worker, with its connections: they take longer to open than most of our statements to run."""
    place = tmp_path_factory.mktemp("sqlite") / "countersign.db"
    async with opened(copied(sqlite_template, place)) as database:
        with closing(sqlite3.connect(":memory:")) as empty, closing(sqlite3.connect(place)) as administrator:
            administrator.execute("PRAGMA synchronous=OFF")
            administrator.backup(empty)
            yield File(database, empty, administrator)


@pytest.fixture
async def sqlite_database(sqlite_file: File) -> AsyncIterator[Database]:
    """A migrated SQLite database with nothing in it, for what is only about SQLite."""
    yield sqlite_file.database
    sqlite_file.empty.backup(sqlite_file.administrator)


@dataclass(frozen=True)
class Clone:
    """A worker's own PostgreSQL database, and a connection that stays for emptying it."""

    database: Database
    administrator: asyncpg.Connection


async def cloned(server: str) -> str:
    """The URL of a new, migrated database."""
    name = f"test_{uuid4().hex}"
    async with administrator(server) as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    return named(server, name)


@pytest.fixture(scope="session")
async def postgresql_clone(postgres_server: str) -> AsyncIterator[Clone]:
    """One a worker, with its connections: a clone or a connection for each test would take longer than most tests."""
    url = await cloned(postgres_server)
    async with opened(url) as database, administrator(url) as connection:
        yield Clone(database, connection)


@pytest.fixture(scope="session")
async def postgresql_of_everything(postgres_server: str) -> AsyncIterator[Database]:
    """For what is recorded once and only read after that."""
    async with opened(await cloned(postgres_server)) as database:
        yield database


@pytest.fixture
async def postgresql_database(postgresql_clone: Clone) -> AsyncIterator[Database]:
    """A migrated PostgreSQL database with nothing in it."""
    yield postgresql_clone.database
    await postgresql_clone.administrator.execute(EMPTYING)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh, migrated database; the test runs once on each kind."""
    opened_one = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(opened_one, Database)
    return opened_one
