"""Recording money that came in for an invoice."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import BillingError, BillingErrorCode
from models.events import Deed, Thing
from models.invoices import InvoicePayment, InvoiceState
from models.money import Money
from resolvers.events import Noted, note
from resolvers.idempotency import once
from resolvers.invoices.reading import Found, find, settle
from resolvers.loaders.invoices import InvoiceKey
from resolvers.principal import Principal
from resolvers.recording import begin_recording, end_recording

LONGEST_REFERENCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    invoice: InvoiceKey
    amount: Money
    # By which it is found in the bank's records.
    reference: str


async def pay(
    session: AsyncSession, principal: Principal, now: dt.datetime, payment: Payment, idempotency_key: str
) -> int:
    """The key of the payment, once. Never more than is due; what is in dispute may be paid, though it is not asked."""
    principal.must_be_staff("record payments")
    organization_id = payment.invoice.organization_id

    async def step() -> int:
        return await _pay(session, principal, now, payment)

    return await once(session, organization_id, idempotency_key, "invoicePaymentRecord", payment, now, step)


async def _pay(session: AsyncSession, principal: Principal, now: dt.datetime, payment: Payment) -> int:
    recording = await begin_recording(session, payment.invoice.organization_id, now)
    found = await find(session, *payment.invoice)
    _refuse_unfit(found, payment)
    payment_id = recording.keys.take()
    await session.execute(
        insert(InvoicePayment).values(
            organization_id=recording.organization_id,
            id=payment_id,
            invoice_id=payment.invoice.invoice_id,
            amount_minor=payment.amount.amount_minor,
            reference=payment.reference.strip(),
            recorded_at=recording.recorded_at,
            actor=principal.name,
        )
    )
    paid = Noted(
        thing=Thing.INVOICE,
        thing_id=payment.invoice.invoice_id,
        deed=Deed.PAYMENT_RECORDED,
        said=payment.reference.strip(),
        before=f"due {found.money(found.figures.due)}",
        after=f"due {found.money(found.figures.due) - payment.amount}",
    )
    await note(recording, principal, paid)
    await settle(recording, principal, payment.invoice.invoice_id)
    await end_recording(recording)
    return payment_id


def _refuse_unfit(found: Found, payment: Payment) -> None:
    found.must_be(InvoiceState.ISSUED, InvoiceState.PAID)
    if payment.amount.currency != found.row.currency:
        raise BillingError(
            BillingErrorCode.WRONG_CURRENCY,
            f"{found.row.number} is in {found.row.currency}, not in {payment.amount.currency}.",
            *("amount", "currency"),
        )
    if payment.amount.amount_minor <= 0:
        raise BillingError(BillingErrorCode.BAD_AMOUNT, "A payment is more than nothing.", "amount", "amount")
    if not 1 <= len(payment.reference.strip()) <= LONGEST_REFERENCE:
        raise BillingError(
            BillingErrorCode.REFERENCE_REQUIRED, f"A reference has 1 to {LONGEST_REFERENCE} characters.", "reference"
        )
    if payment.amount.amount_minor > found.figures.due:
        raise BillingError(
            BillingErrorCode.EXCEEDS_DUE,
            f"{payment.amount} is more than the {found.money(found.figures.due)} that is due on {found.row.number}.",
            *("amount", "amount"),
        )
