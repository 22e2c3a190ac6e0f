"""A real browser on real servers: what every test in this folder may ask for.

`page = browser_page` and `base = await served(app)` are all a test needs. When it ends, whatever it did, no request
may have gone to another host, and the console must hold no error that the test did not announce.
"""

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import NoReturn

import pytest
import uvicorn
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
    WebSocketRoute,
    async_playwright,
    expect,
)
from starlette.types import ASGIApp

from graphiql.explorer.build import ensure_built

Served = Callable[[ASGIApp], Awaitable[str]]

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
# No sandbox, as CI runs as root; the rest keeps the browser from talking to its maker.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# A pattern rather than a function, so that the driver decides by itself and our own requests make no detour.
OTHER_HOSTS = re.compile(r"^(?:https?|wss?)://(?!(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?/)")
SIZE = {"width": 1440, "height": 900}
# The bundle is large, and the machine may be busy with another worker's tests.
expect.set_options(timeout=20_000)


def missing(sentence: str) -> NoReturn:
    """Skips the test; fails it where the tests must not be skipped, as in CI."""
    if os.environ.get("COUNTERSIGN_BROWSER_REQUIRED") == "1":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def browser_command() -> str:
    named = os.environ.get("COUNTERSIGN_BROWSER")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, COMMANDS)), None)
    if found is None:
        missing("No browser: `apt-get install chromium`, or name one in COUNTERSIGN_BROWSER.")
    return found


@pytest.fixture(scope="session")
async def browser(browser_command: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_command, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def built_explorer() -> None:
    """The set-up has built it before; here it is built only for someone who calls pytest directly."""
    if not ensure_built():
        missing("The explorer is not built: `python graphiql/explorer/build.py` says why.")


@pytest.fixture
def expected_console_errors() -> list[str]:
    """Append a part of each error that the test provokes: the browser reports every 4xx answer there."""
    return []


async def refuse_other_hosts(context: BrowserContext) -> list[str]:
    """Aborts every request to another host, WebSockets and workers' included; the list grows with their addresses."""
    refused: list[str] = []

    async def refuse(route: Route) -> None:
        refused.append(route.request.url)
        await route.abort()

    async def refuse_socket(socket: WebSocketRoute) -> None:
        refused.append(socket.url)
        await socket.close()

    await context.route(OTHER_HOSTS, refuse)
    await context.route_web_socket(OTHER_HOSTS, refuse_socket)
    return refused


def console_line(message: ConsoleMessage) -> str:
    return f"{message.text} ({message.location.get('url', '')})"


class EventfulServer(uvicorn.Server):
    """Says when it has started, so that nothing polls; and leaves Ctrl-C to pytest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[str]:
    """The app under a real server on a free port, in the test's own event loop; gives its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = EventfulServer(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.ready.wait()
        try:
            assert server.started, "the app's start-up failed; its log is above"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """`base = await served(app)`; the servers stop when the test ends."""
    async with AsyncExitStack() as stack:

        async def serve(app: ASGIApp) -> str:
            return await stack.enter_async_context(running(app))

        yield serve


@pytest.fixture
async def browser_page(browser: Browser, served: Served, expected_console_errors: list[str]) -> AsyncIterator[Page]:
    """A fresh page, without cookies or storage. It asks for `served` so as to be closed before what serves it is."""
    context = await browser.new_context(viewport=SIZE, service_workers="block")  # type: ignore[arg-type]
    foreign_requests = await refuse_other_hosts(context)
    errors: list[str] = []
    page = await context.new_page()
    page.on("console", lambda message: errors.append(console_line(message)) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(f"uncaught: {error}"))
    yield page
    await context.close()
    unexpected = [error for error in errors if not any(part in error for part in expected_console_errors)]
    assert foreign_requests == []
    assert unexpected == []
