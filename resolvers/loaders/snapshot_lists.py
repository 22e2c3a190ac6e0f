"""Lists of snapshots: of an organization, newest first; and of all clients on a date, who is over first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Select,
    Text,
    and_,
    bindparam,
    case,
    distinct,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.batches import as_parameter, asked, first_rows_of_each, position_in
from models.billing import SnapshotKind
from models.money import Money
from models.organizations import Organization
from resolvers.loaders.snapshots import COLUMNS, IS_BILLED, SNAPSHOT, SnapshotRow

ORGANIZATION = Organization.__table__
IS_OVER = SNAPSHOT.c.overage_most > 0

# ------------------------------------------------------------------------------------------ of an organization


class SnapshotsKey(NamedTuple):
    """The snapshots of an organization; of all products if `product_id` is 0."""

    organization_id: int
    product_id: int


@dataclass(frozen=True, slots=True)
class Which:
    """Which snapshots belong to a list."""

    kind: SnapshotKind | None = None
    # Local days, both included.
    since: dt.date | None = None
    through: dt.date | None = None
    over_only: bool = False


@dataclass(frozen=True, slots=True)
class SnapshotsPage:
    """Newest first, unless `ascending`."""

    limit: int
    ascending: bool = False
    # The date and key of the snapshot beyond which the page begins.
    beyond: tuple[dt.date, int] | None = None


async def snapshots_of(
    connection: AsyncConnection, keys: Sequence[SnapshotsKey], which: Which, page: SnapshotsPage
) -> list[SnapshotRow]:
    """A page of the snapshots of each organization, flat and in order."""
    shape = (which.kind, which.over_only)
    statement = _page(connection.dialect.name, *shape, page.ascending, page.beyond is not None)
    date, snapshot_id = page.beyond or (dt.date.max, 0)
    parameters = _parameters(keys, which) | {"most": page.limit, "date": date, "snapshot_id": snapshot_id}
    return [SnapshotRow._make(row) for row in await connection.execute(statement, parameters)]


async def snapshot_totals(connection: AsyncConnection, keys: Sequence[SnapshotsKey], which: Which) -> list[int]:
    """How many snapshots each list holds, in the order of the keys."""
    rows = await connection.execute(_total(which.kind, which.over_only), _parameters(keys, which))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _parameters(keys: Sequence[SnapshotsKey], which: Which) -> dict[str, object]:
    return {
        "keys": as_parameter((n, *key) for n, key in enumerate(keys)),
        "since": which.since or dt.date.min,
        "through": which.through or dt.date.max,
    }


@lru_cache
def _page(dialect: str, kind: SnapshotKind | None, over_only: bool, ascending: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *SnapshotsKey._fields)
    by = (SNAPSHOT.c.date, SNAPSHOT.c.id)
    page = select(*COLUMNS).where(_belongs(keys, kind, over_only))
    if resumed:
        beyond = tuple_(bindparam("date", type_=Date), bindparam("snapshot_id", type_=BigInteger))
        page = page.where(tuple_(*by) > beyond if ascending else tuple_(*by) < beyond)
    page = page.order_by(*(column.asc() if ascending else column.desc() for column in by))
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _total(kind: SnapshotKind | None, over_only: bool) -> Select[Any]:
    keys = asked("keys", "place", *SnapshotsKey._fields)
    total = select(func.count()).select_from(SNAPSHOT).where(_belongs(keys, kind, over_only)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _belongs(keys: CTE, kind: SnapshotKind | None, over_only: bool) -> ColumnElement[bool]:
    return and_(
        SNAPSHOT.c.organization_id == keys.c.organization_id,
        (keys.c.product_id == 0) | (SNAPSHOT.c.product_id == keys.c.product_id),
        SNAPSHOT.c.date >= bindparam("since", type_=Date),
        SNAPSHOT.c.date <= bindparam("through", type_=Date),
        true() if kind is None else IS_BILLED if kind is SnapshotKind.BILLING else ~IS_BILLED,
        IS_OVER if over_only else true(),
    )


# --------------------------------------------------------------------------------------- of all clients on a date


@dataclass(frozen=True, slots=True)
class Month:
    """What is billed for a date: of all organizations, or of the only one that may be seen."""

    date: dt.date
    only: int | None = None
    # Seats alone, or libraries alone; both if None.
    seats: bool | None = None
    over_only: bool = False
    search: str | None = None


# Provable and possible overage, the organization's name and key, and the snapshot's: where a row stands.
MonthPosition = tuple[int, int, str, int, int]


@dataclass(frozen=True, slots=True)
class MonthPage:
    """Who is over most comes first, unless `ascending`; without a term after everybody who has one."""

    limit: int
    ascending: bool = False
    beyond: MonthPosition | None = None


class MonthTotal(NamedTuple):
    """The sums of a month: people and overages that are provable."""

    snapshots: int
    organizations: int
    people: int
    # How many snapshots are over, provably.
    over: int
    overage: int


LEAST, MOST = (func.coalesce(SNAPSHOT.c[name], -1) for name in ("overage_least", "overage_most"))
# Descending by overage and ascending by name is one ascending order of these.
ORDER = (-LEAST, -MOST, ORGANIZATION.c.name_key, ORGANIZATION.c.id, SNAPSHOT.c.id)


async def month_of(
    connection: AsyncConnection, month: Month, page: MonthPage
) -> list[tuple[SnapshotRow, MonthPosition]]:
    """A page, each row with where it stands."""
    rows = _in_month(select(*ORDER, bindparam("place", 0, BigInteger), *COLUMNS), month)
    if page.beyond:
        beyond = tuple_(*page.beyond)
        rows = rows.where(tuple_(*ORDER) < beyond if page.ascending else tuple_(*ORDER) > beyond)
    rows = rows.order_by(*(column.desc() if page.ascending else column.asc() for column in ORDER)).limit(page.limit)
    found = (await connection.execute(rows)).all()
    return [(SnapshotRow._make(row[5:]), (row[0], row[1], row[2], row[3], row[4])) for row in found]


async def month_total(connection: AsyncConnection, month: Month) -> MonthTotal:
    columns = (
        func.count(),
        func.count(distinct(SNAPSHOT.c.organization_id)),
        func.coalesce(func.sum(SNAPSHOT.c.count_least), 0),
        func.coalesce(func.sum(case((SNAPSHOT.c.overage_least > 0, 1), else_=0)), 0),
        func.coalesce(func.sum(SNAPSHOT.c.overage_least), 0),
    )
    row = (await connection.execute(_in_month(select(*columns), month))).one()
    return MonthTotal(*map(int, row))


async def month_amounts(connection: AsyncConnection, month: Month) -> list[Money]:
    """What the provable overages cost, of each currency."""
    cost = func.sum(SNAPSHOT.c.overage_least * SNAPSHOT.c.unit_price_minor)
    rows = _in_month(select(SNAPSHOT.c.currency, cost), month).where(SNAPSHOT.c.currency.is_not(None))
    found = await connection.execute(rows.group_by(SNAPSHOT.c.currency).order_by(SNAPSHOT.c.currency))
    return [Money(int(amount), currency) for currency, amount in found]


def _in_month(rows: Select[Any], month: Month) -> Select[Any]:
    rows = rows.select_from(SNAPSHOT).join(ORGANIZATION, ORGANIZATION.c.id == SNAPSHOT.c.organization_id)
    rows = rows.where(SNAPSHOT.c.date == month.date, IS_BILLED)
    if month.only is not None:
        rows = rows.where(SNAPSHOT.c.organization_id == month.only)
    if month.seats is not None:
        is_seats = SNAPSHOT.c.product_id == SNAPSHOT.c.organization_id
        rows = rows.where(is_seats if month.seats else ~is_seats)
    if month.over_only:
        rows = rows.where(IS_OVER)
    if month.search:
        term = bindparam("search", month.search.strip().casefold(), Text)
        rows = rows.where(position_in(ORGANIZATION.c.name_key, term) > 0)
    return rows
