"""What must hold of checkouts, refunds and statements does; where it is broken on purpose, an invariant sees it."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from models.redemptions import FeeOrder
from models.statements import StatementState
from models.voucher_programs import VoucherFunding
from resolvers.loaders.statements import StatementRow, StatementsKey, StatementsPage, statements_of
from resolvers.papers.statement_csv import statement_csv
from resolvers.statements.closing import close_month
from server.database import Database
from tests.builders import MINUTE, STAFF
from tests.checking_out import Counter, counter
from tests.code_keys import CODE_KEYS
from tests.promoting import HALF_OFF_MINOR, LATER, promoted
from tests.test_invariants import offended
from tests.test_voucher_exports import rows_of
from tests.vouchering import FEE_MINOR


async def billed(at: Counter, agreement: int, month: dt.date) -> bool:
    """Closes a month in the middle of the next one: whether there was anything to bill."""
    now = dt.datetime.combine((month + dt.timedelta(days=45)).replace(day=15), dt.time(12), dt.UTC)
    at.market.now = now
    made = await at.market.act(lambda act: close_month(act, agreement, month), by=STAFF)
    return made is not None


async def statements(at: Counter) -> list[StatementRow]:
    async with at.market.database.reading() as connection:
        key = StatementsKey(at.market.program_id, 0)
        return await statements_of(connection, [key], StatementsPage(100, backward=True))


async def bought(at: Counter, code: str, key: str) -> None:
    """Each act a minute after the one before, as acts of one instant may meet in their keys."""
    cart = await at.opens()
    at.market.now += MINUTE
    cart = await at.applies(cart, code)
    at.market.now += MINUTE
    await at.completes(cart, key=key)
    at.market.now += MINUTE


async def in_use(database: Database) -> Counter:
    """With a row of every kind that an invariant reads: paid by a voucher and a card, given back in part, and on
    account, with what is billed and what is not."""
    at = await counter(database)
    market = at.market
    agreement = await market.agreement(10 * FEE_MINOR)
    (prepaid,) = await market.stock(CODE_KEYS, face_minor=10_000)
    first, second = await market.stock(CODE_KEYS, 2, funding=VoucherFunding.BILL_LATER)
    await bought(at, prepaid.code, "a")
    (order,) = await at.rows(FeeOrder.__table__)
    await at.gives_back(order.id, (1, 6_000))
    await bought(at, first.code, "b")
    (later,) = [one for one in await at.rows(FeeOrder.__table__) if one.id != order.id]
    await at.gives_back(later.id, (1, 1_000), key="later")
    assert await billed(at, agreement, market.now.date().replace(day=1))
    await bought(at, second.code, "c")
    await at.gives_back(later.id, (1, 1_000), key="latest")
    return at


HARM = {
    "unbilled": "UPDATE billing_agreement SET unbilled_minor = unbilled_minor - 1",
    "unpaid": "UPDATE billing_agreement SET unpaid_minor = unpaid_minor - 1",
    "statement-totals": "UPDATE statement SET total_minor = total_minor - 1",
    "statement-lines": "DELETE FROM statement_line WHERE redemption_id IS NOT NULL",
    "statement-reversals": "UPDATE redemption_reversal SET reversed_at = 0",
    "refunded-lines": "UPDATE fee_order_line SET refunded_minor = refunded_minor + 1",
    "refunded-parts": "UPDATE fee_refund SET by_card_minor = by_card_minor - 1",
    "reversed": "UPDATE redemption SET reversed_minor = 0",
    "restored": "UPDATE voucher SET captured_minor = captured_minor + 1, reversed_minor = reversed_minor + 1",
    "card-charged": "UPDATE ledger_entry SET amount_minor = amount_minor - 1 WHERE event = 'CARD_CHARGED'",
}


@pytest.mark.parametrize("name", HARM)
async def test_what_does_not_hold_is_noticed(sqlite_database: Database, name: str) -> None:
    """Done behind the back of the database, whose own triggers and constraints would refuse it."""
    await in_use(sqlite_database)
    assert await offended(sqlite_database) == set()

    async def harm(session: AsyncSession) -> None:
        triggers = await session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for trigger in triggers.scalars().all():
            await session.execute(text(f"DROP TRIGGER {trigger}"))
        await session.execute(text("PRAGMA ignore_check_constraints = ON"))
        await session.execute(text(HARM[name]))
        await session.execute(text("PRAGMA ignore_check_constraints = OFF"))

    await sqlite_database.run(harm)
    assert name in await offended(sqlite_database)


async def test_what_a_promotion_took_off_is_billed_later_and_credited_when_it_is_given_back(database: Database) -> None:
    """After the close the credit is on the next statement, which is below zero; the one after brings it forward."""
    at = await counter(database)
    market = at.market
    agreement = await market.agreement(10 * FEE_MINOR)
    made = await promoted(market, funding=LATER)
    january = market.now.date().replace(day=1)
    await at.completes(await at.applies(await at.opens(), (await made.row()).code))
    (order,) = await at.rows(FeeOrder.__table__)
    # The month is over and not closed yet, so this counts in the next; of it ten dollars are the promotion's.
    over = dt.datetime(2026, 2, 3, 12, tzinfo=dt.UTC)
    await at.gives_back(order.id, (1, FEE_MINOR - HALF_OFF_MINOR + 1_000), key="early", at=over)
    assert await offended(database) == set()
    assert await billed(at, agreement, january)
    await at.gives_back(order.id, key="late")
    assert await offended(database) == set()

    february, march, april = (january.replace(month=number) for number in (2, 3, 4))
    assert await billed(at, agreement, february)
    assert await offended(database) == set()
    # A credit alone makes no statement: it waits for something that it can be set against.
    assert not await billed(at, agreement, march)
    (voucher,) = await market.stock(CODE_KEYS, funding=VoucherFunding.BILL_LATER)
    await at.completes(await at.applies(await at.opens(), voucher.code), key="v")
    assert await billed(at, agreement, april)
    due, paid = StatementState.DUE, StatementState.PAID
    assert [(row.month, row.total_minor, row.state) for row in await statements(at)] == [
        (january, HALF_OFF_MINOR, due),
        (february, -HALF_OFF_MINOR, paid),
        (april, FEE_MINOR - HALF_OFF_MINOR, due),
    ]
    assert await offended(database) == set()
    assert [await lines(at, row) for row in await statements(at)] == [
        [("redemption", "62.50")],
        [("reversal", "-10.00"), ("reversal", "-52.50")],
        [("redemption", "125.00"), ("credit", "-62.50")],
    ]


async def lines(at: Counter, statement: StatementRow) -> list[tuple[str, str]]:
    """Of its file: what each line is, and how much."""
    parts = [part async for part in statement_csv(at.market.database.reading, STAFF, statement)]
    rows, end = rows_of("".join(parts))
    assert end[0] == "END"
    return [(row["kind"], row["billed"] or f"-{row['credited']}") for row in rows]
