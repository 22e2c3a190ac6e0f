"""Invoices as staff and clients see them: lines, payments, credit notes, and what is owed."""

from __future__ import annotations

import asyncio
import datetime as dt
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.events import Thing
from models.invoices import SHOWN, Figures, InvoiceState, LineKind
from models.money import Money
from resolvers.invoices.reading import figures_of
from resolvers.loaders.events import EventsKey
from resolvers.loaders.invoices import (
    CreditRow,
    InvoiceKey,
    InvoiceRow,
    InvoicesPage,
    LineRow,
    PaymentRow,
    credits_of_invoices,
    invoice_totals,
    invoices_by_id,
    invoices_of,
    lines_of_invoices,
    payments_of_invoices,
)
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.snapshots import SnapshotKey
from schema.context import Info
from schema.events import Event, events_of_thing, events_paging
from schema.fields import field
from schema.ids import Node, encode_id
from schema.money import ShownMoney
from schema.nodes import organization_by_id
from schema.pagination import After, Before, Connection, First, Last, Paging, connection_of
from schema.scalars import described

if TYPE_CHECKING:
    from schema.organizations import Organization
    from schema.snapshots import BillingSnapshot

described(InvoiceState, "Where an invoice is on its way from a draft to its payment.")
described(LineKind, "Why a line bills people.", name="InvoiceLineKind")


@strawberry.type(description="People above what is licensed, at the price of the term that their snapshot froze.")
class InvoiceLine(Node):
    row: strawberry.Private[LineRow]
    invoice_row: strawberry.Private[InvoiceRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        row = self.row
        return strawberry.ID(encode_id("InvoiceLine", row.organization_id, row.invoice_id, row.number))

    @field("Its place on the invoice, from 1.")
    def number(self) -> int:
        return self.row.number

    @field("The invoice that it is on.")
    def invoice(self) -> Invoice:
        return Invoice(row=self.invoice_row, organization_row=self.organization_row)

    @field("Why these people are billed.")
    def kind(self) -> LineKind:
        return self.row.kind

    @field("The snapshot that it bills, with everybody who was counted.")
    async def snapshot(self, info: Info) -> Annotated[BillingSnapshot, strawberry.lazy("schema.snapshots")] | None:
        from schema.snapshots import snapshot_by_key

        return await snapshot_by_key(info, SnapshotKey(self.row.organization_id, self.row.snapshot_id))

    @field("How many people.")
    def quantity(self) -> int:
        return self.row.quantity

    @field("What each of them costs.")
    def unit_price(self) -> ShownMoney:
        return self._money(self.row.unit_price_minor)

    @field("Quantity × unit price.")
    def total(self) -> ShownMoney:
        return self._money(self.row.total_minor)

    @field("How many of them are credited.")
    def credited(self) -> int:
        return self.row.credited

    @field("Whether it is in an open dispute: so much of it is not asked for.")
    def in_dispute(self) -> bool:
        return self.row.disputed > 0

    @field("When it was accepted for the client; it cannot be disputed any more. Null if it was not.")
    def accepted_at(self) -> dt.datetime | None:
        return self.row.accepted_at

    @field("Who accepted it.")
    def accepted_by(self) -> str | None:
        return self.row.accepted_by

    @field("Who approved that more than the provable overage is billed; null where only that is billed.")
    def approved_by(self) -> str | None:
        return self.row.approved_by

    @field("Why they approved it.")
    def approval_reason(self) -> str | None:
        return self.row.approval_reason

    def _money(self, amount_minor: int) -> ShownMoney:
        return ShownMoney.of(Money(amount_minor, self.invoice_row.currency))


@strawberry.type(description="Money that came in for an invoice.")
class InvoicePayment:
    amount: ShownMoney = strawberry.field(description="How much.")
    reference: str = strawberry.field(description="By which it is found in the bank's records.")
    recorded_at: dt.datetime = strawberry.field(description="When it was recorded.")
    actor: str = strawberry.field(description="Who recorded it.")


@strawberry.type(description="So many people of an invoice line that are no longer owed.")
class CreditNoteLine:
    line_number: int = strawberry.field(description="The number of the invoice line.")
    quantity: int = strawberry.field(description="How many people.")
    total: ShownMoney = strawberry.field(description="What they would have cost.")


@strawberry.type(description="What is no longer owed, and why: the outcome of a dispute, or of an adjustment.")
class CreditNote:
    number: str = strawberry.field(description="Its number, unique within the organization.")
    total: ShownMoney = strawberry.field(description="How much is no longer owed.")
    recorded_at: dt.datetime = strawberry.field(description="When it was made.")
    actor: str = strawberry.field(description="Who made it.")
    reason: str = strawberry.field(description="Why.")
    lines: list[CreditNoteLine] = strawberry.field(description="Its lines.")

    @classmethod
    def of(cls, rows: list[CreditRow], currency: str) -> CreditNote:
        def money(amount_minor: int) -> ShownMoney:
            return ShownMoney.of(Money(amount_minor, currency))

        lines = [
            CreditNoteLine(line_number=row.line_number, quantity=row.quantity, total=money(row.total_minor))
            for row in rows
        ]
        total = money(sum(row.total_minor for row in rows))
        own = {name: getattr(rows[0], name) for name in ("number", "recorded_at", "actor", "reason")}
        return cls(total=total, lines=lines, **own)


@strawberry.type(description="What an organization owes for a date, in one currency. Its total is that of its lines.")
class Invoice(Node):
    row: strawberry.Private[InvoiceRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Invoice", *self.row.key))

    @field("Its number, unique within the organization.")
    def number(self) -> str:
        return self.row.number

    @field("The local date whose snapshots it bills.")
    def date(self) -> dt.date:
        return self.row.date

    @field("Where it is on its way.")
    def state(self) -> InvoiceState:
        return self.row.state

    @field("Who owes it.")
    def organization(self) -> Annotated[Organization, strawberry.lazy("schema.organizations")]:
        from schema.organizations import Organization

        return Organization.of(self.organization_row)

    @field("When it was drafted.")
    def drafted_at(self) -> dt.datetime:
        return self.row.drafted_at

    @field("The end of the challenge window: from then on it may be issued. Null if there was none.")
    def challenge_until(self) -> dt.datetime | None:
        return self.row.challenge_until

    @field("When it was issued; null if it was not.")
    def issued_at(self) -> dt.datetime | None:
        return self.row.issued_at

    @field("Its lines, by number.")
    async def lines(self, info: Info) -> list[InvoiceLine]:
        return [
            InvoiceLine(row=row, invoice_row=self.row, organization_row=self.organization_row)
            for row in await self._lines(info)
        ]

    @field("The sum of its lines.")
    async def total(self, info: Info) -> ShownMoney:
        return self._money((await self._figures(info)).total)

    @field("The sum of its credit notes.")
    async def credited(self, info: Info) -> ShownMoney:
        return self._money((await self._figures(info)).credited)

    @field("The sum of its payments.")
    async def paid(self, info: Info) -> ShownMoney:
        return self._money((await self._figures(info)).paid)

    @field("Total − credited − paid; never less than nothing.")
    async def due(self, info: Info) -> ShownMoney:
        return self._money((await self._figures(info)).due)

    @field("What of the due is in open dispute, and so is not asked for.")
    async def held(self, info: Info) -> ShownMoney:
        return self._money((await self._figures(info)).held)

    @field("Due − held: what is asked for now.")
    async def collectable(self, info: Info) -> ShownMoney:
        return self._money((await self._figures(info)).collectable)

    @field("What the client has paid and no longer owes: credited + paid − total, if that is more than nothing.")
    async def credit_balance(self, info: Info) -> ShownMoney:
        return self._money((await self._figures(info)).credit_balance)

    @field("What was paid, in the order in which it came.")
    async def payments(self, info: Info) -> list[InvoicePayment]:
        return [
            InvoicePayment(
                amount=self._money(row.amount_minor),
                reference=row.reference,
                recorded_at=row.recorded_at,
                actor=row.actor,
            )
            for row in await self._payments(info)
        ]

    @field("Its credit notes, in the order in which they were made.")
    async def credit_notes(self, info: Info) -> list[CreditNote]:
        rows: list[CreditRow] = await info.context.loaders.rows(credits_of_invoices).load(self.row.key)
        return [CreditNote.of(list(lines), self.row.currency) for _, lines in groupby(rows, key=lambda row: row.id)]

    @field("Everything that was done to it, oldest first.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Event]:
        page = events_paging(self.id(), first, after, last, before)
        return await events_of_thing(info, Thing.INVOICE, EventsKey(*self.row.key), page)

    async def _figures(self, info: Info) -> Figures:
        lines, payments = await asyncio.gather(self._lines(info), self._payments(info))
        return figures_of(lines, sum(payment.amount_minor for payment in payments))

    async def _lines(self, info: Info) -> list[LineRow]:
        return await info.context.loaders.rows(lines_of_invoices).load(self.row.key)

    async def _payments(self, info: Info) -> list[PaymentRow]:
        return await info.context.loaders.rows(payments_of_invoices).load(self.row.key)

    def _money(self, amount_minor: int) -> ShownMoney:
        return ShownMoney.of(Money(amount_minor, self.row.currency))


async def invoice_by_key(info: Info, key: InvoiceKey) -> Invoice | None:
    """The invoice, for staff, and for the client once it was shown."""
    organization = await organization_by_id(info, key.organization_id)
    if organization is None:
        return None
    rows: list[InvoiceRow] = await info.context.loaders.rows(invoices_by_id).load(key)
    is_seen = rows and (info.context.principal.is_staff or rows[0].state in SHOWN)
    return Invoice(row=rows[0], organization_row=organization) if is_seen else None


async def invoice_line_by_key(info: Info, key: InvoiceKey, number: int) -> InvoiceLine | None:
    invoice = await invoice_by_key(info, key)
    lines = await invoice.lines(info) if invoice else []
    return next((line for line in lines if line.row.number == number), None)


async def invoices(info: Info, organization: OrganizationRow, page: Paging) -> Connection[Invoice]:
    """A page of an organization's invoices, newest first: for the client those that it was shown."""
    principal, loaders = info.context.principal, info.context.loaders
    principal.must_see(organization.organization_id, "organization")
    shown_only = not principal.is_staff
    beyond = (dt.date.fromordinal(page.beyond[0]), page.beyond[1]) if page.beyond else None
    asked = InvoicesPage(page.limit, shown_only, page.backward, beyond)
    rows: list[InvoiceRow] = await loaders.rows(invoices_of, asked).load(organization.organization_id)

    async def total() -> int:
        return await loaders.values(invoice_totals, shown_only).load(organization.organization_id)

    nodes = [(Invoice(row=row, organization_row=organization), (row.date.toordinal(), row.id)) for row in rows]
    return connection_of(nodes, page, total)
