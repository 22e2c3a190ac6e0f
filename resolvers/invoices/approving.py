"""Approvals: only by these is anybody billed above what was provable when the snapshot was taken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import BillingError, BillingErrorCode, NotFound
from models.events import Deed, Thing
from models.invoices import AdjustmentState, InvoiceState, LineKind
from resolvers.events import Noted, note
from resolvers.idempotency import once
from resolvers.invoices.drafting import NewInvoice, NewLine, add_lines, write_invoice
from resolvers.invoices.reading import find, worded
from resolvers.invoices.standing import Standing, standing_of
from resolvers.loaders.adjustments import AdjustmentKey, AdjustmentRow, adjustments_by_id
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertainApproval:
    """So many people of a snapshot who may have been counted are billed, and why."""

    snapshot: SnapshotKey
    quantity: int
    reason: str


async def approve_uncertain(
    session: AsyncSession, principal: Principal, now: dt.datetime, approval: UncertainApproval, idempotency_key: str
) -> int:
    """The key of the invoice that bills them: the snapshot's own while the client may still challenge it, or a new
    draft."""
    principal.must_be_staff("approve what is not provable")
    worded(approval.reason, "reason")

    async def step() -> int:
        return await _approve_uncertain(session, principal, now, approval)

    organization_id = approval.snapshot.organization_id
    return await once(session, organization_id, idempotency_key, "uncertainApprove", approval, now, step)


async def _approve_uncertain(
    session: AsyncSession, principal: Principal, now: dt.datetime, approval: UncertainApproval
) -> int:
    recording = await begin_recording(session, approval.snapshot.organization_id, now)
    standing = await standing_of(session, approval.snapshot)
    _refuse_beyond_possible(standing, approval.quantity)
    line = NewLine(
        kind=LineKind.UNCERTAIN,
        snapshot_id=standing.snapshot.id,
        quantity=approval.quantity,
        unit_price_minor=standing.snapshot.unit_price_minor or 0,
        approved_by=principal.name,
        approval_reason=approval.reason.strip(),
    )
    invoice_id = await _add_to_open_invoice(recording, principal, standing, line, now)
    approved = Noted(
        thing=Thing.INVOICE,
        thing_id=invoice_id,
        deed=Deed.UNCERTAIN_APPROVED,
        said=approval.reason.strip(),
        after=f"{approval.quantity} of whom dates are lost",
    )
    await note(recording, principal, approved)
    await end_recording(recording)
    return invoice_id


def _refuse_beyond_possible(standing: Standing, quantity: int) -> None:
    least, most = standing.snapshot.overage_least or 0, standing.snapshot.overage_most or 0
    room = most - max(standing.billed, least + standing.ever_approved)
    if room <= 0:
        raise BillingError(
            BillingErrorCode.NOT_ABOVE_MINIMUM,
            f"The overage is {least} to {most}, and all who may be billed above {least} are.",
            "quantity",
        )
    if not 1 <= quantity <= room:
        raise BillingError(
            BillingErrorCode.BAD_QUANTITY,
            f"The overage is {least} to {most}: from 1 to {room} more can be approved, not {quantity}.",
            "quantity",
        )


async def _add_to_open_invoice(
    recording: Recording, principal: Principal, standing: Standing, line: NewLine, now: dt.datetime
) -> int:
    open_ones = [one.invoice for one in standing.lines if _is_open(one.invoice.state, one.invoice.challenge_until, now)]
    if not open_ones:
        return await write_invoice(recording, principal, _invoice_of(standing.snapshot, [line]))
    invoice_id = open_ones[-1].id
    found = await find(recording.session, recording.organization_id, invoice_id)
    await add_lines(recording, invoice_id, found.lines[-1].number + 1, [line])
    return invoice_id


def _is_open(state: InvoiceState, challenge_until: dt.datetime | None, now: dt.datetime) -> bool:
    runs = challenge_until is not None and now < challenge_until
    return state is InvoiceState.DRAFT or (state is InvoiceState.CHALLENGE and runs)


def _invoice_of(snapshot: SnapshotRow, lines: Sequence[NewLine]) -> NewInvoice:
    return NewInvoice(date=snapshot.date, currency=snapshot.currency or "", lines=lines)


# ------------------------------------------------------------------------------------------------ adjustments


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentApproval:
    organization_id: int
    adjustment_id: int
    reason: str


async def approve_adjustment(
    session: AsyncSession, principal: Principal, now: dt.datetime, approval: AdjustmentApproval, idempotency_key: str
) -> int:
    """The key of the new draft that bills an upward adjustment."""
    principal.must_be_staff("approve adjustments")
    worded(approval.reason, "reason")

    async def step() -> int:
        return await _approve_adjustment(session, principal, now, approval)

    return await once(session, approval.organization_id, idempotency_key, "adjustmentApprove", approval, now, step)


async def _approve_adjustment(
    session: AsyncSession, principal: Principal, now: dt.datetime, approval: AdjustmentApproval
) -> int:
    recording = await begin_recording(session, approval.organization_id, now)
    adjustment = await _adjustment(recording, approval.adjustment_id)
    standing = await standing_of(session, SnapshotKey(approval.organization_id, adjustment.snapshot_id))
    _refuse_unfit(adjustment, standing)
    line = NewLine(
        kind=LineKind.ADJUSTMENT,
        snapshot_id=standing.snapshot.id,
        adjustment_id=adjustment.id,
        quantity=adjustment.quantity,
        unit_price_minor=standing.snapshot.unit_price_minor or 0,
        approved_by=principal.name,
        approval_reason=approval.reason.strip(),
    )
    invoice_id = await write_invoice(recording, principal, _invoice_of(standing.snapshot, [line]))
    approved = Noted(
        thing=Thing.ADJUSTMENT,
        thing_id=adjustment.id,
        deed=Deed.ADJUSTMENT_APPROVED,
        said=approval.reason.strip(),
        after=f"billed {adjustment.overage_now}",
    )
    await note(recording, principal, approved)
    await end_recording(recording)
    return invoice_id


async def _adjustment(recording: Recording, adjustment_id: int) -> AdjustmentRow:
    rows = await adjustments_by_id(recording.session, [AdjustmentKey(recording.organization_id, adjustment_id)])
    if not rows:
        raise NotFound("adjustment", "adjustment")
    return rows[0]


def _refuse_unfit(adjustment: AdjustmentRow, standing: Standing) -> None:
    """An adjustment is a difference to what was billed then: it fits as long as that is what is billed."""
    if adjustment.state is AdjustmentState.CREDITED:
        raise BillingError(BillingErrorCode.WRONG_STATE, "A downward adjustment was credited at once.", "adjustment")
    if adjustment.state is AdjustmentState.BILLED:
        raise BillingError(BillingErrorCode.ALREADY_APPROVED, "This adjustment is on an invoice already.", "adjustment")
    if adjustment.state is AdjustmentState.SUPERSEDED or standing.billed != adjustment.overage_billed:
        raise BillingError(
            BillingErrorCode.SUPERSEDED,
            f"The adjustment was found when {adjustment.overage_billed} were billed; {standing.billed} are now, or"
            " another was found later, or its invoice was cancelled. Find it again.",
            "adjustment",
        )
