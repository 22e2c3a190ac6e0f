"""What an evidence pack is made of, read from the database when it is built."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.activity import Predicate
from models.batches import as_parameter, asked
from models.billing import month_before
from models.contracts import Term
from models.erasure import Erasure
from models.errors import NotFound
from models.evidence import SnapshotSeal
from models.interval import DAY, BillingCalendar, to_microseconds
from models.invoices import CreditNoteLine, Invoice, InvoiceLine
from models.learners import Profile
from models.organizations import Scope
from models.proofs.packing import SALT_BYTES, StatedBill
from resolvers.loaders.billable import BillableKey, billable_counts
from resolvers.loaders.counts import Count
from resolvers.loaders.places import OrganizationRow, organizations_by_id
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, snapshots_by_id
from resolvers.loaders.terms import held_terms
from resolvers.snapshots.bridging import closing_count, from_snapshot
from resolvers.snapshots.causes import BridgeAsked
from resolvers.snapshots.drift import Difference, differences
from resolvers.snapshots.products import products_of

SEAL = SnapshotSeal.__table__
PROFILE = Profile.__table__
ERASURE = Erasure.__table__
LINE = InvoiceLine.__table__
INVOICE = Invoice.__table__
CREDITED = CreditNoteLine.__table__
# The chart shows the month before the date and about one after it.
MOST_DAYS = 62


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody whom a pack names, with a salt of their own."""

    learner_id: int
    salt: str
    name: str
    email: str
    external_id: str
    department: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All but the lists that may be long: who was counted, and who stands on the bridge."""

    snapshot: SnapshotRow
    organization: OrganizationRow
    product_name: str
    seed: bytes
    term: Term | None
    bills: tuple[StatedBill, ...]
    bridge: BridgeAsked
    closing: Count
    corrections: tuple[Difference, ...]
    days: tuple[tuple[dt.date, Count], ...]


async def snapshot_to_prove(connection: AsyncConnection, organization_id: int, snapshot_id: int) -> SnapshotRow:
    rows = await snapshots_by_id(connection, [SnapshotKey(organization_id, snapshot_id)])
    if not rows:
        raise NotFound("snapshot", "snapshot")
    return rows[0]


async def gather(connection: AsyncConnection, snapshot: SnapshotRow, now: dt.datetime) -> Gathered:
    """All of it as known now; the snapshot must be sealed."""
    (organization,) = await organizations_by_id(connection, [snapshot.organization_id])
    excluded_id = (await products_of(connection, snapshot.organization_id)).excluded_id
    bridge = from_snapshot(snapshot, excluded_id, now, now)
    return Gathered(
        snapshot=snapshot,
        organization=organization,
        product_name=await product_name(connection, snapshot),
        seed=await _seed_of(connection, snapshot),
        term=await _term_of(connection, snapshot),
        bills=await _bills_of(connection, snapshot),
        bridge=bridge,
        closing=await closing_count(connection, bridge),
        corrections=tuple(await differences(connection, snapshot, now)),
        days=await _days(connection, snapshot, excluded_id, organization.calendar, now),
    )


async def product_name(connection: AsyncConnection, snapshot: SnapshotRow) -> str:
    if snapshot.product_id == snapshot.organization_id:
        return "seats"
    named = select(Scope.name).where(Scope.organization_id == snapshot.organization_id, Scope.id == snapshot.product_id)
    return (await connection.execute(named)).scalar_one()


async def _seed_of(connection: AsyncConnection, snapshot: SnapshotRow) -> bytes:
    seed = select(SEAL.c.salt_seed).where(
        SEAL.c.organization_id == snapshot.organization_id, SEAL.c.snapshot_id == snapshot.id
    )
    return bytes.fromhex((await connection.execute(seed)).scalar_one())


async def _term_of(connection: AsyncConnection, snapshot: SnapshotRow) -> Term | None:
    """The term that the snapshot froze, as it was held then."""
    terms = await held_terms(connection, [snapshot.organization_id], snapshot.known_at)
    return next((term for term in terms[snapshot.organization_id] if term.id == snapshot.term_id), None)


async def _bills_of(connection: AsyncConnection, snapshot: SnapshotRow) -> tuple[StatedBill, ...]:
    same_line = [CREDITED.c[name] == LINE.c[name] for name in ("organization_id", "invoice_id")]
    credited = (
        select(func.coalesce(func.sum(CREDITED.c.quantity), 0))
        .where(*same_line, CREDITED.c.line_number == LINE.c.number)
        .scalar_subquery()
    )
    invoice = (INVOICE.c.organization_id == LINE.c.organization_id) & (INVOICE.c.id == LINE.c.invoice_id)
    rows = await connection.execute(
        select(LINE, INVOICE.c.number.label("invoice"), INVOICE.c.state, INVOICE.c.currency, credited.label("credited"))
        .join(INVOICE, invoice)
        .where(LINE.c.organization_id == snapshot.organization_id, LINE.c.snapshot_id == snapshot.id)
        .order_by(LINE.c.invoice_id, LINE.c.number)
    )
    return tuple(
        StatedBill(
            invoice=row.invoice,
            state=row.state.name,
            kind=row.kind.name,
            quantity=row.quantity,
            unit_price_minor=row.unit_price_minor,
            total_minor=row.total_minor,
            currency=row.currency,
            credited=row.credited,
        )
        for row in rows
    )


async def _days(
    connection: AsyncConnection, snapshot: SnapshotRow, excluded_id: int, calendar: BillingCalendar, now: dt.datetime
) -> tuple[tuple[dt.date, Count], ...]:
    """Who is active at the cutoff of each day from the month before the date on, as known now."""
    first, last = month_before(snapshot.date), calendar.day_of(now)
    shown = [first + n * DAY for n in range(min(MOST_DAYS, (last - first).days + 1))]
    days = [day for day in shown if calendar.cutoff_of(day) <= now]
    known_at = to_microseconds(now)
    keys = [
        BillableKey(snapshot.organization_id, snapshot.product_id, excluded_id, cutoff, cutoff, known_at)
        for cutoff in (to_microseconds(calendar.cutoff_of(day)) for day in days)
    ]
    counts = await billable_counts(connection, keys, Predicate.ACTIVE_AT)
    return tuple(zip(days, counts, strict=True))


async def people_of(connection: AsyncConnection, organization_id: int, learner_ids: Sequence[int]) -> dict[int, Named]:
    """Each with a new salt. Who was erased is nobody any more: a pseudonym is no personal data to be promised by a
    digest."""
    keys = asked("keys", "learner_id")
    columns = (PROFILE.c[name] for name in ("learner_id", "name", "email", "external_id", "department"))
    erased = exists().where(
        ERASURE.c.organization_id == PROFILE.c.organization_id, ERASURE.c.learner_id == PROFILE.c.learner_id
    )
    rows = await connection.execute(
        select(*columns).where(
            PROFILE.c.organization_id == organization_id, PROFILE.c.learner_id.in_(select(keys.c.learner_id)), ~erased
        ),
        {"keys": as_parameter((i,) for i in learner_ids)},
    )
    return {learner_id: Named(learner_id, secrets.token_hex(SALT_BYTES), *personal) for learner_id, *personal in rows}
