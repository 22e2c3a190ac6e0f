"""Credit notes: people of an invoice line who are no longer owed, for a dispute or an adjustment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import insert

from models.errors import BillingError, BillingErrorCode
from models.events import Deed, Thing
from models.invoices import SHOWN, CreditNote, CreditNoteLine
from resolvers.events import Noted, note
from resolvers.invoices.numbering import next_number
from resolvers.invoices.reading import Found, find, settle
from resolvers.principal import Principal
from resolvers.recording import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Of an invoice so many people of each line, by the line's number. Its cause is a dispute or an adjustment."""

    invoice_id: int
    quantities: Mapping[int, int]
    reason: str
    dispute_id: int | None = None
    adjustment_id: int | None = None


async def credit(recording: Recording, principal: Principal, credit: Credit) -> int:
    """The key of the credit note. It never exceeds what was invoiced and not credited yet; what becomes due to the
    client by it is a credit balance. Takes keys.
    """
    found = await find(recording.session, recording.organization_id, credit.invoice_id)
    found.must_be(*SHOWN)
    _refuse_too_much(found, credit.quantities)
    note_id = recording.keys.take()
    number = await next_number(recording, CreditNote)
    await _write(recording, principal, found, credit, note_id, number)
    await note(recording, principal, _noted(found, credit, number))
    await settle(recording, principal, credit.invoice_id)
    return note_id


def _refuse_too_much(found: Found, quantities: Mapping[int, int]) -> None:
    if not quantities:
        raise BillingError(BillingErrorCode.BAD_QUANTITY, "A credit note has at least one line.", "lines")
    for number, quantity in quantities.items():
        line = found.line(number)
        if not 1 <= quantity <= line.creditable:
            raise BillingError(
                BillingErrorCode.BAD_QUANTITY,
                f"Line {number} of {found.row.number} holds {line.quantity}, of which {line.credited} are credited:"
                f" from 1 to {line.creditable} more can be, not {quantity}.",
                "quantity",
            )


async def _write(
    recording: Recording, principal: Principal, found: Found, credit: Credit, note_id: int, number: str
) -> None:
    await recording.session.execute(
        insert(CreditNote).values(
            organization_id=recording.organization_id,
            id=note_id,
            number=number,
            invoice_id=credit.invoice_id,
            dispute_id=credit.dispute_id,
            adjustment_id=credit.adjustment_id,
            recorded_at=recording.recorded_at,
            actor=principal.name,
            reason=credit.reason,
        )
    )
    rows = [
        {
            "organization_id": recording.organization_id,
            "credit_note_id": note_id,
            "invoice_id": credit.invoice_id,
            "line_number": line,
            "quantity": quantity,
            "total_minor": quantity * found.line(line).unit_price_minor,
        }
        for line, quantity in credit.quantities.items()
    ]
    await recording.session.execute(insert(CreditNoteLine), rows)


def _noted(found: Found, credit: Credit, number: str) -> Noted:
    people = sum(credit.quantities.values())
    amount = sum(quantity * found.line(line).unit_price_minor for line, quantity in credit.quantities.items())
    return Noted(
        thing=Thing.INVOICE,
        thing_id=credit.invoice_id,
        deed=Deed.CREDIT_NOTE_MADE,
        said=credit.reason,
        after=f"{number}: {people} people, {found.money(amount)}",
    )
