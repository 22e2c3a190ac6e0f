"""Invoices bill the provable overage, are shown to the client first, and their totals always equal their lines."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.cases import LineKey
from models.errors import BillingError, BillingErrorCode, NotAllowed, NotFound
from models.events import Deed, Thing
from models.interval import UTC
from models.invoices import InvoiceState, LineKind
from resolvers.disputes.opening import AskedLine, Opening, open_dispute
from resolvers.disputes.resolving import withdraw
from resolvers.invoices.challenging import accept_line
from resolvers.invoices.credits import Credit, credit
from resolvers.invoices.drafting import draft_invoices
from resolvers.invoices.issuing import issue, issue_due
from resolvers.loaders.disputes import DisputeKey
from resolvers.loaders.events import EventsKey, EventsPage, events_of
from resolvers.principal import Principal
from resolvers.recording import begin_recording, end_recording
from server.database import Database
from tests.billing import ACTIVE, DATE, Billed, billed_organization
from tests.builders import STAFF, organization


def refused(problem: pytest.ExceptionInfo[BillingError]) -> BillingErrorCode:
    code = problem.value.code
    assert isinstance(code, BillingErrorCode)
    return code


async def one_invoice(billed: Billed) -> int:
    await billed.taken()
    return (await billed.drafted())[0]


async def credited(billed: Billed, invoice_id: int, quantity: int, adjustment_id: int) -> int:
    asked = Credit(invoice_id=invoice_id, quantities={1: quantity}, reason="as adjusted", adjustment_id=adjustment_id)

    async def step(session: AsyncSession, now: dt.datetime) -> int:
        recording = await begin_recording(session, billed.tenant.id, now)
        made = await credit(recording, STAFF, asked)
        await end_recording(recording)
        return made

    return await billed.run(step)


# --------------------------------------------------------------------------------------------------- drafts


async def test_a_draft_bills_the_overage_at_the_price_of_the_term(database: Database) -> None:
    billed = await billed_organization(database, people=5, licensed=2)
    snapshot = await billed.taken()
    found = await billed.invoice((await billed.drafted())[0])
    line = found.lines[0]
    assert (line.kind, line.snapshot_id, line.quantity, line.total_minor) == (LineKind.OVERAGE, snapshot.id, 3, 3000)
    assert (found.row.state, found.row.currency, found.figures.total) == (InvoiceState.DRAFT, "USD", 3000)
    assert found.row.number.endswith("-0001")
    assert found.row.number == found.row.number.upper()


async def test_what_is_drafted_is_not_drafted_again(database: Database) -> None:
    billed = await billed_organization(database)
    await one_invoice(billed)
    with pytest.raises(BillingError) as problem:
        await billed.drafted()
    assert refused(problem) is BillingErrorCode.NOTHING_TO_BILL


async def test_who_is_not_over_gets_no_invoice(database: Database) -> None:
    billed = await billed_organization(database, people=5, licensed=5)
    await billed.taken()

    async def step(session: AsyncSession, now: dt.datetime) -> list[int]:
        return await draft_invoices(await begin_recording(session, billed.tenant.id, now), STAFF, DATE)

    assert await billed.run(step) == []


async def test_a_cancelled_draft_is_drafted_anew_under_another_number(database: Database) -> None:
    billed = await billed_organization(database)
    first = await one_invoice(billed)
    await billed.cancelled(first)
    second = (await billed.drafted())[0]
    assert (await billed.invoice(first)).row.state is InvoiceState.CANCELLED
    assert (await billed.invoice(second)).row.number.endswith("-0002")


async def test_an_invoice_that_was_shown_is_not_cancelled(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    await billed.challenged(invoice_id)
    with pytest.raises(BillingError) as problem:
        await billed.cancelled(invoice_id)
    assert refused(problem) is BillingErrorCode.WRONG_STATE


async def test_an_invoice_is_of_one_currency_with_a_line_for_each_product(database: Database) -> None:
    tenant = await organization(database)
    libraries = [await tenant.library() for _ in range(3)]
    await tenant.crowd(9, *libraries, active=[ACTIVE])
    billed = await Billed.of(tenant, licensed=5)
    for library, currency in zip(libraries, ("USD", "EUR", "USD"), strict=True):
        await billed.agreed(licensed=1, price_minor=70, product=library, currency=currency)
    await billed.taken()
    invoices = [await billed.invoice(i) for i in await billed.drafted()]
    assert [(i.row.currency, [line.quantity for line in i.lines], i.figures.total) for i in invoices] == [
        ("EUR", [2], 140),
        ("USD", [4, 2, 2], 4 * 1000 + 4 * 70),
    ]


# ----------------------------------------------------------------------------------------- who may not be counted


async def test_people_of_whom_dates_are_lost_are_not_billed_without_an_approval(database: Database) -> None:
    billed = await billed_organization(database, people=3, licensed=2, lost=2)
    snapshot = await billed.taken()
    assert (snapshot.overage_least, snapshot.overage_most) == (1, 3)
    invoice_id = (await billed.drafted())[0]
    assert (await billed.invoice(invoice_id)).figures.total == 1000
    assert await billed.approved_uncertain(snapshot.id, 2) == invoice_id
    lines = (await billed.invoice(invoice_id)).lines
    assert [(line.kind, line.quantity, line.approved_by) for line in lines] == [
        (LineKind.OVERAGE, 1, None),
        (LineKind.UNCERTAIN, 2, STAFF.name),
    ]


async def test_no_more_are_approved_than_may_have_been_counted(database: Database) -> None:
    billed = await billed_organization(database, people=3, licensed=2, lost=2)
    snapshot = await billed.taken()
    await billed.drafted()
    await billed.approved_uncertain(snapshot.id, 1)
    with pytest.raises(BillingError) as problem:
        await billed.approved_uncertain(snapshot.id, 2)
    assert refused(problem) is BillingErrorCode.BAD_QUANTITY
    await billed.approved_uncertain(snapshot.id, 1)
    with pytest.raises(BillingError) as problem:
        await billed.approved_uncertain(snapshot.id, 1)
    assert refused(problem) is BillingErrorCode.NOT_ABOVE_MINIMUM


async def test_an_approval_without_an_open_invoice_makes_a_draft_of_its_own(database: Database) -> None:
    """Of an issued one, and of a snapshot whose provable overage is none."""
    issued = await billed_organization(database, people=3, licensed=2, lost=1)
    snapshot = await issued.taken()
    first = (await issued.drafted())[0]
    await issued.issued(first)
    assert await issued.approved_uncertain(snapshot.id, 1) != first
    none_certain = await billed_organization(database, people=2, licensed=2, lost=1)
    own = await none_certain.approved_uncertain((await none_certain.taken()).id, 1)
    assert [line.kind for line in (await none_certain.invoice(own)).lines] == [LineKind.UNCERTAIN]


# ------------------------------------------------------------------------------------------ the challenge window


async def test_a_challenge_window_ends_with_the_last_of_its_local_days(database: Database) -> None:
    """Opened on 2026-01-01 in Chicago for one day: all of the 2nd is the client's."""
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    assert await billed.challenged(invoice_id, days=1) == dt.datetime(2026, 1, 3, 6, tzinfo=UTC)


@pytest.mark.parametrize("days", [0, 91])
async def test_a_challenge_window_has_one_to_ninety_days(database: Database, days: int) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    with pytest.raises(BillingError) as problem:
        await billed.challenged(invoice_id, days)
    assert refused(problem) is BillingErrorCode.BAD_CHALLENGE_DAYS


async def test_nothing_is_issued_while_the_client_may_challenge_it(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    until = await billed.challenged(invoice_id)
    with pytest.raises(BillingError) as problem:
        await billed.issued(invoice_id)
    assert refused(problem) is BillingErrorCode.CHALLENGE_RUNS
    billed.tenant.now = until - dt.timedelta(minutes=1)
    await billed.run(lambda s, now: issue(s, STAFF, now, billed.key(invoice_id)))
    assert (await billed.invoice(invoice_id)).row.state is InvoiceState.ISSUED


async def test_an_invoice_whose_lines_are_all_accepted_is_issued_at_once(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    await billed.challenged(invoice_id)
    await billed.accepted(invoice_id)
    await billed.run(lambda s, now: issue(s, STAFF, now, billed.key(invoice_id)))
    assert (await billed.invoice(invoice_id)).row.state is InvoiceState.ISSUED


async def test_a_draft_is_issued_without_a_window_only_with_a_reason(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    key = billed.key(invoice_id)
    with pytest.raises(BillingError) as problem:
        await billed.run(lambda s, now: issue(s, STAFF, now, key))
    assert refused(problem) is BillingErrorCode.WRONG_STATE
    with pytest.raises(BillingError) as problem:
        await billed.run(lambda s, now: issue(s, STAFF, now, key, without_challenge=True, reason=" "))
    assert refused(problem) is BillingErrorCode.REASON_REQUIRED


async def test_the_worker_issues_what_is_due_and_nothing_else(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    until = await billed.challenged(invoice_id)

    async def due_at(now: dt.datetime) -> list[int]:
        async def step(session: AsyncSession) -> list[int]:
            recording = await begin_recording(session, billed.tenant.id, now)
            issued = await issue_due(recording, STAFF, now)
            await end_recording(recording)
            return issued

        return await database.run(step)

    assert await due_at(until - dt.timedelta(microseconds=1)) == []
    assert await due_at(until) == [invoice_id]
    assert await due_at(until) == []


async def test_a_line_is_accepted_once_and_by_who_may(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    with pytest.raises(NotFound):  # the client sees no draft
        await billed.accepted(invoice_id)
    await billed.challenged(invoice_id)
    stranger = Principal(name="x", role=Role.ORGANIZATION, organization_id=billed.tenant.id + 1)
    partner = Principal(name="x", role=Role.PARTNER, organization_id=billed.tenant.id)
    key = billed.key(invoice_id)
    with pytest.raises(NotFound):
        await billed.run(lambda s, now: accept_line(s, stranger, now, key, 1, None))
    with pytest.raises(NotAllowed):
        await billed.run(lambda s, now: accept_line(s, partner, now, key, 1, None))
    with pytest.raises(BillingError) as problem:
        await billed.run(lambda s, now: accept_line(s, STAFF, now, key, 1, None))
    assert refused(problem) is BillingErrorCode.REASON_REQUIRED
    await billed.accepted(invoice_id)
    assert (await billed.invoice(invoice_id)).lines[0].accepted_by == billed.client.name
    with pytest.raises(BillingError) as problem:
        await billed.accepted(invoice_id)
    assert refused(problem) is BillingErrorCode.ALREADY_ACCEPTED


# ------------------------------------------------------------------------------------------------- payments


async def issued_invoice(billed: Billed) -> int:
    invoice_id = await one_invoice(billed)
    await billed.issued(invoice_id)
    return invoice_id


async def test_an_invoice_is_paid_when_nothing_is_due(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await issued_invoice(billed)
    await billed.paid(invoice_id, 1200)
    found = await billed.invoice(invoice_id)
    assert (found.row.state, found.figures.due) == (InvoiceState.ISSUED, 1800)
    await billed.paid(invoice_id, 1800)
    found = await billed.invoice(invoice_id)
    assert (found.row.state, found.figures.due) == (InvoiceState.PAID, 0)


async def test_no_more_is_paid_than_is_due(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await issued_invoice(billed)
    with pytest.raises(BillingError, match=r"USD 30.01 is more than the USD 30.00") as problem:
        await billed.paid(invoice_id, 3001)
    assert refused(problem) is BillingErrorCode.EXCEEDS_DUE


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [(100, "EUR", "WRONG_CURRENCY"), (0, "USD", "BAD_AMOUNT"), (-1, "USD", "BAD_AMOUNT")],
)
async def test_a_payment_is_of_the_invoice_s_currency_and_more_than_nothing(
    database: Database, amount: int, currency: str, code: str
) -> None:
    billed = await billed_organization(database)
    invoice_id = await issued_invoice(billed)
    with pytest.raises(BillingError) as problem:
        await billed.paid(invoice_id, amount, currency=currency)
    assert refused(problem).name == code


async def test_nothing_is_paid_before_it_is_issued(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    with pytest.raises(BillingError) as problem:
        await billed.paid(invoice_id, 1)
    assert refused(problem) is BillingErrorCode.WRONG_STATE


async def test_only_staff_bill(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await one_invoice(billed)
    with pytest.raises(NotAllowed):
        await billed.run(lambda s, now: issue(s, billed.client, now, billed.key(invoice_id)))


# ------------------------------------------------------------------------------------------------ credit notes


async def test_a_credit_never_exceeds_what_was_invoiced(database: Database) -> None:
    billed, invoice_id, adjustment_id = await adjusted_by_one(database)
    for quantity in (0, -1, 3):
        with pytest.raises(BillingError) as problem:
            await credited(billed, invoice_id, quantity, adjustment_id)
        assert refused(problem) is BillingErrorCode.BAD_QUANTITY
    await credited(billed, invoice_id, 2, adjustment_id)
    assert (await billed.invoice(invoice_id)).figures.credited == 3000


async def test_a_credit_of_all_that_is_unpaid_settles_the_invoice(database: Database) -> None:
    billed, invoice_id, adjustment_id = await adjusted_by_one(database)
    await billed.paid(invoice_id, 1500)
    await credited(billed, invoice_id, 1, adjustment_id)
    found = await billed.invoice(invoice_id)
    assert (found.row.state, found.figures.due, found.figures.credit_balance) == (InvoiceState.PAID, 0, 500)


async def adjusted_by_one(database: Database) -> tuple[Billed, int, int]:
    """An issued invoice of three, of whom one was credited."""
    billed = await billed_organization(database, people=4, licensed=2)
    learner_id = await billed.tenant.learner(ACTIVE)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    await billed.tenant.deactivated(learner_id, "2017-08-15")
    return billed, invoice_id, await billed.adjusted(snapshot.id)


# ---------------------------------------------------------------------------------------------------- events


async def test_every_deed_leaves_an_event_with_who_when_and_why(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await issued_invoice(billed)
    await billed.paid(invoice_id, 3000)
    async with database.reading() as connection:
        key = EventsKey(billed.tenant.id, invoice_id)
        events = await events_of(connection, [key], EventsPage(Thing.INVOICE, 10, with_internal=True))
    assert [(event.deed, event.after) for event in events[1:]] == [
        (Deed.INVOICE_ISSUED, "ISSUED"),
        (Deed.PAYMENT_RECORDED, "due USD 0.00"),
        (Deed.STATE_CHANGED, "PAID"),
    ]
    assert {event.actor for event in events} == {STAFF.name}
    assert events[1].said == "as agreed"


# -------------------------------------------------------------------------------------------------- disputes


async def disputed_by_one(billed: Billed, invoice_id: int) -> DisputeKey:
    """One of the people of the first line is disputed."""
    asked = AskedLine(LineKey(invoice_id, 1), 1)
    opening = Opening(organization_id=billed.tenant.id, lines=(asked,), reason="he left in July")
    made = await billed.run(lambda s, now: open_dispute(s, billed.client, None, now, opening))
    return DisputeKey(billed.tenant.id, made)


async def test_only_what_is_disputed_is_held_from_collection(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await issued_invoice(billed)
    await disputed_by_one(billed, invoice_id)
    figures = (await billed.invoice(invoice_id)).figures
    assert (figures.due, figures.held, figures.collectable) == (3000, 1000, 2000)


async def test_what_is_disputed_may_be_paid_and_is_paid_when_the_dispute_ends(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await issued_invoice(billed)
    key = await disputed_by_one(billed, invoice_id)
    await billed.paid(invoice_id, 3000)
    found = await billed.invoice(invoice_id)
    assert (found.row.state, found.figures.due, found.figures.held) == (InvoiceState.ISSUED, 0, 0)
    await billed.run(lambda s, now: withdraw(s, billed.client, now, key, "he was there after all"))
    assert (await billed.invoice(invoice_id)).row.state is InvoiceState.PAID


async def test_a_line_in_dispute_is_not_accepted(database: Database) -> None:
    billed = await billed_organization(database)
    invoice_id = await issued_invoice(billed)
    await disputed_by_one(billed, invoice_id)
    with pytest.raises(BillingError) as problem:
        await billed.accepted(invoice_id)
    assert refused(problem) is BillingErrorCode.WRONG_STATE


async def test_what_is_credited_by_an_adjustment_is_held_no_longer(database: Database) -> None:
    """All three are disputed, and one of them turns out to have left."""
    billed = await billed_organization(database, people=4, licensed=2)
    learner_id = await billed.tenant.learner(ACTIVE)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    opening = Opening(organization_id=billed.tenant.id, lines=(AskedLine(LineKey(invoice_id, 1)),), reason="all left")
    await billed.run(lambda s, now: open_dispute(s, billed.client, None, now, opening))
    await billed.tenant.deactivated(learner_id, "2017-08-15")
    await billed.adjusted(snapshot.id)
    figures = (await billed.invoice(invoice_id)).figures
    assert (figures.due, figures.held, figures.collectable) == (2000, 2000, 0)
