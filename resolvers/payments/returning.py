"""Giving money back: kept as asked for in the step that owes it; the gateway itself is asked outside of it."""

from __future__ import annotations

from sqlalchemy import insert, select

from models.money import Money
from models.payments import PaymentState, RefundState
from resolvers.payments.rows import PAYMENT, REFUND, Subject
from resolvers.payments.starting import reference_of
from resolvers.programs.acting import ProgramAct


async def charged_payment(act: ProgramAct, subject: Subject) -> int | None:
    """The payment that paid it; None if none has."""
    paid = await act.session.execute(
        select(PAYMENT.c.id)
        .where(subject.among(act.program_id), PAYMENT.c.state == PaymentState.SUCCEEDED)
        .order_by(PAYMENT.c.answered_at, PAYMENT.c.id)
        .limit(1)
    )
    found: int | None = paid.scalar_one_or_none()
    return found


async def ask_back(
    act: ProgramAct, payment_id: int, amount: Money, *, fee_refund_id: int | None = None, retries_id: int | None = None
) -> int:
    """The refund's key. The worker asks the gateway for it, and whoever wants it sooner calls `give_back`."""
    key = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": key,
        "payment_id": payment_id,
        "fee_refund_id": fee_refund_id,
        "retries_id": retries_id,
        "reference": reference_of("refund", key),
        "amount_minor": amount.amount_minor,
        "state": RefundState.ASKING,
        "asked_at": act.now,
    }
    await act.session.execute(insert(REFUND), row)
    return key
