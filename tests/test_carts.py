"""A cart up to the moment of paying: what vouchers hold for it, what they may not, and when they let go."""

from __future__ import annotations

from server.database import Database
from tests.carting import buyer, on
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import must_add_up
from tests.vouchering import FEE_MINOR, shop


async def test_a_code_pays_what_it_can_and_the_rest_is_due(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS, face_minor=10_000)
    cart = await ida.opens(market.fee_id, market.late_fee_id)
    assert (cart.version, cart.total_minor, cart.by_vouchers_minor) == (1, FEE_MINOR + 5_000, 0)
    cart = await ida.applies(cart, voucher.code)
    assert (cart.version, cart.due.amount_minor) == (2, FEE_MINOR + 5_000 - 10_000)
    assert (await market.voucher(voucher.id)).held_minor == 10_000
    cart = await ida.removes(cart, voucher.id)
    assert (cart.version, cart.by_vouchers_minor) == (3, 0)
    assert (await market.voucher(voucher.id)).held_minor == 0
    assert await on(market, cart) == []
    await must_add_up(market)
