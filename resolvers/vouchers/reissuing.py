"""Reissuing: the same voucher and remaining value under a new code. The old code is dead in the same moment."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import update

from models.errors import VoucherError, VoucherErrorCode
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import AssignmentEnd, CodeEnd, VoucherStanding
from resolvers.carts.releasing import let_go_of
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell
from resolvers.vouchers.codes import CodeKeys, NewCode, keep_codes, new_codes
from resolvers.vouchers.finding import FoundVoucher, must_own, reason_of
from resolvers.vouchers.moving import VOUCHER, end_assignments, end_codes, of_program

DEED = "reissue its vouchers"
REVIVED = (VoucherStanding.LIVE, VoucherStanding.REVOKED)


@dataclass(frozen=True, slots=True)
class Reissued:
    """The code is there for whoever made it, and not for who asks the same again: that one reveals it."""

    voucher_id: int
    new_code: NewCode | None


async def reissue_once(act: ProgramAct, keys: CodeKeys, key: str, voucher_id: int, reason: str) -> Reissued:
    await must_own(act, voucher_id, DEED)
    made: list[NewCode] = []

    async def step() -> int:
        made.append(await reissue(act, keys, voucher_id, reason))
        return voucher_id

    given = {"voucher": voucher_id, "reason": reason}
    await once_in_program(act, key, "voucherReissue", given, step)
    return Reissued(voucher_id, made[0] if made else None)


async def reissue(act: ProgramAct, keys: CodeKeys, voucher_id: int, reason: str) -> NewCode:
    """Also revives what was revoked. The assignment ends, and nobody has to look after the voucher any more."""
    found = await must_own(act, voucher_id, DEED)
    why = reason_of(reason)
    (new,) = new_codes([voucher_id])
    await let_go_of(act, [voucher_id])
    if not await _renew(act, new):
        raise _why_not(act, found)
    await end_codes(act, [voucher_id], CodeEnd.REISSUED)
    await end_assignments(act, [voucher_id], AssignmentEnd.REISSUED)
    await keep_codes(act, keys, [new])
    await tell(act, _told(found, new, why))
    return new


async def _renew(act: ProgramAct, new: NewCode) -> bool:
    """Not while something of it is held: open carts have let go of it, so what holds it may be capturing it."""
    renewed = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == new.voucher_id, VOUCHER.c.held_minor == 0)
        .where(VOUCHER.c.standing.in_(REVIVED), VOUCHER.c.expires_at > act.now)
        .values(standing=VoucherStanding.LIVE, last_four=new.last_four, assignment_id=None, flagged_at=None)
        .returning(VOUCHER.c.id)
    )
    return renewed.scalar_one_or_none() is not None


def _why_not(act: ProgramAct, found: FoundVoucher) -> VoucherError:
    revivable = found.standing in REVIVED and found.expires_at > act.now
    code = VoucherErrorCode.IN_USE if revivable else VoucherErrorCode.NOT_LIVE
    return VoucherError(code, code.value, "voucher")


def _told(found: FoundVoucher, new: NewCode, why: str) -> Told:
    return Told(
        thing=ProgramThing.VOUCHER,
        thing_id=found.voucher_id,
        deed=ProgramDeed.REISSUED,
        said=why,
        before=f"{found.standing.name}, code ending in {found.last_four}",
        after=f"LIVE, code ending in {new.last_four}",
    )
