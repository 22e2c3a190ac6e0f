"""Completing a cart: nobody pays what they did not see, nothing is spent twice, and every cent has its entry."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import update

from models.carts import CartState
from models.checkouts import Checkout, CheckoutState
from models.errors import VoucherError, VoucherErrorCode
from models.ledger import LedgerAccount
from models.money import Money
from models.products import Product
from models.redemptions import FeeOrder, Redemption
from models.voucher_programs import Leftovers, VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.checkout.deciding import cancel
from resolvers.loaders.carts import CartRow
from server.database import Database
from server.gateways.known import UNCONNECTED, Unconnected
from tests.builders import MINUTE
from tests.carting import seen
from tests.checking_out import CARD, USD, Counter, counter
from tests.code_keys import CODE_KEYS
from tests.tellers import Mood
from tests.test_invariants import offended
from tests.vouchering import FEE_MINOR


async def test_a_voucher_and_a_card_pay_together_and_each_cent_has_its_entry(database: Database) -> None:
    """The story: I enter the code at the checkout, and pay what it leaves."""
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=10_000)
    cart = await at.applies(await at.opens(), voucher.code)
    checkout = await at.completes(cart)
    assert (checkout.state, checkout.due) == (CheckoutState.COMPLETED, Money(2_500, USD))
    assert at.teller.kept_minor == 2_500
    (order,) = await at.rows(FeeOrder.__table__)
    assert (order.total_minor, order.by_vouchers_minor, order.by_card_minor) == (12_500, 10_000, 2_500)
    assert await at.balances() == {
        LedgerAccount.VOUCHER_LIABILITY: 10_000,
        LedgerAccount.CASH: 2_500,
        LedgerAccount.FEE_REVENUE: -12_500,
    }
    assert (await at.market.voucher(voucher.id)).standing is VoucherStanding.SPENT
    assert (await seen(at.market, cart)).state is CartState.COMPLETED
    assert await offended(database) == set()


async def test_what_vouchers_cover_is_paid_without_any_payment(database: Database) -> None:
    at = await counter(database)
    (stocked,) = await at.market.stock(CODE_KEYS)
    await at.buyer.is_given(stocked)
    at.market.now += MINUTE
    checkout = await at.completes(await at.opens())
    assert (checkout.state, checkout.due, at.teller.charged) == (CheckoutState.COMPLETED, Money(0, USD), {})
    assert [row.assignment_id is not None for row in await at.rows(Redemption.__table__)] == [True]
    assert await offended(database) == set()


async def test_a_voucher_on_the_cart_that_pays_nothing_of_it_loses_nothing(database: Database) -> None:
    """It was entered for the fee, and then the cart was left with the late fee alone, which it may not pay."""
    at = await counter(database, leftovers=Leftovers.FORFEIT)
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=20_000)
    cart = await at.buyer.sets(await at.applies(await at.opens(), voucher.code), {at.market.late_fee_id: 1})
    assert (await at.completes(cart)).due == Money(5_000, USD)
    row = await at.market.voucher(voucher.id)
    assert (row.standing, row.remaining_minor, row.held_minor) == (VoucherStanding.LIVE, 20_000, 0)
    assert await offended(database) == set()
    again = await at.applies(await at.opens(), voucher.code)
    assert again.by_vouchers_minor == FEE_MINOR


@pytest.mark.parametrize(("leftovers", "left"), [(Leftovers.KEEP, 7_500), (Leftovers.FORFEIT, 0)])
async def test_what_a_checkout_leaves_stays_or_is_forfeited(
    database: Database, leftovers: Leftovers, left: int
) -> None:
    at = await counter(database, leftovers=leftovers)
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=20_000)
    await at.completes(await at.applies(await at.opens(), voucher.code))
    row = await at.market.voucher(voucher.id)
    assert (row.remaining_minor, row.forfeited_minor) == (left, 7_500 - left)
    assert await offended(database) == set()


async def test_on_account_is_owed_and_no_liability(database: Database) -> None:
    at = await counter(database)
    await at.market.agreement(2 * FEE_MINOR)
    (voucher,) = await at.market.stock(CODE_KEYS, funding=VoucherFunding.BILL_LATER)
    await at.completes(await at.applies(await at.opens(), voucher.code))
    assert await at.balances() == {
        LedgerAccount.ORGANIZATION_RECEIVABLE: FEE_MINOR,
        LedgerAccount.FEE_REVENUE: -FEE_MINOR,
    }
    assert await offended(database) == set()


# ------------------------------------------------------------------------------------- nothing that was not seen


async def refused(at: Counter, cart: CartRow, code: VoucherErrorCode, match: str, **how: Any) -> None:
    with pytest.raises(VoucherError, match=match) as problem:
        await at.completes(cart, **how)
    assert problem.value.code is code
    assert at.teller.charged == {}
    assert await at.rows(FeeOrder.__table__) == []


async def test_another_due_a_stale_version_and_another_price_are_refused_with_figures(database: Database) -> None:
    at = await counter(database)
    cart = await at.opens()
    both = r"USD 125\.00 is due, and USD 124\.99 was expected"
    await refused(at, cart, VoucherErrorCode.EXPECTED_DUE_MISMATCH, both, due_minor=12_499)
    assert (await seen(at.market, cart)).state is CartState.OPEN
    await refused(at, cart._replace(version=7), VoucherErrorCode.STALE_CART, "version 1, and version 7 was seen")

    async def dearer(act: Any) -> None:
        await act.session.execute(update(Product).values(price_minor=13_000))

    await at.market.act(dearer)
    await refused(at, cart, VoucherErrorCode.PRICE_CHANGED, r"was USD 125\.00 and is USD 130\.00")


async def test_a_voucher_that_expires_on_the_cart_pays_nothing(database: Database) -> None:
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS, expires_at=at.market.now + MINUTE)
    cart = await at.applies(await at.opens(), voucher.code)
    await refused(at, cart, VoucherErrorCode.VOUCHER_ENDED, "no more", now=at.market.now + 2 * MINUTE)


async def test_one_that_expires_while_the_gateway_is_asked_pays_as_it_was_held(database: Database) -> None:
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=10_000, expires_at=at.market.now + MINUTE)
    cart = await at.applies(await at.opens(), voucher.code)
    at.teller.mood = Mood.SILENT_YES
    checkout = await at.completes(cart)
    assert checkout.state is CheckoutState.PAYMENT_UNKNOWN
    await at.reconciles(at.market.now + 10 * MINUTE)
    assert (await at.checkout(checkout.id)).state is CheckoutState.COMPLETED
    assert await offended(database) == set()


async def test_what_its_gateway_cannot_charge_freezes_nothing_unless_nothing_is_due(database: Database) -> None:
    at = await counter(database)
    (moolah,) = (one for one in UNCONNECTED if one.name == "moolah")
    at.others = {"moolah": Unconnected(moolah)}
    named = await at.buyer.opens(gateway="moolah", gateways=at.gateways)
    at.market.now += MINUTE
    bare = await at.opens()
    for cart, method, code in (
        (named, CARD, VoucherErrorCode.GATEWAY_NOT_CONNECTED),
        (bare, "", VoucherErrorCode.PAYMENT_METHOD_REQUIRED),
    ):
        with pytest.raises(VoucherError) as refused:
            await at.completes(cart, method=method)
        assert refused.value.code is code
        assert (await seen(at.market, cart)).state is CartState.OPEN
    at.others = {}
    with pytest.raises(VoucherError) as gone:
        await at.completes(named)
    assert gone.value.code is VoucherErrorCode.UNKNOWN_GATEWAY
    assert (await at.rows(Checkout.__table__), at.teller.charged) == ([], {})
    (voucher,) = await at.market.stock(CODE_KEYS)
    assert (await at.completes(await at.applies(bare, voucher.code), method="")).state is CheckoutState.COMPLETED
    assert await offended(database) == set()


# ----------------------------------------------------------------------------------------- whatever is answered


async def test_a_decline_leaves_the_cart_open_with_what_it_holds_and_nothing_used(database: Database) -> None:
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=10_000)
    cart = await at.applies(await at.opens(), voucher.code)
    at.teller.mood = Mood.NO
    assert (await at.completes(cart)).state is CheckoutState.DECLINED
    again = await seen(at.market, cart)
    assert (again.state, again.by_vouchers_minor) == (CartState.OPEN, 10_000)
    row = await at.market.voucher(voucher.id)
    assert (row.captured_minor, row.held_minor) == (0, 10_000)
    at.teller.mood = Mood.YES
    assert (await at.completes(again, key="another")).state is CheckoutState.COMPLETED
    assert at.teller.kept_minor == 2_500
    assert await offended(database) == set()


@pytest.mark.parametrize(
    ("mood", "state", "kept"),
    [(Mood.SILENT_YES, CheckoutState.COMPLETED, 12_500), (Mood.SILENT_NO, CheckoutState.DECLINED, 0)],
)
async def test_no_answer_is_looked_up_before_anything_is_tried_again(
    database: Database, mood: Mood, state: CheckoutState, kept: int
) -> None:
    at = await counter(database)
    cart = await at.opens()
    at.teller.mood = mood
    checkout = await at.completes(cart)
    assert checkout.state is CheckoutState.PAYMENT_UNKNOWN
    with pytest.raises(VoucherError) as again:
        await at.completes(cart, key="another")
    assert again.value.code is VoucherErrorCode.CART_COMPLETING
    assert (await at.completes(cart)).id == checkout.id, "the same key tells what became of it"
    await at.reconciles(at.market.now + dt.timedelta(days=2))
    assert ((await at.checkout(checkout.id)).state, at.teller.kept_minor) == (state, kept)
    assert await offended(database) == set()


async def test_while_the_gateway_is_being_asked_nothing_is_given_up(database: Database) -> None:
    at = await counter(database)
    at.teller.mood = Mood.SILENT_YES
    checkout = await at.completes(await at.opens())
    with pytest.raises(VoucherError, match="cannot be given up"):
        await at.buyer.act(lambda act: cancel(act, checkout.id))
