"""Daily levels: how many are active in a scope, as a table of the few instants at which that changes.

Counting windows grows with history; a level is one look into an index. It counts the exact windows that are known now,
at every whole quarter of an hour: of any zone's calendar that holds each day's first instant, and each cutoff that is
named by a quarter. So levels need not know the calendar, and stay right when it changes. What changes between two
quarters tells from the later one on; where dates of a day are told, as in rosters, that is one row a day.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Insert,
    Integer,
    Select,
    Subquery,
    Update,
    bindparam,
    exists,
    func,
    insert,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.activity import SCOPE, Window
from models.base import Base, Key, Moment
from models.batches import asked
from models.interval import BEGINNING_US, FOREVER

QUARTER_US = 15 * 60 * 1_000_000


class ActivityLevel(Base):
    """From an instant on, until the next row's, so many windows of a scope; before the first row none."""

    __tablename__ = "activity_level"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    scope_id: Mapped[Key] = mapped_column(primary_key=True)
    from_at: Mapped[Moment] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "scope_id"], SCOPE),
        CheckConstraint("level >= 0", name="level"),
        {"sqlite_with_rowid": False},
    )


LEVEL = ActivityLevel.__table__
WINDOW = Window.__table__
# No column has this name: SQLAlchemy keeps those for the values of an UPDATE.
ORGANIZATION: BindParameter[int] = bindparam("tenant", type_=BigInteger)
PLACE = ("organization_id", "scope_id", "from_at")


def quarter_from(instant_us: int) -> int:
    """The first whole quarter of an hour that is not before an instant."""
    return -(-instant_us // QUARTER_US) * QUARTER_US


def quarter_of(instant: ColumnElement[Any]) -> ColumnElement[int]:
    """The same, in SQL. Counted from the beginning, since both databases divide towards zero."""
    since = type_coerce(instant, BigInteger) - BEGINNING_US
    return (since + (QUARTER_US - 1)) // QUARTER_US * QUARTER_US + BEGINNING_US


def is_quarter(instant: ColumnElement[int]) -> ColumnElement[bool]:
    return instant % QUARTER_US == 0


def level_at(organization: ColumnElement[int], scope: ColumnElement[int], quarter: ColumnElement[int]) -> Any:
    """The level of a scope at a whole quarter: a scalar, found by one descent into the key."""
    last = (
        select(LEVEL.c.level)
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
        select(earlier.c.level)
        .where(
            earlier.c.organization_id == ORGANIZATION,
            earlier.c.scope_id == steps.c.scope_id,
            earlier.c.from_at < steps.c.from_at,
        )
        .order_by(earlier.c.from_at.desc())
        .limit(1)
    )
    until_then = func.coalesce(before.scalar_subquery(), 0)
    rows = select(ORGANIZATION, steps.c.scope_id, steps.c.from_at, until_then).where(~there)
    return insert(LEVEL).from_select([*PLACE, "level"], rows)


@cache
def raise_levels() -> Update:
    """Then all rows of one of the steps rise by so many, or sink. Run for each: of a join with all of them SQLite reads
    every step for every row.
    """
    first, until, rise = (bindparam(name, type_=BigInteger) for name in ("first", "until", "rise"))
    instant = type_coerce(LEVEL.c.from_at, BigInteger)
    return (
        update(LEVEL)
        .where(
            LEVEL.c.organization_id == ORGANIZATION,
            LEVEL.c.scope_id == bindparam("scope", type_=BigInteger),
            instant >= first,
            instant < until,
        )
        .values(level=LEVEL.c.level + rise)
    )


def _steps() -> Any:
    """Given as the parameter `steps`: from one instant until another a scope's level is so much higher."""
    return asked("steps", "scope_id", "from_at", "until", "rise")


# ------------------------------------------------------------------------------------------ recounted


def counted_changes(*of_windows: ColumnElement[bool]) -> Subquery:
    """By how much each scope's level changes, and when, counted from the windows themselves."""
    edges = union_all(
        _edges(WINDOW.c.from_at, func.count(), *of_windows),
        _edges(WINDOW.c.to_at, -func.count(), WINDOW.c.to_at < FOREVER, *of_windows),
    ).subquery("edges")
    place = (edges.c.organization_id, edges.c.scope_id, quarter_of(edges.c.at).label("from_at"))
    change = func.sum(edges.c.change)
    return select(*place, change.label("change")).group_by(*place).having(change != 0).subquery("counted")


def _edges(edge: ColumnElement[Any], change: ColumnElement[int], *only: ColumnElement[bool]) -> Select[Any]:
    """Grouped by the edge as it stands in the index: of dates there are few, of windows many."""
    scope = (WINDOW.c.organization_id, WINDOW.c.scope_id)
    return select(*scope, edge.label("at"), change.label("change")).where(*only).group_by(*scope, edge)


@cache
def recount_levels() -> Insert:
    """All levels of an organization, of which none is there."""
    counted = counted_changes(WINDOW.c.organization_id == ORGANIZATION)
    place = [counted.c[name] for name in PLACE]
    level = func.sum(counted.c.change).over(partition_by=place[:2], order_by=place[2])
    return insert(LEVEL).from_select([*PLACE, "level"], select(*place, level))


def levels_that_differ(organization: ColumnElement[int] | None = None) -> Select[Any]:
    """Where a level changes by something else than counting its windows gives: nowhere, or something went wrong."""
    of_windows, of_levels = (
        () if organization is None else (table.c.organization_id == organization,) for table in (WINDOW, LEVEL)
    )
    counted = counted_changes(*of_windows)
    place = [LEVEL.c[name] for name in PLACE]
    before = func.lag(LEVEL.c.level, 1, 0).over(partition_by=place[:2], order_by=place[2])
    kept = select(*place, (before - LEVEL.c.level).label("change")).where(*of_levels)
    both = union_all(select(*(counted.c[name] for name in (*PLACE, "change"))), kept).subquery("both")
    where = [both.c[name] for name in PLACE]
    return select(*where).group_by(*where).having(func.sum(both.c.change) != 0)
