"""Revoking: the code is dead and the assignment over, the value stays; a reissue revives it."""

from __future__ import annotations

from sqlalchemy import update

from models.errors import VoucherError, VoucherErrorCode
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import VoucherStanding
from resolvers.carts.releasing import let_go_of
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell
from resolvers.vouchers.finding import must_own, reason_of, refuse_dead
from resolvers.vouchers.moving import REVOKED, VOUCHER, end_codes_and_assignments, is_usable, of_program

DEED = "revoke its vouchers"


async def revoke_once(act: ProgramAct, key: str, voucher_id: int, reason: str) -> int:
    await must_own(act, voucher_id, DEED)
    given = {"voucher": voucher_id, "reason": reason}
    return await once_in_program(act, key, "voucherRevoke", given, lambda: revoke(act, voucher_id, reason))


async def revoke(act: ProgramAct, voucher_id: int, reason: str) -> int:
    found = await must_own(act, voucher_id, DEED)
    why = reason_of(reason)
    await let_go_of(act, [voucher_id])
    if not await _end(act, voucher_id):
        refuse_dead(act, found)
        raise VoucherError(VoucherErrorCode.IN_USE, VoucherErrorCode.IN_USE.value, "voucher")
    await end_codes_and_assignments(act, [voucher_id], REVOKED)
    deed = ProgramDeed.REVOKED
    await tell(act, Told(thing=ProgramThing.VOUCHER, thing_id=voucher_id, deed=deed, said=why))
    return voucher_id


async def _end(act: ProgramAct, voucher_id: int) -> bool:
    ended = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher_id, is_usable(act.now), VOUCHER.c.held_minor == 0)
        .values(standing=VoucherStanding.REVOKED, assignment_id=None, flagged_at=None)
        .returning(VOUCHER.c.id)
    )
    return ended.scalar_one_or_none() is not None
