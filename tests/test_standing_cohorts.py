"""Standing cohorts: tried, started, and then assigning by themselves, once a local day, in their budget and stock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from models.cohorts import BulkAssignment, BulkState
from models.money import Money
from models.program_events import ProgramDeed, ProgramEvent
from resolvers.cohorts.committing import commit
from resolvers.cohorts.previewing import preview_cohort
from resolvers.cohorts.standing import define, set_budget, start, stop
from resolvers.loaders.learners import LearnerKey
from server.database import Database
from server.worker import COUNTERSIGN, Worker
from tests.builders import NOON
from tests.code_keys import CODE_KEYS
from tests.cohorting import HALF_A_YEAR, assignments, bulk, certified, cohort, cohort_of, undone
from tests.test_vouchers import Refused, must_add_up, redeemed
from tests.vouchering import FEE_MINOR, Shop, shop

DAY = dt.timedelta(days=1)
ACTIVE = "2017-08-01.."


def dollars(vouchers: int) -> Money:
    return Money(vouchers * FEE_MINOR, "USD")


async def defined(market: Shop, name: str = "Renewals", vouchers: int = 10, **how: Any) -> int:
    new = cohort_of(market, HALF_A_YEAR, name=name, purpose="renewal")
    made: int = await market.act(lambda act: define(act, new, dollars(vouchers)), **how)
    return made


async def running(market: Shop, vouchers: int = 10) -> int:
    made = await defined(market, vouchers=vouchers)
    await market.act(lambda act: preview_cohort(act, made))
    await market.act(lambda act: start(act, made))
    return made


async def worked(market: Shop, day: int, hours: int = 0) -> int:
    """The worker works so many days after noon; how many vouchers are assigned since."""
    before = len(await assignments(market))
    now = NOON + day * DAY + hours * dt.timedelta(hours=1)
    await Worker(market.database, None, lambda: now).work_off()
    return len(await assignments(market)) - before


async def runs(market: Shop, cohort_id: int) -> Sequence[Any]:
    table = BulkAssignment.__table__
    async with market.database.reading() as connection:
        own = table.c.cohort_id == cohort_id, table.c.state != BulkState.PREVIEWED
        return (await connection.execute(select(table).where(*own).order_by(table.c.previewed_at))).all()


async def last_said(market: Shop, cohort_id: int, deed: ProgramDeed) -> str | None:
    table = ProgramEvent.__table__
    async with market.database.reading() as connection:
        own = table.c.thing_id == cohort_id, table.c.deed == deed
        said = await connection.execute(select(table.c.said).where(*own).order_by(table.c.id.desc()).limit(1))
        return said.scalar_one_or_none()


async def test_a_cohort_starts_only_after_its_dry_run_was_seen(database: Database) -> None:
    market, other = await shop(database), await shop(database)
    made = await defined(market)
    await certified(market.tenant, await market.tenant.learner(ACTIVE), "2026-05-01")
    await market.stock(CODE_KEYS)
    async with Refused("TAKEN"):
        await defined(market)
    for step in (start, stop):
        async with Refused("NOT_FOUND"):
            await market.act(lambda act, step=step: step(act, made), by=other.client)
    async with Refused("DRY_RUN_FIRST"):
        await market.act(lambda act: start(act, made))
    dry = await bulk(market, await market.act(lambda act: preview_cohort(act, made)))
    assert (dry.eligible, dry.in_stock, await worked(market, 0)) == (1, 1, 0)
    async with Refused("WRONG_STATE"):
        await market.act(lambda act: commit(act, dry.id, dry.digest))
    async with Refused("DRY_RUN_FIRST"):
        await market.act(lambda act: start(act, made), at=NOON + DAY)
    for _ in range(2):
        await market.act(lambda act: start(act, made), at=NOON + DAY - dt.timedelta(microseconds=1))
    assert await worked(market, 1) == 1
    await must_add_up(market)


async def test_it_assigns_once_a_local_day_to_whoever_newly_belongs(database: Database) -> None:
    market = await shop(database)
    made = await running(market)
    ana, ben = [await market.tenant.learner(ACTIVE) for _ in range(2)]
    await market.stock(CODE_KEYS, 5)
    await certified(market.tenant, ana, "2026-05-01")
    assert await worked(market, 1) == 1
    await certified(market.tenant, ben, "2026-05-01")
    # It is the same day in Chicago until six in the morning of the next UTC day.
    assert (await worked(market, 1, 17), await worked(market, 1, 18)) == (0, 1)
    used = (await assignments(market))[0].voucher_id
    await redeemed(market, used, learner=LearnerKey(market.tenant.id, ana), at=NOON + 2 * DAY)
    assert await worked(market, 3) == 0
    # Her certification was renewed, and half a year before that ends she belongs anew.
    market.tenant.now = NOON + 4 * DAY
    await certified(market.tenant, ana, "2026-06-01")
    assert await worked(market, 5) == 1
    assert [(run.state.name, run.assigned, run.previewed_by) for run in await runs(market, made)] == [
        ("COMMITTED", 1, COUNTERSIGN.name)
    ] * 3
    assert (await cohort(market, made)).spent_minor == 3 * FEE_MINOR
    await market.act(lambda act: stop(act, made))
    await certified(market.tenant, await market.tenant.learner(ACTIVE), "2026-06-01")
    assert await worked(market, 6) == 0
    await must_add_up(market)


async def test_it_stops_where_its_budget_ends_and_never_goes_beyond(database: Database) -> None:
    market = await shop(database)
    made = await running(market, vouchers=2)
    for _ in range(3):
        await certified(market.tenant, await market.tenant.learner(ACTIVE), "2026-05-01")
    await market.stock(CODE_KEYS, 5)
    assert await worked(market, 1) == 2
    ended = await cohort(market, made)
    assert (ended.spent_minor, ended.stopped_at is not None) == (2 * FEE_MINOR, True)
    said = await last_said(market, made, ProgramDeed.COHORT_STOPPED)
    assert said == "Its budget has ended: 2 of 3 people who newly belong were given a voucher"
    async with Refused("BAD_COHORT"):
        await market.act(lambda act: set_budget(act, made, dollars(1)))
    async with Refused("BAD_COHORT"):
        await market.act(lambda act: set_budget(act, made, Money(1_000_000, "EUR")))
    await market.act(lambda act: set_budget(act, made, dollars(3)))
    await market.act(lambda act: start(act, made))
    assert (await worked(market, 1), await worked(market, 2)) == (0, 1)
    (first, _) = await runs(market, made)
    assert (await undone(market, first, at=NOON + 2 * DAY)).taken_back == 2
    assert (await cohort(market, made)).spent_minor == FEE_MINOR
    # What was taken back from somebody is not given to them again.
    assert await worked(market, 3) == 0
    await must_add_up(market)


async def test_it_stops_where_the_stock_ends(database: Database) -> None:
    market = await shop(database)
    made = await running(market)
    for _ in range(2):
        await certified(market.tenant, await market.tenant.learner(ACTIVE), "2026-05-01")
    assert await worked(market, 0) == 0
    said = await last_said(market, made, ProgramDeed.COHORT_STOPPED)
    assert said == "Its stock has ended: 0 of 2 people who newly belong were given a voucher"
    assert await runs(market, made) == []
