"""What becomes due of statements by itself: each month of an agreement is closed when it is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.interval import BillingCalendar, months_later
from models.programs import Program
from models.voucher_orders import BillingAgreement
from resolvers.database import Reading, Writing
from resolvers.principal import Principal
from resolvers.programs.acting import begin_act
from resolvers.statements.closing import close_month

AGREEMENT = BillingAgreement.__table__
PROGRAM = Program.__table__


async def close_months(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    """How many statements were closed. Any number of workers may ask at once: each is closed once."""
    async with reading() as connection:
        due = await _due(connection, now)
    closed = 0
    for program_id, agreement_id, month in due:
        step = partial(_close, principal=principal, now=now, program_id=program_id)
        closed += await run(partial(step, agreement_id=agreement_id, month=month))
    return closed


async def _due(connection: AsyncConnection, now: dt.datetime) -> list[tuple[int, int, dt.date]]:
    """The months of agreements that are over and not closed, the earliest first."""
    of_program = AGREEMENT.join(PROGRAM, PROGRAM.c.id == AGREEMENT.c.program_id)
    rows = await connection.execute(
        select(AGREEMENT.c.program_id, AGREEMENT.c.id, AGREEMENT.c.closed_until, PROGRAM.c.zone).select_from(of_program)
    )
    return [(row.program_id, row.id, month) for row in rows for month in _over(row.zone, row.closed_until, now)]


def _over(zone: str, closed_until: dt.datetime, now: dt.datetime) -> Iterator[dt.date]:
    """The first days of the months from the one that is still open to the last one that is over."""
    calendar = BillingCalendar.of(zone)
    month, current = calendar.day_of(closed_until).replace(day=1), calendar.day_of(now).replace(day=1)
    while month < current:
        yield month
        month = months_later(month, 1)


async def _close(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    program_id: int,
    agreement_id: int,
    month: dt.date,
) -> bool:
    act = await begin_act(session, principal, now, program_id)
    return await close_month(act, agreement_id, month) is not None
