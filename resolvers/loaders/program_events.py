"""Reading what was done to a voucher and to the order that it came with, and to any other thing of a program: of many
at a time.
"""

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


class ThingKey(NamedTuple):
    program_id: int
    thing_id: int


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


async def events_of_things(
    connection: AsyncConnection, keys: Sequence[ThingKey], thing: ProgramThing, page: StoryPage
) -> list[ProgramEventRow]:
    """A page of what was done to each thing, all of one kind, flat and in order."""
    statement = _events_of_things(connection.dialect.name, thing, page.latest_first, page.beyond is not None)
    moment, beyond = page.beyond or (BEGINNING, 0)
    parameters = as_keys(keys) | {"most": page.limit, "moment": moment, "beyond": beyond}
    return [ProgramEventRow._make(row) for row in await connection.execute(statement, parameters)]


async def event_totals_of_things(
    connection: AsyncConnection, keys: Sequence[ThingKey], thing: ProgramThing
) -> list[int]:
    found = {row[0]: row[1] for row in await connection.execute(_event_totals(thing), as_keys(keys))}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _stories_of(dialect: str, latest_first: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *StoryKey._fields)
    return _page_of_each(dialect, keys, _told_of(keys), latest_first, resumed)


@lru_cache
def _events_of_things(dialect: str, thing: ProgramThing, latest_first: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *ThingKey._fields)
    return _page_of_each(dialect, keys, _done_to(thing, keys), latest_first, resumed)


def _page_of_each(
    dialect: str, keys: CTE, wanted: ColumnElement[bool], latest_first: bool, resumed: bool
) -> Select[Any]:
    by = (EVENT.c.recorded_at, EVENT.c.id)
    page = select(*(EVENT.c[name] for name in ProgramEventRow._fields[1:])).where(wanted)
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


@lru_cache
def _event_totals(thing: ProgramThing) -> Select[Any]:
    keys = asked("keys", "place", *ThingKey._fields)
    total = select(func.count()).select_from(EVENT).where(_done_to(thing, keys)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _done_to(thing: ProgramThing, keys: CTE) -> ColumnElement[bool]:
    return and_(EVENT.c.program_id == keys.c.program_id, EVENT.c.thing == thing, EVENT.c.thing_id == keys.c.thing_id)


def _told_of(keys: CTE) -> ColumnElement[bool]:
    voucher = and_(EVENT.c.thing == ProgramThing.VOUCHER, EVENT.c.thing_id == keys.c.voucher_id)
    order = and_(EVENT.c.thing == ProgramThing.VOUCHER_ORDER, EVENT.c.thing_id == keys.c.voucher_order_id)
    return and_(EVENT.c.program_id == keys.c.program_id, or_(voucher, order), EVENT.c.recorded_at >= keys.c.since)
