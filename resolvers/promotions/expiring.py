"""A promotion's last day has passed: what nobody holds of its budget expires. The worker asks."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.ledger import LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.promotions import Promotion
from models.voucher_programs import VoucherFunding
from resolvers.database import Reading, Writing
from resolvers.ledger.posting import Posting, post
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, Told, begin_act, tell

PROMOTION = Promotion.__table__


class DuePromotion(NamedTuple):
    program_id: int
    promotion_id: int


async def due_promotions(connection: AsyncConnection, now: dt.datetime) -> list[DuePromotion]:
    """In every program. What a cart holds waits until the cart lets go of it."""
    due = select(PROMOTION.c.program_id, PROMOTION.c.id).where(_is_due(now)).order_by(PROMOTION.c.id)
    return [DuePromotion(*row) for row in await connection.execute(due)]


async def expire_promotion(act: ProgramAct, promotion_id: int) -> int:
    """1 if this did it, 0 if nothing was due any more."""
    act.principal.must_run(act.program_id, "let promotions expire")
    own = and_(PROMOTION.c.program_id == act.program_id, PROMOTION.c.id == promotion_id)
    columns = (PROMOTION.c.organization_id, PROMOTION.c.funding, PROMOTION.c.remaining_minor, PROMOTION.c.currency)
    due = (await act.session.execute(select(*columns).where(own, _is_due(act.now)))).one_or_none()
    if due is None:
        return 0
    expired = await act.session.execute(
        update(PROMOTION)
        .where(own, _is_due(act.now), PROMOTION.c.remaining_minor == due.remaining_minor)
        .values(expired_minor=PROMOTION.c.expired_minor + due.remaining_minor, remaining_minor=0)
        .returning(PROMOTION.c.id)
    )
    if expired.scalar_one_or_none() is None:
        return 0
    left = Money(due.remaining_minor, due.currency)
    if due.funding is not VoucherFunding.BILL_LATER:
        whose = due.organization_id
        event = LedgerEvent.VALUE_EXPIRED
        await post(act, Posting(event=event, amount=left, organization_id=whose, promotion_id=promotion_id))
    told = Told(
        thing=ProgramThing.PROMOTION, thing_id=promotion_id, deed=ProgramDeed.EXPIRED, before=f"{left} was left"
    )
    await tell(act, told)
    return 1


def _is_due(now: dt.datetime) -> ColumnElement[bool]:
    return and_(
        PROMOTION.c.usable_until <= now,
        PROMOTION.c.funded_at.is_not(None),
        PROMOTION.c.remaining_minor > 0,
        PROMOTION.c.held_uses == 0,
        PROMOTION.c.held_minor == 0,
    )


async def expire_promotions(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    """All that are due, a transaction each. Any number of workers may ask at once: each is done once."""
    async with reading() as connection:
        due = await due_promotions(connection, now)

    async def expire(session: AsyncSession, one: DuePromotion) -> int:
        return await expire_promotion(await begin_act(session, principal, now, one.program_id), one.promotion_id)

    return sum([await run(partial(expire, one=one)) for one in due])
