"""A server for tests: an application on a fresh database, and ways to ask it."""

import asyncio
import datetime as dt
import io
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
import pytest
import structlog
from starlette.applications import Starlette

from models.access import Role
from resolvers.principal import Principal
from resolvers.tokens import issue_sign_in_link, issue_token
from schema.execution.stock import Schema
from server.app import create_app
from server.database import Database
from server.logs import configure_logs
from server.serving import Server
from server.settings import Settings
from tests.tea import SCHEMA, fresh_kettle

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ADA = Principal(name="Ada", role=Role.STAFF)
GRAPHQL_RESPONSE = "application/graphql-response+json"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> dt.datetime:
        return self.now


@dataclass
class Serving:
    """An application on a fresh database, and ways to ask it."""

    app: Starlette
    database: Database
    clock: Clock
    client: httpx.AsyncClient
    token: str
    log: io.StringIO

    async def ask(self, query: str, **more: object) -> httpx.Response:
        return await self.post({"query": query, **more})

    async def post(self, body: object, **headers: str) -> httpx.Response:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/graphql", content=sent, headers={k: v for k, v in own.items() if v})

    async def link(self) -> str:
        made = await self.database.run(lambda session: issue_sign_in_link(session, self.clock.now, ADA))
        return made.secret

    async def sign_in(self) -> None:
        """The client's cookie jar keeps the session."""
        answer = await self.client.post("/sign-in", data={"token": self.token})
        assert answer.status_code == 303

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@asynccontextmanager
async def serving(database: Database, *, schema: Schema | None = SCHEMA, **chosen: object) -> AsyncIterator[Serving]:
    """With the real schema if it is None."""
    fresh_kettle()
    settings = Settings.model_validate({"database_url": database.url.render_as_string(hide_password=False), **chosen})
    clock, log = Clock(), io.StringIO()
    # With settings of its own it opens the database by them.
    app = create_app(settings, schema=schema, clock=clock, database=None if chosen else database)
    configure_logs("info", log)
    made = await database.run(lambda session: issue_token(session, NOON, ADA))
    scheme = "https" if settings.secure_cookies else "http"
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=f"{scheme}://countersign.test") as client,
    ):
        yield Serving(app, database, clock, client, made.secret, log)
    structlog.reset_defaults()


class HarnessedServer(Server):
    """As it runs anywhere; but signals stay pytest's, and it says when it has started."""

    def __init__(self, app: Starlette, settings: Settings) -> None:
        super().__init__(app, settings)
        self.is_ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


@asynccontextmanager
async def at_a_port(database: Database, *, schema: Schema | None = None, **chosen: object) -> AsyncIterator[str]:
    """The server as it runs, with the real schema if none is given; gives its address."""
    settings = Settings.model_validate({"database_url": database.url.render_as_string(hide_password=False), **chosen})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = HarnessedServer(create_app(settings, schema=schema, database=database), settings)
        running = asyncio.create_task(server.serve([listener]))
        await server.is_ready.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
            structlog.reset_defaults()


@pytest.fixture
async def server(sqlite_database: Database) -> AsyncIterator[Serving]:
    async with serving(sqlite_database) as own:
        yield own


@pytest.fixture
async def server_on_both(database: Database) -> AsyncIterator[Serving]:
    async with serving(database) as own:
        yield own


class Unread:
    """A body that tells whether anybody read of it."""

    def __init__(self) -> None:
        self.was_read = False

    async def chunks(self) -> AsyncIterator[bytes]:
        self.was_read = True
        yield b"{}"


def code_of(answer: httpx.Response) -> str:
    (error,) = answer.json()["errors"]
    return str(error["extensions"]["code"])
