"""Asking the gateway at once for what goes back to a card; what is not answered the worker looks up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.payments import RefundState
from resolvers.database import Writing
from resolvers.gateways.gateway import Gateways
from resolvers.payments.refunds import give_back
from resolvers.payments.rows import OF_PAYMENT, PAYMENT, REFUND, REFUND_COLUMNS, RefundRow
from resolvers.principal import Principal


async def pay_back(
    run: Writing, gateways: Gateways, principal: Principal, now: dt.datetime, program_id: int, fee_refund_id: int
) -> None:
    """Once: what was asked for before is left to its answer."""

    async def asking(session: AsyncSession) -> Sequence[RefundRow]:
        rows = await session.execute(
            select(*REFUND_COLUMNS)
            .join(PAYMENT, OF_PAYMENT)
            .where(REFUND.c.program_id == program_id, REFUND.c.fee_refund_id == fee_refund_id)
            .where(REFUND.c.state == RefundState.ASKING)
        )
        return [RefundRow(*row) for row in rows]

    for refund in await run(asking):
        gateway = gateways.get(refund.gateway)
        if gateway is not None:
            await give_back(run, gateway, principal, now, refund)
