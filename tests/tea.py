"""A schema that only has what HTTP can make go right and wrong."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum

import strawberry
from sqlalchemy import text
from strawberry.types import Info

from models.errors import BadId, DomainError
from schema.context import Context
from schema.execution.stock import Schema


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


def fresh_kettle() -> Kettle:
    """Events belong to a loop and counts to a test."""
    KETTLE.__init__()  # type: ignore[misc]
    return KETTLE


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
