"""Payments of whatever is paid for: another card, refunds that a gateway refuses, and money by hand."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import func, select, text

from models.errors import NotAllowed, NotFound, VoucherError
from models.ledger import LedgerAccount
from models.money import Money
from models.payments import Capabilities, Payment, PaymentRefund, PaymentState, RefundState
from models.program_events import ProgramDeed, ProgramEvent
from models.programs import Program
from models.voucher_orders import VoucherOrder, VoucherOrderState
from models.voucher_programs import VoucherFunding
from models.vouchers import Voucher
from resolvers.gateways.gateway import (
    Answer,
    Asked,
    BadNotice,
    Capture,
    Charge,
    Declined,
    GivenBack,
    Notice,
    NotThere,
    Refund,
    RefundAnswer,
    Succeeded,
    Void,
    VoidAnswer,
)
from resolvers.ledger.reporting import trial_balance
from resolvers.payments.notices import take_notice
from resolvers.payments.reconciling import reconcile
from resolvers.payments.recording import record_given_back, record_paid
from resolvers.payments.refunds import retry_refund
from resolvers.voucher_orders.cancelling import cancel
from resolvers.voucher_orders.charging import charge_order, pay_anew
from resolvers.voucher_orders.ordering import Ordering, order
from resolvers.voucher_orders.refunding import refund
from server.database import Database
from server.gateways.known import MANUAL, Manual
from tests.builders import STAFF
from tests.code_keys import CODE_KEYS
from tests.test_invariants import offended
from tests.vouchering import FEE_MINOR, Shop, shop

CALLERS = 20
TWO = Money(2 * FEE_MINOR, "USD")
Order, Pay = VoucherOrderState, PaymentState
CASH, PAYABLE = LedgerAccount.CASH, LedgerAccount.REFUNDS_PAYABLE


@dataclass
class Scripted:
    """A gateway that answers as a test says, and remembers what it did."""

    name: str = "scripted"
    declines: str | None = None
    refuses: str | None = None
    charged: dict[str, Money] = field(default_factory=dict)
    given_back: dict[str, Money] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(name=self.name, takes_vouchers=True, hosted_page=False, refunds=True, partial_refunds=True)

    async def charge(self, charge: Charge) -> Answer:
        if self.declines:
            return Declined(self.declines)
        self.charged[charge.reference] = charge.amount
        return Succeeded(f"at the gateway {charge.reference}", charge.amount)

    async def authorise(self, charge: Charge) -> Answer:
        return Declined("not here")

    async def capture(self, capture: Capture) -> Answer:
        return Declined("not here")

    async def void(self, void: Void) -> VoidAnswer:
        return Declined("not here")

    async def look_up(self, asked: Asked) -> Answer | NotThere:
        amount = self.charged.get(asked.reference)
        return Succeeded(f"at the gateway {asked.reference}", amount) if amount else NotThere()

    async def refund(self, refund: Refund) -> RefundAnswer:
        if self.refuses:
            self.refused[refund.reference] = self.refuses
            return Declined(self.refuses)
        self.given_back[refund.reference] = refund.amount
        return GivenBack(refund.reference)

    async def look_up_refund(self, asked: Asked, charged: str) -> RefundAnswer | NotThere:
        return GivenBack(asked.reference) if asked.reference in self.given_back else NotThere()

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        raise BadNotice("it tells nothing")


@dataclass
class Till:
    """An order of two vouchers by card."""

    shop: Shop
    order_id: int
    gateway: Scripted

    async def charge(self) -> Answer | None:
        own = self.shop
        about = (own.client, own.now, own.program_id, self.order_id, "pm")
        return await charge_order(own.database.run, self.gateway, CODE_KEYS, *about)

    async def again(self, by: Any = None) -> Any:
        return await self.shop.act(lambda act: pay_anew(act, CODE_KEYS, self.order_id, self.gateway.name), by=by)

    async def reconcile(self, minutes: int = 1) -> None:
        own = self.shop
        later = own.now + minutes * dt.timedelta(minutes=1)
        await reconcile(
            own.database.reading, own.database.run, {self.gateway.name: self.gateway}, CODE_KEYS, STAFF, later
        )

    async def rows(self, table: Any) -> list[Any]:
        async with self.shop.database.reading() as connection:
            return list(await connection.execute(select(table.__table__).order_by(table.__table__.c.id)))

    async def count(self, table: Any, *where: Any) -> int:
        async with self.shop.database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(table).where(*where)) or 0

    async def states(self) -> tuple[VoucherOrderState, list[PaymentState]]:
        payments = [payment.state for payment in await self.rows(Payment)]
        return (await self.rows(VoucherOrder))[0].state, sorted(payments, key=list(Pay).index)

    async def payment(self, state: PaymentState) -> Any:
        (found,) = [payment for payment in await self.rows(Payment) if payment.state is state]
        return found

    async def balances(self) -> dict[LedgerAccount, int]:
        """Of what the program has and owes; a liability is negative."""
        async with self.shop.database.reading() as connection:
            balances = await trial_balance(connection, self.shop.program_id)
        return {one.account: one.balance.amount_minor for one in balances if one.balance.amount_minor}

    async def told(self, deed: ProgramDeed) -> int:
        return await self.count(ProgramEvent, ProgramEvent.deed == deed)


async def till(database: Database, gateway: str = "scripted", **how: Any) -> Till:
    own = await shop(database)
    wanted = Ordering(
        organization_id=own.tenant.id,
        voucher_program_id=own.voucher_program_id,
        quantity=2,
        amount=TWO,
        funding=VoucherFunding.CARD,
        gateway=gateway,
    )
    return Till(own, await own.act(lambda act: order(act, CODE_KEYS, wanted)), Scripted(gateway, **how))


# -------------------------------------------------------------------------------------------- another card


async def test_an_order_whose_card_was_declined_is_paid_with_another(database: Database) -> None:
    """Of many at once one starts another payment."""
    own = await till(database, declines="no funds")
    assert await own.charge() == Declined("no funds")
    own.gateway.declines = None
    outcomes = await asyncio.gather(*(own.again() for _ in range(CALLERS)), return_exceptions=True)
    assert Counter(type(one) for one in outcomes) == {int: 1, VoucherError: CALLERS - 1}
    assert await own.states() == (Order.AWAITING_PAYMENT, [Pay.ASKING, Pay.DECLINED])
    await asyncio.gather(*(own.charge() for _ in range(CALLERS)))
    assert await own.states() == (Order.SETTLED, [Pay.SUCCEEDED, Pay.DECLINED])
    assert list(own.gateway.charged.values()) == [TWO]
    assert await own.balances() == {CASH: TWO.amount_minor, LedgerAccount.VOUCHER_LIABILITY: -TWO.amount_minor}
    with pytest.raises(VoucherError, match="SETTLED"):
        await own.again()


async def test_who_pays_anew_is_who_ordered(sqlite_database: Database) -> None:
    own = await till(sqlite_database, declines="no funds")
    await own.charge()
    other = replace(own.shop.client, organization_id=own.shop.tenant.id + 1)
    with pytest.raises(NotFound):
        await own.again(by=other)
    with pytest.raises(NotAllowed):
        await own.again(by=own.shop.program_admin)
    assert await own.states() == (Order.DECLINED, [Pay.DECLINED])


@pytest.mark.parametrize("asked", [True, False])
async def test_money_of_the_first_card_that_comes_after_all_is_kept_once(
    sqlite_database: Database, asked: bool
) -> None:
    """Declined, and charged all the same, while another card is tried: the second is not asked for, or goes back."""
    own = await till(sqlite_database, declines="no funds")
    await own.charge()
    own.gateway.declines = None
    await own.again()
    first = await own.payment(Pay.DECLINED)
    late = Notice(id="late", kind="x", gateway_reference="g", reference=first.reference, answer=Succeeded("g", TWO))
    slug = (await own.rows(Program))[0].slug
    if asked:
        await own.charge()
    run, name, now = own.shop.database.run, own.gateway.name, own.shop.now
    assert await run(lambda session: take_notice(session, CODE_KEYS, now, slug, name, late))
    assert await own.charge() is None
    await own.reconcile()
    second = Pay.SUCCEEDED if asked else Pay.CANCELLED
    assert await own.states() == (Order.SETTLED, [Pay.SUCCEEDED, second])
    assert (await own.count(Voucher), len(own.gateway.given_back)) == (2, 1 if asked else 0)
    assert await offended(sqlite_database) == set()


# -------------------------------------------------------------------------------------- refunds that are refused


async def refused(database: Database) -> Till:
    """Both vouchers were given up, and the gateway does not give the money back."""
    own = await till(database, refuses="the card is closed")
    await own.charge()
    await own.shop.act(lambda act: refund(act, own.order_id))
    await own.reconcile()
    return own


async def test_what_a_gateway_refuses_to_give_back_is_owed_until_another_try_gives_it_back(database: Database) -> None:
    own = await refused(database)
    assert await own.balances() == {CASH: TWO.amount_minor, PAYABLE: -TWO.amount_minor}
    (first,) = await own.rows(PaymentRefund)
    assert (first.state, first.failure) == (RefundState.FAILED, "the card is closed")
    assert await own.told(ProgramDeed.REFUND_REFUSED) == 1
    again = [own.shop.act(lambda act: retry_refund(act, first.id), by=own.shop.program_admin) for _ in range(CALLERS)]
    outcomes = await asyncio.gather(*again, return_exceptions=True)
    assert Counter(isinstance(one, int) for one in outcomes)[True] == 1
    # Refused again it is owed still, and no more than before.
    await own.reconcile()
    (second,) = [one for one in await own.rows(PaymentRefund) if one.retries_id == first.id]
    assert (second.state, await own.balances()) == (
        RefundState.FAILED,
        {CASH: TWO.amount_minor, PAYABLE: -TWO.amount_minor},
    )
    own.gateway.refuses = None
    await own.shop.act(lambda act: retry_refund(act, second.id), by=STAFF)
    await asyncio.gather(*(own.reconcile() for _ in range(4)))
    assert (await own.balances(), list(own.gateway.given_back.values())) == ({}, [TWO])
    references = {one.reference for one in await own.rows(PaymentRefund)}
    assert (len(references), await own.told(ProgramDeed.REFUND_MADE_GOOD)) == (3, 1)
    assert await offended(database) == set()


async def test_only_who_runs_the_program_asks_again_and_only_what_was_refused(sqlite_database: Database) -> None:
    own = await refused(sqlite_database)
    (first,) = await own.rows(PaymentRefund)
    with pytest.raises(NotFound):
        await own.shop.act(lambda act: retry_refund(act, first.id))
    key = await own.shop.act(lambda act: record_given_back(act, first.id, "cheque 7"), by=own.shop.program_admin)
    assert (await own.balances(), own.gateway.given_back) == ({}, {})
    for done in (first.id, key):
        with pytest.raises(VoucherError):
            await own.shop.act(lambda act, done=done: retry_refund(act, done), by=STAFF)
    await own.reconcile(60)
    assert (await own.balances(), own.gateway.given_back) == ({}, {})
    assert await offended(sqlite_database) == set()


async def test_money_that_came_too_late_and_cannot_go_back_is_in_the_ledger(sqlite_database: Database) -> None:
    """Of a cancelled order nothing was posted; the money is here all the same, and owed."""
    own = await till(sqlite_database, declines="no funds", refuses="no")
    await own.charge()
    own.gateway.declines = None
    await own.again()
    second = await own.payment(Pay.ASKING)
    await own.shop.act(lambda act: cancel(act, own.order_id, "bought elsewhere"))
    late = Notice(id="late", kind="x", gateway_reference="g", reference=second.reference, answer=Succeeded("g", TWO))
    slug, run, now = (await own.rows(Program))[0].slug, own.shop.database.run, own.shop.now
    await run(lambda session: take_notice(session, CODE_KEYS, now, slug, own.gateway.name, late))
    assert await own.balances() == {}
    await own.reconcile()
    assert await own.balances() == {CASH: TWO.amount_minor, PAYABLE: -TWO.amount_minor}
    assert await offended(sqlite_database) == set()


HARM = {
    "payment-refunds": "UPDATE payment SET amount_minor = amount_minor - 1",
    "refunds-payable": "UPDATE payment_refund SET state = 'ASKING'",
    "payment-once": "INSERT INTO payment (program_id, id, voucher_order_id, gateway, reference, amount_minor, currency,"
    " state, asked_at) SELECT program_id, id + number, voucher_order_id, gateway, reference || number, amount_minor,"
    " currency, 'SUCCEEDED', asked_at FROM payment, (SELECT 1000000 AS number UNION SELECT 2000000) AS numbers",
}


@pytest.mark.parametrize("name", HARM)
async def test_a_broken_invariant_of_payments_is_seen(sqlite_database: Database, name: str) -> None:
    own = await refused(sqlite_database)
    own.gateway.refuses = None
    if name == "payment-refunds":
        (first,) = await own.rows(PaymentRefund)
        await own.shop.act(lambda act: retry_refund(act, first.id), by=STAFF)
    assert await offended(sqlite_database) == set()
    await sqlite_database.run(lambda session: session.execute(text(HARM[name])))
    assert name in await offended(sqlite_database)


# --------------------------------------------------------------------------------------------- money by hand


async def test_money_by_hand_is_recorded_once_by_who_runs_the_program(sqlite_database: Database) -> None:
    own = await till(sqlite_database, MANUAL.name)
    desk, run, now = Manual(MANUAL), own.shop.database.run, own.shop.now
    await charge_order(run, desk, CODE_KEYS, own.shop.client, now, own.shop.program_id, own.order_id, "")
    assert await own.states() == (Order.AWAITING_PAYMENT, [Pay.ACTION_REQUIRED])
    later = now + dt.timedelta(days=30)
    await reconcile(own.shop.database.reading, run, {MANUAL.name: desk}, CODE_KEYS, STAFF, later)
    (payment,) = await own.rows(Payment)

    async def record(amount: Money, by: Any = own.shop.program_admin) -> Any:
        by_hand = (MANUAL.name,)
        return await own.shop.act(
            lambda act: record_paid(act, CODE_KEYS, by_hand, payment.id, amount, "cheque 9"), by=by
        )

    with pytest.raises(NotFound):
        await record(TWO, own.shop.client)
    with pytest.raises(VoucherError, match=r"250\.00 is to be paid, not"):
        await record(Money(TWO.amount_minor - 1, "USD"))
    outcomes = await asyncio.gather(*(record(TWO) for _ in range(5)), return_exceptions=True)
    assert Counter(isinstance(one, int) for one in outcomes)[True] == 1
    assert await own.states() == (Order.SETTLED, [Pay.SUCCEEDED])
    assert await own.count(Voucher) == 2
