"""What becomes due of vouchers by itself, in every program: expiry, also of links, the flags of people who have left,
and forgetting who tried codes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.programs import Program
from resolvers.carts.releasing import keep_carts
from resolvers.database import Reading, Writing
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act
from resolvers.promotions.expiring import expire_promotions
from resolvers.vouchers.attempting import forget_attempts
from resolvers.vouchers.expiring import AT_ONCE, expire_due, programs_with_due
from resolvers.vouchers.inviting import expire_links, programs_with_dead_links
from resolvers.vouchers.leaving import Leavers, flag_leavers, leavers


async def keep_vouchers(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    """How many vouchers and links expired, and how many were flagged. Any number of workers may ask at once: each is
    done once. Carts let go first of what has expired."""
    await keep_carts(reading, run, principal, now)
    await run(partial(forget_attempts, now=now))
    expired = await _expire(reading, run, principal, now) + await _expire_links(reading, run, principal, now)
    expired += await expire_promotions(reading, run, principal, now)
    return expired + await _flag(reading, run, principal, now)


async def _expire(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    """A transaction for so many at a time, so that nobody waits for all of them."""
    async with reading() as connection:
        due = await programs_with_due(connection, now)
    return sum([await _all_of(run, partial(_expire_some, principal=principal, now=now, program_id=key)) for key in due])


async def _expire_links(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    async with reading() as connection:
        due = await programs_with_dead_links(connection, now)
    some = partial(_expire_some_links, principal=principal, now=now)
    return sum([await _all_of(run, partial(some, program_id=key)) for key in due])


async def _all_of(run: Writing, some: Callable[[AsyncSession], Awaitable[int]]) -> int:
    ended = part = await run(some)
    while part == AT_ONCE:
        part = await run(some)
        ended += part
    return ended


async def _flag(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    async with reading() as connection:
        programs = list((await connection.execute(select(Program.id))).scalars())
        found = {program_id: await leavers(connection, program_id, now) for program_id in programs}
    step = partial(_flag_those, principal=principal, now=now)
    changed = {program_id: of_it for program_id, of_it in found.items() if of_it.gone or of_it.back}
    return sum([await run(partial(step, program_id=key, found=of_it)) for key, of_it in changed.items()])


async def _expire_some(session: AsyncSession, principal: Principal, now: dt.datetime, program_id: int) -> int:
    return await expire_due(await begin_act(session, principal, now, program_id))


async def _expire_some_links(session: AsyncSession, principal: Principal, now: dt.datetime, program_id: int) -> int:
    return await expire_links(await begin_act(session, principal, now, program_id), AT_ONCE)


async def _flag_those(
    session: AsyncSession, principal: Principal, now: dt.datetime, program_id: int, found: Leavers
) -> int:
    return await flag_leavers(await begin_act(session, principal, now, program_id), found)
