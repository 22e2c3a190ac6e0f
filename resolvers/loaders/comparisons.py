"""Comparing what a snapshot froze with who counts as known at a time: only who differs is read, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE, FromClause

from models.activity import Predicate
from models.batches import as_parameter, asked
from models.billing import SnapshotEntry
from resolvers.loaders.billable import everybody

ENTRY = SnapshotEntry.__table__
EDGES = ("from_earliest", "from_latest", "to_earliest", "to_latest")
SHOWN = (*EDGES, "certain")


class ComparisonKey(NamedTuple):
    """A snapshot, and who to compare its entries with. An end that both place at `until` or later is the same."""

    organization_id: int
    scope_id: int
    excluded_id: int
    a: int
    b: int
    known_at: int
    snapshot_id: int
    until: int


class OtherwiseRow(NamedTuple):
    """Somebody of whom the two differ: `then` in the snapshot, `now` as known; None where they are not counted."""

    place: int
    learner_id: int
    then_from_earliest: int | None
    then_from_latest: int | None
    then_to_earliest: int | None
    then_to_latest: int | None
    then_certain: int | None
    now_from_earliest: int | None
    now_from_latest: int | None
    now_to_earliest: int | None
    now_to_latest: int | None
    now_certain: int | None


async def otherwise(
    connection: AsyncConnection, keys: Sequence[ComparisonKey], predicate: Predicate
) -> list[OtherwiseRow]:
    """Who is counted otherwise, of each key, flat and in no order."""
    rows = await connection.execute(
        _otherwise(predicate), {"keys": as_parameter((n, *key) for n, key in enumerate(keys))}
    )
    return [OtherwiseRow._make(row) for row in rows]


@lru_cache
def _otherwise(predicate: Predicate) -> Select[Any]:
    """Both sides laid over each other: each has a person at most once."""
    keys = asked("keys", "place", *ComparisonKey._fields)
    now = everybody(predicate, keys).subquery("everybody")
    sides = union_all(_side(0, _entries(keys).subquery("entries")), _side(1, now)).subquery("sides")
    until = keys.c.until
    rows = select(
        sides.c.place, sides.c.learner_id, *(_of_side(sides, side, name) for side in (0, 1) for name in SHOWN)
    )
    return (
        rows.join_from(sides, keys, keys.c.place == sides.c.place)
        .group_by(sides.c.place, sides.c.learner_id)
        .having(or_(func.count() == 1, *(_differs(_compared(sides, name, until)) for name in SHOWN)))
    )


def _entries(keys: CTE) -> Select[Any]:
    same = and_(ENTRY.c.organization_id == keys.c.organization_id, ENTRY.c.snapshot_id == keys.c.snapshot_id)
    return select(keys.c.place, *(ENTRY.c[name] for name in ("learner_id", *SHOWN))).join(ENTRY, same)


def _side(side: int, rows: FromClause) -> Select[Any]:
    edges = (type_coerce(rows.c[name], BigInteger).label(name) for name in EDGES)
    certain = case((rows.c.certain, 1), else_=0).label("certain")
    return select(literal(side, Integer).label("side"), rows.c.place, rows.c.learner_id, *edges, certain)


def _of_side(sides: FromClause, side: int, name: str) -> ColumnElement[Any]:
    return func.max(case((sides.c.side == side, sides.c[name])))


def _compared(sides: FromClause, name: str, until: ColumnElement[int]) -> ColumnElement[int]:
    value = sides.c[name]
    return case((value > until, until), else_=value) if name in ("to_earliest", "to_latest") else value


def _differs(value: ColumnElement[int]) -> ColumnElement[bool]:
    return func.min(value) != func.max(value)
