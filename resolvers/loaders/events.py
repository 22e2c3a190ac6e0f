"""Reading what was done to things, many things at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, false, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked, first_rows_of_each
from models.events import Deed, Event, Thing

EVENT = Event.__table__


class EventsKey(NamedTuple):
    organization_id: int
    thing_id: int


class EventRow(NamedTuple):
    place: int
    id: int
    recorded_at: dt.datetime
    deed: Deed
    actor: str
    said: str | None
    before: str | None
    after: str | None
    minutes: int | None
    # Not shown to the client.
    internal: bool


@dataclass(frozen=True, slots=True)
class EventsPage:
    """Oldest first, or latest first; with what is not shown to the client, or without."""

    thing: Thing
    limit: int
    with_internal: bool
    latest_first: bool = False
    beyond: int | None = None


async def events_of(connection: AsyncConnection, keys: Sequence[EventsKey], page: EventsPage) -> list[EventRow]:
    """A page of what was done to each thing, flat and in order."""
    statement = _events_of(
        connection.dialect.name, page.thing, page.with_internal, page.latest_first, page.beyond is not None
    )
    parameters = {**as_keys(keys), "most": page.limit, "beyond": page.beyond or 0}
    return [EventRow._make(row) for row in await connection.execute(statement, parameters)]


async def event_totals(
    connection: AsyncConnection, keys: Sequence[EventsKey], thing: Thing, with_internal: bool
) -> list[int]:
    """How much was done to each thing."""
    rows = await connection.execute(_event_totals(thing, with_internal), as_keys(keys))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _of(keys: Any, thing: Thing, with_internal: bool) -> ColumnElement[bool]:
    own = and_(
        EVENT.c.organization_id == keys.c.organization_id,
        EVENT.c.thing == thing,
        EVENT.c.thing_id == keys.c.thing_id,
    )
    return own if with_internal else and_(own, EVENT.c.internal == false())


@lru_cache
def _events_of(dialect: str, thing: Thing, with_internal: bool, latest_first: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *EventsKey._fields)
    page = select(*(EVENT.c[name] for name in EventRow._fields[1:])).where(_of(keys, thing, with_internal))
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        page = page.where(EVENT.c.id < beyond if latest_first else EVENT.c.id > beyond)
    page = page.order_by(EVENT.c.id.desc() if latest_first else EVENT.c.id)
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _event_totals(thing: Thing, with_internal: bool) -> Select[Any]:
    keys = asked("keys", "place", *EventsKey._fields)
    total = select(func.count()).select_from(EVENT).where(_of(keys, thing, with_internal)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())
