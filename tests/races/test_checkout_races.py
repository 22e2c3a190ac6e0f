"""One cart that many complete, change and answer for at once, on both databases: it is charged and delivered once."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter as Outcomes
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from models.carts import CartState
from models.checkouts import CheckoutState
from models.errors import DomainError
from models.fee_refunds import FeeRefund
from models.programs import HOLD_SECONDS, Program
from models.redemptions import FeeOrder
from models.vouchers import VoucherStanding
from resolvers.gateways.gateway import Notice, Succeeded
from resolvers.loaders.carts import CartRow
from resolvers.loaders.checkouts import CheckoutRow
from resolvers.payments.notices import take_notice
from server.database import Database
from tests.builders import MINUTE
from tests.carting import buyer, carts_kept, seen
from tests.checking_out import Counter, counter
from tests.code_keys import CODE_KEYS
from tests.tellers import Mood, Slow
from tests.test_invariants import offended
from tests.test_vouchers import kept, reissued, revoked
from tests.vouchering import Shop, Stocked

CALLERS = 20
FACE_MINOR, DUE_MINOR = 10_000, 2_500
TAKEN = {"CART_COMPLETING", "CART_CLOSED"}
HOLD_ENDS = dt.timedelta(seconds=HOLD_SECONDS + 1)
DAYS = dt.timedelta(days=2)
Deed = Callable[[int], Awaitable[object]]


async def at_once(at: Counter, deed: Deed, callers: int = CALLERS) -> Outcomes[str]:
    """How often each came out: the state of a checkout, `done`, or the code of a refusal; all adds up afterwards."""
    told = await asyncio.gather(*(_outcome(deed(number)) for number in range(callers)))
    await must_add_up(at)
    return Outcomes(told)


async def _outcome(deed: Awaitable[object]) -> str:
    try:
        made = await deed
    except DomainError as refusal:
        return refusal.code.name
    return made.state.name if isinstance(made, CheckoutRow) else "done"


async def must_add_up(at: Counter) -> None:
    """All that must hold does; and what the gateway has kept is what orders say, when nothing is under way."""
    assert await offended(at.market.database) == set()
    if isinstance(at.teller, Slow) and not at.teller.may_answer.is_set():
        return
    charged = sum(row.by_card_minor for row in await own_rows(at, FeeOrder.__table__))
    given_back = sum(row.by_card_minor for row in await own_rows(at, FeeRefund.__table__))
    assert at.teller.mood is Mood.SILENT_YES or at.teller.kept_minor == charged - given_back


async def own_rows(at: Counter, table: Any) -> list[Any]:
    """Of this counter's program."""
    return [row for row in await at.rows(table) if row.program_id == at.market.program_id]


async def a_cart(at: Counter, expires_in: dt.timedelta = DAYS) -> tuple[CartRow, Stocked]:
    """Of 125 dollars, of which a voucher pays 100."""
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=FACE_MINOR, expires_at=at.market.now + expires_in)
    return await at.applies(await at.opens(), voucher.code), voucher


@asynccontextmanager
async def being_paid(
    database: Database, mood: Mood = Mood.YES, **how: dt.timedelta
) -> AsyncIterator[tuple[Counter, Slow, CartRow, Stocked, asyncio.Task[CheckoutRow]]]:
    """The gateway is being asked for the card's part, and has not answered."""
    slow = Slow(mood=mood)
    at = replace(await counter(database), teller=slow)
    cart, voucher = await a_cart(at, **how)
    completing = asyncio.create_task(at.completes(cart))
    try:
        await slow.asked.wait()
        yield at, slow, cart, voucher, completing
    finally:
        slow.may_answer.set()
        await asyncio.gather(completing, return_exceptions=True)


# -------------------------------------------------------------------------------------------------- one cart


async def test_of_many_who_complete_one_cart_one_does(database: Database) -> None:
    at = await counter(database)
    cart, _ = await a_cart(at)
    outcomes = await at_once(at, lambda n: at.completes(cart, key=f"k{n}"))
    assert outcomes["COMPLETED"] == 1
    assert set(outcomes) <= {"COMPLETED", *TAKEN}
    assert at.teller.kept_minor == DUE_MINOR
    assert len(await at.rows(FeeOrder.__table__)) == 1


async def test_all_who_ask_with_one_key_are_told_the_same_checkout(database: Database) -> None:
    """Those who come while the gateway is being asked, too."""
    async with being_paid(database) as (at, slow, cart, _, completing):
        meanwhile = await asyncio.gather(*(at.completes(cart) for _ in range(CALLERS)))
        slow.may_answer.set()
        made = await completing
        assert {(one.id, one.state) for one in meanwhile} == {(made.id, CheckoutState.PAYING)}
        assert await at_once(at, lambda _: at.completes(cart)) == {"COMPLETED": CALLERS}
        assert len(at.teller.charged) == len(await at.rows(FeeOrder.__table__)) == 1


async def test_a_cart_is_completed_as_it_was_seen_or_changed_and_not_charged(database: Database) -> None:
    """Half are at the version of one tab and say yes; half are at the same version in another, and apply a voucher."""
    at = await counter(database)
    cart, _ = await a_cart(at)
    others = await at.market.stock(CODE_KEYS, CALLERS, face_minor=100)
    outcomes = await at_once(
        at, lambda n: at.completes(cart, key=f"k{n}") if n % 2 else at.applies(cart, others[n].code)
    )
    assert outcomes["COMPLETED"] + outcomes["done"] == 1
    assert set(outcomes) <= {"COMPLETED", "done", "STALE_CART", *TAKEN}
    assert at.teller.kept_minor == DUE_MINOR * outcomes["COMPLETED"]


# -------------------------------------------------------------------------------- taken back, reissued, expired


async def takes_back(market: Shop, voucher_id: int) -> None:
    await revoked(market, voucher_id)


async def reissues(market: Shop, voucher_id: int) -> None:
    await reissued(market, voucher_id)


@pytest.mark.parametrize("change", [takes_back, reissues])
async def test_a_voucher_pays_or_is_taken_off_the_cart_before(
    database: Database, change: Callable[[Shop, int], Awaitable[None]]
) -> None:
    at = await counter(database)
    cart, voucher = await a_cart(at)
    outcomes = await at_once(at, lambda n: at.completes(cart, key=f"k{n}") if n % 2 else change(at.market, voucher.id))
    row, completed = await at.market.voucher(voucher.id), outcomes["COMPLETED"]
    assert set(outcomes) <= {"COMPLETED", "done", "STALE_CART", "IN_USE", "NOT_LIVE", "CODE_NOT_USABLE", *TAKEN}
    assert at.teller.kept_minor == DUE_MINOR * completed
    assert (row.captured_minor, row.held_minor) == (FACE_MINOR * completed, 0)
    assert completed == (row.standing is VoucherStanding.SPENT) == (not outcomes["done"])


@pytest.mark.parametrize("change", [takes_back, reissues])
async def test_while_the_gateway_is_asked_nobody_takes_a_voucher_off_the_cart(
    database: Database, change: Callable[[Shop, int], Awaitable[None]]
) -> None:
    async with being_paid(database) as (at, slow, _, voucher, completing):
        assert await at_once(at, lambda _: change(at.market, voucher.id)) == {"IN_USE": CALLERS}
        slow.may_answer.set()
        assert (await completing).state is CheckoutState.COMPLETED
        await must_add_up(at)


async def test_a_voucher_pays_in_its_last_moment_or_expires(database: Database) -> None:
    at = await counter(database)
    cart, voucher = await a_cart(at, MINUTE)
    end = at.market.now + MINUTE
    last = end - dt.timedelta(microseconds=1)
    outcomes = await at_once(at, lambda n: at.completes(cart, key=f"k{n}", now=last) if n % 2 else kept(at.market, end))
    row = await at.market.voucher(voucher.id)
    assert outcomes["COMPLETED"] == (row.standing is VoucherStanding.SPENT)
    assert row.captured_minor + row.expired_minor == FACE_MINOR
    assert set(outcomes) <= {"COMPLETED", "done", "STALE_CART", *TAKEN}


@pytest.mark.parametrize("mood", [Mood.YES, Mood.NO])
async def test_what_is_being_paid_with_is_held_beyond_its_time(database: Database, mood: Mood) -> None:
    """Other carts want it, workers end holds and let vouchers expire: only a no sets it free."""
    async with being_paid(database, mood, expires_in=HOLD_ENDS) as (at, slow, cart, voucher, completing):
        other = replace(at, buyer=await buyer(at.market))
        carts = [await other.opens() for _ in range(CALLERS)]
        end = at.market.now = at.market.now + HOLD_ENDS - dt.timedelta(microseconds=1)

        async def meanwhile(number: int) -> object:
            if number % 4 == 0:
                return await carts_kept(at.market, end)
            if number % 4 == 1:
                return await kept(at.market, end + MINUTE)
            return await other.applies(carts[number], voucher.code)

        assert await at_once(at, meanwhile) == {"done": CALLERS // 2, "VOUCHER_HELD": CALLERS // 2}
        slow.may_answer.set()
        checkout = await completing
        row = await at.market.voucher(voucher.id)
        await must_add_up(at)
        if mood is Mood.YES:
            assert (checkout.state, row.captured_minor) == (CheckoutState.COMPLETED, FACE_MINOR)
            return
        assert (checkout.state, row.held_minor) == (CheckoutState.DECLINED, FACE_MINOR)
        outcomes = await at_once(at, lambda n: other.applies(carts[n], voucher.code))
        assert outcomes == {"done": 1, "VOUCHER_HELD": CALLERS - 1}
        assert (await seen(at.market, cart)).by_vouchers_minor == 0


# -------------------------------------------------------------------------------------- no answer, and two of them


@pytest.mark.parametrize("mood", [Mood.SILENT_YES, Mood.SILENT_NO])
async def test_after_no_answer_the_person_and_two_workers_together_charge_once(database: Database, mood: Mood) -> None:
    at = await counter(database)
    cart, _ = await a_cart(at)
    at.teller.mood = mood
    checkout = await at.completes(cart)
    assert checkout.state is CheckoutState.PAYMENT_UNKNOWN
    later = at.market.now + DAYS

    async def deed(number: int) -> object:
        if number % 3 == 0:
            await at.reconciles(later)
            return None
        return await at.completes(cart, key="k" if number % 3 == 1 else f"k{number}", now=at.market.now + MINUTE)

    outcomes = await at_once(at, deed)
    known = {"PAYMENT_UNKNOWN", "COMPLETED" if mood is Mood.SILENT_YES else "DECLINED"}
    assert set(outcomes) <= {"done", "STALE_CART", *known, *TAKEN}
    at.teller.mood = Mood.YES
    now = await seen(at.market, cart)
    if mood is Mood.SILENT_NO:
        assert now.state is CartState.OPEN
        assert (await at.completes(now, key="again")).state is CheckoutState.COMPLETED
    assert at.teller.kept_minor == DUE_MINOR
    assert len(await at.rows(FeeOrder.__table__)) == 1
    await must_add_up(at)


async def test_what_the_gateway_tells_twenty_times_beside_its_answer_counts_once(database: Database) -> None:
    async with being_paid(database) as (at, slow, _, _, completing):
        (reference,) = slow.charged
        async with database.reading() as connection:
            slug = await connection.scalar(select(Program.slug).where(Program.id == at.market.program_id)) or ""
        paid, charged = f"gw_{reference}", Succeeded(f"gw_{reference}", slow.charged[reference])

        async def told(number: int) -> bool:
            if number == CALLERS // 2:
                slow.may_answer.set()
            notice = Notice(
                id=f"notice-{number % 2}", kind="charge", gateway_reference=paid, reference=reference, answer=charged
            )
            now = at.market.now
            return await database.run(lambda session: take_notice(session, CODE_KEYS, now, slug, "cards", notice))

        new = await asyncio.gather(*(told(number) for number in range(CALLERS)))
        assert sum(new) == 2
        assert (await completing).state is CheckoutState.COMPLETED
        assert len(await at.rows(FeeOrder.__table__)) == 1
        await must_add_up(at)
