"""Running a plan: each field for all things of a list at once, then the list's objects in one pass.

Nothing here decides what is right or wrong. Whatever is not as the plan expects it ends in an exception, and then
graphql-core answers instead; the request's loaders remember what was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from schema.alike import Lists, Made, in_turn, kinds_of, rows_of
from schema.context import Context
from schema.execution.arguments import Given
from schema.execution.leaves import Unexpected
from schema.execution.plans import FieldPlan, LeafShape, ListShape, Shape, ThingPlan, ThingShape
from schema.fields import OfRows

LISTS = (list, tuple)
# Then whoever else asked has a turn: so many objects take some milliseconds.
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class PlannedInfo:
    """What our fields use of Strawberry's info."""

    context: Context


@dataclass(frozen=True, slots=True)
class Running:
    """One operation on its way."""

    info: PlannedInfo
    given: Given

    async def objects(self, plan: ThingPlan, things: Sequence[object]) -> list[dict[str, Any]]:
        """The JSON objects of things of one type, in their order."""
        if not things:
            return []
        if plan.classes and not all(issubclass(cls, plan.classes) for cls in kinds_of(things)):
            raise Unexpected
        columns = await self._columns(plan.columns, things)
        if len(things) <= AT_ONCE:
            return plan.build(things, self.info, *columns)
        built: list[dict[str, Any]] = []
        following = iter(in_turn(things))
        for start in range(0, len(things), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            built += plan.build(islice(following, AT_ONCE), self.info, *(column[some] for column in columns))
            await asyncio.sleep(0)
        return built

    async def _columns(self, fields: Sequence[FieldPlan], things: Sequence[object]) -> list[Sequence[Any]]:
        """At once where several have something to wait for, so that what they read is read in the same batches."""
        if sum(field.waits for field in fields) < 2:
            return [await self._column(field, things) for field in fields]
        return await _together([self._column(field, things) for field in fields])

    async def _column(self, field: FieldPlan, things: Sequence[object]) -> Sequence[Any]:
        values = await self._values(field, things)
        return values if field.shape is None else await self._completed(field.shape, values)

    async def _values(self, field: FieldPlan, things: Sequence[object]) -> Sequence[Any]:
        function = field.function
        if field.rows is not None:
            return await _in_turns(field.rows, rows_of(things))
        if function is None:
            return [getattr(thing, field.attribute) for thing in things]
        given = dict(field.arguments.of(self.given))
        if field.batch is not None:
            return await field.batch(things, self.info, **given)
        if field.takes_info:
            given["info"] = self.info
        values = [function(thing, **given) for thing in things]
        return await _together(values) if field.is_async else values

    # -------------------------------------------------------------------------------------- completing

    async def _completed(self, shape: Shape, values: Sequence[Any]) -> list[Any]:
        if isinstance(shape, LeafShape):
            return [_leaf(shape, value) for value in values]
        if shape.nullable and None in values:
            present = iter(await self._present(shape, [value for value in values if value is not None]))
            return [None if value is None else next(present) for value in values]
        return await self._present(shape, values)

    async def _present(self, shape: ListShape | ThingShape, values: Sequence[Any]) -> list[Any]:
        if isinstance(shape, ListShape):
            return await self._lists(shape.item, values)
        if None in values:
            raise Unexpected
        return await self._things(shape, values)

    async def _lists(self, item: Shape, lists: Sequence[Any]) -> list[Sequence[Any]]:
        """Several lists as one, taken apart again."""
        if not isinstance(lists, Lists):
            if not all(type(one) in LISTS or isinstance(one, Made) for one in lists):
                raise Unexpected
            lists = Lists.joined(lists)
        return lists.each(await self._completed(item, lists.things))

    async def _things(self, shape: ThingShape, things: Sequence[Any]) -> list[Any]:
        if shape.only is not None:
            return await self.objects(shape.only, things)
        places: dict[type, list[int]] = {}
        for place, thing in enumerate(things):
            places.setdefault(type(thing), []).append(place)
        objects: list[Any] = [None] * len(things)
        # All plans before the first step: what was begun would never be awaited if a later one could not be planned.
        kinds = [(shape.plan_of(cls), own) for cls, own in places.items()]
        built = await _together([self.objects(plan, [things[place] for place in own]) for plan, own in kinds])
        for (_, own), of_kind in zip(kinds, built, strict=True):
            for place, one in zip(own, of_kind, strict=True):
                objects[place] = one
        return objects


async def _in_turns(told: OfRows, rows: Sequence[Any]) -> Sequence[Any]:
    if len(rows) <= AT_ONCE:
        return told(rows)
    values: list[Any] = []
    for start in range(0, len(rows), AT_ONCE):
        values += told(rows[start : start + AT_ONCE])
        await asyncio.sleep(0)
    return values


def _leaf(shape: LeafShape, value: Any) -> object:
    return None if value is None and shape.nullable else shape.write(value)


async def _together(steps: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All of them, also where one fails: nothing of it goes on behind our back."""
    if len(steps) == 1:
        return [await steps[0]]
    done = await asyncio.gather(*steps, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return done
