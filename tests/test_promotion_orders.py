"""A promotion's budget is bought once, by an order like any other, and given back as far as nobody used it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from functools import partial

import pytest
from sqlalchemy import select

from models.errors import DomainError, NotAllowed, NotFound, VoucherErrorCode
from models.ledger import LedgerEntry, LedgerEvent
from models.money import Money
from models.promotions import Held, PromotionState
from models.voucher_orders import VoucherOrderState
from models.voucher_programs import VoucherFunding
from resolvers.principal import Principal
from resolvers.promotions.stopping import stop_promotion
from resolvers.voucher_orders.approving import approve, reject
from resolvers.voucher_orders.cancelling import cancel
from resolvers.voucher_orders.charging import pay_anew
from resolvers.voucher_orders.ordering import Ordering, order
from resolvers.voucher_orders.refunding import refund
from resolvers.voucher_orders.settling import decline
from server.database import Database
from tests.builders import NOON, organization
from tests.promoting import BUDGET_MINOR, BY_ORDER, CARD, HALF_OFF_MINOR, Promoted, defined, person
from tests.test_invariants import offended
from tests.test_voucher_orders import charged, row_of, settled
from tests.vouchering import Shop, shop

USD = partial(Money, currency="USD")


def of_budget(made: Promoted, funding: VoucherFunding, minor: int = BUDGET_MINOR) -> Ordering:
    return Ordering(
        organization_id=made.shop.tenant.id,
        promotion_id=made.id,
        amount=USD(minor),
        funding=funding,
        purchase_order="PO-77" if funding is BY_ORDER else None,
        gateway="test" if funding is CARD else None,
    )


async def bought(made: Promoted, funding: VoucherFunding = CARD, by: Principal | None = None) -> int:
    """Without any key for codes: a promotion has none."""
    order_id: int = await made.shop.act(lambda act: order(act, None, of_budget(made, funding)), by=by)
    return order_id


async def approved(market: Shop, order_id: int) -> None:
    await market.act(lambda act: approve(act, None, order_id), by=market.program_admin)


async def cancelled(market: Shop, order_id: int) -> None:
    await market.act(lambda act: cancel(act, order_id, "Changed our mind."))


async def ledger(market: Shop) -> Counter[tuple[LedgerEvent, int]]:
    own = LedgerEntry.__table__.c
    async with market.database.reading() as connection:
        rows = (await connection.execute(select(own.event, own.amount_minor, own.promotion_id))).all()
    assert all(row.promotion_id for row in rows)
    return Counter((row.event, row.amount_minor) for row in rows)


async def code_of(deed: object) -> VoucherErrorCode:
    with pytest.raises(DomainError) as refusal:
        await deed  # type: ignore[misc]
    assert isinstance(refusal.value.code, VoucherErrorCode)
    return refusal.value.code


async def test_a_card_pays_for_the_budget_exactly_and_what_nobody_used_goes_back(database: Database) -> None:
    market = await shop(database)
    made, ana = await defined(market), await person(market)
    less = of_budget(made, CARD, BUDGET_MINOR - 1)
    refused = await code_of(market.act(lambda act: order(act, None, less)))
    assert refused is VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL
    order_id = await bought(made)
    assert (await made.row()).state(NOON) is PromotionState.AWAITING_FUNDING
    assert await charged(market, order_id)
    assert not await charged(market, order_id), "the gateway tells it twice"
    assert (await made.row()).state(NOON) is PromotionState.USABLE
    assert await made.hold(ana) is Held.HELD
    left = BUDGET_MINOR - HALF_OFF_MINOR
    assert await code_of(market.act(lambda act: refund(act, order_id, [1]))) is VoucherErrorCode.NOT_REFUNDABLE
    await market.act(lambda act: refund(act, order_id))
    row, paid = await made.row(), await row_of(market, order_id)
    assert (row.remaining_minor, row.refunded_minor, row.state(NOON)) == (HALF_OFF_MINOR, left, PromotionState.STOPPED)
    assert (paid.state, paid.refunded_minor) == (VoucherOrderState.SETTLED, left)
    assert await code_of(market.act(lambda act: refund(act, order_id))) is VoucherErrorCode.NOT_REFUNDABLE
    await made.release(ana)
    await market.act(lambda act: refund(act, order_id))
    assert await ledger(market) == {
        (LedgerEvent.PURCHASE_PAID, BUDGET_MINOR): 1,
        (LedgerEvent.UNUSED_REFUNDED, left): 1,
        (LedgerEvent.UNUSED_REFUNDED, HALF_OFF_MINOR): 1,
    }
    assert await offended(database) == set()


async def test_a_purchase_order_makes_the_budget_usable_when_it_is_approved(database: Database) -> None:
    market = await shop(database)
    made, ana = await defined(market, funding=BY_ORDER), await person(market)
    order_id = await bought(made, BY_ORDER)
    await approved(market, order_id)
    assert await made.hold(ana) is Held.HELD
    assert await code_of(cancelled(market, order_id)) is VoucherErrorCode.IN_USE
    await made.release(ana)
    await cancelled(market, order_id)
    assert await made.hold(ana) is Held.NOT_USABLE
    assert await offended(database) == set()
    again = await bought(made, BY_ORDER)
    await approved(market, again)
    await settled(market, again)
    assert await made.hold(ana) is Held.HELD
    assert await ledger(market) == {
        (LedgerEvent.ORDER_APPROVED, BUDGET_MINOR): 2,
        (LedgerEvent.ORDER_CANCELLED, BUDGET_MINOR): 1,
        (LedgerEvent.ORDER_SETTLED, BUDGET_MINOR): 1,
    }
    await made.release(ana)
    assert await offended(database) == set()


async def test_only_who_pays_for_it_orders_the_budget_and_only_while_no_other_order_does(database: Database) -> None:
    market, other = await shop(database), await organization(database)
    made = await defined(market, funding=BY_ORDER)
    with pytest.raises(NotAllowed):
        await bought(made, BY_ORDER, by=market.program_admin)
    stranger = Principal(name="Sam", role=market.client.role, organization_id=other.id)
    with pytest.raises(NotFound):
        await bought(made, BY_ORDER, by=stranger)
    theirs = Ordering(organization_id=other.id, promotion_id=made.id, amount=USD(BUDGET_MINOR), funding=BY_ORDER)
    with pytest.raises(NotFound):
        await market.act(lambda act: order(act, None, theirs), by=stranger)
    assert await code_of(bought(made, CARD)) is VoucherErrorCode.FUNDING_NOT_TAKEN
    first = await bought(made, BY_ORDER)
    assert await code_of(bought(made, BY_ORDER)) is VoucherErrorCode.WRONG_STATE
    await market.act(lambda act: reject(act, first, "No."), by=market.program_admin)
    second = await bought(made, BY_ORDER)
    await market.act(lambda act: stop_promotion(act, made.id, "Too late."), by=market.program_admin)
    assert await code_of(approved(market, second)) is VoucherErrorCode.WRONG_STATE
    await cancelled(market, second)


async def test_of_many_who_order_one_budget_one_does(database: Database) -> None:
    made = await defined(await shop(database))

    async def outcome() -> str:
        try:
            await bought(made)
        except DomainError as refusal:
            return refusal.code.name
        return "done"

    told = Counter(await asyncio.gather(*(outcome() for _ in range(20))))
    assert told == {"done": 1, "WRONG_STATE": 19}


async def test_money_that_comes_too_late_goes_back(database: Database) -> None:
    """For a promotion that was stopped meanwhile; and by a card that was declined, once another order is to pay."""
    market = await shop(database)
    made = await defined(market)
    first = await bought(made)
    await market.act(lambda act: decline(act, first, "No funds."))
    second = await bought(made)
    assert await code_of(market.act(lambda act: pay_anew(act, None, first, "test"))) is VoucherErrorCode.WRONG_STATE
    assert not await charged(market, first)
    await market.act(lambda act: stop_promotion(act, made.id, "Enough."), by=market.program_admin)
    assert not await charged(market, second)
    states = {(await row_of(market, one)).state for one in (first, second)}
    assert (states, await ledger(market)) == ({VoucherOrderState.CANCELLED}, {})
    assert await offended(database) == set()


async def test_an_ended_promotion_gives_nothing_back(database: Database) -> None:
    market = await shop(database)
    made = await defined(market, usable_through=NOON.date())
    order_id = await bought(made)
    await charged(market, order_id)
    late = (await made.row()).usable_until + dt.timedelta(days=1)
    assert await code_of(market.act(lambda act: refund(act, order_id), at=late)) is VoucherErrorCode.NOT_REFUNDABLE
