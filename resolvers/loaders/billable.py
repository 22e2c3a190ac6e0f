"""Who counts for a bill: who answers a question with yes, as known then, less whom an exclusion covers.

One statement gives the people with the window that makes them count. Snapshots freeze its rows, previews and
simulations count them, drift and bridges compare them; so that none of these can disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Insert,
    Select,
    and_,
    bindparam,
    case,
    desc,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.expression import CTE, FromClause

from models.activity import Edges, Predicate, exact_edges, uncertain_edges
from models.batches import as_keys, asked
from models.billing import SnapshotEntry
from resolvers.loaders.answers import earlier, later
from resolvers.loaders.as_known import CURRENT, FORMER, UNCERTAIN, in_scope, known, satisfies
from resolvers.loaders.counts import Count
from resolvers.prepared import Prepared


class BillableKey(NamedTuple):
    """Who is counted in a scope between two instants, as known then; `excluded_id` is the scope of what is excluded
    from billing, 0 if there is none. For ACTIVE_AT both instants are the same."""

    organization_id: int
    scope_id: int
    excluded_id: int
    a: int
    b: int
    known_at: int


class BillableOneKey(NamedTuple):
    """The same of one learner alone."""

    organization_id: int
    scope_id: int
    excluded_id: int
    a: int
    b: int
    known_at: int
    learner_id: int


class BillableRow(NamedTuple):
    """Somebody who counts, with the latest window that makes it so; instants are microseconds."""

    place: int
    learner_id: int
    from_earliest: int
    from_latest: int
    to_earliest: int
    to_latest: int
    known_from: int
    certain: bool


COLUMNS = BillableRow._fields
ENTRY = SnapshotEntry.__table__


async def billable(
    connection: AsyncConnection | AsyncSession, keys: Sequence[BillableKey], predicate: Predicate
) -> list[BillableRow]:
    """Everybody who counts, of each key, flat and in no order."""
    statement, parameters = _everybody(predicate), as_keys(keys)
    return [BillableRow._make(row) for row in await connection.execute(statement, parameters)]


async def billable_counts(
    connection: AsyncConnection | AsyncSession, keys: Sequence[BillableKey], predicate: Predicate
) -> list[Count]:
    """How many count, of each key in their order."""
    rows = await connection.execute(_count_of_everybody(predicate), as_keys(keys))
    found = {row[0]: Count(row[1], row[2]) for row in rows}
    return [found.get(place, Count(0, 0)) for place in range(len(keys))]


async def billable_of(
    connection: AsyncConnection | AsyncSession, keys: Sequence[BillableOneKey], predicate: Predicate
) -> list[BillableRow | None]:
    """How each learner counts, of each key in their order; None of who does not."""
    rows = [BillableRow._make(row) for row in await connection.execute(_each_of_one(predicate), as_keys(keys))]
    found = {row.place: row for row in rows}
    return [found.get(place) for place in range(len(keys))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What need not be looked at when entries are frozen."""

    # Nothing that was known only formerly can be known now.
    as_known_now: bool
    has_lost_dates: bool


async def freeze_entries(
    connection: AsyncConnection, snapshot_id: int, key: BillableKey, predicate: Predicate, present: Present
) -> Count:
    """Writes everybody who counts as entries of a snapshot. Gives how many they are."""
    parameters = {"place": snapshot_id, **key._asdict()}
    excluding = key.excluded_id != 0
    freeze_exactly = _freeze_exactly(predicate, excluding=excluding, formerly=not present.as_known_now)
    exactly = await freeze_exactly.written(connection, parameters)
    if not present.has_lost_dates:
        return Count(exactly, exactly)
    uncertainly = await connection.execute(_freeze_uncertainly(predicate, excluding=excluding), parameters)
    certain = [row.certain for row in uncertainly]
    return Count(exactly + sum(certain), exactly + len(certain))


@lru_cache
def _freeze_exactly(predicate: Predicate, *, excluding: bool, formerly: bool) -> Prepared:
    windows = (CURRENT, FORMER) if formerly else (CURRENT,)
    return Prepared(lambda: _freeze(known_exactly(predicate, _the_key(excluding=excluding), windows)))


@lru_cache
def _freeze_uncertainly(predicate: Predicate, *, excluding: bool) -> ReturningInsert[Any]:
    return _freeze(known_uncertainly(predicate, _the_key(excluding=excluding))).returning(ENTRY.c.certain)


def _freeze(counted: Select[Any]) -> Insert:
    """In the order of the entries' key: so the database appends, instead of finding each one's place."""
    rows = counted.subquery("counted")
    organization_id = bindparam("organization_id", type_=BigInteger)
    in_order = select(organization_id, *rows.c).order_by(rows.c.learner_id)
    return insert(ENTRY).from_select(["organization_id", "snapshot_id", *COLUMNS[1:]], in_order)


def _the_key(*, excluding: bool) -> CTE:
    """One key, its columns given as parameters of their own: the plan is simpler, and this runs for millions of rows.
    Where nobody is excluded it has no such column, and no exclusion is looked for.
    """
    names = [name for name in ("place", *BillableKey._fields) if excluding or name != "excluded_id"]
    columns = _Parameters({name: bindparam(name, type_=BigInteger) for name in names})
    return cast("CTE", SimpleNamespace(c=columns))


class _Parameters(dict[str, BindParameter[int]]):
    """Parameters that are named as the columns of keys are."""

    def __getattr__(self, name: str) -> BindParameter[int]:
        return self[name]


@lru_cache
def _everybody(predicate: Predicate) -> Select[Any]:
    return everybody(predicate, asked("keys", "place", *BillableKey._fields))


@lru_cache
def _each_of_one(predicate: Predicate) -> Select[Any]:
    return everybody(predicate, asked("keys", "place", *BillableOneKey._fields))


def everybody(predicate: Predicate, keys: CTE) -> Select[Any]:
    """Who counts, in the order of COLUMNS, of keys with at least the columns of a BillableKey."""
    both = known_exactly(predicate, keys).union_all(known_uncertainly(predicate, keys)).subquery("counted")
    return select(*both.c)


@lru_cache
def _count_of_everybody(predicate: Predicate) -> Select[Any]:
    counted = _everybody(predicate).subquery("everybody")
    certain = func.sum(case((counted.c.certain, 1), else_=0))
    return select(counted.c.place, certain, func.count()).group_by(counted.c.place)


# ---------------------------------------------------------------------------------------------- exact windows


def known_exactly(predicate: Predicate, keys: CTE, windows: Sequence[FromClause] = (CURRENT, FORMER)) -> Select[Any]:
    """Who counts by a window of which both ends are known, in the order of COLUMNS."""
    first, *others = (_exact(window, predicate, keys) for window in windows)
    rows = (first.union_all(*others) if others else first).subquery("exact")
    return select(*rows.c) if predicate.once_a_learner else _latest_of_each(rows)


def _exact(window: FromClause, predicate: Predicate, keys: CTE) -> Select[Any]:
    c = window.c
    edges = _in_microseconds(c.from_at, c.from_at, c.to_at, c.to_at)
    return _rows(window, keys, edges, literal(1, Boolean)).where(
        satisfies(predicate, exact_edges(window), keys, surely=True), ~_covered(predicate, window, edges, keys)
    )


# ------------------------------------------------------------------------------------------ uncertain windows


def known_uncertainly(predicate: Predicate, keys: CTE) -> Select[Any]:
    """Who counts, or may, by a window that has lost a date, and by no exact one; in the order of COLUMNS."""
    c = UNCERTAIN.c
    edges = _in_microseconds(c.from_earliest, c.from_latest, c.to_earliest, c.to_latest)
    surely = and_(
        satisfies(predicate, uncertain_edges(UNCERTAIN), keys, surely=True),
        ~c.may_be_empty,
        ~_may_be_covered(predicate, edges, keys),
    )
    rows = _rows(UNCERTAIN, keys, edges, surely).where(
        satisfies(predicate, uncertain_edges(UNCERTAIN), keys, surely=False),
        ~_covered(predicate, UNCERTAIN, edges, keys),
        ~or_(*(_counts_exactly(window, predicate, keys) for window in (CURRENT, FORMER))),
    )
    return _latest_of_each(rows.subquery("unsure"))


def _counts_exactly(window: FromClause, predicate: Predicate, keys: CTE) -> ColumnElement[bool]:
    c = window.c
    edges = _in_microseconds(c.from_at, c.from_at, c.to_at, c.to_at)
    matching = select(c.learner_id).where(
        in_scope(window, keys),
        c.learner_id == UNCERTAIN.c.learner_id,
        satisfies(predicate, exact_edges(window), keys, surely=True),
        known(window, keys),
        ~_covered(predicate, window, edges, keys),
    )
    return exists(matching.correlate_except(window))


# ------------------------------------------------------------------------------------------------- exclusions


def _covered(predicate: Predicate, window: FromClause, edges: Edges, keys: CTE) -> ColumnElement[bool]:
    """Whether an exclusion covers all of the window that the question is about, in its widest completion.

    Exclusions are coalesced, so that what no single one covers is not covered.
    """
    first: ColumnElement[Any] = keys.c.a
    last: ColumnElement[Any] = keys.c.a + 1
    if predicate is not Predicate.ACTIVE_AT:
        first, last = later(edges.from_earliest, keys.c.a), earlier(edges.to_latest, keys.c.b)
    return _excluded(keys, window.c.learner_id, lambda starts, ends: and_(starts <= first, ends >= last))


def _may_be_covered(predicate: Predicate, edges: Edges, keys: CTE) -> ColumnElement[bool]:
    """Whether an exclusion covers all that the question is about in some completion of an uncertain window: then it is
    not provable that it counts."""

    def covers(starts: ColumnElement[Any], ends: ColumnElement[Any]) -> ColumnElement[bool]:
        if predicate is Predicate.ACTIVE_AT:
            return and_(starts <= keys.c.a, ends > keys.c.a)
        # The completions within it start from `first` on and end by `last`; before `a` and after `b` all may.
        first = case((starts <= keys.c.a, edges.from_earliest), else_=later(edges.from_earliest, starts))
        last = case((ends >= keys.c.b, edges.to_latest), else_=earlier(edges.to_latest, ends))
        return and_(first <= edges.from_latest, edges.to_earliest <= last, first < last)

    return _excluded(keys, UNCERTAIN.c.learner_id, covers)


def _excluded(keys: CTE, learner: ColumnElement[int], reaches: Any) -> ColumnElement[bool]:
    """Whether there is an exclusion of the learner, known then, that reaches so far. Where an end of the activity is
    lost, the exclusion's own window is uncertain too, and taken at its widest."""
    if "excluded_id" not in keys.c:
        return false()
    found = []
    for window in (CURRENT, FORMER, UNCERTAIN):
        excluded = window.alias("excluded")
        starts, ends = ("from_earliest", "to_latest") if window is UNCERTAIN else ("from_at", "to_at")
        reaching = reaches(*(type_coerce(excluded.c[name], BigInteger) for name in (starts, ends)))
        matching = select(excluded.c.learner_id).where(
            excluded.c.organization_id == keys.c.organization_id,
            excluded.c.scope_id == keys.c.excluded_id,
            excluded.c.learner_id == learner,
            known(excluded, keys),
            reaching,
        )
        found.append(exists(matching.correlate_except(excluded)))
    # Most organizations exclude nobody: then no window is looked at.
    return and_(keys.c.excluded_id != 0, or_(false(), *found))


# ------------------------------------------------------------------------------------------------------ parts


def _in_microseconds(*columns: ColumnElement[Any]) -> Edges:
    """Edges as the integers that they are in the table, to be compared with those of keys."""
    return Edges(*(type_coerce(column, BigInteger) for column in columns))  # type: ignore[arg-type]


def _rows(window: FromClause, keys: CTE, edges: Edges, certain: ColumnElement[bool]) -> Select[Any]:
    values: tuple[ColumnElement[Any], ...] = (
        keys.c.place,
        window.c.learner_id,
        *(edges.from_earliest, edges.from_latest, edges.to_earliest, edges.to_latest),
        type_coerce(window.c.known_from, BigInteger),
        certain,
    )
    named = (value.label(name) for name, value in zip(COLUMNS, values, strict=True))
    rows = select(*named).where(in_scope(window, keys), known(window, keys))
    return rows.where(window.c.learner_id == keys.c.learner_id) if "learner_id" in keys.c else rows


def _latest_of_each(rows: FromClause) -> Select[Any]:
    """Each person once, with the window that is certain if one is, and of those the latest."""
    order = (desc(rows.c.certain), desc(rows.c.to_latest), desc(rows.c.from_earliest), desc(rows.c.known_from))
    number = func.row_number().over(partition_by=(rows.c.place, rows.c.learner_id), order_by=order)
    numbered = select(*rows.c, number.label("number")).subquery("numbered")
    return select(*(numbered.c[name] for name in COLUMNS)).where(numbered.c.number == 1)
