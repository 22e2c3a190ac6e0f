"""Fees that are given back: to the card first, then to the vouchers; and never more than was paid."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy import update

from models.errors import VoucherError
from models.ledger import LedgerAccount
from models.programs import Program
from models.redemptions import FeeOrder
from models.voucher_programs import VoucherFunding
from models.vouchers import VoucherStanding
from server.database import Database
from tests.builders import MINUTE
from tests.checking_out import Counter, counter
from tests.code_keys import CODE_KEYS
from tests.test_invariants import offended
from tests.vouchering import FEE_MINOR

NOTHING: dict[LedgerAccount, int] = {}


async def paid(database: Database, face_minor: int, **how: Any) -> tuple[Counter, int, int]:
    """A fee of 125 dollars, paid by a voucher and a card: the counter, the order and the voucher."""
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS, face_minor=face_minor, **how)
    await at.completes(await at.applies(await at.opens(), voucher.code))
    (order,) = await at.rows(FeeOrder.__table__)
    return at, order.id, voucher.id


async def balances(at: Counter) -> dict[LedgerAccount, int]:
    return {account: minor for account, minor in (await at.balances()).items() if minor}


async def test_the_card_is_given_back_first_then_the_voucher(database: Database) -> None:
    at, order, voucher = await paid(database, 10_000)
    await at.gives_back(order, (1, 2_000), key="a")
    assert (await at.market.voucher(voucher)).remaining_minor == 0
    await at.gives_back(order, (1, 1_500), key="b")
    row = await at.market.voucher(voucher)
    assert (row.remaining_minor, row.standing) == (1_000, VoucherStanding.LIVE)
    await at.reconciles(at.market.now)
    assert at.teller.kept_minor == 0
    await at.gives_back(order, key="c")
    assert await balances(at) == NOTHING
    assert (await at.market.voucher(voucher)).remaining_minor == 10_000
    assert await offended(database) == set()


async def test_no_more_is_given_back_than_is_left_and_the_same_request_once(database: Database) -> None:
    at, order, _ = await paid(database, 10_000)
    made = await at.gives_back(order, (1, 12_000), key="a")
    assert await at.gives_back(order, (1, 12_000), key="a") == made
    with pytest.raises(VoucherError, match=r"USD 5\.00 of line 1 can be given back, and USD 5\.01 was named"):
        await at.gives_back(order, (1, 501), key="b")
    assert await offended(database) == set()


async def test_a_voucher_that_was_used_up_lives_again_for_whom_it_was_assigned_to(database: Database) -> None:
    at = await counter(database)
    (stocked,) = await at.market.stock(CODE_KEYS)
    await at.buyer.is_given(stocked)
    at.market.now += MINUTE
    await at.completes(await at.opens())
    (order,) = await at.rows(FeeOrder.__table__)
    await at.gives_back(order.id)
    row = await at.market.voucher(stocked.id)
    assert (row.standing, row.remaining_minor, row.assignment_id is None) == (VoucherStanding.LIVE, FEE_MINOR, False)
    at.market.now += MINUTE
    cart = await at.opens()
    assert cart.by_vouchers_minor == FEE_MINOR, "it applies by itself again"
    with pytest.raises(VoucherError):
        await at.applies(cart, stocked.code)
    assert await offended(database) == set()


@pytest.mark.parametrize("reopen_days", [0, 7])
async def test_what_has_expired_is_lost_unless_the_program_reopens_it(database: Database, reopen_days: int) -> None:
    at = await counter(database)
    (voucher,) = await at.market.stock(CODE_KEYS, expires_at=at.market.now + MINUTE)
    await at.completes(await at.applies(await at.opens(), voucher.code))

    async def reopens(act: Any) -> None:
        await act.session.execute(update(Program).values(reopen_days=reopen_days))

    await at.market.act(reopens)
    (order,) = await at.rows(FeeOrder.__table__)
    later = at.market.now + dt.timedelta(days=30)
    await at.gives_back(order.id, at=later)
    row = await at.market.voucher(voucher.id)
    if reopen_days:
        assert (row.standing, row.remaining_minor) == (VoucherStanding.LIVE, FEE_MINOR)
        assert dt.timedelta(days=7) < row.expires_at - later <= dt.timedelta(days=8)
    else:
        assert (row.standing, row.remaining_minor, row.expired_minor) == (VoucherStanding.SPENT, 0, FEE_MINOR)
        assert (await balances(at))[LedgerAccount.BREAKAGE] == -FEE_MINOR
    assert await offended(database) == set()


async def test_what_is_billed_later_is_credited_even_after_its_month_was_closed(database: Database) -> None:
    at = await counter(database)
    await at.market.agreement(2 * FEE_MINOR)
    (voucher,) = await at.market.stock(CODE_KEYS, funding=VoucherFunding.BILL_LATER)
    await at.completes(await at.applies(await at.opens(), voucher.code))
    (order,) = await at.rows(FeeOrder.__table__)
    await at.gives_back(order.id)
    assert await balances(at) == NOTHING
    assert await offended(database) == set()


async def test_many_refunds_at_once_give_back_what_was_paid_and_no_more(database: Database) -> None:
    at, order, voucher = await paid(database, 10_000)

    async def one(place: int) -> bool:
        try:
            await at.gives_back(order, (1, 1_000), key=f"k{place}")
        except VoucherError:
            return False
        return True

    given_back = await asyncio.gather(*(one(place) for place in range(20)))
    assert sum(given_back) == 12
    assert (await at.market.voucher(voucher)).remaining_minor == 9_500
    await at.reconciles(at.market.now)
    assert at.teller.kept_minor == 0
    assert await offended(database) == set()
