"""Adjusting what was billed to what is known now: downward at once, upward once somebody approves it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import BillingError, BillingErrorCode
from models.events import Deed, Thing
from models.invoices import Adjustment, LineKind, billable_now
from resolvers.events import Noted, note
from resolvers.idempotency import once
from resolvers.invoices.credits import Credit, credit
from resolvers.invoices.reading import worded
from resolvers.invoices.standing import BilledLine, Standing, standing_of
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, snapshots_by_id
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording
from resolvers.snapshots.taking import Inquiry, inquire


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """A snapshot that is to be adjusted to what is known now, and why."""

    snapshot: SnapshotKey
    reason: str


async def adjust_once(
    session: AsyncSession, principal: Principal, now: dt.datetime, recount: Recount, idempotency_key: str
) -> int:
    principal.must_be_staff("adjust what was billed")

    async def step() -> int:
        return await adjust(session, principal, now, *recount.snapshot, recount.reason)

    return await once(
        session, recount.snapshot.organization_id, idempotency_key, "adjustmentCreate", recount, now, step
    )


async def adjust(
    session: AsyncSession, principal: Principal, now: dt.datetime, organization_id: int, snapshot_id: int, reason: str
) -> int:
    """The key of the adjustment: the overage as known now less what is billed, each floored at zero.

    Downward the difference is credited in the same transaction; upward it is a draft until `approve_adjustment`.
    """
    principal.must_be_staff("adjust what was billed")
    why = worded(reason, "reason")
    standing = await _adjustable(session, SnapshotKey(organization_id, snapshot_id))
    recount = await _recount(session, principal, now, standing.snapshot)
    recording = await begin_recording(session, organization_id, now)
    overage = billable_now(standing.billed, standing.approved, recount.overage_least or 0, recount.overage_most or 0)
    if overage == standing.billed:
        raise BillingError(
            BillingErrorCode.NO_DIFFERENCE, f"{overage} are billed, and {overage} would be now.", "snapshot"
        )
    adjustment_id = await _write(recording, principal, standing, recount, overage, why)
    for owed in _credits(standing, recount.overage_least or 0, standing.billed - overage, why, adjustment_id):
        await credit(recording, principal, owed)
    await end_recording(recording)
    return adjustment_id


async def _adjustable(session: AsyncSession, key: SnapshotKey) -> Standing:
    """The snapshot, once the client has been shown what it bills: a draft is cancelled and drafted anew instead."""
    standing = await standing_of(session, key)
    if standing.snapshot.overage_least and not any(one.line.kind is LineKind.OVERAGE for one in standing.lines):
        raise BillingError(
            BillingErrorCode.NOT_BILLED, "The overage of the snapshot is not on an invoice yet.", "snapshot"
        )
    if standing.is_drafted:
        raise BillingError(
            BillingErrorCode.WRONG_STATE,
            "A draft bills this snapshot. Cancel it, or show it to the client, before adjusting.",
            "snapshot",
        )
    return standing


async def _recount(session: AsyncSession, principal: Principal, now: dt.datetime, snapshot: SnapshotRow) -> SnapshotRow:
    """The same question, as known now, with the term as known now."""
    inquiry = Inquiry(snapshot.product_id, snapshot.date, measure=snapshot.measure)
    recount_id = await inquire(session, principal, now, snapshot.organization_id, inquiry)
    return (await snapshots_by_id(session, [SnapshotKey(snapshot.organization_id, recount_id)]))[0]


async def _write(
    recording: Recording, principal: Principal, standing: Standing, recount: SnapshotRow, overage: int, reason: str
) -> int:
    adjustment_id = recording.keys.take()
    await recording.session.execute(
        insert(Adjustment).values(
            organization_id=recording.organization_id,
            id=adjustment_id,
            snapshot_id=standing.snapshot.id,
            recount_id=recount.id,
            overage_billed=standing.billed,
            overage_now=overage,
            quantity=overage - standing.billed,
            recorded_at=recording.recorded_at,
            actor=principal.name,
            reason=reason,
        )
    )
    found = Noted(
        thing=Thing.ADJUSTMENT,
        thing_id=adjustment_id,
        deed=Deed.ADJUSTMENT_FOUND,
        said=reason,
        before=f"billed {standing.billed}",
        after=f"now known {overage}, adjustment {overage - standing.billed:+}",
    )
    await note(recording, principal, found)
    return adjustment_id


def _credits(standing: Standing, least: int, people: int, reason: str, adjustment_id: int) -> Iterator[Credit]:
    """A credit note for each invoice. Of the lines billed as provable only what is not provable any more is credited,
    and the rest of those approved as uncertain: so another adjustment finds no difference."""
    provable = standing.billed - standing.approved
    unproved = min(people, max(0, provable - least))
    quantities: dict[int, dict[int, int]] = {}
    for one in sorted(standing.lines, key=_newest_first):
        is_approved = one.line.kind is LineKind.UNCERTAIN
        part = min(people - unproved if is_approved else unproved, one.line.creditable)
        if part > 0:
            quantities.setdefault(one.invoice.id, {})[one.line.number] = part
            people, unproved = people - part, unproved if is_approved else unproved - part
    for invoice_id, of_lines in quantities.items():
        yield Credit(invoice_id=invoice_id, quantities=of_lines, reason=reason, adjustment_id=adjustment_id)


def _newest_first(one: BilledLine) -> tuple[int, int]:
    return -one.invoice.id, -one.line.number
