"""The challenge window: the client sees the names before it is billed, and accepts lines or disputes them."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.errors import BillingError, BillingErrorCode, NotAllowed
from models.events import Deed, Thing
from models.interval import DAY
from models.invoices import InvoiceState, LineAcceptance
from resolvers.events import Noted, note
from resolvers.invoices.reading import become, find, find_shown, worded
from resolvers.loaders.invoices import InvoiceKey, LineRow
from resolvers.organizations import calendars
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording

MOST_CHALLENGE_DAYS = 90


async def open_challenge(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: InvoiceKey, days: int
) -> dt.datetime:
    """Shows a draft to the client for so many whole local days after today; the instant at which they are over."""
    principal.must_be_staff("open a challenge window")
    if not 1 <= days <= MOST_CHALLENGE_DAYS:
        raise BillingError(
            BillingErrorCode.BAD_CHALLENGE_DAYS,
            f"A challenge window has 1 to {MOST_CHALLENGE_DAYS} days, not {days}.",
            "days",
        )
    recording = await begin_recording(session, key.organization_id, now)
    (await find(session, *key)).must_be(InvoiceState.DRAFT)
    calendar = (await calendars(session, [key.organization_id]))[key.organization_id]
    until = calendar.start_of(calendar.day_of(now) + (days + 1) * DAY)
    await become(recording, key.invoice_id, InvoiceState.CHALLENGE, challenge_until=until)
    opened = Noted(
        thing=Thing.INVOICE,
        thing_id=key.invoice_id,
        deed=Deed.CHALLENGE_OPENED,
        before=InvoiceState.DRAFT.name,
        after=f"CHALLENGE through {calendar.last_day_before(until)}",
    )
    await note(recording, principal, opened)
    await end_recording(recording)
    return until


async def accept_line(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: InvoiceKey, number: int, reason: str | None
) -> None:
    """The client's word that a line is right, given by the client or by staff who say how they know."""
    recording = await begin_recording(session, key.organization_id, now)
    found = await find_shown(session, principal, *key)
    said = _on_whose_word(principal, reason)
    found.must_be(InvoiceState.CHALLENGE, InvoiceState.ISSUED)
    _refuse_decided(found.line(number))
    await _accept(recording, principal, key, number)
    accepted = Noted(
        thing=Thing.INVOICE,
        thing_id=key.invoice_id,
        deed=Deed.LINE_ACCEPTED,
        said=said,
        after=f"line {number} of {found.row.number}",
    )
    await note(recording, principal, accepted)
    await end_recording(recording)


def _on_whose_word(principal: Principal, reason: str | None) -> str | None:
    if principal.is_staff:
        return worded(reason, "reason")
    if principal.role is not Role.ORGANIZATION:
        raise NotAllowed("A line is accepted by the organization's own administrators, or by staff for them.")
    return (reason or "").strip() or None


def _refuse_decided(line: LineRow) -> None:
    if line.accepted_at:
        raise BillingError(
            BillingErrorCode.ALREADY_ACCEPTED,
            f"{line.accepted_by} accepted this line on {line.accepted_at:%F}.",
            "line",
        )
    if line.disputed:
        raise BillingError(
            BillingErrorCode.WRONG_STATE, "The line is in dispute. Withdraw the dispute to accept it.", "line"
        )


async def _accept(recording: Recording, principal: Principal, key: InvoiceKey, number: int) -> None:
    await recording.session.execute(
        insert(LineAcceptance).values(
            organization_id=key.organization_id,
            invoice_id=key.invoice_id,
            line_number=number,
            recorded_at=recording.recorded_at,
            accepted_by=principal.name,
        )
    )
