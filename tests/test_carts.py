"""A cart up to the moment of paying: what vouchers hold for it, what they may not, and when they let go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.carts import CartState
from models.products import Product
from models.programs import HOLD_SECONDS
from models.voucher_programs import Leftovers, Transferability, VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.carts.versions import freeze, thaw
from resolvers.carts.voucher_entry import voucher_entry
from resolvers.loaders.carts import CartRow
from server.database import Database
from tests.builders import NOON
from tests.carting import GATEWAYS, Buyer, buyer, carts_kept, on, paid_lines, seen
from tests.code_keys import CODE_KEYS
from tests.promoting import HALF_OFF_MINOR, promoted
from tests.test_invariants import offended
from tests.test_vouchers import DAY, Refused, kept, must_add_up, reissued, revoked
from tests.vouchering import FEE_MINOR, Shop, Stocked, shop

HOLD = dt.timedelta(seconds=HOLD_SECONDS)
BILL_LATER = VoucherFunding.BILL_LATER


async def held(market: Shop, *vouchers: Stocked) -> list[int]:
    return [(await market.voucher(voucher.id)).held_minor for voucher in vouchers]


async def vouchers_on(market: Shop, cart: CartRow) -> set[int | None]:
    return {row.voucher_id for row in await on(market, cart)}


def ids(vouchers: Iterable[Stocked]) -> set[int | None]:
    return {voucher.id for voucher in vouchers}


# --------------------------------------------------------------------------------------------- applying, removing


async def test_a_code_pays_what_it_can_and_the_rest_is_due(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS, face_minor=10_000)
    cart = await ida.opens(market.fee_id, market.late_fee_id)
    assert (cart.version, cart.total_minor, cart.by_vouchers_minor) == (1, FEE_MINOR + 5_000, 0)
    cart = await ida.applies(cart, voucher.code)
    assert (cart.version, cart.due.amount_minor) == (2, FEE_MINOR + 5_000 - 10_000)
    assert await held(market, voucher) == [10_000]
    cart = await ida.applies(cart, voucher.code, 6_000)
    assert (cart.version, cart.by_vouchers_minor) == (3, 6_000), "applied again, it is applied otherwise"
    cart = await ida.removes(cart, voucher.id)
    assert (cart.version, cart.by_vouchers_minor) == (4, 0)
    assert await held(market, voucher) == [0]
    cart = await ida.applies(cart, voucher.code)
    await ida.abandons(cart)
    assert (await held(market, voucher), (await seen(market, cart)).state) == ([0], CartState.ABANDONED)
    async with Refused("CART_CLOSED"):
        await ida.applies(await seen(market, cart), voucher.code)
    await must_add_up(market)


async def test_several_vouchers_pay_what_they_may_and_what_expires_first_is_spent_first(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (later,) = await market.stock(CODE_KEYS, face_minor=10_000, expires_at=NOON + 9 * DAY)
    (sooner,) = await market.stock(CODE_KEYS, face_minor=10_000, expires_at=NOON + 2 * DAY)
    cart = await ida.applies(await ida.opens(), later.code)
    cart = await ida.applies(cart, sooner.code)
    assert cart.due.amount_minor == 0
    assert await held(market, sooner, later) == [10_000, 2_500]
    assert await paid_lines(market, cart) == {1: FEE_MINOR}
    cart = await ida.sets(cart, {market.fee_id: 1, market.late_fee_id: 2})
    assert (cart.due.amount_minor, await held(market, sooner, later)) == (10_000, [10_000, 2_500])
    cart = await ida.sets(cart, {market.fee_id: 3})
    assert (cart.due.amount_minor, await held(market, sooner, later)) == (17_500, [10_000, 10_000])
    await must_add_up(market)


async def test_every_code_that_cannot_be_used_is_refused_alike(database: Database) -> None:
    market = await shop(database)
    ida, eve = await buyer(market), await buyer(market)
    eves, dead, old, renewed = await market.stock(CODE_KEYS, 4)
    (gone,) = await market.stock(CODE_KEYS, expires_at=NOON + DAY)
    bound = await shop(database, tenant=market.tenant, transferability=Transferability.ASSIGNED_ONLY)
    await eve.is_given(eves)
    await revoked(market, dead.id)
    await reissued(market, old.id)
    cart = await ida.opens(at=NOON + DAY)
    refused: list[str | int] = [eves.code, eves.id, dead.code, old.code, gone.code, renewed.id, 1, "", "no code", "ÄÖ"]
    (only_assigned,) = await bound.stock(CODE_KEYS)
    told = set()
    for code in refused:
        async with Refused("CODE_NOT_USABLE") as refusal:
            await ida.applies(cart, code, at=NOON + DAY)
        told.add(refusal.said)
    of_bound = Buyer(bound, ida.person_id, ida.learner)
    async with Refused("CODE_NOT_USABLE") as refusal:
        await of_bound.applies(await of_bound.opens(), only_assigned.code)
    assert {*told, refusal.said} == {"This code cannot be used."}
    assert await seen(market, cart) == cart._replace(place=0), "nothing was changed"


async def test_a_voucher_that_does_not_fit_says_which_rule_and_how_much(database: Database) -> None:
    market = await shop(database)
    ida, eve = await buyer(market), await buyer(market)
    small, other = await market.stock(CODE_KEYS, 2, face_minor=4_000)
    late = await ida.opens(market.late_fee_id)
    async with Refused("VOUCHER_DOES_NOT_FIT_CART") as refusal:
        await ida.applies(late, small.code)
    assert refusal.said == (
        "This voucher pays nothing here. Late fee: it never pays for this product: an exclusion wins."
    )
    cart = await ida.opens()
    async with Refused("VOUCHER_DOES_NOT_FIT_CART") as refusal:
        await ida.applies(cart, small.code, 5_000)
    assert "USD 50.00 was named, and USD 40.00 can be taken" in refusal.said
    cart = await ida.applies(cart, small.code)
    async with Refused("VOUCHER_EXCEEDS_DUE") as refusal:
        await ida.applies(cart, other.code, 8_501)
    assert refusal.said == "USD 85.00 is due, and USD 85.01 was to be taken from the voucher. Nothing was changed."
    async with Refused("VOUCHER_HELD"):
        await eve.applies(await eve.opens(), small.code)
    async with Refused("STALE_CART"):
        await ida.applies(late._replace(version=7), other.code)
    await must_add_up(market)


async def test_a_cart_takes_ten_vouchers_and_what_came_by_itself_makes_room(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (own,) = await market.stock(CODE_KEYS, face_minor=100)
    await ida.is_given(own)
    many = await market.stock(CODE_KEYS, 11, face_minor=1_000)
    cart = await ida.opens()
    assert await vouchers_on(market, cart) == ids([own])
    for voucher in many[:10]:
        cart = await ida.applies(cart, voucher.code)
    assert cart.by_vouchers_minor == 10_000
    assert await vouchers_on(market, cart) == ids(many[:10])
    async with Refused("TOO_MANY_VOUCHERS"):
        await ida.applies(cart, many[10].code)
    await must_add_up(market)


async def test_a_voucher_that_forfeits_its_rest_is_held_by_one_cart_only(database: Database) -> None:
    market = await shop(database, leftovers=Leftovers.FORFEIT)
    ida, eve = await buyer(market), await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS, face_minor=2 * FEE_MINOR)
    cart = await ida.applies(await ida.opens(), voucher.code)
    async with Refused("VOUCHER_HELD"):
        await eve.applies(await eve.opens(), voucher.code)
    await ida.sets(cart, {market.fee_id: 2})
    assert await held(market, voucher) == [2 * FEE_MINOR]


# --------------------------------------------------------------------------------------------- what is one's own


async def test_own_vouchers_apply_at_each_change_those_that_expire_first_and_only_as_needed(
    database: Database,
) -> None:
    market = await shop(database)
    ida = await buyer(market)
    later, sooner, never = [
        await ida.is_given((await market.stock(CODE_KEYS, expires_at=expires_at))[0])
        for expires_at in (NOON + 5 * DAY, NOON + 3 * DAY, NOON + 9 * DAY)
    ]
    cart = await ida.opens()
    assert await vouchers_on(market, cart) == ids([sooner])
    cart = await ida.sets(cart, {market.fee_id: 2})
    assert (await vouchers_on(market, cart), cart.due.amount_minor) == (ids([sooner, later]), 0)
    cart = await ida.removes(cart, sooner.id)
    assert await vouchers_on(market, cart) == ids([later, never])
    cart = await ida.sets(cart, {market.fee_id: 1})
    assert await vouchers_on(market, cart) == ids([later]), "what is not needed leaves again"
    cart = await ida.applies(cart, sooner.id)
    assert await vouchers_on(market, cart) == ids([sooner]), "but one that was chosen is there"
    await must_add_up(market)


# ------------------------------------------------------------------------------------------------- letting go


async def test_a_hold_ends_after_its_time_unless_the_cart_was_changed(database: Database) -> None:
    market = await shop(database)
    ida, eve = await buyer(market), await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS)
    cart = await ida.applies(await ida.opens(), voucher.code)
    cart = await ida.sets(cart, {market.fee_id: 2}, at=NOON + HOLD)
    assert await carts_kept(market, NOON + HOLD) == 0
    async with Refused("VOUCHER_HELD"):
        await eve.applies(await eve.opens(), voucher.code, at=NOON + 2 * HOLD - dt.timedelta(microseconds=1))
    hers = await eve.applies(await eve.opens(), voucher.code, at=NOON + 2 * HOLD)
    assert (hers.due.amount_minor, await held(market, voucher)) == (0, [FEE_MINOR]), "whoever asks need not wait"
    lost = await seen(market, cart)
    assert (lost.version, lost.by_vouchers_minor) == (cart.version + 1, 0)
    assert await carts_kept(market, NOON + 3 * HOLD) == 1
    assert await held(market, voucher) == [0]
    assert await carts_kept(market, NOON + DAY) == 1, "the one that eve opened and never touched"
    assert await carts_kept(market, NOON + 2 * DAY) == 2
    assert (await seen(market, hers)).state is CartState.ABANDONED
    await must_add_up(market)


@pytest.mark.parametrize("deed", ["reissue", "revoke", "expire"])
async def test_what_its_owner_takes_back_leaves_the_carts_and_others_pay(database: Database, deed: str) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS, expires_at=NOON + DAY)
    (other,) = await market.stock(CODE_KEYS, face_minor=5_000)
    cart = await ida.applies(await ida.opens(), voucher.code, 10_000)
    cart = await ida.applies(cart, other.code)
    assert await held(market, voucher, other) == [10_000, 2_500]

    async def takes_back() -> None:
        if deed == "expire":
            await kept(market, NOON + DAY)
        else:
            await (reissued if deed == "reissue" else revoked)(market, voucher.id)

    frozen = await ida.act(lambda act: freeze(act, cart.id, cart.version))
    assert frozen.version == cart.version
    async with Refused("CART_COMPLETING"):
        await ida.applies(cart, other.code)
    if deed == "expire":
        await takes_back()
        assert await held(market, voucher) == [10_000], "it is being paid for"
    else:
        async with Refused("IN_USE"):
            await takes_back()
    thawed = await ida.act(lambda act: thaw(act, cart.id))
    await takes_back()
    after = await seen(market, cart)
    assert after.version > thawed.version
    if deed == "expire":
        assert await held(market, voucher, other) == [0, 0], "a day later, the holds were over too"
        assert (await market.voucher(voucher.id)).standing is VoucherStanding.EXPIRED
    else:
        assert (after.by_vouchers_minor, await held(market, voucher, other)) == (5_000, [0, 5_000])
    await must_add_up(market)


async def test_a_bearers_voucher_that_expires_meanwhile_leaves_at_the_next_change(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS, expires_at=NOON + HOLD / 2)
    cart = await ida.applies(await ida.opens(), voucher.code)
    cart = await ida.sets(cart, {market.fee_id: 2}, at=NOON + HOLD / 2)
    assert (cart.by_vouchers_minor, await on(market, cart)) == (0, [])
    await must_add_up(market)


# ------------------------------------------------------------------------------------------------- billed later


async def test_what_is_billed_later_is_held_on_the_agreement_too(database: Database) -> None:
    market = await shop(database)
    ida, eve, bob = [await buyer(market) for _ in range(3)]
    one, two, three = await market.stock(CODE_KEYS, 3, funding=BILL_LATER)
    cart = await ida.opens()
    async with Refused("NO_AGREEMENT"):
        await ida.applies(cart, one.code)
    await market.agreement(FEE_MINOR + 1_000)
    cart = await ida.applies(cart, one.code)
    hers = await eve.applies(await eve.opens(), two.code)
    assert hers.by_vouchers_minor == 1_000, "as much as the cap leaves"
    async with Refused("OVER_CAP") as refusal:
        await bob.applies(await bob.opens(), three.code)
    assert "USD" not in refusal.said, "what an organization owes is not told to others"
    await must_add_up(market)
    await ida.abandons(cart)
    hers = await eve.sets(hers, {market.fee_id: 1})
    assert hers.due.amount_minor == 0
    await must_add_up(market)


# ------------------------------------------------------------------------------------------------- promotions


async def test_a_promotion_takes_its_part_first_and_vouchers_pay_what_is_left(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    await market.agreement(10 * FEE_MINOR)
    one = await promoted(market, code="GET-LICENSED-2019", funding=BILL_LATER, most_uses=1)
    await promoted(market, code="AUTUMN", funding=BILL_LATER)
    (voucher,) = await market.stock(CODE_KEYS)
    cart = await ida.applies(await ida.opens(market.fee_id, market.late_fee_id), voucher.code)
    cart = await ida.applies(cart, " get-licensed-2019 ")
    assert (cart.due.amount_minor, await held(market, voucher)) == (5_000, [FEE_MINOR - HALF_OFF_MINOR])
    async with Refused("ONE_PROMOTION"):
        await ida.applies(cart, "AUTUMN")
    cart = await ida.sets(cart, {market.fee_id: 2})
    assert (cart.due.amount_minor, (await one.row()).held_minor) == (0, 2 * HALF_OFF_MINOR)
    eve = await buyer(market)
    async with Refused("PROMOTION_BUSY"):
        await eve.applies(await eve.opens(), "GET-LICENSED-2019")
    late = await eve.opens(market.late_fee_id)
    async with Refused("VOUCHER_DOES_NOT_FIT_CART") as refusal:
        await eve.applies(late, "AUTUMN")
    assert refusal.said == "Get licensed takes nothing off Late fee."
    cart = await ida.sets(cart, {market.late_fee_id: 1})
    assert [row.promotion_id for row in await on(market, cart)] == [None], "a use is held for nobody who has none of it"
    assert (await one.row()).held_uses == 0
    await must_add_up(market)


# ------------------------------------------------------------------------------------------------- odd carts


async def test_a_cart_that_cannot_be_is_not_opened(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    async with Refused("NOT_FOUND"):
        await ida.opens(99)
    async with Refused("BAD_LINES"):
        await ida.opens(*[market.fee_id] * 51)
    cart = await ida.opens(*[market.fee_id] * 50)
    async with Refused("BAD_LINES"):
        await ida.sets(cart, {market.fee_id: 1_001})
    async with Refused("BAD_LINES"):
        await ida.sets(cart, {})
    price = update(Product.__table__).where(Product.program_id == market.program_id, Product.id == market.late_fee_id)
    await database.run(lambda session: session.execute(price.values(currency="EUR")))
    async with Refused("BAD_LINES") as refusal:
        await ida.sets(cart, {market.fee_id: 1, market.late_fee_id: 1})
    assert "The cart is in USD, Late fee costs EUR 50.00" in refusal.said


async def test_a_price_that_changed_is_on_the_cart_from_its_next_change_on(database: Database) -> None:
    market = await shop(database)
    ida = await buyer(market)
    (voucher,) = await market.stock(CODE_KEYS)
    cart = await ida.opens()
    price = update(Product.__table__).where(Product.program_id == market.program_id, Product.id == market.fee_id)
    await database.run(lambda session: session.execute(price.values(price_minor=20_000)))
    assert (await seen(market, cart)).total_minor == FEE_MINOR
    cart = await ida.applies(cart, voucher.code)
    assert (cart.total_minor, cart.due.amount_minor) == (20_000, 20_000 - FEE_MINOR)


def test_one_function_says_whether_a_gateway_takes_vouchers() -> None:
    assert voucher_entry(GATEWAYS, "cards").enabled
    for gateway in ("moolah", "nowhere"):
        entry = voucher_entry(GATEWAYS, gateway)
        assert not entry.enabled
        assert gateway in (entry.reason or "")


# ------------------------------------------------------------------------------------------------- what must hold

HARM = {
    "voucher-held": "UPDATE voucher SET held_minor = held_minor - 1 WHERE held_minor > 0",
    "agreement-held": "UPDATE billing_agreement SET held_minor = held_minor - 1",
    "cart-sums": "UPDATE cart SET total_minor = total_minor + 1",
    "cart-allocations": "UPDATE cart_allocation SET amount_minor = amount_minor + 1",
    "cart-holds": "UPDATE cart SET state = 'ABANDONED'",
}


@pytest.mark.parametrize("name", HARM)
async def test_what_does_not_hold_of_a_cart_is_noticed(sqlite_database: Database, name: str) -> None:
    market = await shop(sqlite_database)
    ida = await buyer(market)
    await market.agreement(FEE_MINOR)
    (voucher,) = await market.stock(CODE_KEYS, funding=BILL_LATER)
    await ida.applies(await ida.opens(), voucher.code)
    assert await offended(sqlite_database) == set()

    async def harm(session: AsyncSession) -> None:
        await session.execute(text("PRAGMA ignore_check_constraints = ON"))
        await session.execute(text(HARM[name]))
        await session.execute(text("PRAGMA ignore_check_constraints = OFF"))

    await sqlite_database.run(harm)
    assert name in await offended(sqlite_database)
