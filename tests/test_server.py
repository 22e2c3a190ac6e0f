"""The server: GraphQL over HTTP, who is let in, signing in with a browser, health, the log, and stopping."""

import asyncio
import datetime as dt
import io
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import httpx
import pytest
import strawberry
import structlog
from sqlalchemy import text
from starlette.applications import Starlette
from strawberry.types import Info

from models.access import Role
from models.errors import BadId, DomainError
from models.organizations import Organization
from resolvers.principal import Principal
from resolvers.tokens import issue_sign_in_link, issue_token, revoke
from schema.context import Context
from schema.execution.stock import Schema
from server.app import create_app
from server.auth import local_path
from server.database import Database
from server.logs import configure_logs
from server.readiness import DatabaseNotReady, prepare_database
from server.serving import Server
from server.settings import Settings

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ADA = Principal(name="Ada", role=Role.STAFF)
GRAPHQL_RESPONSE = "application/graphql-response+json"


# --- a schema that only has what HTTP can make go right and wrong ---


class TeaErrorCode(Enum):
    NO_TEA = "There is no tea."


@dataclass
class Kettle:
    """What the slow field tells the test, and waits for."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    reading_at_once: int = 0
    most_reading_at_once: int = 0
    # Nobody has read until so many read at once.
    wanted_at_once: int = 1
    enough: asyncio.Event = field(default_factory=asyncio.Event)


KETTLE = Kettle()


@strawberry.type
class Query:
    @strawberry.field
    def greet(self, info: Info[Context, None], name: str = "") -> str:
        return f"{info.context.principal.name} at {info.context.now:%H:%M} {name}".strip()

    @strawberry.field
    def refused(self) -> str | None:
        raise DomainError(TeaErrorCode.NO_TEA, "There is no tea. Ask for coffee.", "input", "drink")

    @strawberry.field
    def not_an_id(self) -> str:
        raise BadId("learner", "id")

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("the kettle's inside")

    @strawberry.field
    async def slow(self) -> str:
        KETTLE.started.set()
        await KETTLE.go_on.wait()
        return "boiled"

    @strawberry.field
    async def reads(self, info: Info[Context, None]) -> int:
        async with info.context.reading() as connection:
            KETTLE.reading_at_once += 1
            KETTLE.most_reading_at_once = max(KETTLE.most_reading_at_once, KETTLE.reading_at_once)
            if KETTLE.reading_at_once >= KETTLE.wanted_at_once:
                KETTLE.enough.set()
            await KETTLE.enough.wait()
            found: int = (await connection.execute(text("SELECT 1"))).scalar_one()
            KETTLE.reading_at_once -= 1
            return found

    @strawberry.field
    async def endless(self, info: Info[Context, None]) -> int:
        statement = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        async with info.context.reading() as connection:
            KETTLE.started.set()
            counted: int = (await connection.execute(text(statement))).scalar_one()
            return counted

    @strawberry.field
    async def deep(self) -> "Query":
        return Query()


@strawberry.type
class Mutation:
    @strawberry.mutation
    def pour(self) -> bool:
        return True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def drips(self) -> AsyncIterator[int]:
        yield 1


SCHEMA = Schema(Query, Mutation, Subscription)


@pytest.fixture(autouse=True)
def kettle() -> Kettle:
    """A fresh one, as events belong to a loop and counts to a test."""
    KETTLE.__init__()  # type: ignore[misc]
    return KETTLE


# --- a server to ask ---


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


# --- who is let in ---


async def test_a_known_caller_is_answered(server_on_both: Serving) -> None:
    answer = await server_on_both.ask("{ greet }")
    assert answer.status_code == 200
    assert answer.json() == {"data": {"greet": "Ada at 12:00"}}


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer cs_wrong", "Basic QWRhOg==", "Bearer cs_\u00fc", "Token {token}"]
)
async def test_nobody_is_answered_without_a_token_that_works_and_is_told_how_to_get_one(
    header: str, server: Serving
) -> None:
    header = header.format(token=server.token)
    answer = await server.client.post(
        "/graphql", json={"query": "{ __typename }"}, headers=[(b"authorization", header.encode("latin-1"))]
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert code_of(answer) == "UNAUTHENTICATED"
    assert "python3 -m server token issue" in answer.json()["errors"][0]["message"]


async def test_a_token_stops_working_when_it_expires_and_when_it_is_revoked(server_on_both: Serving) -> None:
    server_on_both.clock.now = NOON + dt.timedelta(days=90)
    assert (await server_on_both.ask("{ greet }")).status_code == 401
    server_on_both.clock.now = NOON
    assert (await server_on_both.ask("{ greet }")).status_code == 200
    await server_on_both.database.run(lambda session: revoke(session, NOON, "Ada"))
    assert (await server_on_both.ask("{ greet }")).status_code == 401


async def test_a_wrong_token_is_not_made_good_by_a_cookie(server: Serving) -> None:
    await server.sign_in()
    assert (await server.post({"query": "{ greet }"}, authorization="Bearer cs_wrong")).status_code == 401


async def test_a_stranger_s_body_is_not_read(server: Serving) -> None:
    unread = Unread()
    answer = await server.client.post("/graphql", content=unread.chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 401
    assert not unread.was_read


@pytest.mark.parametrize(("role", "may"), [(Role.STAFF, True), (Role.PARTNER, True), (Role.INDIVIDUAL, False)])
async def test_introspection_is_for_those_who_build_on_the_schema(role: Role, may: bool, server: Serving) -> None:
    async with server.database.writing() as session:
        session.add(Organization(id=1, slug="x", name="X", name_key="x"))
        await session.execute(text("INSERT INTO person VALUES (1)"))
    organization_id, person_id = (1 if role is one else None for one in (Role.PARTNER, Role.INDIVIDUAL))
    principal = Principal(name="Eve", role=role, organization_id=organization_id, person_id=person_id)
    made = await server.database.run(lambda session: issue_token(session, NOON, principal))
    server.token = made.secret
    hidden = "query { ...A } fragment A on Query { __schema { types { name } } }"
    for query in ("{ __schema { types { name } } }", '{ t: __type(name: "Query") { name } }', hidden):
        answer = await server.ask(query)
        assert ("data" in answer.json()) is may
    assert "data" in (await server.ask("{ __typename }")).json()
    assert ("Did you mean" in (await server.ask("{ gret }")).text) is may


# --- browsers: the cookie, and other sites ---


async def test_a_signed_in_browser_asks_with_its_cookie(server_on_both: Serving) -> None:
    await server_on_both.sign_in()
    assert (await server_on_both.post({"query": "{ greet }"}, authorization="")).json()["data"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_form_of_another_site_asks_nothing_with_the_cookie(kind: str, server: Serving) -> None:
    await server.sign_in()
    answer = await server.post({"query": "mutation { pour }"}, authorization="", content_type=kind)
    assert answer.status_code == 403
    assert code_of(answer) == "PREFLIGHT_REQUIRED"


async def test_the_preflight_header_stands_in_for_the_content_type_which_is_then_asked_for(server: Serving) -> None:
    await server.sign_in()
    answer = await server.post(
        {"query": "{ greet }"}, authorization="", content_type="text/plain", x_countersign_preflight="1"
    )
    assert answer.status_code == 415


async def test_a_cookie_is_not_enough_for_get(server: Serving) -> None:
    await server.sign_in()
    assert (await server.client.get("/graphql?query={greet}")).status_code == 403


async def test_the_cookie_is_kept_from_scripts_and_other_sites(server: Serving) -> None:
    answer = await server.client.post("/sign-in", data={"token": server.token})
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("countersign=cs_")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=lax"]


async def test_over_https_the_cookie_is_bound_to_the_host(sqlite_database: Database) -> None:
    async with serving(sqlite_database, secure_cookies=True) as server:
        answer = await server.client.post("/sign-in", data={"token": server.token})
        name, *attributes = answer.headers["set-cookie"].split("; ")
        assert name.startswith("__Host-countersign=cs_")
        assert {"Secure", "Path=/"} <= set(attributes)
        assert not any(attribute.startswith("Domain") for attribute in attributes)
        assert (await server.post({"query": "{ greet }"}, authorization="")).status_code == 200


async def test_a_session_ends_after_twelve_hours_at_sign_out_and_with_its_token(server: Serving) -> None:
    async def new_session() -> str:
        server.client.cookies.clear()
        await server.sign_in()
        return f"countersign={server.client.cookies['countersign']}"

    async def works(session: str) -> bool:
        server.client.cookies.clear()
        return (await server.post({"query": "{ greet }"}, authorization="", cookie=session)).status_code == 200

    first = await new_session()
    assert await works(first)
    server.clock.now = NOON + dt.timedelta(hours=12)
    assert not await works(first)
    server.clock.now = NOON
    assert await works(first)
    await server.client.post("/sign-out", headers={"cookie": first})
    assert not await works(first)
    second = await new_session()
    await server.database.run(lambda step: revoke(step, NOON, "Ada"))
    assert not await works(second)


async def test_signing_out_takes_the_cookie_away(server: Serving) -> None:
    await server.sign_in()
    answer = await server.client.post("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert not server.client.cookies


# --- signing in ---


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/admin", "/admin"),
        ("/explorer?operation=ActiveOn", "/explorer?operation=ActiveOn"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        (" //evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("admin", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
    ],
)
async def test_after_signing_in_one_stays_here(wanted: str, given: str, server: Serving) -> None:
    assert local_path(wanted) == given
    answer = await server.client.post("/sign-in", data={"token": server.token, "next": wanted})
    assert answer.headers["location"] == given


async def test_the_sign_in_page_passes_on_where_one_was_going_and_nothing_else(server: Serving) -> None:
    page = (await server.client.get("/sign-in", params={"next": '/admin?"><script>'})).text
    assert 'value="/admin?&#34;&gt;&lt;script&gt;"' in page
    page = (await server.client.get("/sign-in", params={"next": "//evil.example"})).text
    assert "evil" not in page


async def test_a_dead_token_is_refused_on_the_page_in_words(server: Serving) -> None:
    answer = await server.client.post("/sign-in", data={"token": "cs_wrong"})
    assert answer.status_code == 403
    assert "This token does not work" in answer.text
    assert "set-cookie" not in answer.headers


async def test_opening_a_link_does_not_use_it_up_and_pressing_its_button_does(server_on_both: Serving) -> None:
    address = f"/sign-in/{await server_on_both.link()}"
    for _ in range(3):
        assert "<button>Sign in</button>" in (await server_on_both.client.get(address)).text
        assert (await server_on_both.client.head(address)).status_code == 200
    assert (await server_on_both.client.post(address)).status_code == 303
    assert "signed in as <strong>Ada</strong>" in (await server_on_both.client.get("/sign-in")).text
    again = await server_on_both.client.post(address)
    assert again.status_code == 403
    assert "has been used or withdrawn" in again.text


async def test_a_link_pressed_twenty_times_at_once_signs_in_once(server_on_both: Serving) -> None:
    address = f"/sign-in/{await server_on_both.link()}"
    answers = await asyncio.gather(*(server_on_both.client.post(address) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [303] + [403] * 19


async def test_an_old_link_says_so(server: Serving) -> None:
    address = f"/sign-in/{await server.link()}"
    server.clock.now = NOON + dt.timedelta(minutes=15)
    assert "too old" in (await server.client.get(address)).text
    assert "too old" in (await server.client.post(address)).text


async def test_a_page_asks_to_sign_in_first_and_is_then_shown(sqlite_database: Database) -> None:
    async with serving(sqlite_database, schema=None) as server:
        assert (await server.client.get("/")).headers["location"] == "/admin"
        asked = await server.client.get("/admin?search=x&sort=NAME")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/sign-in?next=/admin%3Fsearch%3Dx%26sort%3DNAME"
        form = await server.client.get(asked.headers["location"])
        assert 'name="next" value="/admin?search=x&amp;sort=NAME"' in form.text
        await server.sign_in()
        assert (await server.client.get("/admin")).status_code == 200


@pytest.mark.parametrize("path", ["/admin", "/exports/learners.csv"])
async def test_pages_and_files_are_for_known_callers(path: str, server: Serving) -> None:
    assert (await server.client.get(path)).headers["location"] == f"/sign-in?next={path}"
    by_token = await server.client.get(path, headers={"authorization": f"Bearer {server.token}"})
    assert "location" not in by_token.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://countersign.test"}, 303),
        ({}, 303),
    ],
)
async def test_another_site_cannot_sign_a_browser_in(headers: dict[str, str], status: int, server: Serving) -> None:
    answer = await server.client.post("/sign-in", data={"token": server.token}, headers=headers)
    assert answer.status_code == status


async def test_a_huge_form_is_not_read(server: Serving) -> None:
    assert (await server.client.post("/sign-in", data={"token": "x" * 20_000})).status_code == 413


async def test_pages_run_no_script_and_are_not_kept(server: Serving) -> None:
    headers = (await server.client.get("/sign-in")).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert "script-src" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert (await server.client.get("/assets/countersign.css")).headers["content-type"].startswith("text/css")


# --- GraphQL over HTTP: what is refused before anything runs ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"1",
        b"null",
        b'"{ greet }"',
        b"[]",
        b'[{"query":"{ greet }"}]',
        b"{}",
        b'{"query":null}',
        b'{"query":1}',
        b'{"query":"{ greet }","variables":[]}',
        b'{"query":"{ greet }","variables":"{}"}',
        b'{"query":"{ greet }","extensions":1}',
        b'{"query":"{ greet }","operationName":1}',
        b'{"query":"{ greet(name: \xff) }"}',
        b'{"query":"{ greet(name: \\"\\ud800\\") }"}',
        b'{"query":"{ greet }","variables":{"a":NaN}}',
        b'{"query":"{ greet }","variables":{"a":1e400}}',
        b'{"query":' + b"[" * 100_000,
        b'{"query":"{ greet }","variables":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
    ],
)
async def test_what_is_no_request_is_refused_with_a_reason(body: bytes, server: Serving) -> None:
    for accept in ("application/json", GRAPHQL_RESPONSE):
        answer = await server.post(body, accept=accept)
        assert answer.status_code == 400
        assert code_of(answer) == "MALFORMED_REQUEST"
        assert "data" not in answer.json()


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/graphql", "application/json; charset=latin-1", "application/jsonx"]
)
async def test_a_body_that_is_not_said_to_be_json_in_utf_8_is_refused(kind: str, server: Serving) -> None:
    answer = await server.post({"query": "{ greet }"}, content_type=kind)
    assert answer.status_code == 415
    assert code_of(answer) == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_in_utf_8_is_taken_however_it_is_spelled(kind: str, server: Serving) -> None:
    assert (await server.post({"query": '{ greet(name: "Zoë") }'}, content_type=kind)).json()["data"]


async def test_a_body_that_is_announced_too_large_is_not_read(server: Serving) -> None:
    unread = Unread()
    headers = {
        "authorization": f"Bearer {server.token}",
        "content-type": "application/json",
        "content-length": "20000000",
    }
    answer = await server.client.post("/graphql", content=unread.chunks(), headers=headers)
    assert answer.status_code == 413
    assert not unread.was_read
    assert code_of(answer) == "BODY_TOO_LARGE"


async def test_a_body_that_turns_out_too_large_is_read_no_further(server: Serving) -> None:
    sent = 0

    async def bomb() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 20_000_000:
            sent += 65_536
            yield b" " * 65_536

    headers = {"authorization": f"Bearer {server.token}", "content-type": "application/json"}
    answer = await server.client.post("/graphql", content=bomb(), headers=headers)
    assert answer.status_code == 413
    assert sent <= 262_144 + 2 * 65_536


async def test_a_body_of_the_largest_size_is_answered(server: Serving) -> None:
    body = b'{"query":"{ greet }"}'
    assert (await server.post(body.ljust(262_144))).status_code == 200
    assert (await server.post(body.ljust(262_145))).status_code == 413


# --- which operation ---

TWO = 'query A { greet } query B { greet(name: "B") }'


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (TWO, None),
        (TWO, "C"),
        ("{ greet }", "A"),
        ("query A { greet } query A { greet }", "A"),
        ("fragment F on Query { greet }", None),
    ],
)
async def test_it_must_be_clear_which_operation_is_meant(query: str, name: str | None, server: Serving) -> None:
    answer = await server.ask(query, operationName=name)
    assert answer.status_code == 400
    assert code_of(answer) == "UNCLEAR_OPERATION"


async def test_the_named_operation_runs(server: Serving) -> None:
    assert (await server.ask(TWO, operationName="B")).json() == {"data": {"greet": "Ada at 12:00 B"}}
    assert (await server.ask("{ greet }", operationName=None, variables=None, extensions=None)).status_code == 200


async def test_a_subscription_is_refused(server: Serving) -> None:
    assert code_of(await server.ask("subscription { drips }")) == "UNSUPPORTED_OPERATION"


async def test_get_asks_and_changes_nothing(server: Serving) -> None:
    own = {"authorization": f"Bearer {server.token}"}
    query = {"query": "query Q($n: String!) { greet(name: $n) }", "variables": '{"n": "Z"}', "operationName": "Q"}
    answer = await server.client.get("/graphql", params=query, headers=own)
    assert answer.json() == {"data": {"greet": "Ada at 12:00 Z"}}
    refused = await server.client.get("/graphql", params={"query": "mutation { pour }"}, headers=own)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert code_of(refused) == "MUTATION_BY_GET"
    for wrong in ({}, {"query": "{ greet }", "variables": "{"}, {"query": "{ greet }", "variables": "[]"}):
        assert (await server.client.get("/graphql", params=wrong, headers=own)).status_code == 400
    assert (await server.client.put("/graphql", headers=own)).status_code == 405


# --- how it is answered ---

REQUEST_ERRORS = [
    ("{", {}, "GRAPHQL_PARSE_FAILED"),
    ("", {}, "GRAPHQL_PARSE_FAILED"),
    ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ("query($n: String!) { greet(name: $n) }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ("query($n: String!) { greet(name: $n) }", {"n": 1}, "GRAPHQL_VALIDATION_FAILED"),
]


@pytest.mark.parametrize(("query", "variables", "code"), REQUEST_ERRORS)
async def test_a_request_error_is_4xx_for_those_who_ask_for_the_newer_media_type(
    query: str, variables: dict[str, object], code: str, server: Serving
) -> None:
    body = {"query": query, "variables": variables}
    newer, plain = await server.post(body, accept=GRAPHQL_RESPONSE), await server.post(body, accept="application/json")
    assert (newer.status_code, plain.status_code) == (400, 200)
    for answer in (newer, plain):
        assert code_of(answer) == code
        assert "data" not in answer.json()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "application/json"),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}; charset=utf-8, application/json;q=0.9", GRAPHQL_RESPONSE),
        (f"application/json, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        (f"application/json, {GRAPHQL_RESPONSE};q=0.5", "application/json"),
        (f"{GRAPHQL_RESPONSE};q=0", "application/json"),
        (f"{GRAPHQL_RESPONSE};q=x", "application/json"),
    ],
)
async def test_the_answer_comes_in_the_media_type_that_was_asked_for(
    accept: str | None, media_type: str, server: Serving
) -> None:
    server.client.headers.pop("accept")
    answer = await (server.post({"query": "{ greet }"}, accept=accept) if accept else server.ask("{ greet }"))
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"


async def test_every_answer_has_an_id_and_every_error_names_it(server: Serving) -> None:
    answers = [
        await server.ask("{ greet }"),
        await server.ask("{ nothing a: nothing }"),
        await server.ask("{ refused broken }"),
        await server.post(b"1"),
        await server.post({}, authorization=""),
        await server.client.get("/sign-in"),
        await server.client.get("/nowhere"),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    for answer, request_id in zip(answers[:5], ids, strict=False):
        assert all(error["extensions"]["requestId"] == request_id for error in answer.json().get("errors", []))


async def test_the_id_of_a_proxy_is_kept_if_it_can_be_one(server: Serving) -> None:
    assert (await server.post({}, x_request_id="from-the-proxy-1")).headers["x-request-id"] == "from-the-proxy-1"
    for wrong in ("short", "x" * 65, "a b c d e f", "né" * 8):
        answer = await server.client.get("/health/live", headers=[(b"x-request-id", wrong.encode())])
        assert answer.headers["x-request-id"] != wrong


async def test_a_refusal_of_the_domain_has_its_code_its_sentence_and_its_field(server: Serving) -> None:
    answer = (await server.ask("{ greet refused }")).json()
    assert answer["data"] == {"greet": "Ada at 12:00", "refused": None}
    (error,) = answer["errors"]
    assert error["message"] == "There is no tea. Ask for coffee."
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("NO_TEA", ["input", "drink"])
    assert error["path"] == ["refused"]


async def test_a_field_error_that_empties_everything_still_has_data_null(server: Serving) -> None:
    answer = await server.post({"query": "{ notAnId }"}, accept=GRAPHQL_RESPONSE)
    assert answer.status_code == 200
    assert answer.json()["data"] is None
    assert code_of(answer) == "BAD_ID"


async def test_an_unexpected_error_is_masked_outside_and_logged_whole_once(server: Serving) -> None:
    answer = await server.ask("{ greet broken }")
    (error,) = answer.json()["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("Internal error", "INTERNAL")
    assert "kettle" not in answer.text
    (line,) = [line for line in server.logged() if "kettle" in str(line)]
    assert line["level"] == "error"
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "RuntimeError: the kettle's inside" in str(line["exception"])


async def test_what_a_client_does_wrong_is_a_line_without_a_traceback(server: Serving) -> None:
    for query in ("{", "{ nothing }", "{ refused }"):
        await server.ask(query)
    assert {line["level"] for line in server.logged()} == {"info"}
    assert not any("exception" in line for line in server.logged())


async def test_text_of_any_script_comes_back_as_it_was_sent(server: Serving) -> None:
    name = "Zoë 🦊 \u2028 \x7f"
    answer = await server.ask("query($n: String!) { greet(name: $n) }", variables={"n": name})
    assert answer.json()["data"]["greet"] == f"Ada at 12:00 {name}"


@pytest.mark.parametrize("escape", [r"\uD800", r"\uDC00\uD800", r"\u{D800}"])
async def test_half_a_surrogate_in_a_document_is_refused(escape: str, server: Serving) -> None:
    assert code_of(await server.ask(f'{{ greet(name: "{escape}") }}')) == "GRAPHQL_PARSE_FAILED"


# --- limits ---


async def test_a_document_has_at_most_so_many_tokens(server: Serving) -> None:
    fields = [f"a{number}: greet" for number in range(334)]
    assert len((await server.ask("{" + " ".join(fields[:332]) + "}")).json()["data"]) == 332
    for too_long in ("{" + " ".join(fields) + "}", "#\n" * 1_001 + "{ greet }"):
        assert code_of(await server.ask(too_long)) == "GRAPHQL_PARSE_FAILED"


@pytest.mark.parametrize("levels", [10, 100, 150, 190, 320])
async def test_deep_nesting_is_answered_or_refused_and_is_no_fault_of_ours(levels: int, server: Serving) -> None:
    nested = [
        "{ deep " * levels + "{ greet }" + "}" * levels,
        "{ greet(name: " + "[" * levels + "]" * levels + ") }",
        "query($n: " + "[" * levels + "Int" + "]" * levels + ") { greet }",
    ]
    for query in nested:
        answer = (await server.ask(query)).json()
        codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
        assert codes <= {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}
    assert not [line for line in server.logged() if line["level"] == "error"]


async def test_an_operation_that_takes_too_long_is_stopped(sqlite_database: Database) -> None:
    async with serving(sqlite_database, operation_timeout_seconds=0.05) as server:
        answer = await server.ask("{ slow }")
        assert answer.status_code == 504
        assert code_of(answer) == "TIMEOUT"
        assert "0.05 seconds" in answer.json()["errors"][0]["message"]


async def test_a_stopped_operation_gives_its_connections_back(database: Database) -> None:
    async with serving(database, operation_timeout_seconds=0.25, statement_timeout_seconds=0.5) as server:
        for _ in range(2):
            answers = await asyncio.gather(*(server.ask("{ endless }") for _ in range(10)))
            assert {answer.status_code for answer in answers} == {504}
        # A machine that is busy elsewhere may need longer than the time-out to open one of them anew.
        later = [(await server.ask("{ reads }")).json() for _ in range(20)]
        assert {"data": {"reads": 1}} in later


async def test_an_operation_reads_with_a_few_connections_at_once(database: Database, kettle: Kettle) -> None:
    kettle.wanted_at_once = 3
    async with serving(database, connections_per_request=3) as server:
        many = " ".join(f"r{number}: reads" for number in range(30))
        assert len((await server.ask(f"{{ {many} }}")).json()["data"]) == 30
    assert kettle.most_reading_at_once == 3


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


async def test_a_request_that_runs_when_it_is_told_to_stop_is_finished(
    sqlite_database: Database, sigterm_survived: list[int], kettle: Kettle
) -> None:
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
        assert (await asked).json() == {"data": {"slow": "boiled"}}
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
