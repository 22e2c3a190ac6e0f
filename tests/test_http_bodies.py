"""GraphQL over HTTP: what is refused before anything runs, whatever a body or an address holds."""

import gzip
from collections.abc import AsyncIterator
from itertools import product

import pytest

from resolvers.tokens import issue_token
from server.app import utc_now
from server.database import Database
from tests.attacks_on_http import (
    ADDRESSES,
    BODIES,
    BOTH_MEDIA_TYPES,
    GREETING,
    HEADS,
    METHODS,
    Attack,
    begun,
    post,
)
from tests.connecting import answered, connected, told
from tests.serving import ADA, GRAPHQL_RESPONSE, Serving, Unread, at_a_port, code_of

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


# --- on a connection: what no honest client sends ---


@pytest.mark.parametrize("attacks", [BODIES, HEADS, ADDRESSES, METHODS], ids=["body", "head", "address", "method"])
async def test_what_no_honest_client_sends_is_refused_in_a_sentence(
    attacks: list[Attack], sqlite_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    token = (await sqlite_database.run(lambda session: issue_token(session, utc_now(), ADA))).secret
    async with at_a_port(sqlite_database) as address:
        for attack, accept in product(attacks, BOTH_MEDIA_TYPES):
            answer = await answered(address, attack.by(token, accept))
            assert (attack.name, answer.status) == (attack.name, attack.status_in(accept))
            assert answer.body
            assert answer.status == 200 or answer.headers["content-type"].startswith((accept, "text/plain"))
    assert '"level":"error"' not in capsys.readouterr().err


@pytest.mark.parametrize(
    "stopped",
    [b"", b"GET /graphql HTTP/1.1\r\nHost: x\r\n", begun(b"Content-Length: 500") + b'{"query":'],
    ids=["before it began", "in its head", "in its body"],
)
async def test_a_request_that_stops_half_way_is_not_waited_for(stopped: bytes, sqlite_database: Database) -> None:
    token = (await sqlite_database.run(lambda session: issue_token(session, utc_now(), ADA))).secret
    async with (
        at_a_port(sqlite_database, request_timeout_seconds=0.1) as address,
        connected(address) as (reader, writer),
    ):
        writer.write(stopped.replace(b"{token}", token.encode()))
        if stopped:
            assert (await told(reader)).status == 408
        assert await reader.read() == b""


async def test_what_follows_a_request_in_its_connection_is_a_request_or_its_end(sqlite_database: Database) -> None:
    token = (await sqlite_database.run(lambda session: issue_token(session, utc_now(), ADA))).secret
    greeting = Attack("", 200, post(GREETING)).by(token, GRAPHQL_RESPONSE)
    async with at_a_port(sqlite_database) as address, connected(address) as (reader, writer):
        writer.write(greeting + greeting)
        assert [(await told(reader)).status for _ in range(2)] == [200, 200]
        writer.write(greeting + b"and so on\r\n\r\n")
        assert (await told(reader)).status == 200
        assert await reader.read() == b""


async def test_a_refusal_is_heard_by_who_first_sends_all_and_the_connection_goes_on(sqlite_database: Database) -> None:
    async with at_a_port(sqlite_database) as address, connected(address) as (reader, writer):
        for _ in range(2):
            writer.write(begun(b"Content-Length: 2000000"))
            for _ in range(20):
                writer.write(b" " * 100_000)
                await writer.drain()
            assert (await told(reader)).status == 401


async def test_of_two_keys_of_one_name_the_last_counts(server: Serving) -> None:
    assert (await server.post(b'{"query":"{ no","query":"{ greet }"}')).json()["data"] == {"greet": "Ada at 12:00"}
    own = {"authorization": f"Bearer {server.token}"}
    answer = await server.client.get("/graphql?query={no&query={greet}", headers=own)
    assert answer.json()["data"] == {"greet": "Ada at 12:00"}


async def test_a_packed_body_is_refused_and_a_plain_one_may_say_so(server: Serving) -> None:
    packed = gzip.compress(b'{"query":"{ greet }"}')
    assert (await server.post(packed, content_encoding="gzip")).status_code == 415
    assert (await server.post({"query": "{ greet }"}, content_encoding="identity")).status_code == 200


async def test_head_is_answered_as_get_without_a_body_and_a_body_of_get_is_not_read(server: Serving) -> None:
    own = {"authorization": f"Bearer {server.token}"}
    head = await server.client.head("/graphql?query={greet}", headers=own)
    assert (head.status_code, head.content) == (200, b"")
    unread = Unread()
    answer = await server.client.request("GET", "/graphql?query={greet}", content=unread.chunks(), headers=own)
    assert answer.json()["data"] == {"greet": "Ada at 12:00"}
    assert not unread.was_read
