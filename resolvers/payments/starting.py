"""Starting a payment: written down in the step that wants it, and asked for at the gateway afterwards."""

from __future__ import annotations

import secrets

from sqlalchemy import update

from models.money import Money
from models.payments import PaymentState
from resolvers.payments.rows import PAYMENT, Subject
from resolvers.programs.acting import ProgramAct, add_unique

WAITING = (PaymentState.ASKING, PaymentState.ACTION_REQUIRED)


async def start_payment(act: ProgramAct, subject: Subject, gateway: str, amount: Money) -> int:
    """The payment's key. The database takes one open payment of a subject: of two at once the second is run again, and
    finds what the first has changed."""
    key = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": key,
        subject.kind.value: subject.id,
        "gateway": gateway,
        "reference": reference_of("pay", key),
        "amount_minor": amount.amount_minor,
        "currency": amount.currency,
        "state": PaymentState.ASKING,
        "asked_at": act.now,
    }
    await add_unique(act.session, PAYMENT, row)
    return key


async def give_up_waiting(act: ProgramAct, subject: Subject) -> bool:
    """Those of its payments that wait for somebody: whether there is any. One that the gateway is being asked for is
    left to its answer."""
    given_up = await act.session.execute(
        update(PAYMENT)
        .where(subject.among(act.program_id), PAYMENT.c.state.in_(WAITING))
        .values(state=PaymentState.CANCELLED, answered_at=act.now)
        .returning(PAYMENT.c.id)
    )
    return bool(given_up.all())


def reference_of(what: str, key: int) -> str:
    """Ours, by which a gateway knows what it was asked before: the same however often it is sent."""
    return f"{what}_{key:x}_{secrets.token_hex(8)}"
