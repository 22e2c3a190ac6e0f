"""Charging a card for an order: asked outside any transaction; what was answered is written in one.

A payment is claimed before it is asked for: from then on it is UNKNOWN until an answer is kept, so that whoever crashes
or hears nothing leaves something to look up, and nobody asks twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import structlog
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.money import Money
from models.payments import Payment, PaymentRefund, PaymentState, RefundState
from resolvers.database import Writing
from resolvers.gateways.gateway import ActionRequired, Answer, Charge, Declined, Gateway, Succeeded, Unknown
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, begin_act
from resolvers.voucher_orders.finding import seen_order
from resolvers.voucher_orders.ordering import reference_of
from resolvers.voucher_orders.settling import decline, leave_unknown, settle_paid
from resolvers.vouchers.codes import CodeKeys

log = structlog.get_logger()

PAYMENT = Payment.__table__
COLUMNS = (
    PAYMENT.c.program_id,
    PAYMENT.c.id,
    PAYMENT.c.voucher_order_id,
    PAYMENT.c.gateway,
    PAYMENT.c.reference,
    PAYMENT.c.gateway_reference,
    PAYMENT.c.amount_minor,
    PAYMENT.c.currency,
    PAYMENT.c.state,
    PAYMENT.c.asked_at,
)
UNCHARGED = tuple(state for state in PaymentState if state is not PaymentState.SUCCEEDED)
UNDECIDED = (PaymentState.ASKING, PaymentState.UNKNOWN, PaymentState.ACTION_REQUIRED)


@dataclass(frozen=True, slots=True)
class PaymentRow:
    program_id: int
    id: int
    voucher_order_id: int | None
    gateway: str
    reference: str
    gateway_reference: str | None
    amount_minor: int
    currency: str
    state: PaymentState
    asked_at: dt.datetime

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


async def charge_order(
    run: Writing,
    gateway: Gateway,
    keys: CodeKeys | None,
    principal: Principal,
    now: dt.datetime,
    program_id: int,
    order_id: int,
    payment_method: str,
) -> Answer | None:
    """Asks the gateway once for what the order costs, and keeps what it answers; None if that was asked before."""

    async def claim(session: AsyncSession) -> PaymentRow | None:
        return await _claim(await begin_act(session, principal, now, program_id), order_id)

    payment = await run(claim)
    if payment is None:
        return None
    answer = await gateway.charge(
        Charge(reference=payment.reference, amount=payment.amount, payment_method=payment_method)
    )

    async def keep(session: AsyncSession) -> None:
        await keep_answer(await begin_act(session, principal, now, program_id), keys, payment, answer)

    await run(keep)
    return answer


async def _claim(act: ProgramAct, order_id: int) -> PaymentRow | None:
    """Of many at once one gets it, and it alone asks."""
    await seen_order(act, order_id)
    claimed = await act.session.execute(
        update(PAYMENT)
        .where(PAYMENT.c.program_id == act.program_id, PAYMENT.c.voucher_order_id == order_id)
        .where(PAYMENT.c.state == PaymentState.ASKING)
        .values(state=PaymentState.UNKNOWN, asked_at=act.now)
        .returning(*COLUMNS)
    )
    row = claimed.one_or_none()
    return PaymentRow(*row) if row else None


async def keep_answer(act: ProgramAct, keys: CodeKeys | None, payment: PaymentRow, answer: Answer) -> None:
    """Whoever brings it, and however often: what it changes, it changes once."""
    if isinstance(answer, Succeeded) and answer.amount == payment.amount:
        await _keep_success(act, keys, payment, answer)
    elif isinstance(answer, Declined):
        await _keep_refusal(act, payment, PaymentState.DECLINED, answer)
    elif isinstance(answer, ActionRequired):
        before = (PaymentState.ASKING, PaymentState.UNKNOWN)
        await _move(act, payment, before, PaymentState.ACTION_REQUIRED, answer.gateway_reference)
    else:
        await _keep_doubt(act, payment, answer)


async def give_up(act: ProgramAct, payment: PaymentRow) -> None:
    """The gateway knows nothing of it, so nothing was charged. Should it turn up all the same, it is money again."""
    nothing = Declined("The gateway never received the charge. Nothing was charged.")
    await _keep_refusal(act, payment, PaymentState.CANCELLED, nothing, (payment.state,))


async def _keep_success(act: ProgramAct, keys: CodeKeys | None, payment: PaymentRow, answer: Succeeded) -> None:
    """The order is settled, unless it was cancelled or paid meanwhile: then the money is to go back."""
    if not await _move(act, payment, UNCHARGED, PaymentState.SUCCEEDED, answer.gateway_reference):
        return
    if payment.voucher_order_id is None or not await settle_paid(act, keys, payment.voucher_order_id):
        await _ask_money_back(act, payment)


async def _keep_refusal(
    act: ProgramAct,
    payment: PaymentRow,
    state: PaymentState,
    answer: Declined,
    before: Collection[PaymentState] = UNDECIDED,
) -> None:
    moved = await _move(act, payment, before, state, answer.gateway_reference, failure=answer.reason)
    if moved and payment.voucher_order_id is not None:
        await decline(act, payment.voucher_order_id, answer.reason)


async def _keep_doubt(act: ProgramAct, payment: PaymentRow, answer: Succeeded | Unknown) -> None:
    """No answer; or one about another amount than was asked for, which a person has to look at."""
    if isinstance(answer, Succeeded):
        log.error("gateway.other_amount", payment=payment.id, asked=str(payment.amount), charged=str(answer.amount))
    undecided = (PaymentState.ASKING, PaymentState.UNKNOWN)
    moved = await _move(act, payment, undecided, PaymentState.UNKNOWN, answer.gateway_reference, answered=False)
    if moved and payment.voucher_order_id is not None:
        await leave_unknown(act, payment.voucher_order_id)


async def _move(
    act: ProgramAct,
    payment: PaymentRow,
    before: Collection[PaymentState],
    after: PaymentState,
    gateway_reference: str | None,
    *,
    failure: str | None = None,
    answered: bool = True,
) -> bool:
    known = {"gateway_reference": gateway_reference} if gateway_reference else {}
    moved = await act.session.execute(
        update(PAYMENT)
        .where(PAYMENT.c.program_id == act.program_id, PAYMENT.c.id == payment.id, PAYMENT.c.state.in_(before))
        .values(state=after, failure=failure, answered_at=act.now if answered else None, **known)
        .returning(PAYMENT.c.id)
    )
    return moved.scalar_one_or_none() is not None


async def _ask_money_back(act: ProgramAct, payment: PaymentRow) -> None:
    key = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": key,
        "payment_id": payment.id,
        "reference": reference_of("refund", key),
        "amount_minor": payment.amount_minor,
        "state": RefundState.ASKING,
        "asked_at": act.now,
    }
    await act.session.execute(insert(PaymentRefund.__table__), row)
