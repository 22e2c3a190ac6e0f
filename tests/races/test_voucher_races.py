"""Many at once at the same vouchers, on both databases: nothing is given or spent twice, and the ledger agrees."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Callable

from sqlalchemy import func, select

from models.errors import DomainError
from models.program_events import ProgramDeed, ProgramEvent
from models.redemptions import Redemption
from models.voucher_programs import VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.loaders.learners import LearnerKey
from resolvers.vouchers.assigning import Assigning, assign_once
from resolvers.vouchers.redeeming import Redeeming, redeem_once
from resolvers.vouchers.reissuing import reissue_once
from server.database import Database
from tests.builders import NOON
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import DAY, assigned, kept, learner, must_add_up, redeemed, reissued, revoked
from tests.vouchering import FEE_MINOR, Shop, shop

CALLERS = 24
Deed = Callable[[int], Awaitable[object]]


async def at_once(market: Shop, deed: Deed) -> Counter[str]:
    """How often each came out: `done`, or the code of a refusal. What must hold does afterwards."""
    told = await asyncio.gather(*(_outcome(deed(number)) for number in range(CALLERS)))
    await must_add_up(market)
    return Counter(told)


async def _outcome(deed: Awaitable[object]) -> str:
    try:
        await deed
    except DomainError as refusal:
        return refusal.code.name
    return "done"


async def redemptions(market: Shop) -> int:
    async with market.database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(Redemption)) or 0


async def told(market: Shop, deed: ProgramDeed) -> int:
    async with market.database.reading() as connection:
        of_it = select(func.count()).select_from(ProgramEvent).where(ProgramEvent.deed == deed)
        return await connection.scalar(of_it) or 0


async def learners(market: Shop, many: int) -> list[LearnerKey]:
    return [await learner(market.tenant) for _ in range(many)]


async def test_of_many_who_assign_one_voucher_one_does(database: Database) -> None:
    market = await shop(database)
    people = await learners(market, 4)
    (voucher,) = await market.stock(CODE_KEYS)
    outcomes = await at_once(market, lambda n: assigned(market, voucher.id, people[n % 4]))
    assert outcomes == {"done": 1, "ALREADY_ASSIGNED": CALLERS - 1}
    assert await told(market, ProgramDeed.ASSIGNED) == 1


async def test_many_who_take_from_one_stock_get_a_voucher_each_while_there_are(database: Database) -> None:
    market = await shop(database)
    people = await learners(market, 4)
    await market.stock(CODE_KEYS, 10)
    outcomes = await at_once(market, lambda n: assigned(market, None, people[n % 4]))
    assert outcomes == {"done": 10, "OUT_OF_STOCK": CALLERS - 10}


async def test_of_many_who_redeem_a_code_one_does(database: Database) -> None:
    market = await shop(database)
    (voucher,) = await market.stock(CODE_KEYS)
    outcomes = await at_once(market, lambda _: redeemed(market, voucher.code))
    assert outcomes == {"done": 1, "CODE_NOT_USABLE": CALLERS - 1}
    assert await redemptions(market) == 1


async def test_of_a_hundred_that_are_left_sixty_are_taken_once(database: Database) -> None:
    market = await shop(database)
    unit = FEE_MINOR // 60
    (voucher,) = await market.stock(CODE_KEYS, face_minor=FEE_MINOR + 40 * unit)
    outcomes = await at_once(market, lambda _: redeemed(market, voucher.code))
    assert outcomes == {"done": 1, "VOUCHER_DOES_NOT_FIT": CALLERS - 1}
    assert (await market.voucher(voucher.id)).remaining_minor == 40 * unit


async def test_a_code_is_reissued_or_redeemed_and_never_redeemed_afterwards(database: Database) -> None:
    market = await shop(database)
    (voucher,) = await market.stock(CODE_KEYS)
    outcomes = await at_once(
        market, lambda n: redeemed(market, voucher.code) if n % 2 else reissued(market, voucher.id)
    )
    paid, row = await redemptions(market), await market.voucher(voucher.id)
    assert row.standing is (VoucherStanding.SPENT if paid else VoucherStanding.LIVE)
    assert outcomes["done"] == paid + await told(market, ProgramDeed.REISSUED)
    assert set(outcomes) <= {"done", "CODE_NOT_USABLE", "NOT_LIVE"}


async def test_a_voucher_is_revoked_or_redeemed(database: Database) -> None:
    market = await shop(database)
    (voucher,) = await market.stock(CODE_KEYS)
    outcomes = await at_once(market, lambda n: redeemed(market, voucher.code) if n % 2 else revoked(market, voucher.id))
    paid, row = await redemptions(market), await market.voucher(voucher.id)
    assert outcomes["done"] == 1
    assert row.standing is (VoucherStanding.SPENT if paid else VoucherStanding.REVOKED)


async def test_a_voucher_expires_or_is_redeemed(database: Database) -> None:
    """Of those who come in its last moment and those who come after it."""
    market = await shop(database)
    last = NOON + DAY - dt.timedelta(microseconds=1)
    vouchers = await market.stock(CODE_KEYS, 12, expires_at=NOON + DAY)
    outcomes = await at_once(
        market, lambda n: redeemed(market, vouchers[n // 2].code, at=last) if n % 2 else kept(market, NOON + DAY)
    )
    paid, expired = await redemptions(market), await told(market, ProgramDeed.EXPIRED)
    assert paid + expired == len(vouchers)
    assert outcomes == {"done": 12 + paid} | ({"CODE_NOT_USABLE": expired} if expired else {})


async def test_many_who_owe_together_stay_below_the_cap(database: Database) -> None:
    market = await shop(database)
    await market.agreement(5 * FEE_MINOR)
    vouchers = await market.stock(CODE_KEYS, CALLERS, funding=VoucherFunding.BILL_LATER)
    outcomes = await at_once(market, lambda n: redeemed(market, vouchers[n].code))
    assert outcomes == {"done": 5, "OVER_CAP": CALLERS - 5}


async def test_what_many_ask_with_one_key_is_done_once_and_all_are_answered(database: Database) -> None:
    market = await shop(database)
    (ana,) = await learners(market, 1)
    await market.stock(CODE_KEYS, 3)
    (voucher,) = await market.stock(CODE_KEYS)
    paying = Redeeming(product_id=market.fee_id, reference="APP-1", code=voucher.code)
    giving = Assigning(learner=ana, voucher_program_id=market.voucher_program_id)
    assert await at_once(
        market,
        lambda _: market.act(lambda act: redeem_once(act, CODE_KEYS, "one", paying), by=market.program_admin),
    ) == {"done": CALLERS}
    assert await redemptions(market) == 1
    assert await at_once(market, lambda _: market.act(lambda act: assign_once(act, "two", giving))) == {"done": CALLERS}
    assert await told(market, ProgramDeed.ASSIGNED) == 1
    (other,) = await market.stock(CODE_KEYS)
    made = await asyncio.gather(
        *(market.act(lambda act: reissue_once(act, CODE_KEYS, "three", other.id, "she left")) for _ in range(CALLERS))
    )
    assert [one.voucher_id for one in made] == [other.id] * CALLERS
    assert len([one for one in made if one.new_code]) == await told(market, ProgramDeed.REISSUED) == 1
    await must_add_up(market)
