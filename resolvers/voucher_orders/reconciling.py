"""Reconciling: what a gateway left open is looked up there, by our reference, and what is owed back is given back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.money import Money
from models.payments import PaymentRefund, PaymentState, RefundState
from resolvers.database import Reading, Writing
from resolvers.gateways.gateway import (
    Asked,
    Declined,
    Gateway,
    Gateways,
    GivenBack,
    NotThere,
    Refund,
    RefundAnswer,
)
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act
from resolvers.voucher_orders.charging import COLUMNS, PAYMENT, PaymentRow, give_up, keep_answer
from resolvers.vouchers.codes import CodeKeys

log = structlog.get_logger()

REFUND = PaymentRefund.__table__
# Longer than a gateway is waited for, so that nothing is looked up while it is being asked.
UNANSWERED_FOR = dt.timedelta(minutes=1)
UNCONFIRMED_FOR = dt.timedelta(days=1)
# By then a request that was on its way has arrived, or never will.
NEVER_ARRIVED = dt.timedelta(minutes=10)
A_ROUND = 100


@dataclass(frozen=True, slots=True)
class RefundRow:
    program_id: int
    id: int
    reference: str
    amount_minor: int
    state: RefundState
    asked_at: dt.datetime
    currency: str
    gateway: str
    charged: str


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
            await self._give_back(refund, self.gateways[refund.gateway])

    async def _open_payments(self) -> Sequence[PaymentRow]:
        unanswered = PAYMENT.c.state.in_([PaymentState.ASKING, PaymentState.UNKNOWN])
        unconfirmed = PAYMENT.c.state == PaymentState.ACTION_REQUIRED
        wanted = or_(
            and_(unanswered, PAYMENT.c.asked_at < self.now - UNANSWERED_FOR),
            and_(unconfirmed, PAYMENT.c.asked_at < self.now - UNCONFIRMED_FOR),
        )
        ours = PAYMENT.c.gateway.in_(list(self.gateways))
        listed = select(*COLUMNS).where(wanted, ours).order_by(PAYMENT.c.asked_at).limit(A_ROUND)
        async with self.reading() as connection:
            return [PaymentRow(**row) for row in (await connection.execute(listed)).mappings()]

    async def _look_up(self, payment: PaymentRow, gateway: Gateway) -> None:
        asked = Asked(
            reference=payment.reference, asked_at=payment.asked_at, gateway_reference=payment.gateway_reference
        )
        answer = await gateway.look_up(asked)

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
        own = (REFUND.c.program_id, REFUND.c.id, REFUND.c.reference, REFUND.c.amount_minor)
        listed = (
            select(*own, REFUND.c.state, REFUND.c.asked_at, PAYMENT.c.currency, PAYMENT.c.gateway)
            .add_columns(PAYMENT.c.gateway_reference)
            .join(PAYMENT, and_(PAYMENT.c.program_id == REFUND.c.program_id, PAYMENT.c.id == REFUND.c.payment_id))
            .where(or_(REFUND.c.state == RefundState.ASKING, unanswered), PAYMENT.c.gateway_reference.is_not(None))
            .where(PAYMENT.c.gateway.in_(list(self.gateways)))
            .order_by(REFUND.c.asked_at)
            .limit(A_ROUND)
        )
        async with self.reading() as connection:
            return [RefundRow(*row) for row in await connection.execute(listed)]

    async def _give_back(self, refund: RefundRow, gateway: Gateway) -> None:
        """What may have been asked for is looked up first; only what the gateway does not know is asked for (again)."""
        if refund.state is RefundState.UNKNOWN:
            asked = Asked(reference=refund.reference, asked_at=refund.asked_at)
            found = await gateway.look_up_refund(asked, refund.charged)
            if not isinstance(found, NotThere):
                await self._keep_refund(refund, found)
                return
            if refund.asked_at >= self.now - NEVER_ARRIVED:
                return
        if await self._claim(refund):
            amount = Money(refund.amount_minor, refund.currency)
            wanted = Refund(reference=refund.reference, amount=amount, charged=refund.charged)
            await self._keep_refund(refund, await gateway.refund(wanted))

    async def _claim(self, refund: RefundRow) -> bool:
        """Of many workers one asks."""

        async def claim(session: AsyncSession) -> bool:
            claimed = await session.execute(
                update(REFUND)
                .where(REFUND.c.program_id == refund.program_id, REFUND.c.id == refund.id)
                .where(REFUND.c.state == refund.state, REFUND.c.asked_at == refund.asked_at)
                .values(state=RefundState.UNKNOWN, asked_at=self.now)
                .returning(REFUND.c.id)
            )
            return claimed.scalar_one_or_none() is not None

        return await self.run(claim)

    async def _keep_refund(self, refund: RefundRow, answer: RefundAnswer) -> None:
        if not isinstance(answer, GivenBack | Declined):
            return
        state, failure = RefundState.SUCCEEDED, None
        if isinstance(answer, Declined):
            state, failure = RefundState.FAILED, answer.reason
            log.error("gateway.refund_refused", refund=refund.id, program=refund.program_id)

        async def keep(session: AsyncSession) -> None:
            await session.execute(
                update(REFUND)
                .where(REFUND.c.program_id == refund.program_id, REFUND.c.id == refund.id)
                .where(REFUND.c.state.in_([RefundState.ASKING, RefundState.UNKNOWN]))
                .values(state=state, failure=failure, answered_at=self.now)
                .values(gateway_reference=answer.gateway_reference)
            )

        await self.run(keep)


async def reconcile(
    reading: Reading, run: Writing, gateways: Gateways, keys: CodeKeys | None, principal: Principal, now: dt.datetime
) -> None:
    """Nothing where there is no gateway."""
    if gateways:
        round_ = Reconciliation(reading, run, gateways, keys, principal, now)
        await round_.payments()
        await round_.refunds()
