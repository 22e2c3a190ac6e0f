"""Drafting invoices from a date's snapshots, and dropping a draft."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import exists, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.billing import BillingSnapshot, SnapshotKind
from models.errors import BillingError, BillingErrorCode
from models.events import Deed, Thing
from models.invoices import Invoice, InvoiceLine, InvoiceState, LineKind
from models.money import Money
from resolvers.events import Noted, note
from resolvers.invoices.numbering import next_number
from resolvers.invoices.reading import become, find, worded
from resolvers.loaders.invoices import InvoiceKey
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording

SNAPSHOT = BillingSnapshot.__table__
LINE = InvoiceLine.__table__
INVOICE = Invoice.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """So many people at the price that the snapshot froze."""

    kind: LineKind
    snapshot_id: int
    quantity: int
    unit_price_minor: int
    adjustment_id: int | None = None
    # Of all but the provable overage: who approved it, and why.
    approved_by: str | None = None
    approval_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvoice:
    date: dt.date
    currency: str
    lines: Sequence[NewLine]

    @property
    def total(self) -> Money:
        return Money(sum(line.quantity * line.unit_price_minor for line in self.lines), self.currency)


async def draft(
    session: AsyncSession, principal: Principal, now: dt.datetime, organization_id: int, date: dt.date
) -> list[int]:
    """The invoices of a date; refused if there is nothing to bill that is not billed yet."""
    principal.must_be_staff("draft invoices")
    recording = await begin_recording(session, organization_id, now)
    made = await draft_invoices(recording, principal, date)
    if not made:
        raise BillingError(
            BillingErrorCode.NOTHING_TO_BILL,
            f"No snapshot of {date} has an overage that is not on an invoice yet.",
            "date",
        )
    await end_recording(recording)
    return made


async def draft_invoices(recording: Recording, principal: Principal, date: dt.date) -> list[int]:
    """An invoice for each currency, with a line for each product that is over: never more than is provable.

    Idempotent: what a line bills already is left out, unless its invoice was cancelled. Takes keys.
    """
    principal.must_be_staff("draft invoices")
    unbilled = await _unbilled(recording, date)
    return [
        await write_invoice(
            recording, principal, NewInvoice(date=date, currency=currency, lines=[one for _, one in of])
        )
        for currency, of in groupby(unbilled, key=lambda found: found[0])
    ]


async def _unbilled(recording: Recording, date: dt.date) -> list[tuple[str, NewLine]]:
    """What no line bills yet, by currency, seats first."""
    billed = exists().where(
        LINE.c.organization_id == SNAPSHOT.c.organization_id,
        LINE.c.snapshot_id == SNAPSHOT.c.id,
        LINE.c.kind == LineKind.OVERAGE,
        INVOICE.c.organization_id == LINE.c.organization_id,
        INVOICE.c.id == LINE.c.invoice_id,
        INVOICE.c.state != InvoiceState.CANCELLED,
    )
    over = await recording.session.execute(
        select(SNAPSHOT.c.currency, SNAPSHOT.c.id, SNAPSHOT.c.overage_least, SNAPSHOT.c.unit_price_minor)
        .where(SNAPSHOT.c.organization_id == recording.organization_id, SNAPSHOT.c.date == date)
        .where(SNAPSHOT.c.kind == SnapshotKind.BILLING, SNAPSHOT.c.overage_least > 0, SNAPSHOT.c.unit_price_minor > 0)
        .where(~billed)
        .order_by(SNAPSHOT.c.currency, SNAPSHOT.c.product_id != recording.organization_id, SNAPSHOT.c.product_id)
    )
    return [
        (currency, NewLine(kind=LineKind.OVERAGE, snapshot_id=i, quantity=quantity, unit_price_minor=price))
        for currency, i, quantity, price in over
    ]


async def write_invoice(recording: Recording, principal: Principal, new: NewInvoice) -> int:
    """A new draft. Takes keys."""
    invoice_id, number = recording.keys.take(), await next_number(recording, Invoice)
    await recording.session.execute(
        insert(INVOICE).values(
            organization_id=recording.organization_id,
            id=invoice_id,
            number=number,
            date=new.date,
            currency=new.currency,
            state=InvoiceState.DRAFT,
            drafted_at=recording.recorded_at,
        )
    )
    await add_lines(recording, invoice_id, 1, new.lines)
    drafted = Noted(thing=Thing.INVOICE, thing_id=invoice_id, deed=Deed.INVOICE_DRAFTED, after=f"{number}: {new.total}")
    await note(recording, principal, drafted)
    return invoice_id


async def add_lines(recording: Recording, invoice_id: int, first_number: int, lines: Sequence[NewLine]) -> None:
    rows = [
        {
            "organization_id": recording.organization_id,
            "invoice_id": invoice_id,
            "number": number,
            "kind": line.kind,
            "snapshot_id": line.snapshot_id,
            "adjustment_id": line.adjustment_id,
            "quantity": line.quantity,
            "unit_price_minor": line.unit_price_minor,
            "total_minor": line.quantity * line.unit_price_minor,
            "approved_by": line.approved_by,
            "approval_reason": line.approval_reason,
        }
        for number, line in enumerate(lines, first_number)
    ]
    await recording.session.execute(insert(LINE), rows)


async def cancel(session: AsyncSession, principal: Principal, now: dt.datetime, key: InvoiceKey, reason: str) -> None:
    """Drops a draft: what it would have billed can be drafted anew, and what was approved needs a new approval."""
    principal.must_be_staff("cancel invoices")
    why = worded(reason, "reason")
    recording = await begin_recording(session, key.organization_id, now)
    found = await find(session, *key)
    found.must_be(InvoiceState.DRAFT)
    await become(recording, key.invoice_id, InvoiceState.CANCELLED)
    cancelled = Noted(
        thing=Thing.INVOICE,
        thing_id=key.invoice_id,
        deed=Deed.INVOICE_CANCELLED,
        said=why,
        before=InvoiceState.DRAFT.name,
        after=InvoiceState.CANCELLED.name,
    )
    await note(recording, principal, cancelled)
    await end_recording(recording)
