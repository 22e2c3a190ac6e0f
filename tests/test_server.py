"""The server: its log, health, what protects every answer, and stopping."""

import asyncio
import datetime as dt
import gc
import io
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from sqlalchemy import text
from starlette.applications import Starlette

from resolvers.tokens import issue_token
from server.app import create_app
from server.database import Database
from server.logs import configure_logs
from server.readiness import DatabaseNotReady, prepare_database
from server.serving import Server, settle
from server.settings import Settings
from tests.serving import ADA, Serving
from tests.tea import SCHEMA, fresh_kettle

# --- the log ---


async def test_a_request_is_one_line_without_its_questions_and_secrets(server: Serving) -> None:
    code = await server.link()
    await server.ask("{ greet }", variables={"who": "zoe@example.com"})
    await server.client.get(f"/sign-in/{code}?email=zoe@example.com", headers={"x-request-id": code[:60]})
    await server.client.post(f"/sign-in/{code}")
    await server.post({"query": "{ greet }"}, authorization="Bearer cs_guessed-by-somebody-else")
    written = server.log.getvalue()
    for secret in (server.token, code, server.client.cookies["countersign"]):
        assert secret[4:30] not in written
    assert "guessed" not in written
    assert "zoe" not in written
    first = server.logged()[0]
    assert {key: first[key] for key in ("event", "method", "path", "status", "principal")} == {
        "event": "request",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "principal": "Ada",
    }
    assert isinstance(first["ms"], float)


async def test_a_page_that_breaks_is_masked_and_logged_whole_without_secrets(server: Serving) -> None:
    code = await server.link()
    async with server.database.writing() as session:
        await session.execute(text("DROP TABLE token"))
    answer = await server.client.get(f"/sign-in/{code}")
    assert answer.status_code == 500
    assert answer.json()["errors"][0]["extensions"]["requestId"] == answer.headers["x-request-id"]
    (line,) = [line for line in server.logged() if line["level"] == "error"]
    assert "no such table: token" in str(line["exception"])
    assert code not in server.log.getvalue()


async def test_a_client_that_goes_away_while_sending_is_no_fault_of_ours(server: Serving) -> None:
    messages: list[dict[str, object]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {server.token}".encode()), (b"content-type", b"application/json")],
    }

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(message: object) -> None:
        pytest.fail("nobody is there to be answered")

    await server.app(scope, receive, send)
    assert [line["event"] for line in server.logged()] == ["request.abandoned", "request"]


# --- health, protection, stopping ---


async def test_it_is_ready_while_its_database_is_and_not_while_it_stops(server_on_both: Serving) -> None:
    client = server_on_both.client
    assert (await client.get("/health/live")).json() == {"status": "live"}
    assert (await client.get("/health/ready")).json() == {"status": "ready"}
    server_on_both.app.state.readiness.stopping = True
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "The server is stopping.")
    assert (await client.get("/health/live")).status_code == 200


async def test_it_is_not_ready_while_the_tables_are_behind(server_on_both: Serving) -> None:
    async with server_on_both.database.writing() as session:
        await session.execute(text("DELETE FROM alembic_version"))
    answer = await server_on_both.client.get("/health/ready")
    assert answer.status_code == 503
    assert "python3 -m server migrate" in answer.json()["reason"]


async def test_an_empty_sqlite_file_is_made_ready_and_an_unreachable_database_is_named(tmp_path: Path) -> None:
    await prepare_database(Settings(database_url=f"sqlite:///{tmp_path}/new/own.db"))
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
    with pytest.raises(DatabaseNotReady, match="does not answer"):
        await prepare_database(Settings(database_url=f"postgresql://me:secret@127.0.0.1:{port}/x"))


async def test_a_postgresql_that_is_behind_is_left_to_a_person(postgresql_database: Database) -> None:
    async with postgresql_database.writing() as session:
        await session.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(DatabaseNotReady, match="Run: python3 -m server migrate"):
        await prepare_database(Settings(database_url=postgresql_database.url.render_as_string(hide_password=False)))


@pytest.mark.parametrize("path", ["/", "/graphql", "/sign-in", "/explorer", "/health/live", "/nowhere"])
async def test_every_answer_is_protected(path: str, server: Serving) -> None:
    headers = (await server.client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


class WatchedServer(Server):
    """Tells when it begins to stop."""

    def __init__(self, app: Starlette, settings: Settings) -> None:
        super().__init__(app, settings)
        self.is_stopping = asyncio.Event()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.is_stopping.set()
        await super().shutdown(sockets)


@pytest.fixture
def sigterm_survived() -> Iterator[list[int]]:
    """The server passes the signal on when it has stopped; here it is only noted."""
    passed_on: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: passed_on.append(number))
    yield passed_on
    signal.signal(signal.SIGTERM, before)


def test_collections_of_a_server_that_serves_pass_over_what_was_there_before() -> None:
    lasting, before = ["until the end"], gc.get_threshold()
    settle()
    try:
        assert gc.get_freeze_count()
        assert not any(one is lasting for one in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


async def test_a_request_that_runs_when_it_is_told_to_stop_is_finished(
    sqlite_database: Database, sigterm_survived: list[int]
) -> None:
    kettle = fresh_kettle()
    settings = Settings(database_url=sqlite_database.url.render_as_string(hide_password=False))
    made = await sqlite_database.run(lambda session: issue_token(session, dt.datetime.now(dt.UTC), ADA))
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = WatchedServer(create_app(settings, schema=SCHEMA), settings)
    configure_logs("error", io.StringIO())
    running = asyncio.create_task(server.serve([listener]))
    async with httpx.AsyncClient(base_url=address, headers={"authorization": f"Bearer {made.secret}"}) as client:
        asked = asyncio.create_task(client.post("/graphql", json={"query": "{ slow }"}))
        await kettle.started.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await server.is_stopping.wait()
        assert not asked.done()
        kettle.go_on.set()
        assert (await asked).json()["data"] == {"slow": "boiled"}
        await running
        with pytest.raises(httpx.ConnectError):
            await client.get("/health/live")
    assert sigterm_survived == [signal.SIGTERM]
    structlog.reset_defaults()


async def test_it_is_not_ready_from_the_moment_it_is_told_to_stop(sqlite_database: Database) -> None:
    settings = Settings(database_url=sqlite_database.url.render_as_string(hide_password=False))
    app = create_app(settings, schema=SCHEMA)
    Server(app, settings).handle_exit(signal.SIGTERM, None)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://countersign.test") as client:
        assert (await client.get("/health/ready")).status_code == 503
    structlog.reset_defaults()
