"""Many at once at one stock: one of two cohorts is assigned to, a preview is committed once, an undo loses nothing."""

from __future__ import annotations

from models.cohorts import BulkState
from models.program_events import ProgramDeed
from models.voucher_programs import Transferability
from models.vouchers import VoucherStanding
from resolvers.cohorts.defining import CohortFilter
from resolvers.loaders.learners import LearnerKey
from server.database import Database
from tests.code_keys import CODE_KEYS
from tests.cohorting import assignments, bulk, committed, moved_to, previewed, undone
from tests.races.test_voucher_races import CALLERS, at_once, redemptions, told
from tests.test_vouchers import ACTIVE, redeemed
from tests.vouchering import Shop, shop


async def departments(market: Shop, people: int, *names: str) -> list[int]:
    """So many people in each of these departments."""
    made = []
    for name in names:
        for _ in range(people):
            made.append(await market.tenant.learner(ACTIVE))
            await moved_to(market.tenant, made[-1], name)
    return made


async def test_of_two_cohorts_and_one_stock_one_is_assigned_to(database: Database) -> None:
    market = await shop(database)
    await departments(market, 3, "a", "b")
    await market.stock(CODE_KEYS, 4)
    shown = [await previewed(market, CohortFilter(departments=(name,))) for name in "ab"]
    outcomes = await at_once(market, lambda n: committed(market, shown[n % 2]))
    assert outcomes == {"done": CALLERS // 2, "OUT_OF_STOCK": CALLERS // 2}
    states = sorted([(await bulk(market, one.id)).state.name for one in shown])
    assert states == ["COMMITTED", "PREVIEWED"]
    assert len(await assignments(market)) == await told(market, ProgramDeed.ASSIGNED) == 3


async def test_what_many_commit_is_assigned_once(database: Database) -> None:
    market = await shop(database)
    people = await departments(market, 3, "a")
    await market.stock(CODE_KEYS, 10)
    shown = await previewed(market)
    assert await at_once(market, lambda _: committed(market, shown)) == {"done": CALLERS}
    assert [row.learner_id for row in await assignments(market)] == people
    assert await told(market, ProgramDeed.COHORT_ASSIGNED) == 1


async def test_a_voucher_is_taken_back_or_redeemed(database: Database) -> None:
    """By nobody but whom it is assigned to, so that what was taken back is redeemed no more."""
    market = await shop(database, transferability=Transferability.ASSIGNED_ONLY)
    people = await departments(market, 6, "a")
    await market.stock(CODE_KEYS, 6)
    shown = await previewed(market)
    await committed(market, shown)
    given_to = [(row.voucher_id, LearnerKey(market.tenant.id, row.learner_id)) for row in await assignments(market)]
    assert [learner.learner_id for _, learner in given_to] == people

    async def redeem(number: int) -> None:
        voucher_id, learner = given_to[number]
        await redeemed(market, voucher_id, learner=learner)

    outcomes = await at_once(market, lambda n: redeem(n // 4) if n % 4 == 0 else undone(market, shown))
    paid, after = await redemptions(market), await bulk(market, shown.id)
    assert (after.state, after.taken_back) == (BulkState.UNDONE, 6 - paid)
    assert outcomes["done"] == paid + CALLERS - 6
    rows = [await market.voucher(voucher_id) for voucher_id, _ in given_to]
    assert sum(row.standing is VoucherStanding.SPENT for row in rows) == paid
    assert all(row.assignment_id is None for row in rows)
