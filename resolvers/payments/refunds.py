"""Refunds at the gateway: asked for once, looked up where no answer came; and what becomes of one that is refused.

When a gateway refuses, the money is still here and still owed, whatever it was for: cash is put back against
REFUNDS_PAYABLE, and stays there until another try gives it back. The vouchers that were given up stay so: their owner
asked for money, their codes are dead, and a voucher that comes back by itself could be spent while the money goes too.
"""

from __future__ import annotations

import datetime as dt

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.ledger import LedgerEvent
from models.payments import RefundState
from models.program_events import ProgramDeed
from resolvers.database import Writing
from resolvers.gateways.gateway import Asked, Declined, Gateway, GivenBack, NotThere, Refund, RefundAnswer, Unknown
from resolvers.ledger.posting import Posting, post
from resolvers.payments.returning import ask_back
from resolvers.payments.rows import COLUMNS, OF_PAYMENT, PAYMENT, REFUND, REFUND_COLUMNS, PaymentRow, PaysFor, RefundRow
from resolvers.payments.subjects import PAID_FOR
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, Told, begin_act, tell
from resolvers.voucher_orders.finding import found_order

log = structlog.get_logger()

# By then a request that was on its way has arrived, or never will.
NEVER_ARRIVED = dt.timedelta(minutes=10)
UNANSWERED = (RefundState.ASKING, RefundState.UNKNOWN)


async def give_back(run: Writing, gateway: Gateway, principal: Principal, now: dt.datetime, refund: RefundRow) -> None:
    """What may have been asked for is looked up first; only what the gateway does not know is asked for (again)."""
    answer = await _looked_up(gateway, now, refund)
    if answer is None and await _claim(run, now, refund):
        wanted = Refund(reference=refund.reference, amount=refund.amount, charged=refund.charged)
        answer = await gateway.refund(wanted)
    if isinstance(answer, GivenBack | Declined):
        await run(lambda session: keep_refund(session, principal, now, refund, answer))


async def _looked_up(gateway: Gateway, now: dt.datetime, refund: RefundRow) -> RefundAnswer | None:
    """None: it is to be asked for."""
    if refund.state is not RefundState.UNKNOWN:
        return None
    asked = Asked(reference=refund.reference, asked_at=refund.asked_at)
    found = await gateway.look_up_refund(asked, refund.charged)
    if isinstance(found, NotThere):
        return None if refund.asked_at < now - NEVER_ARRIVED else Unknown("it may be on its way")
    return found


async def _claim(run: Writing, now: dt.datetime, refund: RefundRow) -> bool:
    """Of many workers one asks."""

    async def claim(session: AsyncSession) -> bool:
        claimed = await session.execute(
            update(REFUND)
            .where(REFUND.c.program_id == refund.program_id, REFUND.c.id == refund.id)
            .where(REFUND.c.state == refund.state, REFUND.c.asked_at == refund.asked_at)
            .values(state=RefundState.UNKNOWN, asked_at=now)
            .returning(REFUND.c.id)
        )
        return claimed.scalar_one_or_none() is not None

    return await run(claim)


async def keep_refund(
    session: AsyncSession, principal: Principal, now: dt.datetime, refund: RefundRow, answer: GivenBack | Declined
) -> None:
    await keep_refund_answer(await begin_act(session, principal, now, refund.program_id), refund, answer)


async def keep_refund_answer(act: ProgramAct, refund: RefundRow, answer: GivenBack | Declined) -> None:
    refused = answer.reason if isinstance(answer, Declined) else None
    kept = await act.session.execute(
        update(REFUND)
        .where(REFUND.c.program_id == refund.program_id, REFUND.c.id == refund.id)
        .where(REFUND.c.state.in_(UNANSWERED))
        .values(state=RefundState.SUCCEEDED if refused is None else RefundState.FAILED, failure=refused)
        .values(gateway_reference=answer.gateway_reference, answered_at=act.now)
        .returning(REFUND.c.id)
    )
    if kept.scalar_one_or_none() is None:
        return
    if refused is not None:
        await _keep_refused(act, refund, refused)
    elif refund.retries_id is not None:
        await _post(act, refund, LedgerEvent.REFUND_MADE_GOOD)
        await _tell(act, refund, ProgramDeed.REFUND_MADE_GOOD, None)


async def _keep_refused(act: ProgramAct, refund: RefundRow, why: str) -> None:
    """Refused again, it is owed already."""
    log.error("gateway.refund_refused", refund=refund.id, program=refund.program_id)
    if refund.retries_id is None:
        await _post(act, refund, LedgerEvent.REFUND_REFUSED)
    await _tell(act, refund, ProgramDeed.REFUND_REFUSED, why)


async def retry_refund(act: ProgramAct, refund_id: int) -> int:
    """A refund that was refused is asked for again, under another reference. The key of the new one."""
    refund = await found_refund(act, refund_id)
    act.principal.must_run(act.program_id, "ask a gateway again to give money back")
    again = select(REFUND.c.id).where(REFUND.c.program_id == act.program_id, REFUND.c.retries_id == refund_id)
    if refund.state is not RefundState.FAILED or (await act.session.execute(again)).first():
        said = f"The refund of {refund.amount} is {refund.state.name}, or was asked for again. So this cannot be done."
        raise VoucherError(VoucherErrorCode.WRONG_STATE, said, "refund")
    key = await ask_back(act, refund.payment_id, refund.amount, retries_id=refund_id)
    await _tell(act, refund, ProgramDeed.REFUND_RETRIED, None)
    return key


async def found_refund(act: ProgramAct, refund_id: int) -> RefundRow:
    """For who runs the program; not found for anybody else."""
    found = await act.session.execute(
        select(*REFUND_COLUMNS)
        .join(PAYMENT, OF_PAYMENT)
        .where(REFUND.c.program_id == act.program_id, REFUND.c.id == refund_id)
    )
    row = found.one_or_none()
    if row is None or not act.principal.runs(act.program_id):
        raise NotFound("refund", "refund")
    return RefundRow(*row)


async def _post(act: ProgramAct, refund: RefundRow, event: LedgerEvent) -> None:
    payment = await _payment_of(act, refund)
    organization_id = None
    if payment.subject.kind is PaysFor.VOUCHER_ORDER:
        organization_id = (await found_order(act, payment.subject.id)).organization_id
    await post(
        act,
        Posting(
            event=event,
            amount=refund.amount,
            organization_id=organization_id,
            voucher_order_id=payment.voucher_order_id,
            statement_id=payment.statement_id,
            payment_refund_id=refund.id,
        ),
    )


async def _tell(act: ProgramAct, refund: RefundRow, deed: ProgramDeed, said: str | None) -> None:
    subject = (await _payment_of(act, refund)).subject
    about = PAID_FOR[subject.kind]
    thing_id = await about.thing_id(act, subject.id)
    await tell(act, Told(thing=about.thing, thing_id=thing_id, deed=deed, said=said, after=str(refund.amount)))


async def _payment_of(act: ProgramAct, refund: RefundRow) -> PaymentRow:
    found = await act.session.execute(
        select(*COLUMNS).where(PAYMENT.c.program_id == act.program_id, PAYMENT.c.id == refund.payment_id)
    )
    return PaymentRow(**found.mappings().one())
