"""Reading contract terms: what was held to be agreed, as known at a recorded time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.base import Instant
from models.batches import as_parameter, asked, first_rows_of_each
from models.contracts import ContractTerm, Measure, Term
from models.events import Event, Thing

TERM = ContractTerm.__table__
EVENT = Event.__table__


async def held_terms(
    connection: AsyncConnection | AsyncSession, organization_ids: Sequence[int], known_at: dt.datetime
) -> dict[int, list[Term]]:
    """The terms of each organization that were held to be so at that time, by product and first day."""
    parameters = {"keys": as_parameter((i,) for i in organization_ids), "known_at": known_at}
    found: dict[int, list[Term]] = {organization_id: [] for organization_id in organization_ids}
    for row in await connection.execute(_held_terms(), parameters):
        own = {name: getattr(row, name) for name in Term.__dataclass_fields__}
        found[row.organization_id].append(Term(**own))
    return found


@cache
def _held_terms() -> Select[Any]:
    keys, known_at = asked("keys", "organization_id"), bindparam("known_at", type_=Instant)
    later = TERM.alias("later")
    superseded = exists().where(
        later.c.organization_id == TERM.c.organization_id,
        later.c.id == TERM.c.id,
        later.c.recorded_at > TERM.c.recorded_at,
        later.c.recorded_at <= known_at,
    )
    return (
        select(TERM)
        .where(TERM.c.organization_id.in_(select(keys.c.organization_id)))
        .where(TERM.c.recorded_at <= known_at, TERM.c.holds, ~superseded)
        .order_by(TERM.c.product_id, TERM.c.since)
    )


# -------------------------------------------------------------------------------------------- one by one, and lists


class TermKey(NamedTuple):
    """A term, as known at a recorded time."""

    organization_id: int
    term_id: int
    known_at: int


class TermRow(NamedTuple):
    """What a recorded time held to be agreed; `holds` is False if it had turned out never to be."""

    place: int
    organization_id: int
    id: int
    recorded_at: int
    product_id: int
    since: dt.date
    until: dt.date
    licensed: int
    unit_price_minor: int
    currency: str
    measure: Measure
    holds: bool


async def terms_by_id(connection: AsyncConnection | AsyncSession, keys: Sequence[TermKey]) -> list[TermRow]:
    """Those of the terms that were known, withdrawn ones too; `place` says of which key."""
    rows = await connection.execute(_terms_by_id(), {"keys": as_parameter((n, *key) for n, key in enumerate(keys))})
    return [TermRow._make(row) for row in rows]


@cache
def _terms_by_id() -> Select[Any]:
    keys = asked("keys", "place", *TermKey._fields)
    same = and_(TERM.c.organization_id == keys.c.organization_id, TERM.c.id == keys.c.term_id, _last_known(keys))
    return select(keys.c.place, *_columns()).select_from(keys).join(TERM, same)


class TermsKey(NamedTuple):
    """The terms of an organization that were held to be so at a recorded time; of all products if it is 0."""

    organization_id: int
    product_id: int
    known_at: int


@dataclass(frozen=True, slots=True)
class TermsPage:
    """The latest first."""

    limit: int
    # Only what is in force on this local day.
    on: dt.date | None = None
    ascending: bool = False
    # The first day and the id of the term after which the page begins.
    beyond: tuple[dt.date, int] | None = None


async def terms_of(connection: AsyncConnection, keys: Sequence[TermsKey], page: TermsPage) -> list[TermRow]:
    """A page of the terms of each key, flat and in order."""
    since, term_id = page.beyond or (dt.date.min, 0)
    statement = _terms_of(connection.dialect.name, page.on is not None, page.ascending, page.beyond is not None)
    parameters = _parameters(keys, page.on) | {"most": page.limit, "since": since, "term_id": term_id}
    return [TermRow._make(row) for row in await connection.execute(statement, parameters)]


async def term_totals(connection: AsyncConnection, keys: Sequence[TermsKey], on: dt.date | None) -> list[int]:
    """How many terms each key has."""
    rows = await connection.execute(_term_totals(on is not None), _parameters(keys, on))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _parameters(keys: Sequence[TermsKey], on: dt.date | None) -> dict[str, object]:
    return {"keys": as_parameter((n, *key) for n, key in enumerate(keys)), "on_day": on or dt.date.min}


@lru_cache
def _terms_of(dialect: str, on_a_day: bool, ascending: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *TermsKey._fields)
    by = (TERM.c.since, TERM.c.id)
    page = select(*_columns()).where(_listed(keys, on_a_day))
    if resumed:
        beyond = tuple_(bindparam("since", type_=Date), bindparam("term_id", type_=BigInteger))
        page = page.where(tuple_(*by) > beyond if ascending else tuple_(*by) < beyond)
    page = page.order_by(*(column.asc() if ascending else column.desc() for column in by))
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _term_totals(on_a_day: bool) -> Select[Any]:
    keys = asked("keys", "place", *TermsKey._fields)
    total = select(func.count()).select_from(TERM).where(_listed(keys, on_a_day)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _listed(keys: Any, on_a_day: bool) -> ColumnElement[bool]:
    listed = [
        TERM.c.organization_id == keys.c.organization_id,
        or_(keys.c.product_id == 0, TERM.c.product_id == keys.c.product_id),
        _last_known(keys),
        TERM.c.holds,
    ]
    if on_a_day:
        day = bindparam("on_day", type_=Date)
        listed += [TERM.c.since <= day, TERM.c.until > day]
    return and_(*listed)


def _last_known(keys: Any) -> ColumnElement[bool]:
    """Whether the row is the last one of its term that was recorded by the time of the key."""
    later = TERM.alias("later")
    superseding = select(later.c.id).where(
        later.c.organization_id == TERM.c.organization_id,
        later.c.id == TERM.c.id,
        later.c.recorded_at > TERM.c.recorded_at,
        type_coerce(later.c.recorded_at, BigInteger) <= keys.c.known_at,
    )
    known = type_coerce(TERM.c.recorded_at, BigInteger) <= keys.c.known_at
    return and_(known, ~exists(superseding.correlate_except(later)))


def _columns() -> list[ColumnElement[Any]]:
    raw = {"recorded_at": type_coerce(TERM.c.recorded_at, BigInteger).label("recorded_at")}
    return [raw.get(name, TERM.c[name]) for name in TermRow._fields[1:]]


class RecordedKey(NamedTuple):
    """A row of a term."""

    organization_id: int
    term_id: int
    recorded_at: int


class RecorderRow(NamedTuple):
    """Who recorded it, and why."""

    place: int
    actor: str
    said: str | None


async def recorders_of_terms(connection: AsyncConnection, keys: Sequence[RecordedKey]) -> list[RecorderRow]:
    """Who recorded each row, as the event of that time says; `place` says of which key."""
    rows = await connection.execute(_recorders(), {"keys": as_parameter((n, *key) for n, key in enumerate(keys))})
    return [RecorderRow._make(row) for row in rows]


@cache
def _recorders() -> Select[Any]:
    keys = asked("keys", "place", *RecordedKey._fields)
    same = and_(
        EVENT.c.organization_id == keys.c.organization_id,
        EVENT.c.thing == Thing.CONTRACT_TERM,
        EVENT.c.thing_id == keys.c.term_id,
        type_coerce(EVENT.c.recorded_at, BigInteger) == keys.c.recorded_at,
    )
    return select(keys.c.place, EVENT.c.actor, EVENT.c.said).select_from(keys).join(EVENT, same)
