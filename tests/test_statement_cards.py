"""Statements paid by card, against a local Stripe server: charged once, or the money goes back."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from models.payments import Payment, PaymentRefund, PaymentState, RefundState
from models.statements import Statement, StatementState
from resolvers.payments.reconciling import reconcile
from server.database import Database
from server.gateways.stripe import NAME, StripeGateway
from tests.builders import STAFF
from tests.code_keys import CODE_KEYS
from tests.local_stripe import (
    CONFIRMED_CARD,
    DECLINED_CARD,
    GOOD_CARD,
    SECRET_KEY,
    LocalStripe,
    Swallowing,
    running_stripe,
)
from tests.stating import CLOSED, SEPTEMBER, Account, account
from tests.test_invariants import offended
from tests.test_statement_api import PAY

CHARGE = """mutation ($input: VoucherStatementChargeInput!) { voucherStatementCharge(input: $input) {
  statement { state charges { state failure refunds { state } } } clientSecret pageUrl
  userErrors { field message code } } }"""
MINUTES = dt.timedelta(minutes=1)


@pytest.fixture(scope="module")
def local_stripe() -> Iterator[LocalStripe]:
    with running_stripe() as running:
        yield running


@pytest.fixture
def gateway(local_stripe: LocalStripe) -> Iterator[StripeGateway]:
    own = StripeGateway(SECRET_KEY, None, local_stripe.url)
    yield own
    own.close()


@dataclass
class Due:
    """A statement of two fees that is due, and the gateway that charges for it."""

    account: Account
    id: str
    gateway: StripeGateway

    async def charge(self, method: str, key: str, amount: str = "250.00", **how: Any) -> tuple[str, list[str]]:
        """The statement's state, and the codes of the refusals."""
        answer = await self.asked(method, key, amount, **how)
        codes = [error["code"] for error in answer["userErrors"]]
        return answer["statement"]["state"] if answer["statement"] else "", codes

    async def asked(
        self, method: str, key: str, amount: str = "250.00", gateway: StripeGateway | None = None
    ) -> dict[str, Any]:
        given = {"statement": self.id, "amount": {"amount": amount, "currency": "USD"}, "idempotencyKey": key}
        gateways = {NAME: gateway or self.gateway}
        answer = await self.account.ask(
            CHARGE, self.account.market.client, gateways, input=given | {"paymentMethod": method}
        )
        assert answer.errors == []
        found: dict[str, Any] = answer.data["voucherStatementCharge"]
        return found

    async def wired(self) -> list[str]:
        given = {"statement": self.id, "amount": {"amount": "250.00", "currency": "USD"}, "idempotencyKey": "w"}
        asked = given | {"paymentReference": "wire 7"}
        answer = await self.account.ask(PAY, self.account.market.program_admin, input=asked)
        return [error["code"] for error in answer.data["voucherStatementPay"]["userErrors"]]

    async def reconcile(self, minutes: int) -> None:
        database = self.account.market.database
        later = CLOSED + minutes * MINUTES
        await reconcile(database.reading, database.run, {NAME: self.gateway}, CODE_KEYS, STAFF, later)

    async def states(self) -> tuple[StatementState, list[PaymentState]]:
        async with self.account.market.database.reading() as connection:
            statement = (await connection.execute(select(Statement.state))).scalar_one()
            payments = await connection.execute(select(Payment.state).order_by(Payment.asked_at, Payment.id))
            return statement, sorted(payments.scalars(), key=lambda state: state.name)

    async def references(self) -> list[str]:
        async with self.account.market.database.reading() as connection:
            return list((await connection.execute(select(Payment.reference))).scalars())

    async def owed(self) -> int:
        async with self.account.market.database.reading() as connection:
            rows = await connection.execute(select(PaymentRefund.amount_minor, PaymentRefund.state))
            return sum(row.amount_minor for row in rows if row.state is RefundState.SUCCEEDED)


async def due(database: Database, gateway: StripeGateway) -> Due:
    own = await account(database)
    await own.redeems("2017-09-10T12:00", "2017-09-11T12:00")
    return Due(own, await own.closes(SEPTEMBER), gateway)


async def test_a_card_pays_a_statement_once_however_often_it_is_asked(
    database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await due(database, gateway)
    method = local_stripe.method(GOOD_CARD)
    assert await own.charge(method, "a", "249.99") == ("", ["AMOUNT_MUST_EQUAL_TOTAL"])
    answers = await asyncio.gather(
        *(own.charge(method, "b") for _ in range(3)), *(own.charge(method, f"c{n}") for n in range(3))
    )
    assert {state for state, codes in answers if not codes} == {"PAID"}
    assert {code for _, codes in answers for code in codes} <= {"REQUEST_IN_FLIGHT", "WRONG_STATE"}
    assert [local_stripe.charged(reference) for reference in await own.references()] == [1]
    assert await own.states() == (StatementState.PAID, [PaymentState.SUCCEEDED])
    assert await own.charge(method, "d") == ("", ["WRONG_STATE"])
    assert await own.wired() == ["WRONG_STATE"]
    assert await offended(database) == set()


async def test_a_declined_card_leaves_it_due_for_another(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await due(sqlite_database, gateway)
    declined = local_stripe.method(DECLINED_CARD)
    # The same request again is told the same, and asks nothing.
    assert [await own.charge(declined, "a"), await own.charge(declined, "a")] == [("DUE", ["CARD_DECLINED"])] * 2
    assert len(await own.references()) == 1
    assert await own.charge(local_stripe.method(GOOD_CARD), "b") == ("PAID", [])
    assert await own.states() == (StatementState.PAID, [PaymentState.DECLINED, PaymentState.SUCCEEDED])
    assert await offended(sqlite_database) == set()


async def test_a_lost_answer_is_looked_up_before_anything_is_tried_again(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await due(sqlite_database, gateway)
    method = local_stripe.method(GOOD_CARD)
    async with Swallowing(local_stripe.url) as proxy:
        hasty = StripeGateway(SECRET_KEY, None, proxy.url, answer_seconds=0.7)
        assert await own.charge(method, "a", gateway=hasty) == ("PAYMENT_UNKNOWN", [])
        await proxy.swallowed.acquire()
        hasty.close()
    assert await own.charge(method, "b") == ("", ["WRONG_STATE"])
    assert await own.wired() == ["WRONG_STATE"]
    await asyncio.gather(*(own.reconcile(minutes=2) for _ in range(3)))
    assert await own.states() == (StatementState.PAID, [PaymentState.SUCCEEDED])
    assert [local_stripe.charged(reference) for reference in await own.references()] == [1]
    assert await offended(sqlite_database) == set()


async def test_what_a_card_pays_after_a_wire_goes_back(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    """Its owner confirms the charge when the money is there already."""
    own = await due(sqlite_database, gateway)
    answer = await own.asked(local_stripe.method(CONFIRMED_CARD), "a")
    assert (answer["statement"]["state"], answer["userErrors"]) == ("DUE", [])
    secret = answer["clientSecret"]
    assert await own.wired() == []
    local_stripe.authenticate(secret.split("_secret_")[0], secret, success=True)
    for minutes in (60 * 25, 60 * 25 + 1):
        await own.reconcile(minutes)
    assert await own.states() == (StatementState.PAID, [PaymentState.SUCCEEDED])
    assert await own.owed() == 25_000
    assert await offended(sqlite_database) == set()


async def test_a_card_that_waits_for_its_owner_is_given_up_for_another(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await due(sqlite_database, gateway)
    assert (await own.asked(local_stripe.method(CONFIRMED_CARD), "a"))["clientSecret"]
    assert await own.charge(local_stripe.method(GOOD_CARD), "b") == ("PAID", [])
    assert await own.states() == (StatementState.PAID, [PaymentState.CANCELLED, PaymentState.SUCCEEDED])
