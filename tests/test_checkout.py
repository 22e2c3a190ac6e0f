"""Completing a cart: nobody pays what they did not see, nothing is spent twice, and every cent has its entry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select, update

from models.carts import CartState
from models.checkouts import CheckoutState
from models.errors import VoucherError, VoucherErrorCode
from models.ledger import LedgerAccount, LedgerEntry
from models.money import Money
from models.products import Product
from models.redemptions import FeeOrder, Redemption
from models.voucher_programs import Leftovers, VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.checkout.completing import Completed, complete_cart
from resolvers.checkout.deciding import cancel
from resolvers.checkout.freezing import Completing
from resolvers.loaders.carts import CartRow
from resolvers.loaders.checkouts import CheckoutRow, checkout_of
from resolvers.payments.reconciling import reconcile
from server.database import Database
from tests.builders import MINUTE, STAFF
from tests.carting import Buyer, buyer, seen
from tests.code_keys import CODE_KEYS
from tests.tellers import Mood, Teller
from tests.test_invariants import offended
from tests.vouchering import FEE_MINOR, Shop, shop

USD = "USD"


@dataclass
class Counter:
    """A shop, somebody who buys there, and the gateway that charges their card."""

    market: Shop
    buyer: Buyer
    teller: Teller = field(default_factory=Teller)

    @property
    def gateways(self) -> Mapping[str, Any]:
        return {"cards": self.teller}

    async def opens(self, *products: int) -> CartRow:
        return await self.buyer.opens(*products, gateways=self.gateways)

    async def applies(self, cart: CartRow, code: str) -> CartRow:
        return await self.buyer.applies(cart, code, gateways=self.gateways)

    async def completes(
        self, cart: CartRow, due_minor: int | None = None, *, key: str = "k", now: dt.datetime | None = None
    ) -> CheckoutRow:
        """What became of it."""
        due = cart.total_minor - cart.by_vouchers_minor if due_minor is None else due_minor
        asked = Completing(cart.id, cart.version, Money(due, USD))
        made: Completed = await complete_cart(
            self.market.database.run,
            self.gateways,
            self.buyer.principal,
            now or self.market.now,
            self.market.program_id,
            key,
            asked,
        )
        return await self.checkout(made.checkout_id)

    async def checkout(self, checkout_id: int) -> CheckoutRow:
        async with self.market.database.reading() as connection:
            return await checkout_of(connection, self.market.program_id, checkout_id)

    async def reconciles(self, now: dt.datetime) -> None:
        database = self.market.database
        await reconcile(database.reading, database.run, self.gateways, CODE_KEYS, STAFF, now)

    async def rows(self, table: Any) -> list[Any]:
        async with self.market.database.reading() as connection:
            return list((await connection.execute(select(table))).all())

    async def balances(self) -> dict[LedgerAccount, int]:
        """Debits less credits of each account that moved at a checkout."""
        sums: dict[LedgerAccount, int] = {}
        for entry in await self.rows(LedgerEntry.__table__):
            if entry.fee_order_id is not None:
                sums[entry.debit] = sums.get(entry.debit, 0) + entry.amount_minor
                sums[entry.credit] = sums.get(entry.credit, 0) - entry.amount_minor
        return sums


async def counter(database: Database, **how: Any) -> Counter:
    market = await shop(database, **how)
    return Counter(market, await buyer(market))


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
