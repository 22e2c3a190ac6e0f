"""What becomes due of vouchers by itself, in every program: expiry, the flags of people who have left, and forgetting
who tried codes.
"""

from __future__ import annotations

import datetime as dt
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.programs import Program
from resolvers.database import Reading, Writing
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act
from resolvers.vouchers.attempting import forget_attempts
from resolvers.vouchers.expiring import AT_ONCE, expire_due, programs_with_due
from resolvers.vouchers.leaving import Leavers, flag_leavers, leavers


async def keep_vouchers(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    """How many vouchers expired or were flagged. Any number of workers may ask at once: each is done once."""
    await run(partial(forget_attempts, now=now))
    return await _expire(reading, run, principal, now) + await _flag(reading, run, principal, now)


async def _expire(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    """A transaction for so many at a time, so that nobody waits for all of them."""
    async with reading() as connection:
        due = await programs_with_due(connection, now)
    expired = 0
    for program_id in due:
        part = AT_ONCE
        while part == AT_ONCE:
            part = await run(partial(_expire_some, principal=principal, now=now, program_id=program_id))
            expired += part
    return expired


async def _flag(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    async with reading() as connection:
        programs = list((await connection.execute(select(Program.id))).scalars())
        found = {program_id: await leavers(connection, program_id, now) for program_id in programs}
    step = partial(_flag_those, principal=principal, now=now)
    changed = {program_id: of_it for program_id, of_it in found.items() if of_it.gone or of_it.back}
    return sum([await run(partial(step, program_id=key, found=of_it)) for key, of_it in changed.items()])


async def _expire_some(session: AsyncSession, principal: Principal, now: dt.datetime, program_id: int) -> int:
    return await expire_due(await begin_act(session, principal, now, program_id))


async def _flag_those(
    session: AsyncSession, principal: Principal, now: dt.datetime, program_id: int, found: Leavers
) -> int:
    return await flag_leavers(await begin_act(session, principal, now, program_id), found)
