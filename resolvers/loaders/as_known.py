"""Windows as known at a recorded time, to be asked about in statements: which tables hold them, and all their columns.

What was known at a recorded time is three disjoint sets of rows: current windows already known then, former ones not
yet superseded then, and uncertain ones. Instants in keys and rows are integer microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from sqlalchemy.types import String

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
from models.history import Quality
from models.interval import FOREVER_US

CURRENT = Window.__table__
FORMER = FormerWindow.__table__
UNCERTAIN = UncertainWindow.__table__
# Given beside a recorded time: whether anything was learned after it.
LEARNED_SINCE = "learned_since"
# What is told of a window beside its scope and its learner.
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


def known_windows(
    keys: CTE, scope: ColumnElement[int], learner: ColumnElement[int], predicate: Predicate | None = None
) -> CompoundSelect[Any]:
    """All windows of a learner in a scope as known then: their scope and learner, and the columns."""
    exact = [_exact_rows(window, _whole, keys, scope, learner, predicate) for window in (CURRENT, FORMER)]
    return union_all(*exact, _uncertain_rows(keys, scope, learner, predicate))


def rows_to_read(
    keys: FromClause, scope: ColumnElement[int], learner: ColumnElement[int], predicate: Predicate | None
) -> list[Select[Any]]:
    """The same, to be read without what follows from the rest."""
    exact = [_exact_rows(window, _lean, keys, scope, learner, predicate) for window in (CURRENT, FORMER)]
    return [*exact, _uncertain_rows(keys, scope, learner, predicate)]


def _exact_rows(
    window: FromClause,
    told: Callable[[FromClause], Sequence[ColumnElement[Any]]],
    keys: FromClause,
    scope: ColumnElement[int],
    learner: ColumnElement[int],
    predicate: Predicate | None,
) -> Select[Any]:
    matches = satisfies(predicate, exact_edges(window), keys, surely=False)
    return _rows_of_one(window, told(window), keys, scope, learner).where(matches)


def _whole(window: FromClause) -> Sequence[ColumnElement[Any]]:
    c = window.c
    known_until = c.known_until if "known_until" in c else literal(FOREVER_US, BigInteger)
    edges = (c.from_at, c.from_at, c.to_at, c.to_at)
    return (*edges, literal(Quality.EXACT.name, String), false(), c.known_from, known_until)


def _lean(window: FromClause) -> Sequence[ColumnElement[Any]]:
    """Without what follows from the rest: each value takes its time on the way here."""
    c, unsaid = window.c, cast(null(), BigInteger)
    known_until = c.known_until if "known_until" in c else unsaid
    return (c.from_at, unsaid, unsaid, c.to_at, cast(null(), String), cast(null(), Boolean), c.known_from, known_until)


def _uncertain_rows(
    keys: FromClause, scope: ColumnElement[int], learner: ColumnElement[int], predicate: Predicate | None
) -> Select[Any]:
    columns = (UNCERTAIN.c[name] for name in COLUMNS)
    matches = satisfies(predicate, uncertain_edges(UNCERTAIN), keys, surely=False)
    return _rows_of_one(UNCERTAIN, tuple(columns), keys, scope, learner).where(matches)


def _rows_of_one(
    window: FromClause,
    columns: Sequence[ColumnElement[Any]],
    keys: FromClause,
    scope: ColumnElement[int],
    learner: ColumnElement[int],
) -> Select[Any]:
    """Rows of one learner in one scope; instants stay the integers that they are in the table."""
    c = window.c
    named = zip(COLUMNS, (_raw(column) for column in columns), strict=True)
    return (
        select(c.scope_id, c.learner_id, *(column.label(name) for name, column in named))
        .where(c.organization_id == keys.c.organization_id, c.scope_id == scope, c.learner_id == learner)
        .where(known(window, keys))
        .correlate_except(window)
    )


def _raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Instant):
        return type_coerce(column, BigInteger)
    if isinstance(column.type, Boolean):
        return type_coerce(column, Integer)
    return type_coerce(column, String) if isinstance(column.type, Spelled) else column
