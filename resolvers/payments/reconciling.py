"""Reconciling: what a gateway left open is looked up there, by our reference, and what is owed back is given back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.payments import PaymentState, RefundState
from resolvers.database import Reading, Writing
from resolvers.gateways.gateway import ActionRequired, Answer, Declined, Gateway, Gateways, NotThere, Void, Voided
from resolvers.payments.answering import give_up, keep_answer
from resolvers.payments.refunds import NEVER_ARRIVED, give_back
from resolvers.payments.rows import COLUMNS, OF_PAYMENT, PAYMENT, REFUND, REFUND_COLUMNS, PaymentRow, RefundRow
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act
from resolvers.vouchers.codes import CodeKeys

# Longer than a gateway is waited for, so that nothing is looked up while it is being asked.
UNANSWERED_FOR = dt.timedelta(minutes=1)
UNCONFIRMED_FOR = dt.timedelta(days=1)
# A hosted page ends after half an hour; whoever paid on it, and was not heard of, is found then.
PAGE_ENDS_AFTER = dt.timedelta(minutes=31)
A_ROUND = 100


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One round, with what it needs."""

    reading: Reading
    run: Writing
    gateways: Gateways
    keys: CodeKeys | None
    principal: Principal
    now: dt.datetime

    async def payments(self) -> None:
        for payment in await self._open_payments():
            await self._look_up(payment, self.gateways[payment.gateway])

    async def refunds(self) -> None:
        for refund in await self._open_refunds():
            await give_back(self.run, self.gateways[refund.gateway], self.principal, self.now, refund)

    async def _open_payments(self) -> Sequence[PaymentRow]:
        unanswered = PAYMENT.c.state.in_([PaymentState.ASKING, PaymentState.UNKNOWN])
        waiting = PAYMENT.c.state == PaymentState.ACTION_REQUIRED
        paged = PAYMENT.c.gateway.in_([name for name, one in self.gateways.items() if one.capabilities.hosted_page])
        by_hand = PAYMENT.c.gateway.in_([name for name, one in self.gateways.items() if one.capabilities.by_hand])
        wanted = or_(
            and_(unanswered, PAYMENT.c.asked_at < self.now - UNANSWERED_FOR),
            and_(waiting, ~by_hand, PAYMENT.c.asked_at < self.now - UNCONFIRMED_FOR),
            and_(waiting, paged, PAYMENT.c.asked_at < self.now - PAGE_ENDS_AFTER),
        )
        ours = PAYMENT.c.gateway.in_(list(self.gateways))
        listed = select(*COLUMNS).where(wanted, ours).order_by(PAYMENT.c.asked_at).limit(A_ROUND)
        async with self.reading() as connection:
            return [PaymentRow(**row) for row in (await connection.execute(listed)).mappings()]

    async def _look_up(self, payment: PaymentRow, gateway: Gateway) -> None:
        answer = await gateway.look_up(payment.asked(payment.gateway_reference))
        if isinstance(answer, ActionRequired) and payment.state is PaymentState.ACTION_REQUIRED:
            answer = await _given_up_at(gateway, payment, answer)

        async def keep(session: AsyncSession) -> None:
            act = await begin_act(session, self.principal, self.now, payment.program_id)
            if not isinstance(answer, NotThere):
                await keep_answer(act, self.keys, payment, answer)
            elif payment.state is PaymentState.ASKING or payment.asked_at < self.now - NEVER_ARRIVED:
                await give_up(act, payment)

        await self.run(keep)

    async def _open_refunds(self) -> Sequence[RefundRow]:
        """Those that nobody has asked for yet, and those without an answer."""
        unanswered = and_(REFUND.c.state == RefundState.UNKNOWN, REFUND.c.asked_at < self.now - UNANSWERED_FOR)
        listed = (
            select(*REFUND_COLUMNS)
            .join(PAYMENT, OF_PAYMENT)
            .where(or_(REFUND.c.state == RefundState.ASKING, unanswered), PAYMENT.c.gateway_reference.is_not(None))
            .where(PAYMENT.c.gateway.in_(list(self.gateways)))
            .order_by(REFUND.c.asked_at)
            .limit(A_ROUND)
        )
        async with self.reading() as connection:
            return [RefundRow(*row) for row in await connection.execute(listed)]


async def _given_up_at(gateway: Gateway, payment: PaymentRow, waiting: ActionRequired) -> Answer:
    """Nobody confirmed it in time, and now nobody can: it is given up at the gateway too. Another card can be tried."""
    voided = await gateway.void(Void(reference=f"void_{payment.reference}", authorised=waiting.gateway_reference))
    if isinstance(voided, Voided):
        return Declined("The charge was not confirmed in time. Nothing was charged.", waiting.gateway_reference)
    return waiting


async def reconcile(
    reading: Reading, run: Writing, gateways: Gateways, keys: CodeKeys | None, principal: Principal, now: dt.datetime
) -> None:
    """Nothing where there is no gateway."""
    if gateways:
        round_ = Reconciliation(reading, run, gateways, keys, principal, now)
        await round_.payments()
        await round_.refunds()
