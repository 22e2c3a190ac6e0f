"""Explain: staff who ask see what ran an operation and what it ran on the database; others see what they always see."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from models.access import Role
from models.ids import encode_id
from resolvers.principal import Principal
from server.database import Database
from tests.builders import Tenant, organization
from tests.test_statements import statements
from tests.visitors import visiting
from tests.vouchering import shop

EXPLAIN = {"x-countersign-explain": "1"}
LIST = """query($slug: String!, $search: String) { organization(by: {slug: $slug}) { name
  learners(first: 10, search: $search) { totalCount nodes { name windows(first: 3) { nodes { from } } } } } }"""
NAMES = "query($slug: String!) { organization(by: {slug: $slug}) { %s } }"
WRITE = """mutation($o: ID!) { learnerActivate(input: {start: {on: "2017-08-01"}, profile: {name: "Zoë Quill"},
  learner: {external: {organization: {id: $o}, externalId: "quill-7"}}}) { userErrors { code } changed } }"""


async def acme(database: Database) -> Tenant:
    tenant = await organization(database, name="Acme")
    for name in ("Zoë Quill", "Ada Byron"):
        await tenant.learner("2017-08-01..2017-09-15", name=name)
    return tenant


async def asked(client: httpx.AsyncClient, query: str, headers: dict[str, str], **variables: Any) -> dict[str, Any]:
    answer = await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    told: dict[str, Any] = answer.json()
    assert "errors" not in told
    return told


async def explained(client: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
    explain: dict[str, Any] = (await asked(client, query, EXPLAIN, **variables))["extensions"]["explain"]
    return explain


async def test_staff_see_what_ran_it_and_each_statement(database: Database) -> None:
    await acme(database)
    async with visiting(database) as client:
        with statements() as ran:
            explain = await explained(client, LIST, slug="acme")
    # The first found out who asks.
    seen = [" ".join(one.sql.split()) for one in ran if one.sql != "BEGIN"][1:]
    # Those that were read at once end in any order.
    assert sorted(statement["sql"] for statement in explain["statements"]) == sorted(seen)
    assert explain["statementCount"] == len(seen) > 2
    assert explain["ran"]
    assert {statement["rows"] for statement in explain["statements"]} <= {1, 2}
    assert max(statement["keys"] or 0 for statement in explain["statements"]) == 2
    assert all(0 < statement["milliseconds"] < explain["milliseconds"] for statement in explain["statements"])


@pytest.mark.parametrize("role", [Role.ORGANIZATION, Role.PARTNER, Role.INDIVIDUAL, Role.PROGRAM])
async def test_for_others_the_header_changes_nothing(role: Role, sqlite_database: Database) -> None:
    own = await shop(sqlite_database)
    async with sqlite_database.writing() as session:
        await session.execute(text("INSERT INTO person VALUES (1)"))
    principal = Principal(
        name="Eve",
        role=role,
        organization_id=own.tenant.id if role in (Role.ORGANIZATION, Role.PARTNER) else None,
        person_id=1 if role is Role.INDIVIDUAL else None,
        program_id=own.program_id if role is Role.PROGRAM else None,
    )
    async with visiting(sqlite_database, principal) as client:
        answer = await asked(client, "{ viewer { name } }", EXPLAIN)
    assert set(answer["extensions"]) == {"cost"}


async def test_staff_who_do_not_ask_see_nothing_of_it(sqlite_database: Database) -> None:
    async with visiting(sqlite_database) as client:
        for headers in ({}, {"x-countersign-explain": "0"}):
            assert set((await asked(client, "{ viewer { name } }", headers))["extensions"]) == {"cost"}


async def test_no_value_of_a_statement_is_told(database: Database) -> None:
    tenant = await acme(database)
    async with visiting(database) as client:
        read = await explained(client, LIST, slug="acme", search="quill")
        written = await explained(client, WRITE, o=encode_id("Organization", tenant.id))
    told = str(read["statements"] + written["statements"]).lower()
    assert "insert into" in told
    assert not [value for value in ("quill", "acme", str(tenant.id), "2017") if value in told]


async def test_two_at_once_see_each_its_own(database: Database) -> None:
    await acme(database)
    few, many = (NAMES % "name"), LIST
    async with visiting(database) as client:
        alone = [await explained(client, query, slug="acme") for query in (few, many)]
        both = await asyncio.gather(*(explained(client, query, slug="acme") for query in (few, many) * 5))
    expected = [[statement["sql"] for statement in one["statements"]] for one in alone]
    assert expected[0] != expected[1]
    assert [sorted(statement["sql"] for statement in one["statements"]) for one in both] == [*map(sorted, expected)] * 5


async def test_a_plan_is_told_type_by_type(sqlite_database: Database) -> None:
    await acme(sqlite_database)
    async with visiting(sqlite_database) as client:
        explain = await explained(client, "{ viewer { name role organization { name } } __typename }")
        by_graphql_core = await explained(client, "{ __schema { queryType { name } } }")
    assert explain["ran"] == "compiled"
    assert explain["plan"].splitlines() == [
        "Query",
        "  viewer (called for each)",
        "    Viewer: name, role",
        "      organization (awaited for each, together)",
        "        Organization: name",
    ]
    assert by_graphql_core["plan"] is None
