"""Reading windows of many learners at once, as known at a recorded time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    Label,
    Select,
    bindparam,
    select,
    tuple_,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.activity import (
    Predicate,
)
from models.batches import (
    as_parameter,
    asked,
    asked_in_groups,
    first_rows_of_each,
    groups_as_parameter,
    packed_rows_of_groups,
    unpacked_rows,
)
from models.history import Quality
from models.interval import FOREVER_US
from models.organizations import OrganizationClock
from resolvers.loaders.as_known import LEARNED_SINCE, rows_to_read
from resolvers.prepared import Prepared, prepared

CLOCK = OrganizationClock.__table__
EXACT = Quality.EXACT.name
# Of one learner, on average, as many as anybody reads.
FEW_WINDOWS = 50


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


class Particulars(NamedTuple):
    """What is told of a window beside the rest unless it is exact and still held to be so."""

    from_latest: int
    to_earliest: int
    quality: str
    # SQLite's truth is 1.
    may_be_empty: bool | int
    known_until: int


class WindowRow(NamedTuple):
    """One window as known; both ends exact, or within bounds. Its place is that of its key, or of its group of keys."""

    place: int
    learner_id: int
    from_earliest: int
    to_latest: int
    known_from: int
    particulars: Particulars | None = None

    @property
    def from_latest(self) -> int:
        return self.particulars.from_latest if self.particulars else self.from_earliest

    @property
    def to_earliest(self) -> int:
        return self.particulars.to_earliest if self.particulars else self.to_latest

    @property
    def quality(self) -> str:
        return self.particulars.quality if self.particulars else EXACT

    @property
    def may_be_empty(self) -> bool:
        return bool(self.particulars and self.particulars.may_be_empty)

    @property
    def known_until(self) -> int:
        return self.particulars.known_until if self.particulars else FOREVER_US


# By what the windows of a learner are ordered.
BY = ("to_latest", "from_earliest", "known_from")
position_of = operator.itemgetter(*map(WindowRow._fields.index, BY))


def _told(row: WindowRow) -> WindowRow:
    """The same row, with what was packed in it taken apart. Most have nothing, and need not come here."""
    packed: Any = row.particulars
    return row._replace(particulars=Particulars(*orjson.loads(packed)))


# As `WindowRow._make`, but nothing of Python's own runs.
_row: Callable[[Sequence[Any]], WindowRow] = partial(tuple.__new__, WindowRow)


async def few_windows_of_learners(
    connection: AsyncConnection, groups: Mapping[WindowsOf, Sequence[int]], predicate: Predicate | None
) -> dict[WindowsOf, list[list[WindowRow] | None]]:
    """All windows of each learner, in order of their ends: any page is a part of these. None if together they are more
    than somebody reads; then pages are read.
    """
    most = FEW_WINDOWS * sum(map(len, groups.values()))
    given = {"keys": groups_as_parameter(groups), "most": most + 1}
    dialect = connection.dialect.name
    packed = await _all_windows(dialect, predicate).rows(connection, given)
    rows = list(map(_row, unpacked_rows(dialect, packed, groups)))
    if len(rows) > most:
        return {group: [None] * len(learners) for group, learners in groups.items()}
    found: list[dict[int, list[WindowRow]]] = [{learner: [] for learner in learners} for learners in groups.values()]
    for row in rows:
        found[row.place][row.learner_id].append(row if row.particulars is None else _told(row))
    for of_group in found:
        for windows in of_group.values():
            if len(windows) > 1:
                windows.sort(key=position_of)
    return {group: list(of_group.values()) for group, of_group in zip(groups, found, strict=True)}


@lru_cache
def _all_windows(dialect: str, predicate: Predicate | None) -> Prepared:
    groups = asked_in_groups("keys", *WindowsOf._fields, beside=_learned_since)
    parts = rows_to_read(groups.shared, groups.shared.c.scope_id, groups.number, predicate)
    return prepared(lambda: packed_rows_of_groups(dialect, groups, parts, bindparam("most", type_=BigInteger)))


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
    rows = map(_row, await connection.execute(statement, parameters))
    return [row if row.particulars is None else _told(row) for row in rows]


@lru_cache
def _windows_of_learners(
    dialect: str, predicate: Predicate | None, newest_first: bool, *, resumed: bool
) -> Select[Any]:
    keys = asked("keys", "place", *WindowsKey._fields)
    rows = union_all(*rows_to_read(keys, keys.c.scope_id, keys.c.learner_id, predicate)).subquery("known_windows")
    order = (rows.c.to_latest, rows.c.from_earliest, rows.c.known_from)
    page = select(keys.c.learner_id, *rows.c).correlate(keys).limit(bindparam("most", type_=BigInteger))
    if resumed:
        cursor = tuple_(*(bindparam(name, type_=BigInteger) for name in ("after_to", "after_from", "after_known")))
        page = page.where(tuple_(*order) < cursor if newest_first else tuple_(*order) > cursor)
    page = page.order_by(*(column.desc() if newest_first else column.asc() for column in order))
    return first_rows_of_each(dialect, keys, "place", page)
