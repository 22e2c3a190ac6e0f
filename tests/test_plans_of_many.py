"""A list of very many things is written in parts: whoever else asked has turns between them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from graphql import GraphQLInt
from graphql.execution.values import VariableValues

from schema.context import Context
from schema.execution.arguments import Given
from schema.execution.building import Computed, build_of
from schema.execution.plans import ThingPlan
from schema.execution.running import AT_ONCE, PlannedInfo, Running

PARTS = 20


@dataclass
class Thing:
    number: int


async def test_others_have_turns_while_many_things_are_written() -> None:
    plan = ThingPlan("Thing", ["n"], (), [], build_of([Computed("n", GraphQLInt, False, "number")]), False)
    things = [Thing(number) for number in range(PARTS * AT_ONCE - 1)]
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(somebody_else())
    info = PlannedInfo(cast("Context", None))
    written = await Running(info, Given(VariableValues({}, {}))).objects(plan, things)
    other.cancel()
    assert written == [{"n": thing.number} for thing in things]
    assert turns >= PARTS
