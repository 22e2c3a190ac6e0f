"""Reading invoices with their lines, payments and credit notes, many at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Date, Select, and_, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_keys, as_parameter, asked, first_rows_of_each
from models.disputes import DisputeLine
from models.invoices import (
    SHOWN,
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    InvoiceState,
    LineAcceptance,
    LineKind,
)

INVOICE = Invoice.__table__
LINE = InvoiceLine.__table__
ACCEPTANCE = LineAcceptance.__table__
PAYMENT = InvoicePayment.__table__
NOTE = CreditNote.__table__
NOTE_LINE = CreditNoteLine.__table__
DISPUTED = DisputeLine.__table__


class InvoiceKey(NamedTuple):
    organization_id: int
    invoice_id: int


class InvoiceRow(NamedTuple):
    place: int
    organization_id: int
    id: int
    number: str
    date: dt.date
    currency: str
    state: InvoiceState
    drafted_at: dt.datetime
    challenge_until: dt.datetime | None
    issued_at: dt.datetime | None

    @property
    def key(self) -> InvoiceKey:
        return InvoiceKey(self.organization_id, self.id)


class LineRow(NamedTuple):
    """A line as it is now: with how many people of it are credited, in open dispute, and whether it was accepted."""

    place: int
    organization_id: int
    invoice_id: int
    number: int
    kind: LineKind
    snapshot_id: int
    adjustment_id: int | None
    quantity: int
    unit_price_minor: int
    total_minor: int
    approved_by: str | None
    approval_reason: str | None
    accepted_at: dt.datetime | None
    accepted_by: str | None
    credited: int
    disputed: int

    @property
    def creditable(self) -> int:
        return self.quantity - self.credited

    @property
    def held(self) -> int:
        """How many people of it are in open dispute and not credited yet."""
        return min(self.disputed, self.creditable)


class PaymentRow(NamedTuple):
    place: int
    id: int
    amount_minor: int
    reference: str
    recorded_at: dt.datetime
    actor: str


class CreditRow(NamedTuple):
    """A line of a credit note, with the note."""

    place: int
    id: int
    number: str
    invoice_id: int
    dispute_id: int | None
    adjustment_id: int | None
    recorded_at: dt.datetime
    actor: str
    reason: str
    line_number: int
    quantity: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class InvoicesPage:
    """Newest first; of those that the client sees, or of all."""

    limit: int
    shown_only: bool
    oldest_first: bool = False
    beyond: tuple[dt.date, int] | None = None


def _columns(table: Any, row: type[tuple[Any, ...]], start: int = 1) -> list[ColumnElement[Any]]:
    return [table.c[name] for name in row._fields[start:] if name in table.c]  # type: ignore[attr-defined]


async def invoices_by_id(connection: AsyncConnection | AsyncSession, keys: Sequence[InvoiceKey]) -> list[InvoiceRow]:
    """Those of the invoices that exist."""
    return [InvoiceRow._make(row) for row in await connection.execute(_invoices_by_id(), as_keys(keys))]


async def lines_of_invoices(connection: AsyncConnection | AsyncSession, keys: Sequence[InvoiceKey]) -> list[LineRow]:
    """Their lines by number."""
    return [LineRow._make(row) for row in await connection.execute(_lines_of_invoices(), as_keys(keys))]


async def payments_of_invoices(
    connection: AsyncConnection | AsyncSession, keys: Sequence[InvoiceKey]
) -> list[PaymentRow]:
    """What was paid, in the order in which it came."""
    return [PaymentRow._make(row) for row in await connection.execute(_payments_of_invoices(), as_keys(keys))]


async def credits_of_invoices(
    connection: AsyncConnection | AsyncSession, keys: Sequence[InvoiceKey]
) -> list[CreditRow]:
    """The lines of their credit notes, note by note."""
    return [CreditRow._make(row) for row in await connection.execute(_credits_of_invoices(), as_keys(keys))]


async def invoices_of(
    connection: AsyncConnection, organization_ids: Sequence[int], page: InvoicesPage
) -> list[InvoiceRow]:
    """A page of each organization's invoices, flat and in order."""
    statement = _invoices_of(connection.dialect.name, page.shown_only, page.oldest_first, page.beyond is not None)
    date, invoice_id = page.beyond or (dt.date.min, 0)
    parameters = {
        "keys": as_parameter(enumerate(organization_ids)),
        "most": page.limit,
        "date": date,
        "invoice_id": invoice_id,
    }
    return [InvoiceRow._make(row) for row in await connection.execute(statement, parameters)]


async def invoice_totals(connection: AsyncConnection, organization_ids: Sequence[int], shown_only: bool) -> list[int]:
    """How many invoices each organization has."""
    keys = asked("keys", "place", "organization_id")
    total = select(func.count()).select_from(INVOICE).where(_of(keys, shown_only)).correlate(keys)
    parameters = {"keys": as_parameter(enumerate(organization_ids))}
    found = dict(
        tuple(row) for row in await connection.execute(select(keys.c.place, total.scalar_subquery()), parameters)
    )
    return [found[place] for place in range(len(organization_ids))]


@lru_cache
def _invoices_by_id() -> Select[Any]:
    keys = asked("keys", "place", *InvoiceKey._fields)
    same = and_(INVOICE.c.organization_id == keys.c.organization_id, INVOICE.c.id == keys.c.invoice_id)
    return select(keys.c.place, *_columns(INVOICE, InvoiceRow)).join(INVOICE, same)


@lru_cache
def _lines_of_invoices() -> Select[Any]:
    keys = asked("keys", "place", *InvoiceKey._fields)
    same = and_(LINE.c.organization_id == keys.c.organization_id, LINE.c.invoice_id == keys.c.invoice_id)
    return (
        select(
            keys.c.place,
            *_columns(LINE, LineRow),
            ACCEPTANCE.c.recorded_at,
            ACCEPTANCE.c.accepted_by,
            _people_of(NOTE_LINE).label("credited"),
            _people_of(DISPUTED, DISPUTED.c.is_open).label("disputed"),
        )
        .select_from(keys)
        .join(LINE, same)
        .outerjoin(ACCEPTANCE, same_line(ACCEPTANCE))
        .order_by(keys.c.place, LINE.c.number)
    )


def _people_of(table: Any, *only: ColumnElement[bool]) -> Any:
    people = select(func.coalesce(func.sum(table.c.quantity), 0)).where(same_line(table), *only)
    return people.correlate(LINE).scalar_subquery()


def same_line(table: Any) -> ColumnElement[bool]:
    """Whether it is about the line."""
    return and_(
        table.c.organization_id == LINE.c.organization_id,
        table.c.invoice_id == LINE.c.invoice_id,
        table.c.line_number == LINE.c.number,
    )


@lru_cache
def _payments_of_invoices() -> Select[Any]:
    keys = asked("keys", "place", *InvoiceKey._fields)
    same = and_(PAYMENT.c.organization_id == keys.c.organization_id, PAYMENT.c.invoice_id == keys.c.invoice_id)
    paid = select(keys.c.place, *_columns(PAYMENT, PaymentRow)).select_from(keys).join(PAYMENT, same)
    return paid.order_by(keys.c.place, PAYMENT.c.id)


@lru_cache
def _credits_of_invoices() -> Select[Any]:
    keys = asked("keys", "place", *InvoiceKey._fields)
    same = and_(NOTE.c.organization_id == keys.c.organization_id, NOTE.c.invoice_id == keys.c.invoice_id)
    own = and_(NOTE_LINE.c.organization_id == NOTE.c.organization_id, NOTE_LINE.c.credit_note_id == NOTE.c.id)
    columns = [*_columns(NOTE, CreditRow), *(NOTE_LINE.c[name] for name in ("line_number", "quantity", "total_minor"))]
    noted = select(keys.c.place, *columns).select_from(keys).join(NOTE, same).join(NOTE_LINE, own)
    return noted.order_by(keys.c.place, NOTE.c.id, NOTE_LINE.c.line_number)


def _of(keys: Any, shown_only: bool) -> ColumnElement[bool]:
    own = INVOICE.c.organization_id == keys.c.organization_id
    return and_(own, INVOICE.c.state.in_(SHOWN)) if shown_only else own


@lru_cache
def _invoices_of(dialect: str, shown_only: bool, oldest_first: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", "organization_id")
    by = (INVOICE.c.date, INVOICE.c.id)
    page = select(*_columns(INVOICE, InvoiceRow)).where(_of(keys, shown_only))
    if resumed:
        beyond = tuple_(bindparam("date", type_=Date), bindparam("invoice_id", type_=BigInteger))
        page = page.where(tuple_(*by) > beyond if oldest_first else tuple_(*by) < beyond)
    page = page.order_by(*(column.asc() if oldest_first else column.desc() for column in by))
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)
