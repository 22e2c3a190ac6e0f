"""Many carts to the end at once, on both databases: of what they share no more is spent than there is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from models.checkouts import CheckoutState
from models.redemptions import FeeOrder, Redemption
from models.voucher_programs import Transferability, VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.voucher_orders.refunding import refund
from server.database import Database
from tests.builders import MINUTE, STAFF
from tests.carting import buyer
from tests.checking_out import Counter, counter
from tests.code_keys import CODE_KEYS
from tests.cohorting import bulk, committed, previewed, undone
from tests.promoting import promoted
from tests.races.test_checkout_races import CALLERS, at_once
from tests.test_statements_of_vouchers import OCTOBER, SEPTEMBER, close, owed, redeemed_on, statements
from tests.test_vouchers import Refused
from tests.vouchering import FEE_MINOR

LATER = VoucherFunding.BILL_LATER
NOT_HELD = {"VOUCHER_HELD", "CODE_NOT_USABLE"}


async def pays(at: Counter, number: int, *codes: str, minor: int | None = None) -> object:
    """Somebody opens a cart, enters codes and pays what is left by card."""
    cart = await at.opens()
    for code in codes:
        cart = await at.buyer.applies(cart, code, minor, gateways=at.gateways)
    return await at.completes(cart, key=f"k{number}")


async def spent(at: Counter) -> list[int]:
    """What vouchers and promotions have paid, of each order for which they did."""
    return sorted(row.by_vouchers_minor for row in await at.rows(FeeOrder.__table__) if row.by_vouchers_minor)


async def crowd(at: Counter, many: int) -> Sequence[Counter]:
    """At the same counter, so many people."""
    return [replace(at, buyer=await buyer(at.market)) for _ in range(many)]


async def test_of_many_carts_one_spends_a_voucher_that_is_used_once(database: Database) -> None:
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS)
    outcomes = await at_once(at, lambda n: pays(at, n, voucher.code))
    assert outcomes["COMPLETED"] == 1
    assert set(outcomes) <= {"COMPLETED", *NOT_HELD}
    assert (await spent(at), at.teller.charged) == ([FEE_MINOR], {})


async def test_of_a_hundred_that_are_left_sixty_are_spent_once(database: Database) -> None:
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=10_000)
    outcomes = await at_once(at, lambda n: pays(at, n, voucher.code, minor=6_000))
    assert outcomes == {"COMPLETED": 1, "VOUCHER_DOES_NOT_FIT_CART": CALLERS - 1}
    assert ((await at.market.voucher(voucher.id)).remaining_minor, await spent(at)) == (4_000, [6_000])


async def test_two_vouchers_entered_in_opposite_order_pay_for_all_to_the_end(database: Database) -> None:
    at = await counter(database)
    one, two = await at.market.stock(CODE_KEYS, 2, face_minor=CALLERS * 5_000)
    codes = [(one.code, two.code), (two.code, one.code)]
    assert await at_once(at, lambda n: pays(at, n, *codes[n % 2], minor=5_000)) == {"COMPLETED": CALLERS}
    assert await spent(at) == [10_000] * CALLERS
    assert [(await at.market.voucher(each.id)).standing for each in (one, two)] == [VoucherStanding.SPENT] * 2


async def test_of_twenty_carts_five_are_owed_under_a_cap_of_five(database: Database) -> None:
    at = await counter(database)
    await at.market.agreement(5 * FEE_MINOR)
    vouchers = await at.market.stock(CODE_KEYS, CALLERS, funding=LATER)
    outcomes = await at_once(at, lambda n: pays(at, n, vouchers[n].code))
    assert outcomes == {"COMPLETED": 5, "OVER_CAP": CALLERS - 5}
    assert (await owed(at.market), await spent(at)) == ((5, 0), [FEE_MINOR] * 5)


async def test_of_fifty_carts_ten_have_a_promotion_for_ten_and_one_person_has_it_once(database: Database) -> None:
    at = await counter(database)
    await at.market.agreement(50 * FEE_MINOR)
    await promoted(at.market, code="FIRST-TEN", most_uses=10, most_uses_a_person=1, funding=LATER)
    people = await crowd(at, 12)
    outcomes = await at_once(at, lambda n: pays(people[n % 12], n, "FIRST-TEN"), callers=50)
    assert outcomes["COMPLETED"] == 10
    assert set(outcomes) <= {"COMPLETED", "PROMOTION_BUSY", "PROMOTION_FULL", "PROMOTION_LIMIT_PER_PERSON"}
    orders = await at.rows(FeeOrder.__table__)
    assert len({row.person_id for row in orders}) == len(orders) == 10
    assert await spent(at) == [FEE_MINOR // 2] * 10


# --------------------------------------------------------------------------- what is taken back of it meanwhile


async def test_an_order_is_given_back_or_its_voucher_is_spent(database: Database) -> None:
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS, funding=VoucherFunding.PURCHASE_ORDER)
    order_id = (await at.market.voucher(voucher.id)).voucher_order_id

    async def gives_back() -> None:
        await at.market.act(lambda act: refund(act, order_id), by=STAFF)

    outcomes = await at_once(at, lambda n: gives_back() if n % 2 else pays(at, n, voucher.code))
    row = await at.market.voucher(voucher.id)
    assert outcomes["COMPLETED"] + outcomes["done"] == 1
    assert (row.captured_minor, row.refunded_minor) == (
        FEE_MINOR * outcomes["COMPLETED"],
        FEE_MINOR * outcomes["done"],
    )
    async with Refused("NOT_REFUNDABLE"):
        await gives_back()


async def test_what_was_assigned_to_a_cohort_is_undone_or_pays_at_a_checkout(database: Database) -> None:
    at = await counter(database, transferability=Transferability.ASSIGNED_ONLY)
    people = [at, *await crowd(at, 5)]
    await at.market.stock(CODE_KEYS, 6)
    shown = await previewed(at.market)
    await committed(at.market, shown)
    at.market.now += MINUTE

    async def deed(number: int) -> object:
        return await (undone(at.market, shown) if number % 4 else pays(people[number // 4], number))

    outcomes = await at_once(at, deed, callers=24)
    assert outcomes == {"COMPLETED": 6, "done": 18}
    by_vouchers = len(await spent(at))
    assert (await bulk(at.market, shown.id)).taken_back == 6 - by_vouchers
    redeemed = await at.rows(Redemption.__table__)
    assert len({row.voucher_id for row in redeemed}) == len(redeemed) == by_vouchers
    assert at.teller.kept_minor == FEE_MINOR * (6 - by_vouchers)


async def test_a_month_is_closed_and_no_checkout_of_it_is_left_out_or_on_two_statements(database: Database) -> None:
    at = await counter(database)
    at.market.now = dt.datetime.fromisoformat("2017-08-15T12:00Z")
    await at.market.agreement(100 * FEE_MINOR)
    vouchers = await at.market.stock(CODE_KEYS, CALLERS, funding=LATER)
    over = dt.datetime.fromisoformat("2017-10-01T05:00Z")
    at.market.now = over - MINUTE

    async def deed(number: int) -> object:
        if number % 6 == 5:
            await close(at.market, SEPTEMBER, over)
            return None
        return await pays(at, number, vouchers[number - number // 6].code)

    assert await at_once(at, deed, callers=24) == {CheckoutState.COMPLETED.name: CALLERS, "done": 4}
    await close(at.market, OCTOBER, over + dt.timedelta(days=31))
    lines = [key for row in await statements(at.market) for key in await redeemed_on(at.market, row.id)]
    assert len(set(lines)) == len(lines) == CALLERS
    assert await owed(at.market) == (0, CALLERS)
