"""Reading lists of disputes: of an organization, and across organizations for whoever works on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.batches import as_parameter, asked, first_rows_of_each
from models.cases import UNDECIDED
from models.disputes import DisputeOrigin, DisputeState
from resolvers.loaders.disputes import COLUMNS, DISPUTE, DisputeRow

LAST_DAY = dt.date.max
"""The deadline, in an order, of a case that has none or needs none any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which cases a list holds; None for all."""

    states: tuple[DisputeState, ...] | None = None
    origins: tuple[DisputeOrigin, ...] | None = None
    assignee: str | None = None
    overdue: bool | None = None


class OnDay(NamedTuple):
    """An organization, and what day it is there: what is overdue depends on it."""

    organization_id: int
    # Such as 2017-09-01.
    today: str


def on_days() -> CTE:
    return asked("keys", "place", *OnDay._fields, dates=["today"])


@dataclass(frozen=True, slots=True)
class DisputesPage:
    limit: int
    backward: bool = False
    beyond: int | None = None


async def disputes_of(
    connection: AsyncConnection, keys: Sequence[OnDay], chosen: Chosen, page: DisputesPage
) -> list[DisputeRow]:
    """A page of the cases of each organization, the newest first."""
    statement = _disputes_of(connection.dialect.name, chosen, page.backward, page.beyond is not None)
    parameters = {"keys": _placed(keys), "most": page.limit, "beyond": page.beyond or 0}
    return [DisputeRow._make(row) for row in await connection.execute(statement, parameters)]


def _placed(keys: Sequence[OnDay]) -> str:
    return as_parameter((n, *key) for n, key in enumerate(keys))


@lru_cache
def _disputes_of(dialect: str, chosen: Chosen, backward: bool, resumed: bool) -> Select[Any]:
    keys = on_days()
    own, beyond = DISPUTE.c.organization_id == keys.c.organization_id, bindparam("beyond", type_=BigInteger)
    page = select(*COLUMNS).where(own, _is_chosen(chosen, keys))
    if resumed:
        page = page.where(DISPUTE.c.id > beyond if backward else DISPUTE.c.id < beyond)
    page = page.order_by(DISPUTE.c.id.asc() if backward else DISPUTE.c.id.desc())
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


async def dispute_totals(connection: AsyncConnection, keys: Sequence[OnDay], chosen: Chosen) -> list[int]:
    """How many cases each organization has of those."""
    rows = await connection.execute(_dispute_totals(chosen), {"keys": _placed(keys)})
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _dispute_totals(chosen: Chosen) -> Select[Any]:
    keys = on_days()
    own = DISPUTE.c.organization_id == keys.c.organization_id
    total = select(func.count()).select_from(DISPUTE).where(own, _is_chosen(chosen, keys)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _is_chosen(chosen: Chosen, today: CTE | None) -> ColumnElement[bool]:
    asked_for: list[ColumnElement[bool]] = [true()]
    if chosen.states is not None:
        asked_for.append(DISPUTE.c.state.in_(chosen.states))
    if chosen.origins is not None:
        asked_for.append(DISPUTE.c.origin.in_(chosen.origins))
    if chosen.assignee is not None:
        asked_for.append(DISPUTE.c.assignee == chosen.assignee)
    if chosen.overdue is not None and today is not None:
        asked_for.append(_overdue(today) if chosen.overdue else not_(_overdue(today)))
    return and_(*asked_for)


def _overdue(keys: CTE) -> ColumnElement[bool]:
    """`models.cases.is_overdue` of a row, on its organization's day."""
    return and_(DISPUTE.c.state.in_(UNDECIDED), DISPUTE.c.respond_by.is_not(None), DISPUTE.c.respond_by < keys.c.today)


# ------------------------------------------------------------------------------------- across organizations


@dataclass(frozen=True, slots=True)
class WorkPage:
    """Those with the nearest deadline first; `beyond` is where a row stands: deadline, organization and id."""

    limit: int
    backward: bool = False
    beyond: tuple[dt.date, int, int] | None = None


def deadline_of(row: DisputeRow) -> dt.date:
    """By what a case stands in the staff's list: one that is decided waits for nobody."""
    return row.respond_by if row.respond_by and row.is_undecided else LAST_DAY


DEADLINE = case(
    (DISPUTE.c.state.in_(UNDECIDED), func.coalesce(DISPUTE.c.respond_by, literal(LAST_DAY))), else_=literal(LAST_DAY)
)
WORK_ORDER = (DEADLINE, DISPUTE.c.organization_id, DISPUTE.c.id)


async def disputes_page(
    connection: AsyncConnection, today: Sequence[OnDay], chosen: Chosen, page: WorkPage
) -> list[DisputeRow]:
    """A page of the cases of the organizations that `today` names."""
    keys, statement = _across(chosen)
    position = tuple_(*WORK_ORDER)
    statement = statement.with_only_columns(keys.c.place, *COLUMNS)
    if page.beyond:
        at = tuple_(*(literal(part) for part in page.beyond))
        statement = statement.where(position < at if page.backward else position > at)
    in_order = [by.desc() if page.backward else by.asc() for by in WORK_ORDER]
    rows = await connection.execute(statement.order_by(*in_order).limit(page.limit), {"keys": _placed(today)})
    return [DisputeRow._make(row) for row in rows]


async def disputes_total(connection: AsyncConnection, today: Sequence[OnDay], chosen: Chosen) -> int:
    _, statement = _across(chosen)
    return await connection.scalar(statement.with_only_columns(func.count()), {"keys": _placed(today)}) or 0


def _across(chosen: Chosen) -> tuple[CTE, Select[Any]]:
    keys = on_days()
    own = DISPUTE.c.organization_id == keys.c.organization_id
    return keys, select(keys.c.place).select_from(keys).join(DISPUTE, own).where(_is_chosen(chosen, keys))


async def organizations_with_disputes(connection: AsyncConnection) -> list[int]:
    """All that have or had a case."""
    return list(await connection.scalars(select(DISPUTE.c.organization_id).distinct()))
