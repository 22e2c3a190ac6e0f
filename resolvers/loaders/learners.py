"""Reading learners: pages of them for many lists at once, how many a list holds, and single ones by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
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
from models.batches import as_parameter, asked, first_rows_of_each, position_in
from models.history import Belief
from models.interval import from_microseconds
from models.keys import Keys
from models.learners import Learner, Profile
from resolvers.loaders.certifications import Certified, is_certified
from resolvers.loaders.windows import (
    WindowsKey,
    answers_exactly,
    answers_in_both,
    answers_uncertainly,
    answers_who,
)

PROFILE = Profile.__table__
BELIEF = Belief.__table__
LEARNER = Learner.__table__
# An organization of which nothing was recorded is known until BEGINNING, long before any key.
SMALLEST_KEY = -(1 << 63)


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


def windows_key(key: LearnersKey, learner_id: int) -> WindowsKey:
    """The windows of a learner of a list, where and as the list asks."""
    return WindowsKey(key.organization_id, key.scope_id, learner_id, key.a, key.b, key.known_at)


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
    """Which part of a list, in which order."""

    limit: int
    order: LearnerOrder = LearnerOrder.NAME
    descending: bool = False
    # The order column and key of the row beyond which the page begins.
    beyond: tuple[str, int] | None = None


class LearnerRow(NamedTuple):
    """A learner in a list. `certain` tells whether lost dates could make the answer a no."""

    place: int
    organization_id: int
    learner_id: int
    external_id: str
    name: str
    email: str
    department: str
    position: str
    certain: bool
    # The account of the person, if the learner was claimed; only read by id.
    person_id: int | None = None


async def learners_of(
    connection: AsyncConnection, keys: Sequence[LearnersKey], who: Who, page: LearnersPage
) -> list[LearnerRow]:
    """A page of each list, flat and in order; `place` says of which key."""
    statement = _page(connection.dialect.name, who.shape, page.order, page.descending, page.beyond is not None)
    position, learner_id = page.beyond or ("", 0)
    parameters = _parameters(keys, who) | {"most": page.limit, "position": position, "learner_id": learner_id}
    return [LearnerRow(*row) for row in await connection.execute(statement, parameters)]


async def learner_totals(connection: AsyncConnection, keys: Sequence[LearnersKey], who: Who) -> list[int]:
    """How many learners each list holds, in the order of the keys."""
    rows = await connection.execute(_total(who.shape), _parameters(keys, who))
    found = {row.place: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _parameters(keys: Sequence[LearnersKey], who: Who) -> dict[str, object]:
    return {
        "keys": as_parameter((place, *key, _made_before(key.known_at)) for place, key in enumerate(keys)),
        "search": who.search and who.search.casefold(),
        "departments": as_parameter((department.casefold(),) for department in who.departments),
        **(who.certified.parameters() if who.certified else {}),
    }


def _made_before(known_at: int) -> int:
    """Keys tell when they were made: those below this one were made by the recorded time."""
    return max(Keys(from_microseconds(known_at + 1)).take(), SMALLEST_KEY)


@lru_cache
def _page(dialect: str, shape: Shape, order: LearnerOrder, descending: bool, resumed: bool) -> Select[Any]:
    keys = _asked()
    certain = _certain(shape.predicate, keys, shape.in_two_scopes)
    position = order.column
    page = select(
        *(PROFILE.c[name] for name in LearnerRow._fields[1:7]), position.label("position"), certain.label("certain")
    ).where(_belongs(keys, shape))
    if resumed:
        row = tuple_(position, PROFILE.c.learner_id)
        beyond = tuple_(bindparam("position", type_=Text), bindparam("learner_id", type_=BigInteger))
        page = page.where(row < beyond if descending else row > beyond)
    by = (position, PROFILE.c.learner_id)
    page = page.order_by(*(column.desc() if descending else column.asc() for column in by))
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _total(shape: Shape) -> Select[Any]:
    keys = _asked()
    total = select(func.count()).select_from(PROFILE).where(_belongs(keys, shape)).correlate(keys).scalar_subquery()
    return select(keys.c.place, total)


def _asked() -> CTE:
    return asked("keys", "place", *LearnersKey._fields, "made_before")


def _belongs(keys: CTE, shape: Shape) -> ColumnElement[bool]:
    """Whether a profile belongs to the list of a key."""
    predicate, learner = shape.predicate, PROFILE.c.learner_id
    in_one = _implied_in_one(predicate) if shape.in_two_scopes else predicate
    return and_(
        PROFILE.c.organization_id == keys.c.organization_id,
        learner < keys.c.made_before,
        _in_scope(keys, in_one, shape.whole_organization),
        answers_in_both(predicate, keys, learner, surely=False) if shape.in_two_scopes else true(),
        found_by_search() if shape.searched else true(),
        PROFILE.c.department_key.in_(select(asked("departments", "name", texts=["name"]).c.name))
        if shape.by_department
        else true(),
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


def _in_scope(keys: CTE, predicate: Predicate | None, whole_organization: bool) -> ColumnElement[bool]:
    learner = PROFILE.c.learner_id
    if predicate is None:
        return true() if whole_organization else learner.in_(_ever_held(keys))
    if not whole_organization:
        return learner.in_(answers_who(predicate, keys))
    return or_(
        answers_exactly(predicate, keys, learner),
        exists(answers_uncertainly(predicate, keys, learner, surely=False)),
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


def _certain(predicate: Predicate | None, keys: CTE, in_two_scopes: bool) -> ColumnElement[bool]:
    learner = PROFILE.c.learner_id
    if predicate is None:
        return true()
    if in_two_scopes:
        return answers_in_both(predicate, keys, learner, surely=True)
    return or_(
        answers_exactly(predicate, keys, learner),
        exists(answers_uncertainly(predicate, keys, learner, surely=True)),
    )


def found_by_search() -> ColumnElement[bool]:
    """The term anywhere in what a person would search by. Keys and term are casefolded; % and _ mean themselves."""
    columns = (PROFILE.c.name_key, PROFILE.c.email_key, func.lower(PROFILE.c.external_id), PROFILE.c.department_key)
    return or_(*(position_in(column, bindparam("search", type_=Text)) > 0 for column in columns))


# ----------------------------------------------------------------------------------------------- by id


class LearnerKey(NamedTuple):
    organization_id: int
    learner_id: int


async def learners_by_id(connection: AsyncConnection, keys: Sequence[LearnerKey]) -> list[LearnerRow]:
    """Those of the learners that exist; `place` says of which key."""
    named = asked("keys", "place", *LearnerKey._fields)
    rows = await connection.execute(
        select(
            named.c.place,
            *(PROFILE.c[name] for name in LearnerRow._fields[1:7]),
            PROFILE.c.name_key.label("position"),
            true().label("certain"),
            LEARNER.c.person_id,
        )
        .select_from(named)
        .join(
            PROFILE,
            and_(PROFILE.c.organization_id == named.c.organization_id, PROFILE.c.learner_id == named.c.learner_id),
        )
        .join(
            LEARNER,
            and_(LEARNER.c.organization_id == named.c.organization_id, LEARNER.c.id == named.c.learner_id),
        ),
        {"keys": as_parameter((place, *key) for place, key in enumerate(keys))},
    )
    return [LearnerRow._make(row) for row in rows]


async def learners_of_person(connection: AsyncConnection, person_id: int) -> list[LearnerKey]:
    """The learners that a person is, one an organization."""
    mine = select(LEARNER.c.organization_id, LEARNER.c.id).where(LEARNER.c.person_id == person_id)
    return [LearnerKey._make(row) for row in await connection.execute(mine.order_by(*mine.selected_columns))]
