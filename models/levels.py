"""Daily levels: how many are active in a scope, as a table of the few instants at which that changes.

Counting windows grows with history; a level is one look into an index. It counts people by the windows that are known
now, at every whole quarter of an hour: of any zone's calendar that holds each day's first instant, and each cutoff
that is named by a quarter. So levels need not know the calendar, and stay right when it changes. What changes between
two quarters tells from the later one on; where dates of a day are told, as in rosters, that is one row a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    BindParameter,
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    FromClause,
    Insert,
    Integer,
    Select,
    Subquery,
    Update,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.activity import SCOPE, UncertainWindow, Window
from models.base import Base, Key, Moment
from models.batches import asked
from models.history import Belief
from models.interval import BEGINNING_US, FOREVER

QUARTER_US = 15 * 60 * 1_000_000


class ActivityLevel(Base):
    """From an instant on, until the next row's, so many people of a scope: `least` whom every completion of lost dates
    counts, `most` whom some completion does. Before the first row none.
    """

    __tablename__ = "activity_level"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    scope_id: Mapped[Key] = mapped_column(primary_key=True)
    from_at: Mapped[Moment] = mapped_column(primary_key=True)
    least: Mapped[int] = mapped_column(Integer)
    most: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "scope_id"], SCOPE),
        CheckConstraint("least >= 0 AND least <= most", name="level"),
        {"sqlite_with_rowid": False},
    )


LEVEL = ActivityLevel.__table__
WINDOW = Window.__table__
UNCERTAIN = UncertainWindow.__table__
# No column has this name: SQLAlchemy keeps those for the values of an UPDATE.
ORGANIZATION: BindParameter[int] = bindparam("tenant", type_=BigInteger)
PLACE = ("organization_id", "scope_id", "from_at")
PERSON = ("organization_id", "scope_id", "learner_id")
Bound = Literal["least", "most"]
BOUNDS: tuple[Bound, Bound] = ("least", "most")


def quarter_from(instant_us: int) -> int:
    """The first whole quarter of an hour that is not before an instant."""
    return -(-instant_us // QUARTER_US) * QUARTER_US


def quarter_of(instant: ColumnElement[Any]) -> ColumnElement[int]:
    """The same, in SQL. Counted from the beginning, since both databases divide towards zero."""
    since = type_coerce(instant, BigInteger) - BEGINNING_US
    return (since + (QUARTER_US - 1)) // QUARTER_US * QUARTER_US + BEGINNING_US


def is_quarter(instant: ColumnElement[int]) -> ColumnElement[bool]:
    return instant % QUARTER_US == 0


def level_at(
    bound: Bound, organization: ColumnElement[int], scope: ColumnElement[int], quarter: ColumnElement[int]
) -> Any:
    """The level of a scope at a whole quarter: a scalar, found by one descent into the key."""
    last = (
        select(LEVEL.c[bound])
        .where(LEVEL.c.organization_id == organization, LEVEL.c.scope_id == scope, LEVEL.c.from_at <= quarter)
        .order_by(LEVEL.c.from_at.desc())
        .limit(1)
    )
    return func.coalesce(last.correlate_except(LEVEL).scalar_subquery(), 0)


# ---------------------------------------------------------------------------- moved with the windows


@cache
def open_levels() -> Insert:
    """First: a row where each of the `steps` begins, with the level until then."""
    steps, same, earlier = _steps(), LEVEL.alias("same"), LEVEL.alias("earlier")
    there = exists().where(
        same.c.organization_id == ORGANIZATION, same.c.scope_id == steps.c.scope_id, same.c.from_at == steps.c.from_at
    )
    before = (
        select(earlier)
        .where(
            earlier.c.organization_id == ORGANIZATION,
            earlier.c.scope_id == steps.c.scope_id,
            earlier.c.from_at < steps.c.from_at,
        )
        .order_by(earlier.c.from_at.desc())
        .limit(1)
    )
    until_then = (func.coalesce(before.with_only_columns(earlier.c[bound]).scalar_subquery(), 0) for bound in BOUNDS)
    rows = select(ORGANIZATION, steps.c.scope_id, steps.c.from_at, *until_then).where(~there)
    return insert(LEVEL).from_select([*PLACE, *BOUNDS], rows)


@cache
def raise_levels() -> Update:
    """Then all rows of one of the steps rise by so many, or sink. Run for each: of a join with all of them SQLite reads
    every step for every row.
    """
    first, until = (bindparam(name, type_=BigInteger) for name in ("first", "until"))
    rises = {LEVEL.c[bound]: LEVEL.c[bound] + bindparam(f"{bound}_more", type_=BigInteger) for bound in BOUNDS}
    instant = type_coerce(LEVEL.c.from_at, BigInteger)
    return (
        update(LEVEL)
        .where(
            LEVEL.c.organization_id == ORGANIZATION,
            LEVEL.c.scope_id == bindparam("scope", type_=BigInteger),
            instant >= first,
            instant < until,
        )
        .values(rises)
    )


def _steps() -> Any:
    """Given as the parameter `steps`: from one instant until another a scope's level is so much higher."""
    return asked("steps", "scope_id", "from_at", "until", *BOUNDS)


# ------------------------------------------------------------------------------------------ recounted


def counted_changes(organization: ColumnElement[int] | None = None) -> Subquery:
    """By how much each scope's level changes, and when, counted from the windows themselves."""
    exact = _changes_by_exact(*_only(WINDOW, organization))
    lost = changes_by_lost(UNCERTAIN.c.known_until == FOREVER, *_only(UNCERTAIN, organization))
    both = union_all(exact, lost).subquery("both_kinds")
    place = [both.c[name] for name in PLACE]
    changes = [func.sum(both.c[bound]) for bound in BOUNDS]
    counted = select(*place, *(change.label(bound) for change, bound in zip(changes, BOUNDS, strict=True)))
    return counted.group_by(*place).having(or_(*(change != 0 for change in changes))).subquery("counted")


def _only(table: FromClause, organization: ColumnElement[int] | None) -> list[ColumnElement[bool]]:
    return [] if organization is None else [table.c.organization_id == organization]


def _changes_by_exact(*only: ColumnElement[bool]) -> Select[Any]:
    """Exact windows do not meet, so that they are people."""
    edges = union_all(
        _edges(WINDOW.c.from_at, func.count(), *only),
        _edges(WINDOW.c.to_at, -func.count(), WINDOW.c.to_at < FOREVER, *only),
    ).subquery("edges")
    changes = (edges.c.change.label(bound) for bound in BOUNDS)
    return select(edges.c.organization_id, edges.c.scope_id, quarter_of(edges.c.at).label("from_at"), *changes)


def _edges(edge: ColumnElement[Any], change: ColumnElement[int], *only: ColumnElement[bool]) -> Select[Any]:
    """Grouped by the edge as it stands in the index: of dates there are few, of windows many."""
    scope = (WINDOW.c.organization_id, WINDOW.c.scope_id)
    return select(*scope, edge.label("at"), change.label("change")).where(*only).group_by(*scope, edge)


@cache
def recount_levels() -> Insert:
    """All levels of an organization, of which none is there."""
    counted = counted_changes(ORGANIZATION)
    place = [counted.c[name] for name in PLACE]
    levels = (func.sum(counted.c[bound]).over(partition_by=place[:2], order_by=place[2]) for bound in BOUNDS)
    return insert(LEVEL).from_select([*PLACE, *BOUNDS], select(*place, *levels))


def levels_that_differ(organization: ColumnElement[int] | None = None) -> Select[Any]:
    """Where a level changes by something else than counting its windows gives: nowhere, or something went wrong."""
    counted = counted_changes(organization)
    place = [LEVEL.c[name] for name in PLACE]
    before = (func.lag(LEVEL.c[bound], 1, 0).over(partition_by=place[:2], order_by=place[2]) for bound in BOUNDS)
    sunk = ((one - LEVEL.c[bound]).label(bound) for one, bound in zip(before, BOUNDS, strict=True))
    kept = select(*place, *sunk).where(*_only(LEVEL, organization))
    both = union_all(select(*(counted.c[name] for name in (*PLACE, *BOUNDS))), kept).subquery("both")
    where = [both.c[name] for name in PLACE]
    return select(*where).group_by(*where).having(or_(*(func.sum(both.c[bound]) != 0 for bound in BOUNDS)))


# ------------------------------------------------------------------------------- of whom a date is lost


@cache
def changes_by_lost_of_named() -> Select[Any]:
    """What the learners given as the parameter `learners` have to do with their scopes' levels by lost dates: scope,
    instant, and by how much it changes then. Read before their windows change, and after.
    """
    believed, named = Belief.__table__, asked("learners", "learner_id")
    scopes = select(believed.c.scope_id, believed.c.learner_id).where(
        tuple_(believed.c.organization_id, believed.c.learner_id).in_(select(ORGANIZATION, named.c.learner_id))
    )
    changes = changes_by_lost(
        UNCERTAIN.c.organization_id == ORGANIZATION,
        tuple_(UNCERTAIN.c.scope_id, UNCERTAIN.c.learner_id).in_(scopes),
        UNCERTAIN.c.known_until == FOREVER,
    ).subquery("changes")
    return select(changes.c.scope_id, changes.c.from_at, *(cast(changes.c[bound], BigInteger) for bound in BOUNDS))


def changes_by_lost(*only: ColumnElement[bool]) -> Select[Any]:
    """By how much people change the levels of a scope who have uncertain windows in it, and when. One of them counts
    where such a window does, and no exact one.
    """
    edges = union_all(*_edges_beside_lost(*only)).subquery("edges_beside_lost")
    person, at = [edges.c[name] for name in PERSON], edges.c.from_at
    kinds = ("exact", "least", "most")
    sums = (func.sum(edges.c[kind]).label(kind) for kind in kinds)
    once = select(*person, at, *sums).group_by(*person, at).subquery("once")
    held = _along(once, *((kind, func.sum(once.c[kind])) for kind in kinds)).subquery("held")
    counts = (case((and_(held.c.exact == 0, held.c[bound] > 0), 1), else_=0).label(bound) for bound in BOUNDS)
    standing = select(*(held.c[name] for name in (*PERSON, "from_at")), *counts).subquery("standing")
    before = _along(standing, *((f"{bound}_before", func.lag(standing.c[bound], 1, 0)) for bound in BOUNDS))
    moved = before.add_columns(*(standing.c[bound] for bound in BOUNDS)).subquery("moved")
    place = [moved.c[name] for name in PLACE]
    changes = (func.sum(moved.c[bound] - moved.c[f"{bound}_before"]).label(bound) for bound in BOUNDS)
    return select(*place, *changes).group_by(*place)


def _along(rows: FromClause, *columns: tuple[str, Any]) -> Select[Any]:
    """Each person's instants in order, with what is told along them."""
    person = [rows.c[name] for name in PERSON]
    told = (column.over(partition_by=person, order_by=rows.c.from_at).label(name) for name, column in columns)
    return select(*person, rows.c.from_at, *told)


def _edges_beside_lost(*only: ColumnElement[bool]) -> Iterator[Select[Any]]:
    """Of each such person where exact windows begin and end, uncertain ones surely do, and may."""
    lost = select(UNCERTAIN).where(*only).cte("lost")
    whose = select(*(lost.c[name] for name in PERSON))
    exact = tuple_(*(WINDOW.c[name] for name in PERSON)).in_(whose)
    sure = and_(~lost.c.may_be_empty, lost.c.from_latest < lost.c.to_earliest)
    for window, first, last, counts, where in (
        (WINDOW, "from_at", "to_at", (1, 0, 0), exact),
        (lost, "from_latest", "to_earliest", (0, 1, 0), sure),
        (lost, "from_earliest", "to_latest", (0, 0, 1), true()),
    ):
        starts, ends = window.c[first], window.c[last]
        yield _edge_of_each(window, starts, counts).where(where)
        yield _edge_of_each(window, ends, tuple(-count for count in counts)).where(where, ends < FOREVER)


def _edge_of_each(window: FromClause, edge: ColumnElement[Any], counts: Sequence[int]) -> Select[Any]:
    told = (literal(count, BigInteger).label(kind) for kind, count in zip(("exact", *BOUNDS), counts, strict=True))
    return select(*(window.c[name] for name in PERSON), quarter_of(edge).label("from_at"), *told)
