"""GraphQL over HTTP: what is refused before anything runs, whatever a body or an address holds."""

from collections.abc import AsyncIterator

import pytest

from tests.serving import GRAPHQL_RESPONSE, Serving, Unread, code_of

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
