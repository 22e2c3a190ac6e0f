"""Reversing a redemption, or part of it: back to its voucher or promotion, off what is owed, and in the ledger."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from sqlalchemy import func, insert, select, update

from models.fee_refunds import RedemptionReversal
from models.ledger import SIDES, LedgerEntry, LedgerEvent
from models.money import Money
from models.redemptions import Redemption
from resolvers.database import Outrun
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.fee_orders import FeeOrderRow, PaidRow
from resolvers.programs.acting import ProgramAct
from resolvers.promotions import moving as promotions
from resolvers.statements.owing import owe_less
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.restoring import restore

REDEMPTION = Redemption.__table__
REVERSAL = RedemptionReversal.__table__
ENTRY = LedgerEntry.__table__


async def reverse(
    act: ProgramAct, keys: CodeKeys | None, order: FeeOrderRow, refund_id: int, paid: PaidRow, minor: int
) -> None:
    await _count(act, paid, minor)
    restored = await _restore(act, keys, order, paid, minor)
    on_account = paid.billing_agreement_id
    counts_at = await owe_less(act, on_account, minor) if on_account else act.now
    reversal_id = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": reversal_id,
        "redemption_id": paid.id,
        "fee_refund_id": refund_id,
        "amount_minor": minor,
        "restored_minor": restored,
        "reversed_at": counts_at,
    }
    await act.session.execute(insert(REVERSAL), row)
    about = partial(_posting, order, paid, refund_id, reversal_id)
    await post(act, about(LedgerEvent.REVERSAL, minor, reverses=await _entry(act, paid)))
    if not on_account:
        await post(act, about(LedgerEvent.VALUE_EXPIRED, minor - restored))


async def _count(act: ProgramAct, paid: PaidRow, minor: int) -> None:
    counted = await act.session.execute(
        update(REDEMPTION)
        .where(REDEMPTION.c.program_id == act.program_id, REDEMPTION.c.id == paid.id)
        .where(REDEMPTION.c.reversed_minor == paid.reversed_minor)
        .values(reversed_minor=paid.reversed_minor + minor)
        .returning(REDEMPTION.c.id)
    )
    if counted.scalar_one_or_none() is None:
        raise Outrun


async def _restore(act: ProgramAct, keys: CodeKeys | None, order: FeeOrderRow, paid: PaidRow, minor: int) -> int:
    """How much of it can be used again."""
    if paid.voucher_id is not None:
        return await restore(act, keys, paid.voucher_id, minor, paid.assignment_id)
    whole_use = not await _left_of_use(act, order, paid)
    return await promotions.restore(act, paid.promotion_id or 0, order.person_id or 0, minor, whole_use)


async def _left_of_use(act: ProgramAct, order: FeeOrderRow, paid: PaidRow) -> int:
    """What is not reversed of what the promotion took off this order."""
    left = func.coalesce(func.sum(REDEMPTION.c.amount_minor - REDEMPTION.c.reversed_minor), 0)
    of_use = select(left).where(REDEMPTION.c.program_id == act.program_id, REDEMPTION.c.fee_order_id == order.id)
    found = await act.session.execute(of_use.where(REDEMPTION.c.promotion_id == paid.promotion_id))
    return int(found.scalar_one())


class Entry(NamedTuple):
    id: int
    event: LedgerEvent


async def _entry(act: ProgramAct, paid: PaidRow) -> Entry:
    """By which the redemption was earned."""
    earned = (LedgerEvent.VOUCHER_REDEEMED, LedgerEvent.REDEEMED_ON_ACCOUNT)
    found = await act.session.execute(
        select(ENTRY.c.id, ENTRY.c.event).where(
            ENTRY.c.program_id == act.program_id, ENTRY.c.redemption_id == paid.id, ENTRY.c.event.in_(earned)
        )
    )
    return Entry(*found.one())


def _posting(
    order: FeeOrderRow,
    paid: PaidRow,
    refund_id: int,
    reversal_id: int,
    event: LedgerEvent,
    minor: int,
    reverses: Entry | None = None,
) -> Posting:
    return Posting(
        event=event,
        amount=Money(minor, order.currency),
        organization_id=paid.organization_id,
        voucher_id=paid.voucher_id,
        promotion_id=paid.promotion_id,
        redemption_id=paid.id,
        fee_order_id=order.id,
        redemption_reversal_id=reversal_id,
        fee_refund_id=refund_id,
        reverses_id=reverses and reverses.id,
        reversed_sides=SIDES[reverses.event] if reverses else None,
    )
