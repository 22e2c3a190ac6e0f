"""Resolving a dispute: the credit that an outcome makes, once, and the cases that the nightly check opens."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from models.cases import UNDECIDED, DisputeOutcome
from models.disputes import DisputeState
from models.events import Event
from models.invoices import CreditNote, InvoiceState
from resolvers.disputes.adjusting import adjust
from resolvers.disputes.resolving import withdraw
from resolvers.disputes.working import Message, send_to_client, write_message
from resolvers.loaders.disputes import DisputeKey
from server.database import Database
from tests.questioned import Questioned, questioned_bill, refusal

# ------------------------------------------------------------------------------------------------ resolving


async def test_only_what_is_disputed_is_held_from_collection(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    figures = (await bill.invoice()).figures
    assert (figures.due, figures.held, figures.collectable) == (3000, 2000, 1000)
    await bill.resolved(key, DisputeOutcome.REJECTED)
    figures = (await bill.invoice()).figures
    assert (figures.due, figures.held, figures.collectable) == (3000, 0, 3000)


@pytest.mark.parametrize(
    ("outcome", "chosen", "credited"),
    [(DisputeOutcome.UPHELD, 0, 2), (DisputeOutcome.PARTIAL, 1, 1), (DisputeOutcome.REJECTED, 0, 0)],
)
async def test_the_outcome_makes_the_credit_note(
    database: Database, outcome: DisputeOutcome, chosen: int, credited: int
) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    await bill.resolved(key, outcome, {bill.line: chosen} if chosen else {})
    row, lines = await bill.row(key), await bill.lines(key)
    assert (row.state, row.resolution, row.resolved_at is not None) == (outcome.state, outcome.state, True)
    assert [(line.credited, line.is_open) for line in lines] == [(credited, False)]
    assert (await bill.invoice()).figures.credited == credited * 1000
    assert await credit_notes(bill, key) == (1 if credited else 0)


async def credit_notes(bill: Questioned, key: DisputeKey) -> int:
    async with bill.billed.tenant.database.reading() as connection:
        made = select(func.count()).select_from(CreditNote).where(CreditNote.dispute_id == key.dispute_id)
        return await connection.scalar(made) or 0


async def test_all_that_is_left_to_pay_decided_away_settles_the_invoice(database: Database) -> None:
    bill = await questioned_bill(database)
    await bill.billed.paid(bill.invoice_id, 1000)
    await bill.resolved(await bill.opened(2))
    assert (await bill.invoice()).row.state is InvoiceState.PAID


async def test_what_was_paid_while_it_was_disputed_settles_the_invoice_once_it_is_decided(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    await bill.billed.paid(bill.invoice_id, 3000)
    assert (await bill.invoice()).row.state is InvoiceState.ISSUED
    await bill.resolved(key, DisputeOutcome.REJECTED)
    assert (await bill.invoice()).row.state is InvoiceState.PAID


async def test_a_withdrawn_case_credits_nothing_and_holds_nothing(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    await bill.step(withdraw, key, "found them", by=bill.client)
    figures = (await bill.invoice()).figures
    assert (figures.credited, figures.held) == (0, 0)
    assert (await bill.row(key)).resolution is DisputeState.WITHDRAWN


async def test_an_adjustment_meanwhile_is_not_credited_twice(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened()
    await bill.billed.tenant.deactivated(bill.learner_id, "2017-08-15")
    await bill.billed.adjusted(bill.snapshot_id)
    await bill.resolved(key)
    assert [line.credited for line in await bill.lines(key)] == [2]
    assert (await bill.invoice()).figures.credited == 3000


async def test_if_the_credit_cannot_be_made_nothing_is_decided(
    sqlite_database: Database,
) -> None:
    """The database refuses the credit note, after the lines were released and before anything is decided."""
    bill = await questioned_bill(sqlite_database)
    key = await bill.opened(2)
    before = (await bill.row(key), await bill.lines(key), await bill.told(key), await events(bill))
    async with sqlite_database.writing() as session:
        refuse = "CREATE TRIGGER no_credit BEFORE INSERT ON credit_note_line BEGIN SELECT RAISE(ABORT, 'no'); END"
        await (await session.connection()).exec_driver_sql(refuse)
    with pytest.raises(Exception, match="no"):
        await bill.resolved(key, idempotency_key="once")
    assert (await bill.row(key), await bill.lines(key), await bill.told(key), await events(bill)) == before
    async with sqlite_database.writing() as session:
        await (await session.connection()).exec_driver_sql("DROP TRIGGER no_credit")
    await bill.resolved(key, idempotency_key="once")
    assert (await bill.invoice()).figures.credited == 2000


async def events(bill: Questioned) -> int:
    async with bill.billed.tenant.database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(Event)) or 0


async def test_the_same_decision_under_the_same_key_is_made_once(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.opened(2)
    for _ in range(2):
        await bill.resolved(key, idempotency_key="once")
    assert await credit_notes(bill, key) == 1
    rejected = bill.resolved(key, DisputeOutcome.REJECTED, idempotency_key="once")
    assert await refusal(rejected) == "IDEMPOTENCY_KEY_REUSED"
    assert await refusal(bill.resolved(key, idempotency_key="another")) == "WRONG_STATE"


# ------------------------------------------------------------------------------------- what the nightly check opens


async def test_the_nightly_check_opens_one_case_about_a_snapshot(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.drifted()
    assert key is not None
    assert await bill.drifted() is None
    assert (await bill.row(key)).state is DisputeState.EVIDENCE_READY
    await bill.resolved(key, DisputeOutcome.REJECTED)
    again = await bill.drifted()
    assert again is not None
    assert (await bill.row(again)).number.endswith("-DRIFT-0002")
    assert (await bill.row(await bill.opened())).number.endswith("-D-0001")


async def test_the_client_sees_no_case_of_the_nightly_check(database: Database) -> None:
    bill = await questioned_bill(database)
    key = await bill.drifted()
    assert key is not None
    assert await refusal(bill.step(write_message, key, Message("hello"), by=bill.client)) == "NOT_FOUND"
    assert await refusal(bill.step(withdraw, key, "not ours", by=bill.client)) == "NOT_FOUND"
    assert await refusal(bill.step(send_to_client, key, None)) == "WRONG_STATE"
    assert all(one.internal for one in await bill.told(key))


async def test_an_adjustment_from_its_case_is_told_there(database: Database) -> None:
    bill = await questioned_bill(database)
    await bill.billed.tenant.deactivated(bill.learner_id, "2017-08-15")
    key = await bill.drifted()
    assert key is not None
    assert await refusal(bill.step(adjust, await bill.opened(1), "late", "k1")) == "WRONG_STATE"
    await bill.step(adjust, key, "somebody had left", "k2")
    await bill.step(adjust, key, "somebody had left", "k2")
    told = [one for one in await bill.told(key) if one.deed == "ADJUSTMENT_FOUND"]
    assert [(one.said, one.internal) for one in told] == [("somebody had left", True)]
    assert (await bill.row(key)).state in UNDECIDED
