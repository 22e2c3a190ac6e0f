"""An adjustment is the difference of two overages, each floored at zero: credited downward, approved upward."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BillingError, BillingErrorCode
from models.invoices import InvoiceState, LineKind, billable_now
from server.database import Database
from tests.billing import ACTIVE, Billed, billed_organization

# ------------------------------------------------------------------------------------------------------ the rule


@pytest.mark.parametrize(
    ("billed", "approved", "least", "most", "now"),
    [
        (3, 0, 2, 2, 2),  # 403, now known 402
        (3, 0, 0, 0, 0),
        (3, 0, 4, 4, 4),
        (3, 0, 1, 3, 1),  # dates were lost since: nobody approved the other two
        (3, 2, 1, 3, 3),  # two were approved
        (3, 2, 3, 3, 3),  # both of them were active indeed
        (3, 2, 2, 2, 2),  # only one of them was
        (3, 2, 0, 1, 1),
        (3, 2, 2, 4, 3),
    ],
)
def test_what_is_billable_now(billed: int, approved: int, least: int, most: int, now: int) -> None:
    assert billable_now(billed, approved, least, most) == now


@given(certain=st.integers(0, 9), approved=st.integers(0, 9), least=st.integers(0, 9), unsure=st.integers(0, 9))
def test_an_adjustment_leaves_no_difference(certain: int, approved: int, least: int, unsure: int) -> None:
    """Whatever is credited, of who is billed as provable only what is not so any more."""
    most, billed = least + unsure, certain + approved
    now = billable_now(billed, approved, least, most)
    assert least <= now <= most
    still_approved = now - min(certain, least) if now < billed else approved
    assert billable_now(now, still_approved, least, most) == now


# --------------------------------------------------------------------------------------------------- downward


async def billed_three(database: Database, *, lost: int = 0) -> tuple[Billed, int, int, int]:
    """Five active of two licensed, issued; with the snapshot, the invoice and one of the five."""
    billed = await billed_organization(database, people=4, licensed=2, lost=lost)
    learner_id = await billed.tenant.learner(ACTIVE)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.issued(invoice_id)
    return billed, snapshot.id, invoice_id, learner_id


async def test_a_late_leaver_is_credited_at_once(database: Database) -> None:
    billed, snapshot_id, invoice_id, learner_id = await billed_three(database)
    await billed.tenant.deactivated(learner_id, "2017-08-15")
    adjustment_id = await billed.adjusted(snapshot_id)
    assert await billed.adjustment(adjustment_id) == (3, 2, -1)
    assert (await billed.invoice(invoice_id)).figures.due == 2000


async def test_a_credit_after_payment_stays_the_client_s(database: Database) -> None:
    billed, snapshot_id, invoice_id, learner_id = await billed_three(database)
    await billed.paid(invoice_id, 3000)
    await billed.tenant.deactivated(learner_id, "2017-08-15")
    await billed.adjusted(snapshot_id)
    figures = (await billed.invoice(invoice_id)).figures
    assert (figures.due, figures.credit_balance) == (0, 1000)


async def test_what_is_as_billed_is_not_adjusted(database: Database) -> None:
    billed, snapshot_id, _, learner_id = await billed_three(database)
    with pytest.raises(BillingError) as problem:
        await billed.adjusted(snapshot_id)
    assert problem.value.code is BillingErrorCode.NO_DIFFERENCE
    await billed.tenant.deactivated(learner_id, "2017-08-15")
    await billed.adjusted(snapshot_id)
    with pytest.raises(BillingError) as problem:
        await billed.adjusted(snapshot_id)
    assert problem.value.code is BillingErrorCode.NO_DIFFERENCE


async def test_below_what_is_licensed_no_more_is_credited_than_was_billed(database: Database) -> None:
    billed, snapshot_id, invoice_id, _ = await billed_three(database)
    await billed.agreed(licensed=9, price_minor=1000)
    assert await billed.adjustment(await billed.adjusted(snapshot_id)) == (3, 0, -3)
    found = await billed.invoice(invoice_id)
    assert (found.row.state, found.figures.due) == (InvoiceState.PAID, 0)


# ----------------------------------------------------------------------------------------------------- upward


async def test_a_late_joiner_is_billed_only_after_an_approval(database: Database) -> None:
    billed, snapshot_id, invoice_id, _ = await billed_three(database)
    await billed.tenant.learner(ACTIVE)
    adjustment_id = await billed.adjusted(snapshot_id)
    assert await billed.adjustment(adjustment_id) == (3, 4, 1)
    assert (await billed.invoice(invoice_id)).figures.total == 3000
    found = await billed.invoice(await billed.approved(adjustment_id))
    line = found.lines[0]
    assert (found.row.state, line.kind, line.quantity) == (InvoiceState.DRAFT, LineKind.ADJUSTMENT, 1)
    assert (line.adjustment_id, line.approval_reason) == (adjustment_id, "seen the badge log")


async def test_an_adjustment_is_approved_once(database: Database) -> None:
    billed, snapshot_id, _, _ = await billed_three(database)
    await billed.tenant.learner(ACTIVE)
    adjustment_id = await billed.adjusted(snapshot_id)
    await billed.approved(adjustment_id)
    with pytest.raises(BillingError) as problem:
        await billed.approved(adjustment_id)
    assert problem.value.code is BillingErrorCode.ALREADY_APPROVED


async def test_a_difference_that_was_found_twice_is_billed_once(database: Database) -> None:
    billed, snapshot_id, _, _ = await billed_three(database)
    await billed.tenant.learner(ACTIVE)
    first, second = [await billed.adjusted(snapshot_id) for _ in range(2)]
    await billed.approved(second)
    with pytest.raises(BillingError) as problem:
        await billed.approved(first)
    assert problem.value.code is BillingErrorCode.SUPERSEDED


async def test_an_overage_that_was_none_may_be_adjusted_upward(database: Database) -> None:
    billed = await billed_organization(database, people=2, licensed=2)
    snapshot = await billed.taken()
    await billed.tenant.learner(ACTIVE)
    assert await billed.adjustment(await billed.adjusted(snapshot.id)) == (0, 1, 1)


# ---------------------------------------------------------------------------------------- what is not adjusted


async def test_a_draft_is_drafted_anew_rather_than_adjusted(database: Database) -> None:
    billed = await billed_organization(database)
    snapshot = await billed.taken()
    with pytest.raises(BillingError) as problem:
        await billed.adjusted(snapshot.id)
    assert problem.value.code is BillingErrorCode.NOT_BILLED
    await billed.drafted()
    with pytest.raises(BillingError) as problem:
        await billed.adjusted(snapshot.id)
    assert problem.value.code is BillingErrorCode.WRONG_STATE


async def test_who_was_approved_is_not_credited_while_they_may_have_been_active(database: Database) -> None:
    billed = await billed_organization(database, people=3, licensed=2, lost=2)
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.approved_uncertain(snapshot.id, 2)
    await billed.issued(invoice_id)
    with pytest.raises(BillingError) as problem:
        await billed.adjusted(snapshot.id)
    assert problem.value.code is BillingErrorCode.NO_DIFFERENCE


async def test_who_was_approved_and_was_not_active_is_credited(database: Database) -> None:
    """One of the two who had lost their dates turns out never to have been active."""
    billed = await billed_organization(database, people=3, licensed=2)
    first, second = [await billed.lost(1) for _ in range(2)]
    snapshot = await billed.taken()
    invoice_id = (await billed.drafted())[0]
    await billed.approved_uncertain(snapshot.id, 2)
    await billed.issued(invoice_id)
    await billed.found(first[0], "2017-08-20..2017-09-30")
    with pytest.raises(BillingError) as problem:
        await billed.adjusted(snapshot.id)
    assert problem.value.code is BillingErrorCode.NO_DIFFERENCE
    await billed.found(second[0], "2017-09-20..2017-09-30")
    assert await billed.adjustment(await billed.adjusted(snapshot.id)) == (3, 2, -1)
    assert [line.creditable for line in (await billed.invoice(invoice_id)).lines] == [1, 1]
