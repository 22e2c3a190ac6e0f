"""The same document answered by a plan and by graphql-core alone, and where the two answers differ."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import orjson
from graphql import GraphQLSyntaxError
from sqlalchemy.ext.asyncio import AsyncConnection

from resolvers.database import Reading, Writing
from resolvers.loaders.registry import Loaders
from resolvers.principal import Principal
from schema import root
from schema.errors import RequestRefused
from schema.execution.answers import answer_to, answer_to_bad_syntax
from schema.execution.documents import Asked, OperationContext, read_operation
from schema.execution.stock import Schema
from server.database import Database
from server.graphql import bounded
from tests.alike import alike
from tests.asking import NOW
from tests.code_keys import CODE_KEYS
from tests.generated_documents import Turn, Written
from tests.shrinking import shrunk

MOST_TOKENS = 100_000
CONNECTIONS = 4
COMPILED = "compiled"
ANSWERS_OF_GRAPHQL_CORE = 12
# Of the event loop: longer than a read takes.
TURNS_LATE = 300


@dataclass(frozen=True)
class Told:
    """An answer as it would be sent, and what made it."""

    content: bytes
    ran: str
    loaders: Loaders | None = None


@dataclass(frozen=True)
class Difference:
    written: Written
    by_plan: bytes
    by_graphql_core: bytes

    def __str__(self) -> str:
        given = json.dumps(self.written.variables, indent=2)
        shown = f"{self.written.query}\nvariables: {given}\noperationName: {self.written.operation_name}"
        return f"{shown}\nby a plan:\n{self.by_plan.decode()}\nby graphql-core:\n{self.by_graphql_core.decode()}"


@dataclass
class Comparison:
    """Asks a database both ways, and counts what ran the documents."""

    database: Database
    ran: Counter[str] = field(default_factory=Counter)

    async def difference(self, written: Written, principal: Principal) -> Difference | None:
        """The smallest document found that is answered differently; each page that can be turned is looked at too."""
        waiting = [written]
        for asked in waiting:
            seen = await self.told(asked, principal, compiled=False)
            if await self._differs(asked, principal, seen):
                return await self._smallest(asked, principal)
            waiting += turned(asked, seen.content)
        return None

    async def _differs(self, written: Written, principal: Principal, seen: Told | None = None) -> bool:
        """Which of several causes of a null is told is chance, and another one may be first where some rows are
        remembered, as after a plan was given up. And what is asked as known in the past is settled by the first who
        asks, so that the second knows more. So graphql-core is asked more than once, and its reads in other orders.
        """
        by_plan = await self.told(written, principal, compiled=True)
        self.ran[by_plan.ran] += 1
        if seen and alike(by_plan.content, seen.content):
            return False
        for number in range(ANSWERS_OF_GRAPHQL_CORE):
            loaders = by_plan.loaders if number % 2 else None
            again = await self.told(written, principal, compiled=False, remembered=loaders, late=Random(number))
            if alike(by_plan.content, again.content):
                return False
        return True

    async def _smallest(self, written: Written, principal: Principal) -> Difference:
        smallest = await shrunk(written, lambda smaller: self._differs(smaller, principal))
        both = [(await self.told(smallest, principal, compiled=compiled)).content for compiled in (True, False)]
        return Difference(smallest, *both)

    async def told(
        self,
        written: Written,
        principal: Principal,
        *,
        compiled: bool,
        remembered: Loaders | None = None,
        late: Random | None = None,
    ) -> Told:
        def prepare(context: OperationContext) -> None:
            context.loaders = remembered or context.loaders

        reading: Reading = _sometimes_late(self.database.reading, late) if late else self.database.reading
        run = self.database.run
        return await told(reading, run, written, principal, compiled=compiled, prepare=prepare)


def _sometimes_late(reading: Reading, dice: Random) -> Reading:
    @asynccontextmanager
    async def one() -> AsyncIterator[AsyncConnection]:
        for _ in range(dice.choice((0, 0, TURNS_LATE))):
            await asyncio.sleep(0)
        async with reading() as connection:
            yield connection

    return one


async def told(
    reading: Reading,
    run: Writing,
    written: Written,
    principal: Principal,
    *,
    compiled: bool,
    schema: Schema = root.schema,
    prepare: Callable[[OperationContext], None] = lambda _: None,
) -> Told:
    """As the server answers it; `prepare` may change the context."""
    asked = Asked(query=written.query, variables=written.variables, operation_name=written.operation_name)
    try:
        operation = read_operation(asked, principal, MOST_TOKENS)
    except RequestRefused as refusal:
        return Told(refusal.message.encode(), f"refused: {refusal.code.name}")
    except GraphQLSyntaxError as error:
        return Told(orjson.dumps(answer_to_bad_syntax(error, principal, "r").content()), "refused: no GraphQL")
    context = OperationContext(
        principal=principal,
        now=NOW,
        reading=bounded(reading, CONNECTIONS),
        run=run,
        request_id="r",
        code_keys=CODE_KEYS,
        operation=operation,
        compiled=compiled,
    )
    prepare(context)
    return Told(orjson.dumps((await answer_to(schema, context)).content()), context.ran, context.loaders)


def turned(written: Written, content: bytes) -> Iterator[Written]:
    """The same, each of whose pages is the one after, or before, the page that was seen."""
    data = orjson.loads(content).get("data") if content.startswith(b"{") else None
    for path, turn in written.turns.items():
        for cursor in _cursors(data, path, turn):
            yield replace(written, variables=written.variables | {turn.variable: cursor}, turns={})
            break


def _cursors(answer: Any, path: tuple[str, ...], turn: Turn) -> Iterator[str]:
    if isinstance(answer, list):
        for item in answer:
            yield from _cursors(item, path, turn)
    elif isinstance(answer, dict) and path:
        yield from _cursors(answer.get(path[0]), path[1:], turn)
    elif isinstance(answer, dict) and (page := answer.get("turn")) and page[turn.cursor]:
        yield page[turn.cursor]
