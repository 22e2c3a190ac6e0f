"""How many statements a checkout takes: bounded, not more for more lines, and a few of its own for each voucher."""

from __future__ import annotations

from itertools import pairwise

from models.money import Money
from resolvers.loaders.carts import CartRow
from server.database import Database
from tests.checking_out import Counter, counter
from tests.code_keys import CODE_KEYS
from tests.promoting import promoted
from tests.test_statements import statements
from tests.vouchering import FEE_MINOR


async def counted(till: Counter, cart: CartRow, *codes: str) -> tuple[CartRow, list[int]]:
    """The cart with these codes applied, and how many statements each took."""
    took = []
    for code in codes:
        with statements() as ran:
            cart = await till.applies(cart, code)
        took.append(len(ran))
    return cart, took


async def completing(till: Counter, cart: CartRow, key: str) -> int:
    with statements() as ran:
        await till.completes(cart, key=key)
    return len(ran)


async def opening(till: Counter, lines: int) -> tuple[CartRow, int]:
    with statements() as ran:
        cart = await till.opens(*[till.market.fee_id] * lines)
    return cart, len(ran)


async def test_more_lines_take_no_more_statements(sqlite_database: Database) -> None:
    till = await counter(sqlite_database)
    took = []
    for lines in (1, 20):
        (voucher,) = await till.market.stock(CODE_KEYS, face_minor=lines * FEE_MINOR)
        cart, opened = await opening(till, lines)
        cart, (applied,) = await counted(till, cart, voucher.code)
        took.append((opened, applied, await completing(till, cart, f"{lines}")))
    assert took[0] == took[1]


async def test_a_checkout_with_a_promotion_takes_few_statements(sqlite_database: Database) -> None:
    till = await counter(sqlite_database)
    made = await promoted(till.market, percent_off=None, amount_off=Money(FEE_MINOR, "USD"), most_uses=5)
    cart, opened = await opening(till, 1)
    cart, (applied,) = await counted(till, cart, (await made.row()).code)
    assert (opened, applied, await completing(till, cart, "k")) <= (12, 17, 26)


async def test_each_further_voucher_takes_its_own_updates_and_nothing_else(sqlite_database: Database) -> None:
    """Applied, what is there already is written anew with it; completing ends its code and its assignment too."""
    till = await counter(sqlite_database)
    completed = []
    for many in (1, 2, 3, 6):
        vouchers = await till.market.stock(CODE_KEYS, many, face_minor=FEE_MINOR)
        cart, _ = await opening(till, many)
        cart, applied = await counted(till, cart, *(voucher.code for voucher in vouchers))
        growth = {later - earlier for earlier, later in pairwise(applied[1:])}
        assert growth <= {1}
        completed.append(await completing(till, cart, f"{many}"))
    one, two, three, six = completed
    assert two - one == three - two == (six - three) / 3
    assert two - one <= 4
