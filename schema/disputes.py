"""Disputes as both sides see them: the client sees nothing that is the staff's own business."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.cases import DisputeOutcome, DisputeStep, is_overdue, possible_steps
from models.disputes import DisputeOrigin, DisputeState
from models.events import Thing
from models.money import Money
from resolvers.disputes.cases import may_see_case, takes_part
from resolvers.loaders.disputes import (
    DisputeKey,
    DisputeLineRow,
    DisputeRow,
    disputes_by_id,
    lines_of_disputes,
    minutes_of_disputes,
)
from resolvers.loaders.events import EventsKey
from resolvers.loaders.evidence import PackKey
from resolvers.loaders.invoices import CreditRow, InvoiceKey, credits_of_invoices
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.snapshots import SnapshotKey
from schema.bridges import CountBridge, bridge_from_snapshot
from schema.context import Info
from schema.events import Event, events_of_thing, events_paging
from schema.evidence import EvidencePack, pack_by_key
from schema.fields import field
from schema.ids import Node, encode_id
from schema.invoices import CreditNote, InvoiceLine, invoice_line_by_key
from schema.money import ShownMoney
from schema.nodes import organization_by_id
from schema.pagination import After, Before, Connection, First, Last
from schema.scalars import described
from schema.snapshots import BillingSnapshot, snapshot_by_key

if TYPE_CHECKING:
    from schema.organizations import Organization

described(DisputeState, "Where a case stands.")
described(DisputeOrigin, "Who opened a case.")
described(DisputeOutcome, "How staff decide a case.")
described(DisputeStep, "What can be done with a case.")


@strawberry.type(description="An invoice line in dispute, or part of it.")
class DisputeLine:
    row: strawberry.Private[DisputeLineRow]

    @field("The invoice line.")
    async def line(self, info: Info) -> InvoiceLine | None:
        key = InvoiceKey(self.row.organization_id, self.row.invoice_id)
        return await invoice_line_by_key(info, key, self.row.line_number)

    @field("How many people of the line are disputed.")
    def quantity(self) -> int:
        return self.row.quantity

    @field("How many of them this dispute credited; 0 while nobody has decided.")
    def credited(self) -> int:
        return self.row.credited

    @field("What the disputed people cost.")
    def at_stake(self) -> ShownMoney:
        return ShownMoney.of(self.price * self.row.quantity)

    @field("Whether that is held from collection now.")
    def is_held(self) -> bool:
        return self.row.is_open

    @property
    def price(self) -> Money:
        return Money(self.row.unit_price_minor, self.row.currency)


@strawberry.type(description="A count or a bill is questioned: one case, about one snapshot.")
class Dispute(Node):
    row: strawberry.Private[DisputeRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Dispute", *self.row.key))

    @field("What people call it, such as XTRA-LEASE-D-0001; unique in the organization.")
    def number(self) -> str:
        return self.row.number

    @field("Who opened it.")
    def origin(self) -> DisputeOrigin:
        return self.row.origin

    @field("Where it stands.")
    def state(self) -> DisputeState:
        return self.row.state

    @field("How it ended: UPHELD, PARTIAL, REJECTED or WITHDRAWN; null until then. It stays when the case is closed.")
    def resolution(self) -> DisputeState | None:
        return self.row.resolution

    @field("Whose bill it is about.")
    def organization(self) -> Annotated[Organization, strawberry.lazy("schema.organizations")]:
        from schema.organizations import Organization

        return Organization.of(self.organization_row)

    @field("The count that is questioned.")
    async def snapshot(self, info: Info) -> BillingSnapshot | None:
        return await snapshot_by_key(info, SnapshotKey(self.row.organization_id, self.row.snapshot_id))

    @field("The people between that count and who is active now.")
    async def bridge(self, info: Info) -> CountBridge | None:
        snapshot = await self.snapshot(info)
        return await bridge_from_snapshot(info, snapshot, None, None) if snapshot else None

    @field("The evidence that was attached last; null while none is.")
    async def evidence(self, info: Info) -> EvidencePack | None:
        if self.row.pack_id is None:
            return None
        return await pack_by_key(info, PackKey(self.row.organization_id, self.row.pack_id))

    @field("What is disputed; nothing in a case that the nightly check opened.")
    async def lines(self, info: Info) -> list[DisputeLine]:
        return [DisputeLine(row=row) for row in await self._lines(info)]

    @field("What the disputed people cost; null without lines.")
    async def at_stake(self, info: Info) -> ShownMoney | None:
        return _sum([(row, row.quantity) for row in await self._lines(info)])

    @field("What is held from collection now; null without lines.")
    async def held(self, info: Info) -> ShownMoney | None:
        return _sum([(row, row.quantity if row.is_open else 0) for row in await self._lines(info)])

    @field("What it led to: a credit note for each invoice of which something was credited.")
    async def credit_notes(self, info: Info) -> list[CreditNote]:
        invoices = dict.fromkeys(
            (InvoiceKey(row.organization_id, row.invoice_id), row.currency) for row in await self._lines(info)
        )
        made: list[CreditNote] = []
        for key, currency in invoices:
            rows: list[CreditRow] = await info.context.loaders.rows(credits_of_invoices).load(key)
            own = [row for row in rows if row.dispute_id == self.row.id]
            made += [CreditNote.of(own, currency)] if own else []
        return made

    @field("Why it was opened.")
    def reason(self) -> str:
        return self.row.reason

    @field("When it was opened.")
    def opened_at(self) -> dt.datetime:
        return self.row.opened_at

    @field("Who opened it.")
    def opened_by(self) -> str:
        return self.row.opened_by

    @field("When it was decided or withdrawn; null until then.")
    def resolved_at(self) -> dt.datetime | None:
        return self.row.resolved_at

    @field("Who of the staff works on it. Only staff see it.")
    def assignee(self, info: Info) -> str | None:
        return self.row.assignee if info.context.principal.is_staff else None

    @field("The last local day on which it is answered in time. Only staff see it.")
    def respond_by(self, info: Info) -> dt.date | None:
        return self.row.respond_by if info.context.principal.is_staff else None

    @field("Whether that day has passed while nobody had decided it; null for who may not see the day.")
    def is_overdue(self, info: Info) -> bool | None:
        today = self.organization_row.calendar.day_of(info.context.now)
        overdue = is_overdue(self.row.state, self.row.respond_by, today)
        return overdue if info.context.principal.is_staff else None

    @field("The minutes that staff spent on it so far. Only staff see them.")
    async def minutes_spent(self, info: Info) -> int | None:
        if not info.context.principal.is_staff:
            return None
        return await info.context.loaders.values(minutes_of_disputes).load(self.row.key)

    @field("What you can do with it now.")
    def possible_steps(self, info: Info) -> list[DisputeStep]:
        principal = info.context.principal
        if not takes_part(principal):
            return []
        return possible_steps(self.row.state, self.row.origin, by_staff=principal.is_staff)

    @field("Everything that was done, oldest first; the client does not see what is internal.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Event]:
        page = events_paging(self.id(), first, after, last, before)
        return await events_of_thing(info, Thing.DISPUTE, EventsKey(*self.row.key), page)

    async def _lines(self, info: Info) -> list[DisputeLineRow]:
        rows: list[DisputeLineRow] = await info.context.loaders.rows(lines_of_disputes).load(self.row.key)
        return rows


def _sum(people: list[tuple[DisputeLineRow, int]]) -> ShownMoney | None:
    """All lines of a case are of one snapshot, so of one currency."""
    if not people:
        return None
    total = sum(row.unit_price_minor * count for row, count in people)
    return ShownMoney.of(Money(total, people[0][0].currency))


async def dispute_by_key(info: Info, key: DisputeKey) -> Dispute | None:
    """The case, for whoever may see it."""
    organization = await organization_by_id(info, key.organization_id)
    rows: list[DisputeRow] = await info.context.loaders.rows(disputes_by_id).load(key) if organization else []
    if organization is None or not rows or not may_see_case(info.context.principal, rows[0]):
        return None
    return Dispute(row=rows[0], organization_row=organization)
