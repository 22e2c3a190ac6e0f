"""Adjustments as staff and clients see them: what was billed, what is known now, and what came of the difference."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.events import Thing
from models.invoices import AdjustmentState
from resolvers.loaders.adjustments import (
    AdjustmentKey,
    AdjustmentRow,
    AdjustmentsPage,
    adjustment_totals,
    adjustments_by_id,
    adjustments_of,
)
from resolvers.loaders.events import EventsKey
from resolvers.loaders.invoices import InvoiceKey
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.snapshots import SnapshotKey
from schema.context import Info
from schema.events import Event, events_of_thing, events_paging
from schema.fields import field
from schema.ids import Node, encode_id
from schema.invoices import Invoice, invoice_by_key
from schema.nodes import organization_by_id
from schema.pagination import After, Before, Connection, First, Last, Paging, connection_of
from schema.scalars import described

if TYPE_CHECKING:
    from schema.snapshots import BillingSnapshot

described(AdjustmentState, "What has become of an adjustment.")


@strawberry.type(description="The difference of two overages of one snapshot: as billed, and as known later.")
class Adjustment(Node):
    row: strawberry.Private[AdjustmentRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Adjustment", self.row.organization_id, self.row.id))

    @field("What has become of it.")
    def state(self) -> AdjustmentState:
        return self.row.state

    @field("How many people were billed when it was found.")
    def overage_billed(self) -> int:
        return self.row.overage_billed

    @field("How many were to be billed, as known then.")
    def overage_now(self) -> int:
        return self.row.overage_now

    @field("The difference: below nothing if it was credited, above nothing if it takes an approval.")
    def quantity(self) -> int:
        return self.row.quantity

    @field("Why it was looked for.")
    def reason(self) -> str:
        return self.row.reason

    @field("When it was found.")
    def recorded_at(self) -> dt.datetime:
        return self.row.recorded_at

    @field("Who found it.")
    def actor(self) -> str:
        return self.row.actor

    @field("The snapshot that was billed.")
    async def snapshot(self, info: Info) -> Annotated[BillingSnapshot, strawberry.lazy("schema.snapshots")] | None:
        from schema.snapshots import snapshot_by_key

        return await snapshot_by_key(info, SnapshotKey(self.row.organization_id, self.row.snapshot_id))

    @field("The same count, as known when it was found: an inquiry.")
    async def recount(self, info: Info) -> Annotated[BillingSnapshot, strawberry.lazy("schema.snapshots")] | None:
        from schema.snapshots import snapshot_by_key

        return await snapshot_by_key(info, SnapshotKey(self.row.organization_id, self.row.recount_id))

    @field("The invoice that bills it; null if none does, or none that you may see.")
    async def invoice(self, info: Info) -> Invoice | None:
        if self.row.invoice_id is None:
            return None
        return await invoice_by_key(info, InvoiceKey(self.row.organization_id, self.row.invoice_id))

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
        return await events_of_thing(info, Thing.ADJUSTMENT, EventsKey(self.row.organization_id, self.row.id), page)


async def adjustment_by_key(info: Info, key: AdjustmentKey) -> Adjustment | None:
    """The adjustment, for staff, and for the client once it is credited or billed."""
    organization = await organization_by_id(info, key.organization_id)
    if organization is None:
        return None
    rows: list[AdjustmentRow] = await info.context.loaders.rows(adjustments_by_id).load(key)
    is_seen = rows and (info.context.principal.is_staff or rows[0].is_shown)
    return Adjustment(row=rows[0], organization_row=organization) if is_seen else None


async def adjustments(info: Info, organization: OrganizationRow, page: Paging) -> Connection[Adjustment]:
    """A page of an organization's adjustments, newest first: for the client those that are credited or billed."""
    principal, loaders = info.context.principal, info.context.loaders
    principal.must_see(organization.organization_id, "organization")
    shown_only = not principal.is_staff
    asked = AdjustmentsPage(page.limit, shown_only, page.backward, page.beyond[0] if page.beyond else None)
    rows: list[AdjustmentRow] = await loaders.rows(adjustments_of, asked).load(organization.organization_id)

    async def total() -> int:
        return await loaders.values(adjustment_totals, shown_only).load(organization.organization_id)

    return connection_of([(Adjustment(row=row, organization_row=organization), (row.id,)) for row in rows], page, total)
