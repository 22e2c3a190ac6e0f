"""Twenty callers at once, on both databases: nothing is billed, paid or credited twice."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Awaitable

from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import BillingError, BillingErrorCode, RepeatError
from models.invoices import InvoiceState
from resolvers.invariants import findings
from resolvers.invoices.credits import Credit, credit
from resolvers.recording import begin_recording, end_recording
from server.database import Database
from tests.billing import ACTIVE, Billed, billed_organization
from tests.builders import STAFF

CALLERS = 24


async def issued(database: Database) -> tuple[Billed, int]:
    """An issued invoice of three people, thirty dollars."""
    billed = await billed_organization(database)
    await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    return billed, invoice_id


async def all_at_once(billed: Billed, *callers: Awaitable[object]) -> Counter[str]:
    """How often each came out: `done`, or the code of a refusal. What must hold does afterwards."""
    outcomes = await asyncio.gather(*(outcome(caller) for caller in callers))
    async with billed.tenant.database.reading() as connection:
        assert [found for found in await findings(connection) if not found.holds] == []
    return Counter(outcomes)


async def outcome(caller: Awaitable[object]) -> str:
    try:
        await caller
    except (BillingError, RepeatError) as refusal:
        return refusal.code.name
    return "done"


async def test_of_many_drafts_of_a_date_there_is_one(database: Database) -> None:
    billed = await billed_organization(database)
    await billed.taken()
    outcomes = await all_at_once(billed, *(billed.drafted() for _ in range(CALLERS)))
    assert outcomes == {"done": 1, BillingErrorCode.NOTHING_TO_BILL.name: CALLERS - 1}


async def test_of_many_payments_of_all_that_is_due_one_is_taken(database: Database) -> None:
    billed, invoice_id = await issued(database)
    outcomes = await all_at_once(billed, *(billed.paid(invoice_id, 3000) for _ in range(CALLERS)))
    assert outcomes == {"done": 1, BillingErrorCode.EXCEEDS_DUE.name: CALLERS - 1}
    found = await billed.invoice(invoice_id)
    assert (found.row.state, found.figures.paid) == (InvoiceState.PAID, 3000)


async def test_many_payments_under_one_key_are_one_payment(database: Database) -> None:
    billed, invoice_id = await issued(database)
    made = await asyncio.gather(*(billed.paid(invoice_id, 1000, key="wire-7") for _ in range(CALLERS)))
    assert len(set(made)) == 1
    assert (await billed.invoice(invoice_id)).figures.paid == 1000


async def test_of_two_inputs_under_one_key_one_wins(database: Database) -> None:
    billed, invoice_id = await issued(database)
    callers = [billed.paid(invoice_id, 100 + number % 2, key="wire-7") for number in range(CALLERS)]
    outcomes = await all_at_once(billed, *callers)
    assert outcomes == {"done": CALLERS // 2, "IDEMPOTENCY_KEY_REUSED": CALLERS // 2}
    assert (await billed.invoice(invoice_id)).figures.paid in (100, 101)


async def test_of_many_credits_of_a_whole_line_one_is_made(database: Database) -> None:
    billed, invoice_id = await issued(database)
    snapshot_id = (await billed.invoice(invoice_id)).lines[0].snapshot_id
    await billed.tenant.learner(ACTIVE)
    adjustment_id = await billed.adjusted(snapshot_id)
    whole = Credit(invoice_id=invoice_id, quantities={1: 3}, reason="all of it", adjustment_id=adjustment_id)

    async def step(session: AsyncSession, now: dt.datetime) -> None:
        recording = await begin_recording(session, billed.tenant.id, now)
        await credit(recording, STAFF, whole)
        await end_recording(recording)

    outcomes = await all_at_once(billed, *(billed.run(step) for _ in range(CALLERS)))
    assert outcomes == {"done": 1, BillingErrorCode.BAD_QUANTITY.name: CALLERS - 1}


async def test_of_many_approvals_of_an_adjustment_one_is_billed(database: Database) -> None:
    billed, invoice_id = await issued(database)
    snapshot_id = (await billed.invoice(invoice_id)).lines[0].snapshot_id
    await billed.tenant.learner(ACTIVE)
    adjustment_id = await billed.adjusted(snapshot_id)
    outcomes = await all_at_once(billed, *(billed.approved(adjustment_id) for _ in range(CALLERS)))
    assert outcomes == {"done": 1, BillingErrorCode.ALREADY_APPROVED.name: CALLERS - 1}


async def test_of_many_adjustments_downward_one_is_credited(database: Database) -> None:
    billed = await billed_organization(database, people=4)
    learner_id = await billed.tenant.learner(ACTIVE)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    await billed.tenant.deactivated(learner_id, "2017-08-15")
    outcomes = await all_at_once(billed, *(billed.adjusted(snapshot.id) for _ in range(CALLERS)))
    assert outcomes == {"done": 1, BillingErrorCode.NO_DIFFERENCE.name: CALLERS - 1}
    assert (await billed.invoice(invoice_id)).figures.credited == 1000


async def test_no_more_are_approved_by_many_than_may_have_been_counted(database: Database) -> None:
    billed = await billed_organization(database, people=3, licensed=2, lost=2)
    snapshot = await billed.taken()
    await billed.drafted()
    outcomes = await all_at_once(billed, *(billed.approved_uncertain(snapshot.id, 1) for _ in range(CALLERS)))
    assert outcomes == {"done": 2, BillingErrorCode.NOT_ABOVE_MINIMUM.name: CALLERS - 2}
