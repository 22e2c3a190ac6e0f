"""Reading disputes, and what belongs to each: its lines, and the minutes spent on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    func,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.cases import UNDECIDED, LineKey
from models.disputes import Dispute, DisputeLine, DisputeOrigin, DisputeState
from models.events import Event, Thing
from models.invoices import Invoice, InvoiceLine

DISPUTE = Dispute.__table__
DISPUTED = DisputeLine.__table__
INVOICE = Invoice.__table__
LINE = InvoiceLine.__table__
EVENT = Event.__table__

Connected = AsyncConnection | AsyncSession


class DisputeKey(NamedTuple):
    organization_id: int
    dispute_id: int


class DisputeRow(NamedTuple):
    place: int
    organization_id: int
    id: int
    number: str
    origin: DisputeOrigin
    state: DisputeState
    resolution: DisputeState | None
    snapshot_id: int
    opened_at: dt.datetime
    opened_by: str
    reason: str
    assignee: str | None
    respond_by: dt.date | None
    pack_id: int | None
    resolved_at: dt.datetime | None

    @property
    def key(self) -> DisputeKey:
        return DisputeKey(self.organization_id, self.id)

    @property
    def is_undecided(self) -> bool:
        return self.state in UNDECIDED


COLUMNS = [DISPUTE.c[name] for name in DisputeRow._fields[1:]]


async def disputes_by_id(connection: Connected, keys: Sequence[DisputeKey]) -> list[DisputeRow]:
    """Those of the disputes that exist."""
    rows = await connection.execute(_disputes_by_id(), {"keys": as_parameter((n, *key) for n, key in enumerate(keys))})
    return [DisputeRow._make(row) for row in rows]


@lru_cache
def _disputes_by_id() -> Select[Any]:
    keys = asked("keys", "place", *DisputeKey._fields)
    same = and_(DISPUTE.c.organization_id == keys.c.organization_id, DISPUTE.c.id == keys.c.dispute_id)
    return select(keys.c.place, *COLUMNS).join(DISPUTE, same)


# -------------------------------------------------------------------------------------------------- the lines


class DisputeLineRow(NamedTuple):
    """So many people of an invoice line, at its price."""

    place: int
    organization_id: int
    dispute_id: int
    invoice_id: int
    line_number: int
    quantity: int
    credited: int
    is_open: bool
    unit_price_minor: int
    currency: str

    @property
    def key(self) -> LineKey:
        return LineKey(self.invoice_id, self.line_number)


async def lines_of_disputes(connection: Connected, keys: Sequence[DisputeKey]) -> list[DisputeLineRow]:
    """The lines of each dispute, those of its oldest invoice first."""
    rows = await connection.execute(
        _lines_of_disputes(), {"keys": as_parameter((n, *key) for n, key in enumerate(keys))}
    )
    return [DisputeLineRow._make(row) for row in rows]


@lru_cache
def _lines_of_disputes() -> Select[Any]:
    keys = asked("keys", "place", *DisputeKey._fields)
    of_case = and_(DISPUTED.c.organization_id == keys.c.organization_id, DISPUTED.c.dispute_id == keys.c.dispute_id)
    own = [DISPUTED.c[name] for name in DisputeLineRow._fields[1:8]]
    return (
        select(keys.c.place, *own, LINE.c.unit_price_minor, INVOICE.c.currency)
        .select_from(keys)
        .join(DISPUTED, of_case)
        .join(LINE, same_line(DISPUTED.c.line_number))
        .join(INVOICE, and_(INVOICE.c.organization_id == LINE.c.organization_id, INVOICE.c.id == LINE.c.invoice_id))
        .order_by(keys.c.place, DISPUTED.c.invoice_id, DISPUTED.c.line_number)
    )


def same_line(number: ColumnElement[int]) -> ColumnElement[bool]:
    """The invoice line that a row of another table is about."""
    table = number.table
    return and_(
        LINE.c.organization_id == table.c.organization_id,
        LINE.c.invoice_id == table.c.invoice_id,
        LINE.c.number == number,
    )


# --------------------------------------------------------------------------------------------------- minutes


async def minutes_of_disputes(connection: Connected, keys: Sequence[DisputeKey]) -> list[int]:
    """The staff's time on each dispute so far."""
    rows = await connection.execute(
        _minutes_of_disputes(), {"keys": as_parameter((n, *key) for n, key in enumerate(keys))}
    )
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _minutes_of_disputes() -> Select[Any]:
    keys = asked("keys", "place", *DisputeKey._fields)
    total = select(func.coalesce(func.sum(EVENT.c.minutes), 0)).where(
        EVENT.c.organization_id == keys.c.organization_id,
        EVENT.c.thing == Thing.DISPUTE,
        EVENT.c.thing_id == keys.c.dispute_id,
    )
    return select(keys.c.place, type_coerce(total.correlate(keys).scalar_subquery(), BigInteger))
