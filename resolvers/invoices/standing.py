"""How a snapshot stands: what of it is billed now, on which lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.billing import SnapshotKind
from models.errors import BillingError, BillingErrorCode, NotFound
from models.invoices import InvoiceLine, InvoiceState, LineKind
from resolvers.loaders.invoices import InvoiceKey, InvoiceRow, LineRow, invoices_by_id, lines_of_invoices
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, snapshots_by_id

LINE = InvoiceLine.__table__


@dataclass(frozen=True, slots=True)
class BilledLine:
    invoice: InvoiceRow
    line: LineRow


@dataclass(frozen=True, slots=True)
class Standing:
    """A snapshot with the lines that bill it, of invoices that were not cancelled, oldest first."""

    snapshot: SnapshotRow
    lines: Sequence[BilledLine]

    @property
    def billed(self) -> int:
        """People billed and not credited."""
        return sum(one.line.creditable for one in self.lines)

    @property
    def approved(self) -> int:
        """Of these, those billed as uncertain."""
        return sum(one.line.creditable for one in self.lines if one.line.kind is LineKind.UNCERTAIN)

    @property
    def ever_approved(self) -> int:
        return sum(one.line.quantity for one in self.lines if one.line.kind is LineKind.UNCERTAIN)

    @property
    def is_drafted(self) -> bool:
        """Whether a draft that the client has not seen bills it."""
        return any(one.invoice.state is InvoiceState.DRAFT for one in self.lines)


async def standing_of(connection: AsyncConnection | AsyncSession, key: SnapshotKey) -> Standing:
    """Of a BILLING snapshot that has a price: any other is never billed."""
    rows = await snapshots_by_id(connection, [key])
    if not rows:
        raise NotFound("billing snapshot", "snapshot")
    if rows[0].kind is not SnapshotKind.BILLING or not rows[0].unit_price_minor:
        raise BillingError(
            BillingErrorCode.NOT_BILLED, "An inquiry, or a count without a price, is never billed.", "snapshot"
        )
    return Standing(rows[0], await _lines(connection, key))


async def _lines(connection: AsyncConnection | AsyncSession, key: SnapshotKey) -> list[BilledLine]:
    billing = await connection.execute(
        select(LINE.c.invoice_id)
        .where(LINE.c.organization_id == key.organization_id, LINE.c.snapshot_id == key.snapshot_id)
        .distinct()
        .order_by(LINE.c.invoice_id)
    )
    keys = [InvoiceKey(key.organization_id, row.invoice_id) for row in billing]
    invoices = {row.id: row for row in await invoices_by_id(connection, keys)}
    return [
        BilledLine(invoices[line.invoice_id], line)
        for line in await lines_of_invoices(connection, keys)
        if line.snapshot_id == key.snapshot_id and invoices[line.invoice_id].state is not InvoiceState.CANCELLED
    ]
