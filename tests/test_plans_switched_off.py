"""COUNTERSIGN_COMPILED=false answers everything in the same bytes, only later."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import orjson

from graphiql.operations import Operation, load_operations
from resolvers.tokens import issue_token
from server.app import create_app
from server.settings import Settings
from tests.alike import alike
from tests.code_keys import CODE_KEYS
from tests.everything import Everything
from tests.meaningful_values import JSON, KINDS, Pool, pool_of
from tests.visitors import SUPPORT, TODAY

QUERIES = [one for one in load_operations() if one.query.startswith("query ")]
MOST_IDS = 1


@asynccontextmanager
async def visitor(everything: Everything, *, compiled: bool) -> AsyncIterator[httpx.AsyncClient]:
    url = everything.database.url.render_as_string(hide_password=False)
    settings = Settings.model_validate({"database_url": url, "compiled": compiled})
    app = create_app(settings, clock=lambda: TODAY, code_keys=CODE_KEYS, database=everything.database)
    issued = await everything.database.run(lambda session: issue_token(session, TODAY, SUPPORT))
    signed_in = {"authorization": f"Bearer {issued.secret}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://countersign.test", headers=signed_in) as client,
    ):
        yield client


async def test_what_the_explorer_and_the_pages_ask_is_answered_alike(everything: Everything) -> None:
    pool = await pool_of(everything.database)
    async with visitor(everything, compiled=True) as planned, visitor(everything, compiled=False) as plain:
        for operation in QUERIES:
            for variables in ways_to_ask(operation, pool):
                body = {"query": operation.query, "variables": variables, "operationName": operation.name}
                one, other = [await client.post("/graphql", json=body) for client in (planned, plain)]
                assert (one.status_code, one.headers["content-type"]) == (
                    other.status_code,
                    other.headers["content-type"],
                )
                assert alike(lasting(one), lasting(other)), f"{operation.name} {variables}\n{one.text}\n{other.text}"


def ways_to_ask(operation: Operation, pool: Pool) -> list[dict[str, JSON]]:
    """As it is offered; where an id is to be filled in, with some of each kind that the operation is about."""
    missing = [name for name, value in operation.variables.items() if value == ""]
    if not missing:
        return [dict(operation.variables)]
    return [dict(operation.variables) | dict.fromkeys(missing, one) for one in _ids(operation, missing[0], pool)]


def _ids(operation: Operation, name: str, pool: Pool) -> list[str]:
    about = re.findall(r"\.\.\. on (\w+)", operation.query)
    kinds = [kind for kind in (*about, KINDS.get(name, name.capitalize())) if kind in pool.ids] or list(pool.ids)
    return [one for kind in kinds for one in pool.ids[kind][:MOST_IDS]]


def lasting(response: httpx.Response) -> bytes:
    """The answer without what is of this request alone."""
    answer = orjson.loads(response.content)
    for error in answer.get("errors", ()):
        error["extensions"].pop("requestId")
    answer.get("extensions", {}).get("cost", {}).pop("throttleStatus", None)
    return orjson.dumps(answer)
