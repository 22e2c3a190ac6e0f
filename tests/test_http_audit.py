"""The audit of GraphQL over HTTP that graphql-http brings, asked of the server as it runs."""

import asyncio
import json
from pathlib import Path
from typing import TypedDict

import pytest

from graphiql.explorer.build import PACKAGES, BuildError, Node, find_node, install_packages
from resolvers.tokens import issue_token
from server.app import utc_now
from server.database import Database
from tests.serving import ADA, at_a_port

AUDIT = Path(__file__).parent / "audit.mjs"
CHECKS = 61


class Outcome(TypedDict):
    id: str
    name: str
    # ok, notice (a MAY), warn (a SHOULD) or error (a MUST).
    status: str
    reason: str


@pytest.fixture(scope="session")
def node() -> Node:
    """With the packages of the explorer, of which the audit is one: the set-up has them if it could reach npm."""
    try:
        found = find_node()
        install_packages(found)
    except BuildError as problem:
        pytest.fail(f"The audit is not here: {problem}", pytrace=False)
    return found


async def test_every_check_of_the_audit_passes(node: Node, sqlite_database: Database) -> None:
    token = await sqlite_database.run(lambda session: issue_token(session, utc_now(), ADA))
    async with at_a_port(sqlite_database) as address:
        outcomes = await audited(node, f"{address}/graphql", token.secret)
    assert [outcome for outcome in outcomes if outcome["status"] != "ok"] == []
    assert len({outcome["id"] for outcome in outcomes}) == CHECKS


async def audited(node: Node, address: str, token: str) -> list[Outcome]:
    pipe = asyncio.subprocess.PIPE
    words = (str(AUDIT), str(PACKAGES.parent), address, token)
    process = await asyncio.create_subprocess_exec(node.node, *words, stdout=pipe, stderr=pipe)
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    outcomes: list[Outcome] = json.loads(said)
    return outcomes
