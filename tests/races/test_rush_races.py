"""A crowd at the checkout with one promotion: as many pay with it as may, and everybody else is told why not."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from models.errors import VoucherErrorCode
from models.redemptions import FeeOrder
from server.database import Database
from tests.rushing import Rush, crowd
from tests.test_invariants import offended
from tests.vouchering import shop

PEOPLE, USES = 40, 10
BUSY, FULL = VoucherErrorCode.PROMOTION_BUSY.name, VoucherErrorCode.PROMOTION_FULL.name


async def told(rush: Rush, place: int) -> str:
    """What somebody is told in the end, who tries again for as long as others only hold the last uses."""
    # A person who tries again waits for no event.
    while (said := await rush.visit(place)) == BUSY:  # noqa: ASYNC110
        await asyncio.sleep(random.uniform(0.2, 1))
    return said


async def test_of_a_crowd_that_checks_out_at_once_the_first_ten_use_it(database: Database) -> None:
    rush = await crowd(await shop(database), PEOPLE, USES)
    outcomes = Counter(await asyncio.gather(*(told(rush, place) for place in range(PEOPLE))))
    assert outcomes == {Rush.DONE: USES, FULL: PEOPLE - USES}
    row = await rush.promotion.row()
    assert (row.uses, row.held_uses, row.held_minor) == (USES, 0, 0)
    async with database.reading() as connection:
        orders = await connection.execute(FeeOrder.__table__.select())
        assert len({order.person_id for order in orders}) == USES
    # The tests' promotion is paid for without an order.
    assert await offended(database) <= {"promotion-funded"}
