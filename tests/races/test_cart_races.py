"""Many carts at once at the same vouchers, on both databases: nothing is held twice, and no stale tab wins."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from models.carts import CartState
from models.errors import DomainError
from resolvers.loaders.carts import CartRow
from server.database import Database
from tests.carting import Buyer, buyer, seen
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import must_add_up, reissued
from tests.vouchering import Shop, shop

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
