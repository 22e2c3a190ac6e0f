"""Adjusting what was billed from the case that the nightly check opened about it: the one leads to the other."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncSession

from models.cases import DisputeStep
from models.events import Deed
from resolvers.disputes.cases import finish, must_be_allowed, take_up, worded
from resolvers.idempotency import once
from resolvers.invoices import adjusting
from resolvers.loaders.disputes import DisputeKey
from resolvers.principal import Principal


async def adjust(
    session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, reason: str, idempotency_key: str
) -> int:
    """The case stays undecided: to adjust is one thing, to say that nothing else was wrong another."""
    principal.must_see(key.organization_id, "dispute", "dispute")
    must_be_allowed(principal, DisputeStep.ADJUST)
    return await once(
        *(session, key.organization_id, idempotency_key, "disputeAdjust", [key.dispute_id, reason], now),
        lambda: _adjust(session, principal, now, key, reason),
    )


async def _adjust(session: AsyncSession, principal: Principal, now: dt.datetime, key: DisputeKey, reason: str) -> int:
    said = worded(reason, "reason")
    case = await take_up(session, principal, now, key, DisputeStep.ADJUST)
    made = await adjusting.adjust(session, principal, now, key.organization_id, case.row.snapshot_id, said)
    await finish(case, case.done(Deed.ADJUSTMENT_FOUND, said=said, after=f"adjustment {made}"))
    return case.row.id
