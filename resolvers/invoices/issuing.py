"""Issuing an invoice: from then on it is to be paid."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import BillingError, BillingErrorCode
from models.events import Deed, Thing
from models.invoices import Invoice, InvoiceState
from resolvers.events import Noted, note
from resolvers.invoices.reading import Found, become, find, settle, worded
from resolvers.loaders.invoices import InvoiceKey
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording

INVOICE = Invoice.__table__


async def issue(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    key: InvoiceKey,
    *,
    without_challenge: bool = False,
    reason: str | None = None,
) -> None:
    """Once the challenge window is over or every line was accepted; a draft only without any window, with a reason."""
    principal.must_be_staff("issue invoices")
    recording = await begin_recording(session, key.organization_id, now)
    found = await find(session, *key)
    if found.row.state is InvoiceState.DRAFT and without_challenge:
        reason = worded(reason, "reason")
    else:
        _refuse_before_time(found, now)
    await _issue(recording, principal, found, (reason or "").strip() or None)
    await end_recording(recording)


def _refuse_before_time(found: Found, now: dt.datetime) -> None:
    found.must_be(InvoiceState.CHALLENGE)
    until = found.row.challenge_until
    open_lines = [line.number for line in found.lines if not line.accepted_at and line.creditable]
    if until and now < until and open_lines:
        raise BillingError(
            BillingErrorCode.CHALLENGE_RUNS,
            f"The client may challenge {found.row.number} before {until:%Y-%m-%d %H:%M} UTC, and has not accepted"
            f" line {', '.join(map(str, open_lines))}.",
            "invoice",
        )


async def issue_due(recording: Recording, principal: Principal, now: dt.datetime) -> list[int]:
    """Issues the organization's invoices whose challenge window is over; again it issues none. Takes keys."""
    principal.must_be_staff("issue invoices")
    due = await recording.session.scalars(
        select(INVOICE.c.id)
        .where(INVOICE.c.organization_id == recording.organization_id, INVOICE.c.state == InvoiceState.CHALLENGE)
        .where(INVOICE.c.challenge_until <= now)
        .order_by(INVOICE.c.id)
    )
    issued = list(due)
    for invoice_id in issued:
        await _issue(recording, principal, await find(recording.session, recording.organization_id, invoice_id), None)
    return issued


async def _issue(recording: Recording, principal: Principal, found: Found, reason: str | None) -> None:
    await become(recording, found.row.id, InvoiceState.ISSUED, issued_at=recording.recorded_at)
    issued = Noted(
        thing=Thing.INVOICE,
        thing_id=found.row.id,
        deed=Deed.INVOICE_ISSUED,
        said=reason,
        before=found.row.state.name,
        after=InvoiceState.ISSUED.name,
    )
    await note(recording, principal, issued)
    await settle(recording, principal, found.row.id)
