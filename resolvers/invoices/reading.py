"""An invoice as a step finds it: with its lines and what is owed on it, under the organization's lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.errors import BillingError, BillingErrorCode, NotFound
from models.events import Deed, Thing
from models.invoices import SHOWN, Figures, Invoice, InvoiceState
from models.money import Money
from resolvers.events import Noted, note
from resolvers.loaders.invoices import (
    InvoiceKey,
    InvoiceRow,
    LineRow,
    invoices_by_id,
    lines_of_invoices,
    payments_of_invoices,
)
from resolvers.principal import Principal
from resolvers.recording import Recording


@dataclass(frozen=True, slots=True)
class Found:
    """An invoice with all that decides what can be done with it."""

    row: InvoiceRow
    lines: Sequence[LineRow]
    figures: Figures

    def must_be(self, *states: InvoiceState) -> None:
        if self.row.state not in states:
            wanted = " or ".join(state.name for state in states)
            raise BillingError(
                BillingErrorCode.WRONG_STATE,
                f"Invoice {self.row.number} is {self.row.state.name}; this takes one that is {wanted}.",
                "invoice",
            )

    def line(self, number: int) -> LineRow:
        found = next((line for line in self.lines if line.number == number), None)
        if found is None:
            raise NotFound("invoice line", "line")
        return found

    def money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.row.currency)


async def find(connection: AsyncConnection | AsyncSession, organization_id: int, invoice_id: int) -> Found:
    keys = [InvoiceKey(organization_id, invoice_id)]
    rows = await invoices_by_id(connection, keys)
    if not rows:
        raise NotFound("invoice", "invoice")
    lines = await lines_of_invoices(connection, keys)
    paid = sum(payment.amount_minor for payment in await payments_of_invoices(connection, keys))
    return Found(rows[0], lines, figures_of(lines, paid))


async def find_shown(
    connection: AsyncConnection | AsyncSession, principal: Principal, organization_id: int, invoice_id: int
) -> Found:
    """The same for somebody who may see it: a client sees no draft."""
    principal.must_see(organization_id, "invoice", "invoice")
    found = await find(connection, organization_id, invoice_id)
    if not principal.is_staff and found.row.state not in SHOWN:
        raise NotFound("invoice", "invoice")
    return found


def worded(reason: str | None, *field: str) -> str:
    """A reason without surrounding space; refused if there is none."""
    stripped = (reason or "").strip()
    if not stripped:
        raise BillingError(BillingErrorCode.REASON_REQUIRED, BillingErrorCode.REASON_REQUIRED.value, *field)
    return stripped


def figures_of(lines: Sequence[LineRow], paid: int) -> Figures:
    return Figures(
        total=sum(line.total_minor for line in lines),
        credited=sum(line.credited * line.unit_price_minor for line in lines),
        paid=paid,
        disputed=sum(line.held * line.unit_price_minor for line in lines),
    )


async def become(recording: Recording, invoice_id: int, state: InvoiceState, **changes: object) -> None:
    invoice = Invoice.__table__
    await recording.session.execute(
        update(invoice)
        .where(invoice.c.organization_id == recording.organization_id, invoice.c.id == invoice_id)
        .values(state=state, **changes)
    )


async def settle(recording: Recording, principal: Principal, invoice_id: int) -> None:
    """Makes an issued invoice PAID once nothing is due and nothing of it is in dispute.

    To be called after anything that lowers what is due, or that ends a dispute. Takes keys.
    """
    found = await find(recording.session, recording.organization_id, invoice_id)
    if found.row.state is not InvoiceState.ISSUED or not found.figures.is_settled:
        return
    await become(recording, invoice_id, InvoiceState.PAID)
    changed = Noted(
        thing=Thing.INVOICE,
        thing_id=invoice_id,
        deed=Deed.STATE_CHANGED,
        before=InvoiceState.ISSUED.name,
        after=InvoiceState.PAID.name,
    )
    await note(recording, principal, changed)
