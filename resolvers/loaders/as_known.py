"""Windows as known at a recorded time, to be asked about in statements: which tables hold them, and all their columns.

What was known at a recorded time is three disjoint sets of rows: current windows already known then, former ones not
yet superseded then, and uncertain ones. Instants in keys and rows are integer microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    and_,
    cast,
    false,
    literal,
    null,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.expression import CTE, FromClause
from sqlalchemy.types import String, Text

from models.activity import (
    Edges,
    FormerWindow,
    Predicate,
    UncertainWindow,
    Window,
    certainly,
    exact_edges,
    possibly,
    uncertain_edges,
)
from models.base import Instant, Spelled
from models.batches import AsList
from models.history import Quality
from models.interval import FOREVER_US

CURRENT = Window.__table__
FORMER = FormerWindow.__table__
UNCERTAIN = UncertainWindow.__table__
TABLES = (CURRENT, FORMER, UNCERTAIN)
# Given beside a recorded time: whether anything was learned after it.
LEARNED_SINCE = "learned_since"
# What is told of a window.
COLUMNS = (
    "from_earliest",
    "from_latest",
    "to_earliest",
    "to_latest",
    "quality",
    "may_be_empty",
    "known_from",
    "known_until",
)
# Which of these follow from the others if a window is exact and current.
PARTICULARS = ("from_latest", "to_earliest", "quality", "may_be_empty", "known_until")


def in_scope(window: FromClause, keys: FromClause) -> ColumnElement[bool]:
    return and_(window.c.organization_id == keys.c.organization_id, window.c.scope_id == keys.c.scope_id)


def known(window: FromClause, keys: FromClause) -> ColumnElement[bool]:
    """Whether a row was known at the recorded time of a key."""
    already = window.c.known_from <= keys.c.known_at
    if "known_until" not in window.c:
        return already
    still = and_(already, window.c.known_until > keys.c.known_at)
    return and_(keys.c[LEARNED_SINCE], still) if window is FORMER and LEARNED_SINCE in keys.c else still


def satisfies(predicate: Predicate | None, edges: Edges, keys: FromClause, *, surely: bool) -> ColumnElement[bool]:
    if predicate is None:
        return true()
    judge = certainly if surely else possibly
    return judge(predicate, edges, keys.c.a, keys.c.b)


def known_windows(keys: CTE, scope: ColumnElement[int], learner: ColumnElement[int]) -> CompoundSelect[Any]:
    """All windows of a learner in a scope as known then."""
    return union_all(*(_rows(window, _whole(window), keys, scope, learner) for window in TABLES))


def rows_to_read(
    keys: FromClause, scope: ColumnElement[int], learner: ColumnElement[int], predicate: Predicate | None
) -> list[Select[Any]]:
    """The same in fewer columns, since each value takes its time on the way here: `particulars` are one JSON text, and
    null for a window that is exact and still held to be so, as most are.
    """
    return [_rows(window, _lean(window), keys, scope, learner, predicate) for window in TABLES]


def _whole(window: FromClause) -> dict[str, ColumnElement[Any]]:
    c = window.c
    if window is UNCERTAIN:
        return {name: _raw(c[name]) for name in COLUMNS}
    known_until = c.known_until if "known_until" in c else literal(FOREVER_US, BigInteger)
    edges = (c.from_at, c.from_at, c.to_at, c.to_at)
    told = (*edges, literal(Quality.EXACT.name, String), false(), c.known_from, known_until)
    return {name: _raw(column) for name, column in zip(COLUMNS, told, strict=True)}


def _lean(window: FromClause) -> dict[str, ColumnElement[Any]]:
    whole = _whole(window)
    particulars = cast(null(), Text) if window is CURRENT else AsList(*(whole[name] for name in PARTICULARS))
    return {name: whole[name] for name in COLUMNS if name not in PARTICULARS} | {"particulars": particulars}


def _rows(
    window: FromClause,
    told: Mapping[str, ColumnElement[Any]],
    keys: FromClause,
    scope: ColumnElement[int],
    learner: ColumnElement[int],
    predicate: Predicate | None = None,
) -> Select[Any]:
    """Rows of one learner in one scope; instants stay the integers that they are in the table."""
    c, edges = window.c, (uncertain_edges if window is UNCERTAIN else exact_edges)(window)
    return (
        select(*(column.label(name) for name, column in told.items()))
        .where(c.organization_id == keys.c.organization_id, c.scope_id == scope, c.learner_id == learner)
        .where(known(window, keys))
        .correlate_except(window)
        .where(satisfies(predicate, edges, keys, surely=False))
    )


def _raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Instant):
        return type_coerce(column, BigInteger)
    if isinstance(column.type, Boolean):
        return type_coerce(column, Integer)
    return type_coerce(column, String) if isinstance(column.type, Spelled) else column
