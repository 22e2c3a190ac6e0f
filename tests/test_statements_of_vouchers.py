"""Billing later: what was redeemed in a month is on exactly one statement, and owed until that is paid."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence

import pytest

from models.errors import DomainError, VoucherErrorCode
from models.money import Money
from models.statements import StatementState
from models.voucher_programs import VoucherFunding
from resolvers.loaders.agreements import AgreementsKey, agreements_of
from resolvers.loaders.statements import LinesPage, StatementRow, StatementsKey, StatementsPage, lines_of, statements_of
from resolvers.loaders.voucher_programs import InProgram
from resolvers.statements.closing import close_month
from resolvers.statements.keeping import close_months
from resolvers.statements.paying import declined, left_unknown, paid_by_card, pay_once
from resolvers.vouchers.redeeming import Redeeming, redeem_once
from server.database import Database
from tests.builders import STAFF
from tests.code_keys import CODE_KEYS
from tests.test_invariants import offended
from tests.vouchering import FEE_MINOR, Shop, shop

SEPTEMBER, OCTOBER = dt.date(2017, 9, 1), dt.date(2017, 10, 1)
FEE = Money(FEE_MINOR, "USD")


def at(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{day}:00Z")


async def on_account(database: Database, quantity: int) -> tuple[Shop, list[int]]:
    """A shop whose client has so many vouchers to be billed later, and an agreement since the middle of August."""
    market = await shop(database)
    market.now = at("2017-08-15T12:00")
    await market.agreement(100 * FEE_MINOR)
    stocked = await market.stock(CODE_KEYS, quantity, funding=VoucherFunding.BILL_LATER)
    return market, [one.id for one in stocked]


async def redeem(market: Shop, voucher_id: int, when: dt.datetime) -> None:
    asked = Redeeming(product_id=market.fee_id, reference=f"A-{voucher_id}", voucher_id=voucher_id)
    await market.act(lambda act: redeem_once(act, CODE_KEYS, f"r{voucher_id}", asked), by=STAFF, at=when)


async def agreement_id(market: Shop) -> int:
    async with market.database.reading() as connection:
        return (await agreements_of(connection, [AgreementsKey(market.program_id, 0)]))[0].id


async def close(market: Shop, month: dt.date, when: dt.datetime) -> int | None:
    key = await agreement_id(market)
    made: int | None = await market.act(lambda act: close_month(act, key, month), by=STAFF, at=when)
    return made


async def statements(market: Shop) -> list[StatementRow]:
    async with market.database.reading() as connection:
        return await statements_of(
            connection, [StatementsKey(market.program_id, 0)], StatementsPage(100, backward=True)
        )


async def redeemed_on(market: Shop, statement_id: int) -> Sequence[int | None]:
    async with market.database.reading() as connection:
        rows = await lines_of(connection, [InProgram(market.program_id, statement_id)], LinesPage(100, backward=False))
    return [row.redemption_id for row in rows]


async def owed(market: Shop) -> tuple[int, int]:
    """Unbilled and unpaid, in fees."""
    async with market.database.reading() as connection:
        row = (await agreements_of(connection, [AgreementsKey(market.program_id, 0)]))[0]
    return row.unbilled_minor // FEE_MINOR, row.unpaid_minor // FEE_MINOR


# --------------------------------------------------------------------------------------------- closing


async def test_what_was_redeemed_in_a_month_is_on_one_statement_and_owed_until_it_is_paid(database: Database) -> None:
    market, (first, second, third) = await on_account(database, 3)
    await redeem(market, first, at("2017-09-30T23:59"))
    await redeem(market, second, at("2017-09-10T12:00"))
    await redeem(market, third, at("2017-10-01T05:00"))
    made = await close(market, SEPTEMBER, at("2017-10-02T12:00"))
    assert made is not None
    (september,) = await statements(market)
    assert (september.total, september.state, september.month) == (FEE * 2, StatementState.DUE, SEPTEMBER)
    assert len(await redeemed_on(market, made)) == 2
    assert await owed(market) == (1, 2)
    assert await offended(database) == set()

    await market.act(lambda act: pay_once(act, "p", made, FEE * 2, "wire 7"), by=STAFF)
    assert await owed(market) == (1, 0)
    assert await offended(database) == set()


async def test_a_month_that_is_not_over_where_the_program_is_is_not_closed(database: Database) -> None:
    """Its zone is Chicago's: the month ends five hours after it does in UTC."""
    market, (voucher,) = await on_account(database, 1)
    await redeem(market, voucher, at("2017-09-10T12:00"))
    with pytest.raises(DomainError, match="September 2017 is not over") as refused:
        await close(market, SEPTEMBER, at("2017-10-01T04:59"))
    assert refused.value.code is VoucherErrorCode.WRONG_STATE
    assert await close(market, SEPTEMBER, at("2017-10-01T05:00")) is not None


async def test_closing_again_gives_the_same_statement_and_a_month_of_nothing_gives_none(database: Database) -> None:
    market, (voucher,) = await on_account(database, 1)
    await redeem(market, voucher, at("2017-09-10T12:00"))
    made = await close(market, SEPTEMBER, at("2017-10-02T12:00"))
    assert await close(market, SEPTEMBER, at("2017-10-03T12:00")) == made
    assert await close(market, OCTOBER, at("2017-11-02T12:00")) is None
    assert len(await statements(market)) == 1


async def test_what_comes_after_its_month_was_closed_counts_in_the_next(database: Database) -> None:
    """As when a redemption began before midnight and was written after the worker had closed the month."""
    market, (first, late) = await on_account(database, 2)
    await redeem(market, first, at("2017-09-10T12:00"))
    await close(market, SEPTEMBER, at("2017-10-02T12:00"))
    await redeem(market, late, at("2017-09-30T23:59"))
    assert await offended(database) == set()
    made = await close(market, OCTOBER, at("2017-11-02T12:00"))
    assert made is not None
    assert [row.total for row in await statements(market)] == [FEE, FEE]
    assert await offended(database) == set()


async def test_the_worker_closes_each_month_that_is_over(database: Database) -> None:
    market, (first, second) = await on_account(database, 2)
    await redeem(market, first, at("2017-08-20T12:00"))
    await redeem(market, second, at("2017-10-20T12:00"))
    now = at("2017-11-15T12:00")
    assert await close_months(database.reading, database.run, STAFF, now) == 2
    assert [row.month for row in await statements(market)] == [dt.date(2017, 8, 1), OCTOBER]
    assert await close_months(database.reading, database.run, STAFF, now) == 0
    assert await offended(database) == set()


# ---------------------------------------------------------------------------------------------- paying


async def test_a_statement_is_paid_in_full_or_not_at_all(database: Database) -> None:
    market, (voucher,) = await on_account(database, 1)
    await redeem(market, voucher, at("2017-09-10T12:00"))
    made = await close(market, SEPTEMBER, at("2017-10-02T12:00"))
    assert made is not None

    async def pay(key: str, amount: Money) -> None:
        await market.act(lambda act: pay_once(act, key, made, amount, "wire 7"), by=STAFF)

    with pytest.raises(DomainError, match=r"USD 125\.00, and USD 124\.99 was named") as refused:
        await pay("a", Money(FEE_MINOR - 1, "USD"))
    assert refused.value.code is VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL
    await pay("b", FEE)
    await pay("b", FEE)
    with pytest.raises(DomainError, match="was paid on") as refused:
        await pay("c", FEE)
    assert refused.value.code is VoucherErrorCode.WRONG_STATE
    assert await owed(market) == (0, 0)


async def test_a_card_that_was_not_answered_for_holds_the_statement_until_it_is_known(database: Database) -> None:
    market, (voucher,) = await on_account(database, 1)
    await redeem(market, voucher, at("2017-09-10T12:00"))
    made = await close(market, SEPTEMBER, at("2017-10-02T12:00"))
    assert made is not None
    assert await market.act(lambda act: left_unknown(act, made))
    with pytest.raises(DomainError, match="being found out"):
        await market.act(lambda act: pay_once(act, "a", made, FEE, "wire 7"), by=STAFF)
    assert await market.act(lambda act: declined(act, made, "no funds"))
    assert [row.state for row in await statements(market)] == [StatementState.DUE]
    assert await market.act(lambda act: paid_by_card(act, None, made))
    assert not await market.act(lambda act: paid_by_card(act, None, made)), "the second charge has to go back"
    assert await offended(database) == set()


# ---------------------------------------------------------------------------------------------- at once


async def test_closing_against_redemptions_leaves_nothing_out_and_nothing_twice(database: Database) -> None:
    market, vouchers = await on_account(database, 20)
    closing = [close(market, SEPTEMBER, at("2017-10-01T05:00")) for _ in range(6)]
    redeeming = [redeem(market, voucher, at("2017-10-01T04:59")) for voucher in vouchers]
    made = await asyncio.gather(*closing[:3], *redeeming, *closing[3:])
    assert len({key for key in (*made[:3], *made[-3:]) if key is not None}) <= 1
    assert await offended(database) == set()
    await close(market, OCTOBER, at("2017-11-01T05:00"))
    lines = [key for row in await statements(market) for key in await redeemed_on(market, row.id)]
    assert len(set(lines)) == len(lines) == 20
    assert await owed(market) == (0, 20)
    assert await offended(database) == set()
