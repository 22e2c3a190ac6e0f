"""Reading lists of learners: pages of many lists at once, how many each holds, and who is in one for certain.

A page is found in one of two ways, with the same rows. In the list's order: each learner is asked about until the page
is full, which takes no longer in a large organization if many answer. Or from an index: whoever answers is looked up,
then put in order, which takes no longer in a large organization if few answer, as in a team. How many do of an
organization is not known beforehand, so the first way is given up after so many learners, for the second.
"""

from __future__ import annotations

import operator
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache, partial
from itertools import islice, repeat
from operator import add, attrgetter, itemgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.activity import Predicate
from models.base import Instant
from models.batches import (
    OneOf,
    as_keys,
    as_parameter,
    asked,
    first_rows_of_each,
    packed_rows_of_each,
    position_in,
    unpacked_by_key,
)
from models.history import Belief
from models.interval import from_microseconds
from models.keys import Keys
from resolvers.loaders.answers import answers_exactly, answers_in_both, answers_uncertainly, answers_who
from resolvers.loaders.certifications import Certified, is_certified
from resolvers.loaders.learners import PROFILE, LearnerRow
from resolvers.loaders.windows import WindowsOf
from resolvers.prepared import Prepared, prepared

BELIEF = Belief.__table__
# An organization of which nothing was recorded is known until BEGINNING, long before any key.
SMALLEST_KEY = -(1 << 63)
# Sorted by code points, as texts are, nobody comes before or after these.
FIRST_OF_ALL, LAST_OF_ALL = ("", SMALLEST_KEY), (chr(0x10FFFF), (1 << 63) - 1)
# For each row of a page so many learners are asked about in order. If fewer than one in fifty answer, those are few
# enough to be sorted.
LOOKED_AT_FOR_A_ROW = 50


class LearnerOrder(Enum):
    """By what a list of learners is ordered; equal ones by their key."""

    NAME = "name_key"
    EMAIL = "email_key"
    EXTERNAL_ID = "external_id"
    DEPARTMENT = "department_key"

    @property
    def column(self) -> ColumnElement[str]:
        return PROFILE.c[self.value]


class LearnersKey(NamedTuple):
    """One list of learners: of a scope, and of another one at the same time if `other_scope_id` is not 0."""

    organization_id: int
    scope_id: int
    other_scope_id: int
    a: int
    b: int
    known_at: int

    @property
    def windows(self) -> WindowsOf:
        """Those of its learners, where and as the list asks."""
        return WindowsOf(self.organization_id, self.scope_id, self.a, self.b, self.known_at)


class ListPart(NamedTuple):
    """Where a page of a list begins: beyond a row, given by its order column and its key, or with the first."""

    listed: LearnersKey
    beyond: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """Which learners of a scope belong to a list."""

    predicate: Predicate | None = None
    search: str | None = None
    departments: tuple[str, ...] = ()
    # Whether the scope is the organization itself: then its names are walked in order, and asked about one by one.
    whole_organization: bool = True
    in_two_scopes: bool = False
    certified: Certified | None = None

    @property
    def may_be_few(self) -> bool:
        """Whether few may belong of many who are walked, so that an index which finds them is worth starting from."""
        return self.whole_organization and bool(self.predicate or self.departments or self.certified)

    @property
    def shape(self) -> Shape:
        """What of it the statement itself depends on."""
        certified = self.certified.shape if self.certified else None
        by = (bool(self.search), bool(self.departments), certified)
        return Shape(self.predicate, self.whole_organization, self.in_two_scopes, *by)


class Shape(NamedTuple):
    predicate: Predicate | None
    whole_organization: bool
    in_two_scopes: bool
    searched: bool
    by_department: bool
    certified: tuple[bool, bool, bool] | None


@dataclass(frozen=True, slots=True)
class LearnersPage:
    """How many of a list, in which order."""

    limit: int
    order: LearnerOrder = LearnerOrder.NAME
    descending: bool = False

    def begin(self, part: ListPart) -> Begin:
        return Begin(part.listed, *(part.beyond or (LAST_OF_ALL if self.descending else FIRST_OF_ALL)))


class Begin(NamedTuple):
    """A list, and the row beyond which it is read."""

    listed: LearnersKey
    position: str
    learner_id: int


class Way(Enum):
    """How the rows of a page are found."""

    WALK = "all learners in the list's order, until the page is full"
    LOOK = "the same, but no further than a bound"
    INDEX = "whoever answers, put in order"


_position = attrgetter("position", "learner_id")
# As `LearnerRow._make`, but nothing of Python's own runs.
_learner: Callable[[Sequence[Any]], LearnerRow] = partial(tuple.__new__, LearnerRow)


async def learners_of(
    connection: AsyncConnection, parts: Sequence[ListPart], who: Who, page: LearnersPage
) -> list[Sequence[LearnerRow]]:
    """A page of each list, in order. Pages of one list are read as one stretch of it, since most often they follow each
    other.
    """
    begins = [page.begin(part) for part in parts]
    found = await _in_stretches(connection, dict.fromkeys(begins), who, page)
    if alone := [begin for begin in dict.fromkeys(begins) if begin not in found]:
        found.update(zip(alone, await _pages(connection, alone, who, page), strict=True))
    return [found[begin] for begin in begins]


async def _in_stretches(
    connection: AsyncConnection, begins: Iterable[Begin], who: Who, page: LearnersPage
) -> dict[Begin, Sequence[LearnerRow]]:
    """The pages that lie in one stretch of their list, as long as all pages of it together."""
    found: dict[Begin, Sequence[LearnerRow]] = {}
    of_list: dict[LearnersKey, list[Begin]] = {}
    for begin in sorted(begins, key=itemgetter(1, 2), reverse=page.descending):
        of_list.setdefault(begin.listed, []).append(begin)
    for count in set(map(len, of_list.values())):
        lists, limit = [own for own in of_list.values() if len(own) == count], page.limit * count
        stretches = await _pages(connection, [own[0] for own in lists], who, replace(page, limit=limit))
        for own, stretch in zip(lists, stretches, strict=True):
            found.update(_cut(own, stretch, page, is_end=len(stretch) < limit))
    return found


def _cut(
    begins: Sequence[Begin], stretch: Sequence[LearnerRow], page: LearnersPage, *, is_end: bool
) -> Iterator[tuple[Begin, Sequence[LearnerRow]]]:
    """The pages that are whole, of a stretch that begins where the first of them does."""
    beyond = operator.lt if page.descending else operator.gt
    for begin in begins:
        last = begin[1:]
        start = bisect(stretch, False, key=lambda row: beyond(_position(row), last))
        own = stretch[start : start + page.limit]
        if is_end or len(own) == page.limit:
            yield begin, own


async def _pages(
    connection: AsyncConnection, begins: Sequence[Begin], who: Who, page: LearnersPage
) -> list[Sequence[LearnerRow]]:
    """A page from each begin on."""
    found: dict[int, Sequence[LearnerRow]] = {}
    places: Sequence[int] = range(len(begins))
    ways = (Way.LOOK, Way.INDEX) if who.may_be_few else (Way.WALK if who.whole_organization else Way.INDEX,)
    for way in ways:
        rows = await _rows(connection, [(place, begins[place]) for place in places], who, page, way)
        found.update((place, rows.get(place, ())) for place in places)
        places = [place for place in places if len(found[place]) < page.limit]
        if not places:
            break
    return [found[place] for place in range(len(begins))]


async def _rows(
    connection: AsyncConnection, placed: Sequence[tuple[int, Begin]], who: Who, page: LearnersPage, way: Way
) -> Mapping[int, Sequence[LearnerRow]]:
    statement = _page(connection.dialect.name, who.shape, page.order, page.descending, way)
    bounds = {"most": page.limit, "looked_at": page.limit * LOOKED_AT_FOR_A_ROW}
    keys = ((place, *of.listed, _made_before(of.listed.known_at), *of[1:]) for place, of in placed)
    found = await statement.rows(connection, bounds | _parameters(keys, who))
    rows = unpacked_by_key(connection.dialect.name, found)
    organizations = ((place, (of.listed.organization_id,)) for place, of in placed)
    # What is known of all of them need not be read.
    return {place: list(map(_learner, map(add, repeat(own), rows.get(place, ())))) for place, own in organizations}


async def certainties(
    connection: AsyncConnection, groups: Mapping[LearnersKey, Sequence[int]], who: Who
) -> dict[LearnersKey, list[bool]]:
    """Of learners who are in lists, whether they are so whatever the lost dates were."""
    if who.predicate is None:
        return {listed: [True] * len(learners) for listed, learners in groups.items()}
    keys = as_keys((*listed, learner) for listed, learners in groups.items() for learner in learners)
    rows = await _certainties(who.predicate, who.in_two_scopes).rows(connection, keys)
    certain = (bool(one) for _, one in sorted(rows))
    return {listed: list(islice(certain, len(learners))) for listed, learners in groups.items()}


@lru_cache
def _certainties(predicate: Predicate, in_two_scopes: bool) -> Prepared:
    keys = asked("keys", "place", *LearnersKey._fields, "learner_id")
    certain = _certain(predicate, keys, keys.c.learner_id, in_two_scopes)
    return prepared(lambda: select(keys.c.place, certain.label("certain")))


async def learner_totals(connection: AsyncConnection, keys: Sequence[LearnersKey], who: Who) -> list[int]:
    """How many learners each list holds, in the order of the keys."""
    placed = ((place, *key, _made_before(key.known_at)) for place, key in enumerate(keys))
    rows = await connection.execute(_total(who.shape), _parameters(placed, who))
    found = {row.place: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _parameters(keys: Iterable[tuple[int | str, ...]], who: Who) -> dict[str, object]:
    return {
        "keys": as_parameter(keys),
        "search": who.search and who.search.casefold(),
        "departments": as_parameter((department.casefold(),) for department in who.departments),
        **(who.certified.parameters() if who.certified else {}),
    }


def _made_before(known_at: int) -> int:
    """Keys tell when they were made: those below this one were made by the recorded time."""
    return max(Keys(from_microseconds(known_at + 1)).take(), SMALLEST_KEY)


@lru_cache
def _page(dialect: str, shape: Shape, order: LearnerOrder, descending: bool, way: Way) -> Prepared:
    walk = _Walk(order.column, descending)
    keys = _asked("begin_position", "begin_learner_id")
    keys = walk.bounded(dialect, keys) if way is Way.LOOK else keys
    # A text with nothing added is the same text, and in no index: who answers is then found before anybody is sorted.
    position = order.column.concat("") if way is Way.INDEX else order.column
    personal = (PROFILE.c[name] for name in LearnerRow._fields[1:6])
    chosen = select(*personal, position.label("position"), cast(null(), BigInteger).label("person_id")).where(
        _belongs(keys, shape, way),
        walk.beyond(keys, position, PROFILE.c.learner_id),
        walk.until(keys, position, PROFILE.c.learner_id) if way is Way.LOOK else true(),
    )
    chosen = chosen.order_by(*walk.by(position, PROFILE.c.learner_id)).limit(bindparam("most", type_=BigInteger))
    return prepared(lambda: packed_rows_of_each(dialect, keys, "place", chosen.correlate(keys)))


class _Walk(NamedTuple):
    """Along which column learners are read, and in which direction."""

    column: ColumnElement[str]
    descending: bool

    def by(self, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        return [column.desc() if self.descending else column.asc() for column in columns]

    def beyond(self, keys: CTE, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
        last = tuple_(keys.c.begin_position, keys.c.begin_learner_id)
        return tuple_(*columns) < last if self.descending else tuple_(*columns) > last

    def bounded(self, dialect: str, keys: CTE) -> CTE:
        """The keys, each with the last learner to be looked at, or else the end. Worked out once for each key, and not
        for each learner, since it is materialized.
        """
        table = PROFILE.alias("looked_at")
        own = (table.c[self.column.name], table.c.learner_id)
        far = select(own[0].label("last_position"), own[1].label("last_learner_id"))
        far = far.where(table.c.organization_id == keys.c.organization_id, self.beyond(keys, *own))
        far = far.order_by(*self.by(*own)).offset(bindparam("looked_at", type_=BigInteger)).limit(1).correlate(keys)
        found = first_rows_of_each(dialect, keys, "place", far).cte("found_far")
        end = zip(found.c[1:], FIRST_OF_ALL if self.descending else LAST_OF_ALL, strict=True)
        last = (func.coalesce(column, literal(value, column.type)).label(column.name) for column, value in end)
        bounded = select(*keys.c, *last).select_from(keys.outerjoin(found, found.c.place == keys.c.place))
        return bounded.cte("bounded_keys").prefix_with("MATERIALIZED")

    def until(self, keys: CTE, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
        last = tuple_(keys.c.last_position, keys.c.last_learner_id)
        return tuple_(*columns) >= last if self.descending else tuple_(*columns) <= last


@lru_cache
def _total(shape: Shape) -> Select[Any]:
    keys = _asked()
    total = select(func.count()).select_from(PROFILE).where(_belongs(keys, shape, Way.INDEX))
    return select(keys.c.place, total.correlate(keys).scalar_subquery())


def _asked(*more: str) -> CTE:
    return asked("keys", "place", *LearnersKey._fields, "made_before", *more, texts=["begin_position"])


def _belongs(keys: CTE, shape: Shape, way: Way) -> ColumnElement[bool]:
    """Whether a profile belongs to the list of a key."""
    predicate, learner = shape.predicate, PROFILE.c.learner_id
    in_one = _implied_in_one(predicate) if shape.in_two_scopes else predicate
    return and_(
        PROFILE.c.organization_id == keys.c.organization_id,
        # Plus nothing: else SQLite may walk all learners until then, and not look up those who answer.
        (learner + 0) < keys.c.made_before,
        _in_scope(keys, in_one, shape.whole_organization, way),
        answers_in_both(predicate, keys, learner, surely=False) if shape.in_two_scopes else true(),
        found_by_search() if shape.searched else true(),
        OneOf(PROFILE.c.department_key, "departments") if shape.by_department else true(),
        is_certified(shape.certified, keys.c.organization_id, learner, type_coerce(keys.c.known_at, Instant))
        if shape.certified
        else true(),
    )


def _implied_in_one(predicate: Predicate | None) -> Predicate | None:
    """What each of two scopes must answer with yes for what they share to answer so.

    What is shared may start or end within the range where neither does: then both are active during it.
    """
    if predicate in (Predicate.ACTIVATED_WITHIN, Predicate.DEACTIVATED_WITHIN):
        return Predicate.ACTIVE_DURING
    return predicate


def _in_scope(keys: CTE, predicate: Predicate | None, whole_organization: bool, way: Way) -> ColumnElement[bool]:
    learner = PROFILE.c.learner_id
    if predicate is None:
        return true() if whole_organization else learner.in_(_ever_held(keys))
    if not whole_organization or way is Way.INDEX:
        return learner.in_(answers_who(predicate, keys))
    return or_(
        answers_exactly(predicate, keys, learner, one_by_one=True),
        exists(answers_uncertainly(predicate, keys, learner, surely=False, one_by_one=True)),
    )


def _ever_held(keys: CTE) -> Select[Any]:
    """Everyone who has ever been held to belong to the scope."""
    return (
        select(BELIEF.c.learner_id)
        .where(
            BELIEF.c.organization_id == keys.c.organization_id,
            BELIEF.c.scope_id == keys.c.scope_id,
            BELIEF.c.recorded_at <= keys.c.known_at,
        )
        .correlate(keys)
    )


def _certain(
    predicate: Predicate | None, keys: CTE, learner: ColumnElement[int], in_two_scopes: bool
) -> ColumnElement[bool]:
    if predicate is None:
        return true()
    if in_two_scopes:
        return answers_in_both(predicate, keys, learner, surely=True)
    return or_(
        answers_exactly(predicate, keys, learner, one_by_one=True),
        exists(answers_uncertainly(predicate, keys, learner, surely=True, one_by_one=True)),
    )


def found_by_search() -> ColumnElement[bool]:
    """The term anywhere in what a person would search by. Keys and term are casefolded; % and _ mean themselves."""
    columns = (PROFILE.c.name_key, PROFILE.c.email_key, func.lower(PROFILE.c.external_id), PROFILE.c.department_key)
    return or_(*(position_in(column, bindparam("search", type_=Text)) > 0 for column in columns))
