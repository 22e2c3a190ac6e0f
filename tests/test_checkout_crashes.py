"""Whoever completes a cart may be killed before or after any commit, and while the gateway is asked: what the worker
finds later charges nobody twice, and takes and gives exactly what a yes has paid for.
"""

from __future__ import annotations

import datetime as dt
from itertools import product
from typing import Any

import pytest

from models.carts import CartState
from models.checkouts import CheckoutState
from models.money import Money
from models.redemptions import FeeOrder
from resolvers.checkout.completing import complete_cart
from resolvers.checkout.freezing import Completing
from resolvers.gateways.gateway import Answer, Charge
from resolvers.loaders.carts import CartRow
from resolvers.loaders.checkouts import CHECKOUT
from server.database import Database
from tests.carting import seen
from tests.checking_out import CARD, USD, Counter, counter
from tests.code_keys import CODE_KEYS
from tests.dying import Dying, Killed
from tests.tellers import Mood, Teller
from tests.test_invariants import offended

FREEZE, CLAIM, DECIDE = range(1, 4)
FACE_MINOR = 10_000
DUE_MINOR = 2_500
LATER = dt.timedelta(days=2)


class LastAnswer(Teller):
    """Is asked, and whoever asked is killed before the answer comes."""

    async def charge(self, charge: Charge) -> Answer:
        await super().charge(charge)
        raise Killed


async def yes(at: Counter, cart: CartRow, run: Any, gateway: Teller) -> None:
    asked = Completing(cart.id, cart.version, Money(DUE_MINOR, USD), CARD)
    who, where = at.buyer.principal, at.market.program_id
    await complete_cart(run, {"cards": gateway}, who, at.market.now, where, f"k{cart.id}", asked)


async def a_cart(at: Counter) -> CartRow:
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=FACE_MINOR)
    return await at.applies(await at.opens(), voucher.code)


async def assert_decided(at: Counter, cart: CartRow, why: object) -> None:
    """After the worker has looked things up: paid and delivered, or open again and nothing taken."""
    await at.reconciles(at.market.now + LATER)
    state = (await seen(at.market, cart)).state
    orders = [row.checkout_id for row in await at.rows(FeeOrder.__table__)]
    own = [row for row in await at.rows(CHECKOUT) if row.cart_id == cart.id]
    completed = [row for row in own if row.state is CheckoutState.COMPLETED]
    assert state in (CartState.OPEN, CartState.COMPLETED), why
    assert len(completed) == (state is CartState.COMPLETED), why
    assert [row.id for row in own if row.id in orders] == [row.id for row in completed], why
    assert at.teller.kept_minor == DUE_MINOR * len(orders), why


@pytest.mark.parametrize("mood", Mood)
async def test_killed_at_any_commit_it_is_charged_at_most_once_and_a_yes_is_delivered(
    database: Database, mood: Mood
) -> None:
    at = await counter(database)
    for number, after_commit in product((FREEZE, CLAIM, DECIDE), (False, True)):
        cart, at.teller.mood = await a_cart(at), mood
        with pytest.raises(Killed):
            await yes(at, cart, Dying(database.run, number, after_commit), at.teller)
        await assert_decided(at, cart, (mood, number, after_commit))
    assert await offended(database) == set()


@pytest.mark.parametrize("mood", [Mood.SILENT_YES, Mood.SILENT_NO])
async def test_killed_while_the_gateway_is_asked_what_it_did_is_found_out(database: Database, mood: Mood) -> None:
    at = await counter(database)
    dying = LastAnswer(mood=mood, charged=at.teller.charged, given_back=at.teller.given_back)
    cart = await a_cart(at)
    with pytest.raises(Killed):
        await yes(at, cart, database.run, dying)
    await assert_decided(at, cart, mood)
    assert len(await at.rows(FeeOrder.__table__)) == (mood is Mood.SILENT_YES)
    assert await offended(database) == set()


async def test_whoever_asks_again_after_a_crash_is_charged_once(database: Database) -> None:
    """The person's browser sends the same again, with the same key."""
    at = await counter(database)
    for number, after_commit in product((FREEZE, CLAIM), (False, True)):
        cart = await a_cart(at)
        with pytest.raises(Killed):
            await yes(at, cart, Dying(database.run, number, after_commit), at.teller)
        await yes(at, cart, database.run, at.teller)
        await assert_decided(at, cart, (number, after_commit))
    assert await offended(database) == set()
