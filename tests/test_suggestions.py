"""Suggestions tell the schema's names to those who may look them up anyway, and to nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from models.access import Role
from resolvers.principal import Principal
from server.database import Database
from tests.visitors import SUPPORT, visiting

LEARNERS = '{ organization(by: {slug: "x"}) { learners(%s) { totalCount } } }'
BY = "query($by: OrganizationKey!) { organization(by: $by) { id } }"
SORTED = """query($sort: LearnerSort!) { organization(by: {slug: "x"}) { learners(sortBy: $sort) { totalCount } } }"""
# What is nearly meant, and the name that it would give away.
NEARLY: list[tuple[str, str, dict[str, Any], str]] = [
    ("a field", "{ viewr { name } }", {}, "viewer"),
    ("an argument", LEARNERS % "firs: 1", {}, "first"),
    ("an enum value", LEARNERS % "sortBy: NAMEE", {}, "NAME"),
    ("a type", '{ node(id: "x") { ... on Lerner { id } } }', {}, "Learner"),
    ("a type of an input", BY.replace("OrganizationKey", "OrganizationKy"), {}, "OrganizationKey"),
    ("a field of an input", LEARNERS % "certification: {nme: null}", {}, "name"),
    ("a field of an input in a variable", BY, {"by": {"slugg": "x"}}, "slug"),
    ("an enum value in a variable", SORTED, {"sort": "NAMEE"}, "NAME"),
    ("a field that has fields", "{ viewer }", {}, "viewer {"),
]


@asynccontextmanager
async def visited_by(role: Role, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    if role is Role.STAFF:
        principal = SUPPORT
    else:
        async with database.writing() as session:
            await session.execute(text("INSERT INTO person VALUES (1)"))
        principal = Principal(name="Ida", role=role, person_id=1)
    async with visiting(database, principal) as client:
        yield client


@pytest.mark.parametrize("role", [Role.STAFF, Role.INDIVIDUAL])
@pytest.mark.parametrize(
    ("query", "variables", "name"), [case[1:] for case in NEARLY], ids=[case[0] for case in NEARLY]
)
async def test_what_was_nearly_meant_is_told_to_those_who_may_introspect(
    query: str, variables: dict[str, Any], name: str, role: Role, sqlite_database: Database
) -> None:
    async with visited_by(role, sqlite_database) as client:
        answer = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
    (message,) = (error["message"] for error in answer["errors"])
    _, asks, suggested = message.partition("Did you mean")
    assert (bool(asks), name in suggested) == ((True, True) if role is Role.STAFF else (False, False))
