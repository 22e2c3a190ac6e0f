"""GraphQL over HTTP: which operation runs, how it is answered, and its limits."""

import asyncio

import pytest

from server.database import Database
from tests.serving import GRAPHQL_RESPONSE, Serving, code_of, serving
from tests.tea import KETTLE

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
    assert (await server.ask(TWO, operationName="B")).json()["data"] == {"greet": "Ada at 12:00 B"}
    assert (await server.ask("{ greet }", operationName=None, variables=None, extensions=None)).status_code == 200


async def test_a_subscription_is_refused(server: Serving) -> None:
    assert code_of(await server.ask("subscription { drips }")) == "UNSUPPORTED_OPERATION"


async def test_get_asks_and_changes_nothing(server: Serving) -> None:
    own = {"authorization": f"Bearer {server.token}"}
    query = {"query": "query Q($n: String!) { greet(name: $n) }", "variables": '{"n": "Z"}', "operationName": "Q"}
    answer = await server.client.get("/graphql", params=query, headers=own)
    assert answer.json()["data"] == {"greet": "Ada at 12:00 Z"}
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


async def test_an_argument_that_turns_out_null_while_it_runs_is_the_clients_own_mistake(server: Serving) -> None:
    answer = await server.ask('query($n: String = "Z") { greet(name: $n) }', variables={"n": None})
    assert code_of(answer) == "GRAPHQL_VALIDATION_FAILED"
    assert "'$n' provided to non-null type" in answer.json()["errors"][0]["message"]
    assert {line["level"] for line in server.logged()} == {"info"}


async def test_text_of_any_script_comes_back_as_it_was_sent(server: Serving) -> None:
    name = "Zoë 🦊 \u2028 \x7f"
    answer = await server.ask("query($n: String!) { greet(name: $n) }", variables={"n": name})
    assert answer.json()["data"]["greet"] == f"Ada at 12:00 {name}"


@pytest.mark.parametrize("escape", [r"\uD800", r"\uDC00\uD800", r"\u{D800}"])
async def test_half_a_surrogate_in_a_document_is_refused(escape: str, server: Serving) -> None:
    assert code_of(await server.ask(f'{{ greet(name: "{escape}") }}')) == "GRAPHQL_PARSE_FAILED"


# --- limits ---


async def test_a_document_has_at_most_so_many_tokens(server: Serving) -> None:
    assert code_of(await server.ask("{" + " greet" * 998 + "}")) == "TOO_COMPLEX"
    for too_long in ("{" + " greet" * 999 + "}", "#\n" * 1_001 + "{ greet }"):
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
        assert codes <= {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "TOO_COMPLEX"}
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
        assert {"reads": 1} in [answer.get("data") for answer in later]


async def test_an_operation_reads_with_a_few_connections_at_once(database: Database) -> None:
    async with serving(database, connections_per_request=3) as server:
        KETTLE.wanted_at_once = 3
        many = " ".join(f"r{number}: reads" for number in range(30))
        assert len((await server.ask(f"{{ {many} }}")).json()["data"]) == 30
    assert KETTLE.most_reading_at_once == 3
