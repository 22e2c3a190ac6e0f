"""Extending: the program lets a voucher be used for longer. Never for less long."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import update

from models.errors import VoucherError, VoucherErrorCode
from models.interval import DAY, MICROSECOND, first_instant
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import VoucherStanding
from resolvers.activity import EARLIEST, LATEST
from resolvers.loaders.voucher_programs import program_of
from resolvers.programs.acting import ProgramAct, Told, once_in_program, tell
from resolvers.vouchers.finding import FoundVoucher, must_find
from resolvers.vouchers.moving import VOUCHER, of_program

DEED = "extend vouchers"


async def extend_once(act: ProgramAct, key: str, voucher_id: int, through: dt.date) -> int:
    act.principal.must_run(act.program_id, DEED)
    given = {"voucher": voucher_id, "through": through}
    return await once_in_program(act, key, "voucherExtend", given, lambda: extend(act, voucher_id, through))


async def extend(act: ProgramAct, voucher_id: int, through: dt.date) -> int:
    """It is valid through that day of the program. What has expired stays so: its value is breakage."""
    act.principal.must_run(act.program_id, DEED)
    found = await must_find(act, voucher_id)
    zone = (await program_of(act.session, act.program_id)).zone
    until = _end_of(through, zone)
    if not await _move(act, voucher_id, until):
        raise _why_not(act, found)
    await tell(act, _told(found, zone, through))
    return voucher_id


def _end_of(through: dt.date, zone: str) -> dt.datetime:
    if not EARLIEST <= through <= LATEST:
        raise _out_of_range()
    return first_instant(zone, through + DAY)


async def _move(act: ProgramAct, voucher_id: int, until: dt.datetime) -> bool:
    moved = await act.session.execute(
        update(VOUCHER)
        .where(of_program(act), VOUCHER.c.id == voucher_id)
        .where(VOUCHER.c.standing.in_([VoucherStanding.LIVE, VoucherStanding.REVOKED]))
        .where(VOUCHER.c.expires_at > act.now, VOUCHER.c.expires_at < until)
        .values(expires_at=until)
        .returning(VOUCHER.c.id)
    )
    return moved.scalar_one_or_none() is not None


def _why_not(act: ProgramAct, found: FoundVoucher) -> VoucherError:
    waits = found.standing in (VoucherStanding.LIVE, VoucherStanding.REVOKED) and found.expires_at > act.now
    return _out_of_range() if waits else VoucherError(VoucherErrorCode.NOT_LIVE, VoucherErrorCode.NOT_LIVE.value)


def _out_of_range() -> VoucherError:
    code = VoucherErrorCode.DATE_OUT_OF_RANGE
    return VoucherError(code, code.value, "through")


def _told(found: FoundVoucher, zone: str, through: dt.date) -> Told:
    return Told(
        thing=ProgramThing.VOUCHER,
        thing_id=found.voucher_id,
        deed=ProgramDeed.EXTENDED,
        before=_valid_until(found.expires_at, zone),
        after=f"valid through {through}",
    )


def _valid_until(expires_at: dt.datetime, zone: str) -> str:
    last = (expires_at - MICROSECOND).astimezone(ZoneInfo(zone)).date()
    return f"valid through {last}"
