"""Stopping and extending a promotion, by the program and for good: what is held may still pay."""

from __future__ import annotations

import datetime as dt

from models.errors import VoucherError, VoucherErrorCode
from models.interval import DAY, BillingCalendar
from models.program_events import ProgramDeed, ProgramThing
from models.promotions import Promotion
from resolvers.activity import EARLIEST, LATEST
from resolvers.loaders.promotions import promotion_of
from resolvers.loaders.voucher_programs import program_of
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.programs.defining import change_of
from resolvers.vouchers.finding import reason_of

OUT_OF_RANGE = VoucherErrorCode.DATE_OUT_OF_RANGE


async def stop_promotion(act: ProgramAct, promotion_id: int, why: str) -> int:
    """Nobody can use it any more, but for who holds a use of it; what is left of its budget can be given back. Once
    it is stopped nothing changes."""
    act.principal.must_run(act.program_id, "stop promotions")
    reason = reason_of(why)
    await promotion_of(act.session, act.program_id, promotion_id)
    stopped = change_of(Promotion, act, promotion_id, Promotion.stopped_at.is_(None)).values(stopped_at=act.now)
    if (await act.session.execute(stopped.returning(Promotion.id))).one_or_none():
        deed = ProgramDeed.RETIRED
        await tell(act, Told(thing=ProgramThing.PROMOTION, thing_id=promotion_id, deed=deed, said=reason))
    return promotion_id


async def extend_promotion(act: ProgramAct, promotion_id: int, through: dt.date) -> int:
    """It can be used through that day of the program, which is later than it was. What has ended stays so: its budget
    is breakage."""
    act.principal.must_run(act.program_id, "extend promotions")
    before = await promotion_of(act.session, act.program_id, promotion_id)
    calendar = BillingCalendar.of((await program_of(act.session, act.program_id)).zone)
    if not EARLIEST <= through <= LATEST:
        raise VoucherError(OUT_OF_RANGE, f"{through} is outside {EARLIEST} to {LATEST}.", "usableThrough")
    until = calendar.start_of(through + DAY)
    waits = (Promotion.stopped_at.is_(None), Promotion.usable_until > act.now, Promotion.usable_until < until)
    extended = change_of(Promotion, act, promotion_id, *waits).values(usable_until=until)
    if (await act.session.execute(extended.returning(Promotion.id))).one_or_none() is None:
        raise _not_later(before.stopped_at is not None or before.usable_until <= act.now)
    last = calendar.day_of(before.usable_until) - DAY
    told = Told(
        thing=ProgramThing.PROMOTION,
        thing_id=promotion_id,
        deed=ProgramDeed.EXTENDED,
        before=f"through {last}",
        after=f"through {through}",
    )
    await tell(act, told)
    return promotion_id


def _not_later(over: bool) -> VoucherError:
    if over:
        return VoucherError(VoucherErrorCode.STOPPED, "The promotion was stopped, or has ended.", "promotion")
    return VoucherError(OUT_OF_RANGE, "It can be used through that day already. Give a later one.", "usableThrough")
