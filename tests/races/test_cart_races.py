"""Many carts at once at the same vouchers, on both databases: nothing is held twice, and no stale tab wins."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from models.carts import CartState
from models.errors import DomainError
from models.voucher_programs import VoucherFunding
from resolvers.loaders.carts import CartRow
from server.database import Database
from tests.carting import Buyer, buyer, on, seen
from tests.code_keys import CODE_KEYS
from tests.promoting import promoted
from tests.test_vouchers import must_add_up, reissued
from tests.vouchering import FEE_MINOR, Shop, shop

CALLERS = 20
CODE = "GET-LICENSED-2019"
Deed = Callable[[int], Awaitable[object]]


async def at_once(market: Shop, deed: Deed, callers: int = CALLERS) -> Counter[str]:
    """How often each came out: `done`, or the code of a refusal. What must hold does afterwards."""
    told = await asyncio.gather(*(_outcome(deed(number)) for number in range(callers)))
    await must_add_up(market)
    return Counter(told)


async def _outcome(deed: Awaitable[object]) -> str:
    try:
        await deed
    except DomainError as refusal:
        return refusal.code.name
    return "done"


async def carts_of(people: Sequence[Buyer], many: int = CALLERS) -> list[tuple[Buyer, CartRow]]:
    """So many carts, opened by these people in turn."""
    return [(person, await person.opens()) for person in (people[n % len(people)] for n in range(many))]


async def held(market: Shop, carts: Sequence[tuple[Buyer, CartRow]]) -> list[int]:
    """What vouchers pay of each cart for which anything is held."""
    now = [await seen(market, cart) for _, cart in carts]
    return [cart.by_vouchers_minor for cart in now if cart.by_vouchers_minor]


async def test_of_many_carts_one_holds_a_voucher_that_is_used_once(database: Database) -> None:
    market = await shop(database)
    carts = await carts_of([await buyer(market), await buyer(market)])
    (voucher,) = await market.stock(CODE_KEYS)
    outcomes = await at_once(market, lambda n: carts[n][0].applies(carts[n][1], voucher.code))
    assert outcomes == {"done": 1, "VOUCHER_HELD": CALLERS - 1}
    assert await held(market, carts) == [FEE_MINOR]


async def test_of_a_hundred_that_are_left_sixty_are_held_once(database: Database) -> None:
    """Another cart gets the forty that remain, without a named amount; whoever names sixty gets nothing."""
    market = await shop(database)
    carts = await carts_of([await buyer(market), await buyer(market)])
    (voucher,) = await market.stock(CODE_KEYS, face_minor=10_000)
    outcomes = await at_once(market, lambda n: carts[n][0].applies(carts[n][1], voucher.code, 6_000))
    assert outcomes == {"done": 1, "VOUCHER_DOES_NOT_FIT_CART": CALLERS - 1}
    outcomes = await at_once(market, lambda n: carts[n][0].applies(carts[n][1], voucher.code))
    assert sum(await held(market, carts)) == 10_000
    assert (await market.voucher(voucher.id)).held_minor == 10_000


async def test_carts_together_stay_below_a_credit_cap(database: Database) -> None:
    market = await shop(database)
    await market.agreement(5 * FEE_MINOR)
    carts = await carts_of([await buyer(market), await buyer(market)])
    vouchers = await market.stock(CODE_KEYS, CALLERS, funding=VoucherFunding.BILL_LATER)
    outcomes = await at_once(market, lambda n: carts[n][0].applies(carts[n][1], vouchers[n].code))
    assert outcomes == {"done": 5, "OVER_CAP": CALLERS - 5}
    assert await held(market, carts) == [FEE_MINOR] * 5


async def test_of_many_tabs_one_changes_a_version(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    cart = await ida.opens()
    vouchers = await market.stock(CODE_KEYS, CALLERS, face_minor=100)
    outcomes = await at_once(market, lambda n: ida.applies(cart, vouchers[n].code))
    assert outcomes == {"done": 1, "STALE_CART": CALLERS - 1}
    now = await seen(market, cart)
    assert (now.version, now.by_vouchers_minor, now.state) == (2, 100, CartState.OPEN)


async def test_a_code_is_applied_before_a_reissue_or_not_at_all_and_holds_nothing_afterwards(
    database: Database,
) -> None:
    market = await shop(database)
    carts = await carts_of([await buyer(market), await buyer(market)])
    (voucher,) = await market.stock(CODE_KEYS)
    outcomes = await at_once(
        market,
        lambda n: reissued(market, voucher.id) if n == 7 else carts[n][0].applies(carts[n][1], voucher.code),
    )
    assert set(outcomes) <= {"done", "VOUCHER_HELD", "CODE_NOT_USABLE"}
    assert outcomes["done"] in (1, 2)
    assert await held(market, carts) == []
    assert (await market.voucher(voucher.id)).held_minor == 0


async def test_two_vouchers_applied_in_opposite_order_wait_for_nobody(database: Database) -> None:
    market = await shop(database)
    carts = await carts_of([await buyer(market), await buyer(market)])
    one, two = await market.stock(CODE_KEYS, 2, face_minor=CALLERS * FEE_MINOR)

    async def both(number: int) -> None:
        person, cart = carts[number]
        first, second = (one, two) if number % 2 else (two, one)
        cart = await person.applies(cart, first.code, 5_000)
        await person.applies(cart, second.code, 5_000)

    assert await at_once(market, both) == {"done": CALLERS}
    assert await held(market, carts) == [10_000] * CALLERS


async def test_of_fifty_carts_ten_hold_a_promotion_for_ten_and_one_person_holds_it_once(database: Database) -> None:
    market = await shop(database)
    people = [await buyer(market) for _ in range(12)]
    carts = await carts_of(people, 50)
    await market.agreement(50 * FEE_MINOR)
    await promoted(market, code=CODE, most_uses=10, most_uses_a_person=1, funding=VoucherFunding.BILL_LATER)
    outcomes = await at_once(market, lambda n: carts[n][0].applies(carts[n][1], CODE), callers=50)
    assert outcomes["done"] == 10
    assert set(outcomes) <= {"done", "PROMOTION_BUSY", "PROMOTION_LIMIT_PER_PERSON"}
    holders = [person.person_id for person, cart in carts if await on(market, cart)]
    assert len(holders) == len(set(holders)) == 10
