"""Orders of vouchers: ordered for exactly what they cost, approved, settled once, cancelled and given back."""

from __future__ import annotations

import asyncio
import datetime as dt
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update

from models.errors import DomainError, NotAllowed, NotFound, VoucherErrorCode
from models.ledger import LedgerEntry
from models.money import Money
from models.payments import Payment, PaymentRefund, PaymentState
from models.program_events import ProgramEvent
from models.voucher_orders import VoucherOrder, VoucherOrderState
from models.voucher_programs import IssueOn, RefundPolicy, VoucherFunding, VoucherProgram
from models.vouchers import Voucher, VoucherCode, VoucherStanding
from resolvers.loaders.voucher_orders import OrderKey, OrderRow, orders_by_key
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct
from resolvers.voucher_orders.approving import approve, reject
from resolvers.voucher_orders.cancelling import cancel
from resolvers.voucher_orders.ordering import Ordering, order
from resolvers.voucher_orders.refunding import refund
from resolvers.voucher_orders.settling import decline, leave_unknown, settle, settle_paid
from resolvers.vouchers.moving import capture
from server.database import Database
from tests.builders import NOON, organization
from tests.code_keys import CODE_KEYS
from tests.vouchering import FEE_MINOR, Shop, shop

TABLES = [table.__table__ for table in (VoucherOrder, Voucher, VoucherCode, LedgerEntry, Payment, ProgramEvent)]
CALLERS = 20
CARD, BY_ORDER, LATER = VoucherFunding.CARD, VoucherFunding.PURCHASE_ORDER, VoucherFunding.BILL_LATER


def ordering(shop: Shop, funding: VoucherFunding, quantity: int = 3, amount_minor: int | None = None) -> Ordering:
    total = FEE_MINOR * quantity if amount_minor is None else amount_minor
    return Ordering(
        organization_id=shop.tenant.id,
        voucher_program_id=shop.voucher_program_id,
        quantity=quantity,
        amount=Money(total, "USD"),
        funding=funding,
        purchase_order="PO-77" if funding is BY_ORDER else None,
        gateway="test" if funding is CARD else None,
    )


async def ordered(shop: Shop, funding: VoucherFunding, quantity: int = 3) -> int:
    made: int = await shop.act(lambda act: order(act, CODE_KEYS, ordering(shop, funding, quantity)))
    return made


async def approved(shop: Shop, order_id: int) -> None:
    await shop.act(lambda act: approve(act, CODE_KEYS, order_id), by=shop.program_admin)


async def settled(shop: Shop, order_id: int) -> None:
    await shop.act(lambda act: settle(act, CODE_KEYS, order_id, "wire 1"), by=shop.program_admin)


async def charged(shop: Shop, order_id: int) -> bool:
    """As a gateway's yes does: the payment succeeded, and the order is settled by it."""

    async def step(act: ProgramAct) -> bool:
        of_order = Payment.__table__.c.voucher_order_id == order_id
        await act.session.execute(update(Payment).where(of_order).values(state=PaymentState.SUCCEEDED))
        return await settle_paid(act, CODE_KEYS, order_id)

    done: bool = await shop.act(step)
    return done


async def row_of(shop: Shop, order_id: int) -> OrderRow:
    async with shop.database.reading() as connection:
        return (await orders_by_key(connection, [OrderKey(shop.program_id, order_id)]))[0]


async def postings(shop: Shop) -> list[tuple[str, str, str, int]]:
    """Each entry of the ledger, by the name of its event: what it is, its debit and its credit, and how much."""
    entry = LedgerEntry.__table__.c
    async with shop.database.reading() as connection:
        rows = await connection.execute(
            select(entry.event, entry.debit, entry.credit, entry.amount_minor)
            .where(entry.program_id == shop.program_id)
            .order_by(entry.event)
        )
        return [(row.event.name, row.debit.name, row.credit.name, row.amount_minor) for row in rows]


async def vouchers(shop: Shop, standing: VoucherStanding = VoucherStanding.LIVE) -> list[int]:
    voucher = Voucher.__table__.c
    async with shop.database.reading() as connection:
        rows = await connection.execute(
            select(voucher.id).where(voucher.program_id == shop.program_id, voucher.standing == standing)
        )
        return sorted(rows.scalars())


async def live_codes(shop: Shop) -> int:
    code = VoucherCode.__table__.c
    async with shop.database.reading() as connection:
        return await connection.scalar(select(func.count()).where(code.ended_at.is_(None))) or 0


async def written(database: Database) -> list[int]:
    """How many rows each table has of what an order writes."""
    async with database.reading() as connection:
        return [await connection.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]


async def refused(step: Any, code: VoucherErrorCode) -> str:
    with pytest.raises(DomainError) as refusal:
        await step
    assert refusal.value.code.name == code.name
    return refusal.value.message


# ------------------------------------------------------------------------------------------------ the ledger


async def test_a_card_pays_before_anything_is_issued(database: Database) -> None:
    own = await shop(database)
    order_id = await ordered(own, CARD)
    assert (await row_of(own, order_id)).state is VoucherOrderState.AWAITING_PAYMENT
    assert await vouchers(own) == []
    assert await postings(own) == []
    assert await charged(own, order_id)
    paid = await row_of(own, order_id)
    assert (paid.state, paid.paid_minor, paid.number[:4]) == (VoucherOrderState.SETTLED, 3 * FEE_MINOR, "ORD-")
    assert len(await vouchers(own)) == await live_codes(own) == 3
    assert await postings(own) == [("PURCHASE_PAID", "CASH", "VOUCHER_LIABILITY", 3 * FEE_MINOR)]


async def test_a_purchase_order_issued_on_approval_is_owed_until_it_is_settled(database: Database) -> None:
    own = await shop(database, issue_on=IssueOn.APPROVAL)
    order_id = await ordered(own, BY_ORDER)
    await approved(own, order_id)
    assert len(await vouchers(own)) == 3
    await settled(own, order_id)
    assert len(await vouchers(own)) == 3
    assert await postings(own) == [
        ("ORDER_APPROVED", "PO_RECEIVABLE", "VOUCHER_LIABILITY", 3 * FEE_MINOR),
        ("ORDER_SETTLED", "CASH", "PO_RECEIVABLE", 3 * FEE_MINOR),
    ]


async def test_a_purchase_order_issued_on_settlement_is_no_liability_before(database: Database) -> None:
    own = await shop(database, issue_on=IssueOn.SETTLEMENT)
    order_id = await ordered(own, BY_ORDER)
    await approved(own, order_id)
    assert await vouchers(own) == []
    assert await postings(own) == []
    await settled(own, order_id)
    assert len(await vouchers(own)) == 3
    assert await postings(own) == [("PURCHASE_PAID", "CASH", "VOUCHER_LIABILITY", 3 * FEE_MINOR)]


async def test_what_is_billed_later_needs_an_agreement_and_is_no_money_yet(database: Database) -> None:
    own = await shop(database)
    await refused(ordered(own, LATER), VoucherErrorCode.NO_AGREEMENT)
    await own.agreement(1_000_000)
    order_id = await ordered(own, LATER)
    assert (await row_of(own, order_id)).state is VoucherOrderState.ON_ACCOUNT
    assert len(await vouchers(own)) == 3
    assert await postings(own) == []
    await own.act(lambda act: refund(act, order_id))
    assert len(await vouchers(own, VoucherStanding.REFUNDED)) == 3
    assert await postings(own) == []
    assert await live_codes(own) == 0


async def test_a_cancelled_order_reverses_its_approval(database: Database) -> None:
    own = await shop(database)
    order_id = await ordered(own, BY_ORDER)
    await approved(own, order_id)
    await own.act(lambda act: cancel(act, order_id, "ordered twice"))
    assert len(await vouchers(own, VoucherStanding.CANCELLED)) == 3
    assert await live_codes(own) == 0
    assert (await postings(own))[1] == ("ORDER_CANCELLED", "VOUCHER_LIABILITY", "PO_RECEIVABLE", 3 * FEE_MINOR)
    await refused(settled(own, order_id), VoucherErrorCode.WRONG_STATE)


async def test_an_order_of_which_something_was_redeemed_is_not_cancelled(database: Database) -> None:
    own = await shop(database)
    order_id = await ordered(own, BY_ORDER)
    await approved(own, order_id)
    first = (await vouchers(own))[0]
    await own.act(lambda act: capture(act, first, 500, forfeits_rest=False))
    said = await refused(own.act(lambda act: cancel(act, order_id, "no")), VoucherErrorCode.IN_USE)
    assert "1 of the 3 vouchers" in said
    assert "USD 5.00 were redeemed" in said
    assert len(await vouchers(own)) == 3


# ---------------------------------------------------------------------------------------------- refusing


async def test_an_amount_other_than_the_total_is_refused_with_both_figures(database: Database) -> None:
    own = await shop(database)
    await own.agreement(1_000_000)
    before = await written(database)
    for funding in VoucherFunding:
        wrong = partial(order, keys=CODE_KEYS, ordering=ordering(own, funding, 3, 3 * FEE_MINOR - 1))
        said = await refused(own.act(wrong), VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL)
        assert "USD 375.00" in said
        assert "USD 374.99" in said
    euros = Ordering(
        organization_id=own.tenant.id,
        voucher_program_id=own.voucher_program_id,
        quantity=3,
        amount=Money(3 * FEE_MINOR, "EUR"),
        funding=LATER,
    )
    await refused(own.act(lambda act: order(act, CODE_KEYS, euros)), VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL)
    assert await written(database) == before


async def test_an_order_is_for_what_is_sold_and_by_whom_it_is_for(database: Database) -> None:
    own, stranger = await shop(database), await organization(database)
    foreign = Principal(name="F", role=own.client.role, organization_id=stranger.id)
    buying = partial(order, keys=CODE_KEYS, ordering=ordering(own, BY_ORDER))
    await refused(own.act(partial(order, keys=None, ordering=ordering(own, CARD))), VoucherErrorCode.NO_CODE_KEYS)
    await refused(
        own.act(partial(order, keys=CODE_KEYS, ordering=ordering(own, CARD, 10_001))), VoucherErrorCode.BAD_QUANTITY
    )
    with pytest.raises(NotFound):
        await own.act(buying, by=foreign)
    with pytest.raises(NotAllowed):
        await own.act(buying, by=own.program_admin)
    await stop(own, by_purchase_order=False)
    await refused(own.act(buying), VoucherErrorCode.FUNDING_NOT_TAKEN)
    await stop(own, stopped_at=NOON)
    await refused(own.act(buying), VoucherErrorCode.STOPPED)


async def stop(own: Shop, **terms: object) -> None:
    async def step(act: ProgramAct) -> None:
        of_program = VoucherProgram.__table__.c.program_id == own.program_id
        await act.session.execute(update(VoucherProgram).where(of_program).values(**terms))

    await own.act(step)


async def test_only_the_program_approves_rejects_and_settles(database: Database) -> None:
    own = await shop(database)
    order_id = await ordered(own, BY_ORDER)
    for step in (
        partial(approve, keys=CODE_KEYS, order_id=order_id),
        partial(reject, order_id=order_id, why="no"),
        partial(settle, keys=CODE_KEYS, order_id=order_id, payment_reference="w"),
    ):
        with pytest.raises(NotAllowed):
            await own.act(step)
    await own.act(lambda act: reject(act, order_id, "unknown to us"), by=own.program_admin)
    assert (await row_of(own, order_id)).reason == "unknown to us"
    await refused(approved(own, order_id), VoucherErrorCode.WRONG_STATE)
    assert await vouchers(own) == []


async def test_a_declined_card_issues_nothing_and_a_late_yes_is_still_a_yes(database: Database) -> None:
    own = await shop(database)
    order_id = await ordered(own, CARD)
    assert await own.act(lambda act: leave_unknown(act, order_id))
    assert await own.act(lambda act: decline(act, order_id, "insufficient funds"))
    assert not await own.act(lambda act: decline(act, order_id, "again"))
    assert await vouchers(own) == []
    assert await postings(own) == []
    assert await charged(own, order_id)
    assert not await own.act(lambda act: decline(act, order_id, "late"))
    assert len(await vouchers(own)) == 3


async def test_a_cancelled_card_order_gives_its_charge_up_and_is_never_issued(database: Database) -> None:
    own = await shop(database)
    order_id = await ordered(own, CARD)
    await own.act(lambda act: cancel(act, order_id, "changed our mind"))
    assert not await charged(own, order_id)
    assert await vouchers(own) == []
    assert await postings(own) == []


# ------------------------------------------------------------------------------------------ settled once


async def test_settled_by_twenty_at_once_vouchers_are_issued_once(database: Database) -> None:
    own = await shop(database)
    by_card, by_order = await ordered(own, CARD, 5), await ordered(own, BY_ORDER, 5)
    await stop(own, issue_on=IssueOn.SETTLEMENT)
    await approved(own, by_order)
    webhooks = await asyncio.gather(*(charged(own, by_card) for _ in range(CALLERS)))
    people = await asyncio.gather(*(settled(own, by_order) for _ in range(CALLERS)), return_exceptions=True)
    assert sum(webhooks) == 1
    assert [getattr(one, "code", None) for one in people].count(VoucherErrorCode.WRONG_STATE) == CALLERS - 1
    assert len(await vouchers(own)) == await live_codes(own) == 10
    assert await postings(own) == [("PURCHASE_PAID", "CASH", "VOUCHER_LIABILITY", 5 * FEE_MINOR)] * 2


# -------------------------------------------------------------------------------------------- giving back


async def test_unused_vouchers_are_given_back_and_used_ones_are_not(database: Database) -> None:
    own = await shop(database, refund_policy=RefundPolicy.UNUSED)
    order_id = await ordered(own, CARD)
    await charged(own, order_id)
    used, *unused = await vouchers(own)
    await own.act(lambda act: capture(act, used, 500, forfeits_rest=False))
    await refused(own.act(lambda act: refund(act, order_id, [used, *unused])), VoucherErrorCode.NOT_REFUNDABLE)
    assert len(await vouchers(own)) == 3
    await own.act(lambda act: refund(act, order_id))
    assert await vouchers(own, VoucherStanding.REFUNDED) == unused
    assert await live_codes(own) == 1
    assert (await postings(own))[1:] == [("UNUSED_REFUNDED", "VOUCHER_LIABILITY", "CASH", FEE_MINOR)] * 2
    assert (await row_of(own, order_id)).refunded_minor == 2 * FEE_MINOR
    async with database.reading() as connection:
        asked = (await connection.execute(select(PaymentRefund.__table__))).one()
    assert (asked.amount_minor, asked.state.name) == (2 * FEE_MINOR, "ASKING")


async def test_a_refund_keeps_to_the_policy_the_days_and_the_state(database: Database) -> None:
    own = await shop(database, refund_policy=RefundPolicy.REMAINING)
    order_id = await ordered(own, BY_ORDER)
    await approved(own, order_id)
    giving = partial(refund, order_id=order_id)
    await refused(own.act(giving, by=own.program_admin), VoucherErrorCode.WRONG_STATE)
    await settled(own, order_id)
    with pytest.raises(NotAllowed):
        await own.act(giving)
    await stop(own, refund_days=30)
    late = own.act(giving, by=own.program_admin, at=NOON + dt.timedelta(days=31))
    assert "30 days" in await refused(late, VoucherErrorCode.NOT_REFUNDABLE)
    first, second, _ = await vouchers(own)
    await own.act(lambda act: capture(act, first, 500, forfeits_rest=False))
    in_time = NOON + dt.timedelta(days=30)
    await own.act(partial(refund, order_id=order_id, voucher_ids=[first, second]), by=own.program_admin, at=in_time)
    assert (await row_of(own, order_id)).refunded_minor == 2 * FEE_MINOR - 500
    await stop(own, refund_policy=RefundPolicy.NEVER)
    await refused(own.act(giving, by=own.program_admin), VoucherErrorCode.NOT_REFUNDABLE)


async def test_of_twenty_refunds_at_once_each_voucher_is_given_back_once(database: Database) -> None:
    own = await shop(database)
    order_id = await ordered(own, CARD)
    await charged(own, order_id)
    tries = (own.act(lambda act: refund(act, order_id)) for _ in range(CALLERS))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert done.count(order_id) == 1
    assert (await row_of(own, order_id)).refunded_minor == 3 * FEE_MINOR
    assert [event for event, *_ in await postings(own)].count("UNUSED_REFUNDED") == 3
