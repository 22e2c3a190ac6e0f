"""Charging: asked outside any transaction; what was answered is written in one.

A payment is claimed before it is asked for: from then on it is UNKNOWN until an answer is kept, so that whoever crashes
or hears nothing leaves something to look up, and nobody asks twice.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from models.payments import PaymentState
from resolvers.database import Writing
from resolvers.gateways.gateway import Answer, Charge, Gateway
from resolvers.loaders.voucher_programs import program_of
from resolvers.payments.answering import keep_answer
from resolvers.payments.rows import COLUMNS, PAYMENT, PaymentRow, Subject
from resolvers.payments.subjects import PAID_FOR
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, begin_act
from resolvers.vouchers.codes import CodeKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """How it is to be paid, and what the payer was shown."""

    # Made by the gateway's own script; empty where the gateway's page asks for the card.
    payment_method: str = ""
    description: str = ""
    # What the payment is pinned to, such as the version of a cart.
    pinned_to: str = ""


async def charge(
    run: Writing,
    gateway: Gateway,
    keys: CodeKeys | None,
    principal: Principal,
    now: dt.datetime,
    program_id: int,
    subject: Subject,
    means: Means,
) -> Answer | None:
    """Asks the gateway once for the payment that was started, and keeps what it answers; None if it was asked before,
    or if there is none to ask for."""

    async def claim(session: AsyncSession) -> tuple[PaymentRow, Charge] | None:
        act = await begin_act(session, principal, now, program_id)
        payment = await _claim(act, gateway.capabilities.name, subject)
        return (payment, await _asked(act, payment, means)) if payment else None

    claimed = await run(claim)
    if claimed is None:
        return None
    payment, asked = claimed
    answer = await gateway.charge(asked)

    async def keep(session: AsyncSession) -> None:
        await keep_answer(await begin_act(session, principal, now, program_id), keys, payment, answer)

    await run(keep)
    return answer


async def _claim(act: ProgramAct, gateway: str, subject: Subject) -> PaymentRow | None:
    """Of many at once one gets it, and it alone asks."""
    await PAID_FOR[subject.kind].seen(act, subject.id)
    claimed = await act.session.execute(
        update(PAYMENT)
        .where(subject.among(act.program_id), PAYMENT.c.gateway == gateway)
        .where(PAYMENT.c.state == PaymentState.ASKING)
        .values(state=PaymentState.UNKNOWN, asked_at=act.now)
        .returning(*COLUMNS)
    )
    row = claimed.one_or_none()
    return PaymentRow(*row) if row else None


async def _asked(act: ProgramAct, payment: PaymentRow, means: Means) -> Charge:
    return Charge(
        reference=payment.reference,
        amount=payment.amount,
        payment_method=means.payment_method,
        description=means.description,
        program=(await program_of(act.session, act.program_id)).slug,
        pinned_to=means.pinned_to,
    )
