"""Who is counted at one end of a bridge and not at the other, or only in between: nobody else is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.activity import Predicate
from models.batches import as_parameter, asked
from resolvers.loaders.billable import BillableKey, everybody

NOT_COUNTED, POSSIBLY, SURELY = range(3)
PARTS = 3
OPENING, CLOSING, BETWEEN = range(PARTS)


class MoverRow(NamedTuple):
    """Of which bridge, who, and whether they count at opening, at closing and in between."""

    place: int
    learner_id: int
    opening: int
    closing: int
    between: int


async def movers(
    connection: AsyncConnection, bridges: Sequence[Mapping[int, tuple[BillableKey, Predicate]]]
) -> list[MoverRow]:
    """Of each bridge's questions OPENING, CLOSING and perhaps BETWEEN: everybody but who surely counts at both ends."""
    found = await connection.execute(_movers(), _parameters(bridges))
    return [MoverRow._make(row) for row in found]


async def movers_in_pages(
    connection: AsyncConnection, questions: Mapping[int, tuple[BillableKey, Predicate]], most: int
) -> AsyncIterator[list[MoverRow]]:
    """The same of one bridge, for whoever must not hold all of them."""
    async with connection.stream(_movers(), _parameters([questions])) as found:
        async for page in found.partitions(most):
            yield [MoverRow._make(row) for row in page]


def _parameters(bridges: Sequence[Mapping[int, tuple[BillableKey, Predicate]]]) -> dict[str, str]:
    return {
        predicate.name: as_parameter(
            (PARTS * place + part, *key)
            for place, questions in enumerate(bridges)
            for part, (key, asks) in questions.items()
            if asks is predicate
        )
        for predicate in ASKED
    }


ASKED = (Predicate.ACTIVE_AT, Predicate.ACTIVE_DURING)


@cache
def _movers() -> Select[Any]:
    parts = (everybody(predicate, asked(predicate.name, "place", *BillableKey._fields)) for predicate in ASKED)
    at, during = (part.subquery() for part in parts)
    counted = (
        select(at.c.place, at.c.learner_id, at.c.certain)
        .union_all(select(during.c.place, during.c.learner_id, during.c.certain))
        .subquery("counted")
    )
    part_of, place = counted.c.place % PARTS, counted.c.place // PARTS
    standing = case((counted.c.certain, SURELY), else_=POSSIBLY)
    opening, closing, between = (
        func.coalesce(func.max(case((part_of == part, standing))), literal(NOT_COUNTED))
        for part in (OPENING, CLOSING, BETWEEN)
    )
    return (
        select(place.label("bridge"), counted.c.learner_id, opening, closing, between)
        .group_by("bridge", counted.c.learner_id)
        .having(~and_(opening == SURELY, closing == SURELY))
    )
