"""Reading windows: the only statements that do. Each takes many keys at once and answers as known at a recorded time.

What was known at a recorded time is three disjoint sets of rows: current windows already known then, former ones not
yet superseded then, and uncertain ones. Instants in keys and rows are integer microseconds since 1970.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Integer,
    Label,
    Select,
    and_,
    bindparam,
    case,
    cast,
    distinct,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection
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
from models.batches import (
    all_rows_of_each,
    as_parameter,
    asked,
    asked_in_groups,
    first_rows_of_each,
    groups_as_parameter,
)
from models.history import Quality
from models.interval import FOREVER_US
from models.organizations import OrganizationClock
from resolvers.loaders.levels import level_of, levels_answer
from resolvers.prepared import Prepared, prepared

CURRENT = Window.__table__
FORMER = FormerWindow.__table__
UNCERTAIN = UncertainWindow.__table__
CLOCK = OrganizationClock.__table__
LEARNED_SINCE = "learned_since"
# Of one learner, on average, as many as anybody reads.
FEW_WINDOWS = 50


# ------------------------------------------------------------------------------------- as known at a time


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


def answers_exactly(
    predicate: Predicate | None,
    keys: FromClause,
    learner: ColumnElement[int] | None = None,
    *,
    one_by_one: bool = False,
) -> ColumnElement[bool]:
    """Whether an exact window known then answers the question of the key with yes, of one learner if given."""
    matching = (_matching(window, predicate, keys, learner) for window in (CURRENT, FORMER))
    if one_by_one and learner is not None:
        matching = (_matching_one(window, predicate, keys, learner) for window in (CURRENT, FORMER))
    return or_(*map(exists, matching))


def _matching(
    window: FromClause, predicate: Predicate | None, keys: FromClause, learner: ColumnElement[int] | None
) -> Select[Any]:
    matching = select(window.c.learner_id).where(
        in_scope(window, keys), satisfies(predicate, exact_edges(window), keys, surely=True), known(window, keys)
    )
    matching = matching if learner is None else matching.where(window.c.learner_id == learner)
    return matching.correlate_except(window)


def _matching_one(
    window: FromClause, predicate: Predicate | None, keys: FromClause, learner: ColumnElement[int]
) -> Select[Any]:
    """The same, found by the learner's key for each learner anew, however many there are. PostgreSQL expects few rows
    of any key: unless none is to be skipped it reads those of all learners once, and unless nothing is added to the
    edges it reads them in the index by dates.
    """
    start, end = (type_coerce(type_coerce(window.c[name], BigInteger) + 0, Instant) for name in ("from_at", "to_at"))
    edges = Edges(start, start, end, end)
    matching = select(window.c.learner_id).where(
        in_scope(window, keys), window.c.learner_id == learner, satisfies(predicate, edges, keys, surely=True)
    )
    return matching.where(known(window, keys)).offset(0).correlate_except(window)


def answers_uncertainly(
    predicate: Predicate | None,
    keys: FromClause,
    learner: ColumnElement[int] | None = None,
    *,
    surely: bool,
    one_by_one: bool = False,
) -> Select[Any]:
    """The learners of whom an uncertain window surely, or else possibly, answers the question with yes."""
    matching = select(UNCERTAIN.c.learner_id).where(
        in_scope(UNCERTAIN, keys),
        satisfies(predicate, uncertain_edges(UNCERTAIN), keys, surely=False),
        known(UNCERTAIN, keys),
    )
    if surely:
        # What is sure is possible: said as well, since the index is led by the ends that are possible.
        certain = satisfies(predicate, uncertain_edges(UNCERTAIN), keys, surely=True)
        matching = matching.where(certain, ~UNCERTAIN.c.may_be_empty)
    if learner is not None:
        matching = matching.where(UNCERTAIN.c.learner_id == learner)
    if one_by_one:
        # As of exact windows: without it PostgreSQL reads those of everybody, to look each learner up among them.
        matching = matching.offset(0)
    return matching.correlate_except(UNCERTAIN)


def answers_who(predicate: Predicate, keys: CTE) -> CompoundSelect[Any]:
    """All learners of the scope of a key of whom some completion answers the question with yes."""
    exact = (_matching(window, predicate, keys, None) for window in (CURRENT, FORMER))
    return union_all(*exact, answers_uncertainly(predicate, keys, surely=False))


def answers_where(predicate: Predicate, keys: CTE) -> CompoundSelect[Any]:
    """The same, each with the scope in which they do, and whether that is so whatever the lost dates were. Somebody may
    be named more than once."""

    def told(who: Select[Any], window: FromClause, *, certain: bool) -> Select[Any]:
        return who.add_columns(window.c.scope_id, literal(int(certain)).label("certain"))

    exact = (told(_matching(window, predicate, keys, None), window, certain=True) for window in (CURRENT, FORMER))
    lost = (answers_uncertainly(predicate, keys, surely=surely) for surely in (True, False))
    surely, perhaps = (told(who, UNCERTAIN, certain=certain) for who, certain in zip(lost, (True, False), strict=True))
    return union_all(*exact, surely, perhaps)


def answers_in_both(
    predicate: Predicate | None, keys: CTE, learner: ColumnElement[int], *, surely: bool
) -> ColumnElement[bool]:
    """Whether what a learner's windows of two scopes share (active in the team and with the library) answers yes."""
    one, other = (
        known_windows(keys, scope, learner).subquery(name)
        for scope, name in ((keys.c.scope_id, "one"), (keys.c.other_scope_id, "other"))
    )
    shared = Edges(
        later(one.c.from_earliest, other.c.from_earliest),
        later(one.c.from_latest, other.c.from_latest),
        earlier(one.c.to_earliest, other.c.to_earliest),
        earlier(one.c.to_latest, other.c.to_latest),
    )
    meets = shared.from_earliest < shared.to_latest
    if surely:
        meets = and_(
            one.c.from_latest < other.c.to_earliest,
            other.c.from_latest < one.c.to_earliest,
            ~or_(one.c.may_be_empty, other.c.may_be_empty),
        )
    inside = Edges(
        shared.from_earliest,
        earlier(shared.from_latest, shared.to_latest - 1),
        later(shared.to_earliest, shared.from_earliest + 1),
        shared.to_latest,
    )
    both = select(one.c.learner_id).join(other, other.c.learner_id == one.c.learner_id)
    shares = both.where(meets, satisfies(predicate, inside, keys, surely=surely))
    # The windows are those of the one key that is asked about: without this, of all keys of the batch.
    return exists(shares.correlate_except(one, other))


def later(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((one > other, one), else_=other)


def earlier(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((one < other, one), else_=other)


# ------------------------------------------------------------------------------------------------ counts


class Question(NamedTuple):
    """One question about one scope, as known at a recorded time. `b` is unused by ACTIVE_AT."""

    organization_id: int
    scope_id: int
    a: int
    b: int
    known_at: int


class Count(NamedTuple):
    """People, each once: `least` whom every completion of lost dates counts, `most` whom some completion does."""

    least: int
    most: int


async def counts(connection: AsyncConnection, questions: Sequence[Question], predicate: Predicate) -> list[Count]:
    """How many learners answer each question with yes, in the order of the questions."""
    rows = await connection.execute(
        _counts(predicate), {"keys": as_parameter((n, *q) for n, q in enumerate(questions))}
    )
    found = {row[0]: Count(row[1] + row[2], row[1] + row[3]) for row in rows}
    return [found[place] for place in range(len(questions))]


@lru_cache
def _counts(predicate: Predicate) -> Select[Any]:
    keys = asked("keys", "place", *Question._fields)
    exact = _exact_count(predicate, keys)
    surely, perhaps = (_uncertain_count(predicate, keys, surely=surely) for surely in (True, False))
    if predicate is Predicate.ACTIVE_AT:
        answered, least, most = levels_answer(keys), level_of("least", keys), level_of("most", keys)
        exact, surely, perhaps = (
            case((answered, level), else_=scanned) for level, scanned in ((0, exact), (least, surely), (most, perhaps))
        )
    return select(keys.c.place, exact, surely, perhaps)


def _exact_count(predicate: Predicate, keys: CTE) -> ColumnElement[int]:
    if predicate is Predicate.ACTIVATED_WITHIN:
        both = union_all(*(_matching(window, predicate, keys, None) for window in (CURRENT, FORMER))).subquery()
        return select(func.count(distinct(both.c.learner_id))).scalar_subquery()
    current, former = (
        select(func.count())
        .select_from(window)
        .where(
            in_scope(window, keys),
            satisfies(predicate, exact_edges(window), keys, surely=True),
            known(window, keys),
            _first_of_its_learner(predicate, window, keys),
        )
        .correlate(keys)
        .scalar_subquery()
        for window in (CURRENT, FORMER)
    )
    return current + former


def _first_of_its_learner(predicate: Predicate, window: FromClause, keys: CTE) -> ColumnElement[bool]:
    """Counts people and not windows without a DISTINCT: an earlier window that ends after `a` would match too."""
    if predicate.once_a_learner:
        return true()
    return or_(window.c.previous_to.is_(None), window.c.previous_to <= keys.c.a)


def _uncertain_count(predicate: Predicate, keys: CTE, *, surely: bool) -> ColumnElement[int]:
    matching = answers_uncertainly(predicate, keys, surely=surely)
    matching = matching.where(~answers_exactly(predicate, keys, UNCERTAIN.c.learner_id))
    return matching.with_only_columns(func.count(distinct(UNCERTAIN.c.learner_id))).correlate(keys).scalar_subquery()


# --------------------------------------------------------------------------------- windows of learners


class WindowsOf(NamedTuple):
    """In which scope windows are, as known when; with `a` and `b` if a predicate chooses among them."""

    organization_id: int
    scope_id: int
    a: int
    b: int
    known_at: int

    def key(self, learner_id: int) -> WindowsKey:
        return WindowsKey(self.organization_id, self.scope_id, learner_id, self.a, self.b, self.known_at)


class WindowsKey(NamedTuple):
    """Those of one learner."""

    organization_id: int
    scope_id: int
    learner_id: int
    a: int
    b: int
    known_at: int


class WindowsPage(NamedTuple):
    """Which windows, in which order, and how many of each learner."""

    predicate: Predicate | None
    limit: int
    newest_first: bool = False
    # (to_latest, from_earliest, known_from) of the row after which the page begins, in its order.
    after: tuple[int, int, int] | None = None

    def of_each(self, of_learners: Sequence[Sequence[WindowRow]]) -> Sequence[Sequence[WindowRow]]:
        """The page of all windows of each learner, which are given in order of their ends."""
        if self.after is not None:
            of_learners = [self._beyond(rows, self.after) for rows in of_learners]
        if self.newest_first:
            return [rows[: -self.limit - 1 : -1] for rows in of_learners]
        return [rows if len(rows) <= self.limit else rows[: self.limit] for rows in of_learners]

    def _beyond(self, rows: Sequence[WindowRow], after: tuple[int, int, int]) -> Sequence[WindowRow]:
        beyond = operator.lt if self.newest_first else operator.gt
        return [row for row in rows if beyond(position_of(row), after)]


class WindowRow(NamedTuple):
    """One window as known; both ends exact, or within bounds. Its place is that of its key, or of its group of keys."""

    place: int
    scope_id: int
    learner_id: int
    from_earliest: int
    from_latest: int
    to_earliest: int
    to_latest: int
    quality: str
    # SQLite's truth is 1.
    may_be_empty: bool | int
    known_from: int
    known_until: int


# By what the windows of a learner are ordered.
BY = ("to_latest", "from_earliest", "known_from")
position_of = operator.itemgetter(*map(WindowRow._fields.index, BY))


async def few_windows_of_learners(
    connection: AsyncConnection, groups: Mapping[WindowsOf, Sequence[int]], predicate: Predicate | None
) -> dict[WindowsOf, list[list[WindowRow] | None]]:
    """All windows of each learner, in order of their ends: any page is a part of these. None if together they are more
    than somebody reads; then pages are read.
    """
    most = FEW_WINDOWS * sum(map(len, groups.values()))
    given = {"keys": groups_as_parameter(groups), "most": most + 1}
    rows = await _all_windows(connection.dialect.name, predicate).rows(connection, given)
    if len(rows) > most:
        return {group: [None] * len(learners) for group, learners in groups.items()}
    found: list[dict[int, list[WindowRow]]] = [{learner: [] for learner in learners} for learners in groups.values()]
    for row in map(_row, rows):
        found[row.place][row.learner_id].append(row)
    return {group: list(map(_by_end, of_group.values())) for group, of_group in zip(groups, found, strict=True)}


def _by_end(windows: list[WindowRow]) -> list[WindowRow]:
    if len(windows) > 1:
        windows.sort(key=position_of)
    return windows


@lru_cache
def _all_windows(dialect: str, predicate: Predicate | None) -> Prepared:
    keys = asked_in_groups("keys", *WindowsOf._fields, each="learner_id", beside=_learned_since)
    each = _rows_to_read(keys, keys.c.scope_id, keys.c.learner_id, predicate)
    return prepared(lambda: all_rows_of_each(dialect, keys, "place", each).limit(bindparam("most", type_=BigInteger)))


def _learned_since(groups: CTE) -> list[Label[Any]]:
    """Whether anything was learned after the recorded time of a group: else nothing that was known then is former."""
    last = select(type_coerce(CLOCK.c.recorded_at, BigInteger)).where(
        CLOCK.c.organization_id == groups.c.organization_id
    )
    return [(last.correlate(groups).scalar_subquery() > groups.c.known_at).label(LEARNED_SINCE)]


async def windows_of_learners(
    connection: AsyncConnection, keys: Sequence[WindowsKey], page: WindowsPage
) -> list[WindowRow]:
    """The windows of each learner, flat and in order; `place` says of which key."""
    after = page.after or (0, 0, 0)
    parameters = {
        "keys": as_parameter((n, *key) for n, key in enumerate(keys)),
        "most": page.limit,
        "after_to": after[0],
        "after_from": after[1],
        "after_known": after[2],
    }
    statement = _windows_of_learners(
        connection.dialect.name, page.predicate, page.newest_first, resumed=page.after is not None
    )
    return [_row(row) for row in await connection.execute(statement, parameters)]


@lru_cache
def _windows_of_learners(
    dialect: str, predicate: Predicate | None, newest_first: bool, *, resumed: bool
) -> Select[Any]:
    keys = asked("keys", "place", *WindowsKey._fields)
    rows = union_all(*_rows_to_read(keys, keys.c.scope_id, keys.c.learner_id, predicate)).subquery("known_windows")
    order = (rows.c.to_latest, rows.c.from_earliest, rows.c.known_from)
    page = select(*rows.c).limit(bindparam("most", type_=BigInteger))
    if resumed:
        cursor = tuple_(*(bindparam(name, type_=BigInteger) for name in ("after_to", "after_from", "after_known")))
        page = page.where(tuple_(*order) < cursor if newest_first else tuple_(*order) > cursor)
    page = page.order_by(*(column.desc() if newest_first else column.asc() for column in order))
    return first_rows_of_each(dialect, keys, "place", page)


def known_windows(
    keys: CTE, scope: ColumnElement[int], learner: ColumnElement[int], predicate: Predicate | None = None
) -> CompoundSelect[Any]:
    """All windows of a learner in a scope as known then: what a WindowRow holds but for its place."""
    exact = [_exact_rows(window, _whole, keys, scope, learner, predicate) for window in (CURRENT, FORMER)]
    return union_all(*exact, _uncertain_rows(keys, scope, learner, predicate))


def _rows_to_read(
    keys: FromClause, scope: ColumnElement[int], learner: ColumnElement[int], predicate: Predicate | None
) -> list[Select[Any]]:
    """The same, to be read by `_row`."""
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


def _row(read: Sequence[Any]) -> WindowRow:
    place, scope_id, learner_id, start, _, _, end, quality, _, known_from, known_until = read
    if quality is not None:
        return WindowRow._make(read)
    until = FOREVER_US if known_until is None else known_until
    exact = (start, start, end, end, Quality.EXACT.name, False)
    return WindowRow._make((place, scope_id, learner_id, *exact, known_from, until))


def _uncertain_rows(
    keys: FromClause, scope: ColumnElement[int], learner: ColumnElement[int], predicate: Predicate | None
) -> Select[Any]:
    columns = (UNCERTAIN.c[name] for name in WindowRow._fields[3:])
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
    named = zip(WindowRow._fields[3:], (_raw(column) for column in columns), strict=True)
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
