"""The ground that everything stands on: the environment, the settings, the command line, the two databases."""

import asyncio
import fcntl
import importlib.metadata
import importlib.util
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import literal, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from typer.testing import CliRunner

from resolvers.prepared import Prepared
from server import bootstrap
from server.addresses import address
from server.bootstrap import ROOT, SetUpError
from server.cli import app
from server.commands.serving import PortTakenError, listening
from server.database import Database, migrate
from server.settings import Settings, SettingsError

OWN_FOLDERS = {"schema", "resolvers", "models", "graphiql", "server"}


def test_nobody_else_owns_our_flat_import_names() -> None:
    assert OWN_FOLDERS.isdisjoint(importlib.metadata.packages_distributions())


# --- the set-up ---


@pytest.mark.parametrize("path", ["server/__main__.py", "server/__init__.py"])
def test_an_old_python_can_parse_the_entry(path: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    compile(source, path, "exec", dont_inherit=True)
    assert not re.search(r'\bf"|->|:=|: (str|int)\b', source)


def test_an_old_python_is_told_which_one_is_needed() -> None:
    pretend = "import sys; sys.version_info = (3, 4, 0); sys.argv = ['server', 'demo']; import server.__main__"
    said = subprocess.run([sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr == (
        "Countersign needs Python 3.11 or newer; this is 3.4. "
        "Install a newer one and run again with it: python3.11 -m server demo\n"
    )


def test_the_lock_has_a_section_for_each_need_and_no_address() -> None:
    lock = bootstrap.LOCK.read_text(encoding="utf-8")
    assert tuple(bootstrap.read_sections(lock)) == bootstrap.SECTIONS
    assert "://" not in lock


def test_every_locked_package_has_a_hash() -> None:
    for section in bootstrap.read_sections(bootstrap.LOCK.read_text(encoding="utf-8")).values():
        blocks = re.split(r"^(?=\S)", section, flags=re.MULTILINE)
        assert all("--hash=sha256:" in block for block in blocks if block.strip())


@pytest.mark.parametrize(
    ("arguments", "sections"),
    [
        (["demo"], ["setup", "run", "demo", "node"]),
        (["test", "--", "-k", "one"], ["setup", "run", "demo", "test", "node"]),
        (["postgres"], ["setup", "run", "demo", "test"]),
        (["settings"], ["setup", "run"]),
        (["test", "--help"], ["setup", "run"]),
        ([], ["setup", "run"]),
    ],
)
def test_a_command_installs_only_what_it_needs(
    arguments: list[str], sections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no Node
    assert bootstrap.sections_for(arguments) == sections


def test_a_step_without_a_network_says_so_and_what_to_do() -> None:
    dead = f"http://127.0.0.1:{free_port()}/"
    pip = [sys.executable, "-c", f"import urllib.request; urllib.request.urlopen('{dead}')"]
    with pytest.raises(SetUpError, match=r"registry cannot be reached.*check the connection"):
        bootstrap.run_step(pip, "uv could not be installed")


def test_a_step_that_fails_otherwise_shows_the_end_of_what_it_said() -> None:
    with pytest.raises(SetUpError, match=r"could not be made(.|\n)*the disk is full"):
        bootstrap.run_step([sys.executable, "-c", "raise SystemExit('the disk is full')"], "It could not be made")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(SetUpError, match=r"cannot be written.*Copy the project"),
        bootstrap.only_one_at_a_time(tmp_path / "missing" / "lock"),
    ):
        pytest.fail("nothing may run without the lock")


def test_a_python_without_its_venv_module_names_the_package_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetUpError, match="apt-get install python3-venv"):
        bootstrap.Environment(tmp_path / ".venv").prepare(["run"])


def test_a_second_start_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    wait = f"from server.bootstrap import *\nwith only_one_at_a_time(Path({str(lock)!r})): print('mine')"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = subprocess.Popen([sys.executable, "-c", wait], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        assert second.stdout.readline() == "Another start is setting up this folder; waiting for it …\n"
    assert second.communicate(timeout=20)[0] == "mine\n"


# --- settings and the command line ---


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("COUNTERSIGN_PORT", "99999", "COUNTERSIGN_PORT has '99999' that cannot be used.*1 to 65535"),
        ("COUNTERSIGN_LOG_LEVEL", "loud", "COUNTERSIGN_LOG_LEVEL has 'loud'.*debug, info, warning or error"),
        ("COUNTERSIGN_ROSTER", "/no/such/file", "COUNTERSIGN_ROSTER has '/no/such/file'.*existing file"),
        ("COUNTERSIGN_DATABASE_URL", "mysql://me:secret@db/x", "COUNTERSIGN_DATABASE_URL.*postgresql://user"),
        ("COUNTERSIGN_DATABASE_URL", "sqlite://", "COUNTERSIGN_DATABASE_URL.*names a database"),
    ],
)
def test_a_bad_setting_names_the_variable_the_value_and_what_is_accepted(
    variable: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=sentence) as told:
        Settings.read()
    assert "secret" not in str(told.value)


def test_a_database_url_gets_our_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", "postgresql://me:secret@db:5433/x")
    assert Settings.read().database_url == "postgresql+asyncpg://me:secret@db:5433/x"


def test_the_settings_command_lists_every_setting_and_masks_what_is_secret() -> None:
    given = {"COUNTERSIGN_DATABASE_URL": "postgresql://me:hunter2@db/x", "COUNTERSIGN_PROT": "80"}
    given["COUNTERSIGN_STRIPE_SECRET_KEY"] = "sk_live_ours"
    given["COUNTERSIGN_SMTP_URL"] = "smtp://me:hunter3@mail:587"
    said = CliRunner().invoke(app, ["settings"], env=given).output
    assert all(f"COUNTERSIGN_{name.upper()} = " in said for name in Settings.model_fields)
    assert "postgresql+asyncpg://me:***@db/x" in said
    assert "smtp://me:***@mail:587" in said
    assert "hunter2" not in said
    assert "hunter3" not in said
    assert "sk_live_ours" not in said
    assert "COUNTERSIGN_PROT is set, and is not a setting" in said


@pytest.mark.parametrize("command", ["demo", "serve", "settings", "migrate", "test", "postgres", "lock"])
def test_the_help_of_every_command_has_an_example(command: str) -> None:
    assert "Example: " in CliRunner().invoke(app, [command, "--help"]).output


def test_a_taken_port_is_named_with_the_way_to_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} is taken.*--port 8080 or COUNTERSIGN_PORT=8080"):
            listening("127.0.0.1", port)


def test_an_address_of_every_network_is_shown_as_one_that_can_be_opened() -> None:
    assert address(Settings(host="0.0.0.0", port=9000)) == "http://localhost:9000/"  # noqa: S104
    assert address(Settings(host="::1", port=9000)) == "http://[::1]:9000/"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken_for_a_moment:
        return int(taken_for_a_moment.getsockname()[1])


# --- the databases ---


async def make_counter(database: Database) -> None:
    async with database.writing() as session:
        await session.execute(text("CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"))
        await session.execute(text("INSERT INTO counter VALUES ('visits', 0)"))


async def value(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(text("SELECT value FROM counter"))).scalar_one())


async def add_one(session: AsyncSession) -> None:
    """Reads, thinks, and writes what it thought: the shape that loses updates when nothing guards it."""
    seen = (await session.execute(text("SELECT value FROM counter"))).scalar_one()
    await asyncio.sleep(0)
    await session.execute(text("UPDATE counter SET value = :value"), {"value": seen + 1})


async def test_forty_callers_that_read_then_write_lose_no_update(database: Database) -> None:
    await make_counter(database)
    await asyncio.gather(*(database.run(add_one) for _ in range(40)))
    assert await value(database) == 40


async def test_two_programs_that_read_then_write_lose_no_update(database: Database) -> None:
    await make_counter(database)
    other = Database.open(database.url.render_as_string(hide_password=False))
    await asyncio.gather(*(one.run(add_one) for one in [database, other] * 10))
    await other.close()
    assert await value(database) == 20


async def test_an_error_leaves_nothing_of_its_transaction(database: Database) -> None:
    await make_counter(database)

    async def add_one_and_fail(session: AsyncSession) -> None:
        await add_one(session)
        raise LookupError

    with pytest.raises(LookupError):
        await database.run(add_one_and_fail)
    assert await value(database) == 0


async def test_an_error_that_is_no_conflict_is_not_tried_again(database: Database) -> None:
    await make_counter(database)
    tries = []

    async def insert_nothing(session: AsyncSession) -> None:
        tries.append(1)
        await session.execute(text("UPDATE counter SET value = NULL"))

    with pytest.raises(IntegrityError):
        await database.run(insert_nothing)
    assert len(tries) == 1


async def test_a_key_that_somebody_drew_before_is_drawn_again_and_not_for_ever(database: Database) -> None:
    async with database.writing() as session:
        await session.execute(text("CREATE TABLE drawn (key TEXT NOT NULL, CONSTRAINT pk_drawn PRIMARY KEY (key))"))
        await session.execute(text("INSERT INTO drawn VALUES ('taken')"))
    keys = iter(["taken", "free", "taken", "taken", "taken", "never tried"])

    async def draw(session: AsyncSession) -> None:
        await session.execute(text("INSERT INTO drawn VALUES (:key)"), {"key": next(keys)})

    await database.run(draw)
    with pytest.raises(IntegrityError):
        await database.run(draw)
    assert next(keys) == "never tried"


async def test_a_conflict_that_is_met_while_rows_are_streamed_is_tried_again(database: Database) -> None:
    """Which is where PostgreSQL may find one: a stream is read when its rows are fetched."""
    if database.dialect == "sqlite":
        pytest.skip("nobody is in the way of SQLite's one writer")
    refuse = "BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = 'serialization_failure'; END"
    async with database.writing() as session:
        await session.execute(text(f"CREATE FUNCTION refuse() RETURNS int LANGUAGE plpgsql AS $${refuse}$$"))
    asked = iter(["SELECT refuse()", "SELECT 1"])

    async def stream(session: AsyncSession) -> list[int]:
        return [row[0] async for row in await session.stream(text(next(asked)))]

    assert await database.run(stream) == [1]


async def test_a_foreign_key_to_nothing_is_refused(database: Database) -> None:
    await make_counter(database)
    async with database.writing() as session:
        await session.execute(text("CREATE TABLE visit (counter TEXT NOT NULL REFERENCES counter)"))
    with pytest.raises(IntegrityError):
        async with database.writing() as session:
            await session.execute(text("INSERT INTO visit VALUES ('nobody')"))


async def test_reading_refuses_to_write(database: Database) -> None:
    await make_counter(database)
    with pytest.raises(DBAPIError, match=r"read-?only"):
        async with database.reading() as connection:
            await connection.execute(text("UPDATE counter SET value = 1"))


async def test_reading_does_not_wait_for_a_writer_and_sees_one_snapshot(database: Database) -> None:
    await make_counter(database)
    count = text("SELECT value FROM counter")
    async with database.reading() as connection:
        assert (await connection.execute(count)).scalar_one() == 0
        async with database.writing() as session:
            await add_one(session)
            assert (await connection.execute(count)).scalar_one() == 0
        assert (await connection.execute(count)).scalar_one() == 0
    assert await value(database) == 1


async def test_a_statement_that_takes_too_long_is_stopped_and_the_connection_goes_on(database: Database) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    impatient = Database.open(database.url.render_as_string(hide_password=False), statement_timeout_seconds=0.05)
    async with impatient.reading() as connection:
        with pytest.raises(DBAPIError, match=r"interrupted|statement timeout"):
            await connection.execute(text(endless))
        await connection.rollback()
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await impatient.close()


@pytest.mark.parametrize("way", [Database.reading, Database.writing])
async def test_who_is_cancelled_on_the_way_to_the_database_leaves_no_transaction_behind(
    database: Database, way: Callable[[Database], AbstractAsyncContextManager[AsyncConnection | AsyncSession]]
) -> None:
    """SQLite's thread may come to a statement only when nobody waits for it any more."""
    if database.dialect == "postgresql":
        pytest.skip("a connection of PostgreSQL has no thread")
    own = Database.open(database.url.render_as_string(hide_password=False))
    released, one = threading.Event(), Prepared(lambda: select(literal(1)))

    async def ask() -> Any:
        async with way(own) as connected:
            await one.rows(connected, {})
            connection = await connected.connection() if isinstance(connected, AsyncSession) else connected
            return (await connection.get_raw_connection()).driver_connection

    thread = (await ask())._tx
    thread.put((None, released.wait))
    while thread.qsize():  # noqa: ASYNC110  # a queue of threads tells nobody
        await asyncio.sleep(0)
    cancelled = asyncio.create_task(ask())
    while not thread.qsize():  # noqa: ASYNC110
        await asyncio.sleep(0)
    cancelled.cancel()
    asyncio.get_running_loop().call_later(0.01, released.set)
    await asyncio.gather(cancelled, return_exceptions=True)
    released.set()
    await ask()
    async with database.writing() as session:
        await session.execute(text("SELECT 1"))
    await own.close()


async def test_a_database_is_ready_once_it_is_migrated_and_migrating_again_is_harmless(database: Database) -> None:
    assert await database.is_ready()
    await migrate(database.url.render_as_string(hide_password=False))
    assert await database.is_ready()


async def test_a_database_that_cannot_be_opened_is_not_ready(tmp_path: Path) -> None:
    absent = Database.open(f"sqlite+aiosqlite:///{tmp_path / 'no folder' / 'x.db'}")
    assert not await absent.is_ready()
    unreachable = Database.open(f"postgresql+asyncpg://me:secret@127.0.0.1:{free_port()}/x")
    assert not await unreachable.is_ready()


# --- PostgreSQL of our own ---


@contextmanager
def a_program_that_runs_postgres(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process of its own with a PostgreSQL, to be killed; and the port that PostgreSQL listens on."""
    code = (
        "import sys; from pathlib import Path; from server.postgres import running_postgres\n"
        f"with running_postgres(Path({str(folder)!r})) as url: print(url, flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as program:
        assert program.stdout is not None
        yield program, int(program.stdout.readline().rsplit(":", 1)[1].split("/")[0])


async def test_no_postgres_outlives_a_killed_program(tmp_path: Path) -> None:
    with a_program_that_runs_postgres(tmp_path / "postgres") as (program, port):
        socket.create_connection(("127.0.0.1", port)).close()
        program.send_signal(signal.SIGKILL)
        # The watcher has inherited the end of stderr's pipe, and lets go of it when PostgreSQL has stopped.
        program.communicate(timeout=30)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert not (tmp_path / "postgres" / "data" / "postmaster.pid").exists()
