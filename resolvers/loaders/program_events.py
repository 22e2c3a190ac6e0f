"""Reading what was done to a voucher and to the order that it came with, many vouchers at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.base import Instant
from models.batches import as_keys, asked, first_rows_of_each
from models.interval import BEGINNING
from models.program_events import ProgramDeed, ProgramEvent, ProgramThing

EVENT = ProgramEvent.__table__


class StoryKey(NamedTuple):
    """A voucher and its order; 0 where its order is no part of the story."""

    program_id: int
    voucher_id: int
    voucher_order_id: int
    # Microseconds: nothing from before then.
    since: int


class ProgramEventRow(NamedTuple):
    place: int
    id: int
    recorded_at: dt.datetime
    thing: ProgramThing
    deed: ProgramDeed
    actor: str
    said: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class StoryPage:
    """Oldest first, or latest first."""

    limit: int
    latest_first: bool = False
    beyond: tuple[dt.datetime, int] | None = None


async def stories_of(connection: AsyncConnection, keys: Sequence[StoryKey], page: StoryPage) -> list[ProgramEventRow]:
    """A page of what was done to each voucher, flat and in order."""
    statement = _stories_of(connection.dialect.name, page.latest_first, page.beyond is not None)
    moment, beyond = page.beyond or (BEGINNING, 0)
    parameters = as_keys(keys) | {"most": page.limit, "moment": moment, "beyond": beyond}
    return [ProgramEventRow._make(row) for row in await connection.execute(statement, parameters)]


async def story_totals(connection: AsyncConnection, keys: Sequence[StoryKey]) -> list[int]:
    found = {row[0]: row[1] for row in await connection.execute(_story_totals(), as_keys(keys))}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _stories_of(dialect: str, latest_first: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *StoryKey._fields)
    by = (EVENT.c.recorded_at, EVENT.c.id)
    page = select(*(EVENT.c[name] for name in ProgramEventRow._fields[1:])).where(_told_of(keys))
    if resumed:
        beyond = tuple_(bindparam("moment", type_=Instant), bindparam("beyond", type_=BigInteger))
        page = page.where(tuple_(*by) < beyond if latest_first else tuple_(*by) > beyond)
    page = page.order_by(*(column.desc() if latest_first else column.asc() for column in by))
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _story_totals() -> Select[Any]:
    keys = asked("keys", "place", *StoryKey._fields)
    total = select(func.count()).select_from(EVENT).where(_told_of(keys)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _told_of(keys: CTE) -> ColumnElement[bool]:
    voucher = and_(EVENT.c.thing == ProgramThing.VOUCHER, EVENT.c.thing_id == keys.c.voucher_id)
    order = and_(EVENT.c.thing == ProgramThing.VOUCHER_ORDER, EVENT.c.thing_id == keys.c.voucher_order_id)
    return and_(EVENT.c.program_id == keys.c.program_id, or_(voucher, order), EVENT.c.recorded_at >= keys.c.since)
