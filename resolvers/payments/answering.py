"""Keeping what a gateway answered, whoever brings it and however often: what it changes, it changes once."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from sqlalchemy import update

from models.payments import PaymentState
from resolvers.gateways.gateway import (
    ActionRequired,
    Answer,
    Authorised,
    AwaitingStaff,
    Declined,
    GoTo,
    Succeeded,
    Unknown,
)
from resolvers.payments.returning import ask_back
from resolvers.payments.rows import PAYMENT, PaymentRow
from resolvers.payments.starting import give_up_waiting
from resolvers.payments.subjects import PAID_FOR
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.codes import CodeKeys

log = structlog.get_logger()

# A charge that succeeded is money that came in, whatever was heard of it before.
UNCHARGED = tuple(state for state in PaymentState if state is not PaymentState.SUCCEEDED)
UNDECIDED = (PaymentState.ASKING, PaymentState.UNKNOWN, PaymentState.ACTION_REQUIRED)
UNANSWERED = (PaymentState.ASKING, PaymentState.UNKNOWN)


async def keep_answer(act: ProgramAct, keys: CodeKeys | None, payment: PaymentRow, answer: Answer) -> None:
    if isinstance(answer, Succeeded) and answer.amount == payment.amount:
        await _keep_success(act, keys, payment, answer)
    elif isinstance(answer, Declined):
        await _keep_refusal(act, payment, PaymentState.DECLINED, answer)
    elif isinstance(answer, ActionRequired):
        await _move(act, payment, UNANSWERED, PaymentState.ACTION_REQUIRED, answer.gateway_reference)
    elif isinstance(answer, GoTo | AwaitingStaff):
        await _move(act, payment, UNANSWERED, PaymentState.ACTION_REQUIRED, None)
    else:
        await _keep_doubt(act, payment, answer)


async def give_up(act: ProgramAct, payment: PaymentRow) -> None:
    """The gateway knows nothing of it, so nothing was charged. Should it turn up all the same, it is money again."""
    nothing = Declined("The gateway never received the charge. Nothing was charged.")
    await _keep_refusal(act, payment, PaymentState.CANCELLED, nothing, (payment.state,))


async def _keep_success(act: ProgramAct, keys: CodeKeys | None, payment: PaymentRow, answer: Succeeded) -> None:
    """What it pays for is paid, unless that was cancelled or paid meanwhile: then the money is to go back."""
    if not await _move(act, payment, UNCHARGED, PaymentState.SUCCEEDED, answer.gateway_reference):
        return
    if await PAID_FOR[payment.subject.kind].paid(act, keys, payment.subject.id):
        await give_up_waiting(act, payment.subject)
    else:
        await ask_back(act, payment.id, payment.amount)


async def _keep_refusal(
    act: ProgramAct,
    payment: PaymentRow,
    state: PaymentState,
    answer: Declined,
    before: Collection[PaymentState] = UNDECIDED,
) -> None:
    if await _move(act, payment, before, state, answer.gateway_reference, failure=answer.reason):
        await PAID_FOR[payment.subject.kind].declined(act, payment.subject.id, answer.reason)


async def _keep_doubt(act: ProgramAct, payment: PaymentRow, answer: Succeeded | Authorised | Unknown) -> None:
    """No answer; or one about another amount than was asked for, which a person has to look at."""
    before: Collection[PaymentState] = UNANSWERED
    if isinstance(answer, Succeeded):
        log.error("gateway.other_amount", payment=payment.id, asked=str(payment.amount), charged=str(answer.amount))
        before = UNDECIDED
    if await _move(act, payment, before, PaymentState.UNKNOWN, answer.gateway_reference, answered=False):
        await PAID_FOR[payment.subject.kind].unknown(act, payment.subject.id)


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
