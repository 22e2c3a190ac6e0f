"""Cards, against a local Stripe server: charged once, whatever is answered, told or lost on the way."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import stripe
from sqlalchemy import func, select
from starlette.applications import Starlette

from models.ledger import LedgerEntry, LedgerEvent
from models.money import Money
from models.payments import GatewayNotice, Payment, PaymentRefund, PaymentState, RefundState
from models.programs import Program
from models.voucher_orders import VoucherOrder, VoucherOrderState
from models.voucher_programs import VoucherFunding
from models.vouchers import Voucher
from resolvers.gateways.gateway import (
    ActionRequired,
    Answer,
    Asked,
    Charge,
    Declined,
    Gateway,
    Notice,
    Succeeded,
    Unknown,
)
from resolvers.payments.notices import take_notice
from resolvers.payments.reconciling import reconcile
from resolvers.voucher_orders.cancelling import cancel
from resolvers.voucher_orders.charging import charge_order
from resolvers.voucher_orders.ordering import Ordering, order
from schema.context import Context
from schema.ids import encode_id
from schema.root import schema
from server.database import Database
from server.gateways.stripe import NAME, StripeGateway
from server.webhooks import MOST_BYTES, webhook_routes
from tests.builders import STAFF
from tests.code_keys import CODE_KEYS
from tests.local_stripe import (
    CONFIRMED_CARD,
    DECLINED_CARD,
    GOOD_CARD,
    SECRET_KEY,
    LocalStripe,
    Swallowing,
    free_port,
    running_stripe,
)
from tests.vouchering import FEE_MINOR, Shop, shop

CALLERS = 20
WEBHOOK_SECRET = "whsec_countersign"
TWO = Money(2 * FEE_MINOR, "USD")
MINUTES = dt.timedelta(minutes=1)
Order, Pay = VoucherOrderState, PaymentState


@pytest.fixture(scope="session")
def local_stripe() -> Iterator[LocalStripe]:
    with running_stripe() as running:
        yield running


@pytest.fixture
def gateway(local_stripe: LocalStripe) -> Iterator[StripeGateway]:
    own = StripeGateway(SECRET_KEY, WEBHOOK_SECRET, local_stripe.url)
    yield own
    own.close()


@dataclass
class Till:
    """An order of two vouchers that waits for its card."""

    shop: Shop
    order_id: int

    async def charge(self, gateway: Gateway, method: str) -> Answer | None:
        own = self.shop
        return await charge_order(
            own.database.run, gateway, CODE_KEYS, own.client, own.now, own.program_id, self.order_id, method
        )

    async def reconcile(self, gateway: Gateway, minutes: int) -> None:
        own = self.shop
        later = own.now + minutes * MINUTES
        await reconcile(own.database.reading, own.database.run, {NAME: gateway}, CODE_KEYS, STAFF, later)

    async def row(self, table: Any, *where: Any) -> Any:
        async with self.shop.database.reading() as connection:
            return (await connection.execute(select(table.__table__).where(*where))).one()

    async def states(self) -> tuple[VoucherOrderState, PaymentState]:
        return (await self.row(VoucherOrder)).state, (await self.row(Payment)).state

    async def reference(self) -> str:
        return str((await self.row(Payment)).reference)

    async def count(self, table: Any, *where: Any) -> int:
        async with self.shop.database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(table).where(*where)) or 0

    async def is_settled_once(self) -> bool:
        paid = await self.count(LedgerEntry, LedgerEntry.event == LedgerEvent.PURCHASE_PAID)
        return (await self.states(), paid, await self.count(Voucher)) == ((Order.SETTLED, Pay.SUCCEEDED), 1, 2)


async def till(database: Database) -> Till:
    own = await shop(database)
    wanted = Ordering(
        organization_id=own.tenant.id,
        voucher_program_id=own.voucher_program_id,
        quantity=2,
        amount=TWO,
        funding=VoucherFunding.CARD,
        gateway=NAME,
    )
    return Till(own, await own.act(lambda act: order(act, CODE_KEYS, wanted)))


async def test_a_card_is_charged_once_and_the_order_settled(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await till(sqlite_database)
    method = local_stripe.method(GOOD_CARD)
    answers = await asyncio.gather(*(own.charge(gateway, method) for _ in range(5)))
    assert [type(answer) for answer in answers if answer] == [Succeeded]
    assert await own.is_settled_once()
    assert local_stripe.charged(await own.reference()) == 1


async def test_a_declined_card_issues_nothing(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await till(sqlite_database)
    answer = await own.charge(gateway, local_stripe.method(DECLINED_CARD))
    assert answer == Declined("Your card was declined.")
    assert await own.states() == (Order.DECLINED, Pay.DECLINED)
    assert await own.count(Voucher) == await own.count(LedgerEntry) == 0


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_card_that_its_owner_must_confirm_is_settled_only_then(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway, confirmed: bool
) -> None:
    own = await till(sqlite_database)
    answer = await own.charge(gateway, local_stripe.method(CONFIRMED_CARD))
    assert isinstance(answer, ActionRequired)
    assert answer.client_secret not in repr(answer)
    assert await own.states() == (Order.AWAITING_PAYMENT, Pay.ACTION_REQUIRED)
    local_stripe.authenticate(answer.gateway_reference, answer.client_secret, success=confirmed)
    await own.reconcile(gateway, minutes=60)
    assert await own.states() == (Order.AWAITING_PAYMENT, Pay.ACTION_REQUIRED)
    await own.reconcile(gateway, minutes=60 * 25)
    assert await own.is_settled_once() is confirmed
    assert (await own.states())[0] is (Order.SETTLED if confirmed else Order.DECLINED)


async def test_a_card_that_nobody_confirms_is_given_up_after_a_day_at_the_gateway_too(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await till(sqlite_database)
    answer = await own.charge(gateway, local_stripe.method(CONFIRMED_CARD))
    assert isinstance(answer, ActionRequired)
    for _ in range(2):
        await own.reconcile(gateway, minutes=60 * 25)
        assert await own.states() == (Order.DECLINED, Pay.DECLINED)
    with pytest.raises(httpx.HTTPStatusError):
        local_stripe.authenticate(answer.gateway_reference, answer.client_secret, success=True)


async def test_a_gateway_that_is_away_leaves_the_payment_unknown_until_it_is_sure_that_nothing_was_charged(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await till(sqlite_database)
    method, away = local_stripe.method(GOOD_CARD), StripeGateway(SECRET_KEY, None, f"http://127.0.0.1:{free_port()}")
    assert isinstance(await own.charge(away, method), Unknown)
    assert await own.states() == (Order.PAYMENT_UNKNOWN, Pay.UNKNOWN)
    # Nothing is asked a second time.
    assert await own.charge(gateway, method) is None
    for minutes, then in ((2, (Order.PAYMENT_UNKNOWN, Pay.UNKNOWN)), (20, (Order.DECLINED, Pay.CANCELLED))):
        await own.reconcile(gateway, minutes)
        assert await own.states() == then
    assert local_stripe.charged(await own.reference()) == 0
    away.close()


async def test_an_answer_that_was_lost_is_found_at_the_gateway_and_settles_once(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await till(sqlite_database)
    async with Swallowing(local_stripe.url) as proxy:
        hasty = StripeGateway(SECRET_KEY, None, proxy.url, answer_seconds=0.7)
        assert isinstance(await own.charge(hasty, local_stripe.method(GOOD_CARD)), Unknown)
        await proxy.swallowed.acquire()
        hasty.close()
    assert await own.states() == (Order.PAYMENT_UNKNOWN, Pay.UNKNOWN)
    await asyncio.gather(*(own.reconcile(gateway, minutes=2) for _ in range(4)))
    assert await own.is_settled_once()
    assert local_stripe.charged(await own.reference()) == 1


async def test_a_charge_that_succeeds_after_its_order_was_cancelled_is_given_back_once(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    own = await till(sqlite_database)
    answer = await own.charge(gateway, local_stripe.method(CONFIRMED_CARD))
    assert isinstance(answer, ActionRequired)
    await own.shop.act(lambda act: cancel(act, own.order_id, "bought elsewhere"))
    local_stripe.authenticate(answer.gateway_reference, answer.client_secret, success=True)
    told = Notice(id="evt_1", kind="x", gateway_reference=answer.gateway_reference, reference=await own.reference())
    told = replace(told, answer=Succeeded(answer.gateway_reference, TWO))
    await tell(own, told)
    assert await own.states() == (Order.CANCELLED, Pay.SUCCEEDED)
    assert (await own.row(PaymentRefund)).state is RefundState.ASKING
    await asyncio.gather(*(own.reconcile(gateway, minutes=1) for _ in range(4)))
    given_back = await own.row(PaymentRefund)
    assert (given_back.state, given_back.amount_minor) == (RefundState.SUCCEEDED, TWO.amount_minor)
    assert local_stripe.refunded(given_back.reference) == TWO.amount_minor
    assert await own.count(Voucher) == 0


async def tell(own: Till, notice: Notice) -> bool:
    slug = (await own.row(Program)).slug
    return await own.shop.database.run(
        lambda session: take_notice(session, CODE_KEYS, own.shop.now, slug, NAME, notice)
    )


async def test_notices_that_come_many_times_at_once_settle_once(database: Database) -> None:
    """With ids of their own as well: the gateway may tell the same thing in several notices. And before its answer."""
    own = await till(database)
    told = Notice(
        id="evt_1",
        kind="payment_intent.succeeded",
        gateway_reference="pi_1",
        reference=await own.reference(),
        answer=Succeeded("pi_1", TWO),
    )
    notices = [told] * CALLERS + [replace(told, id=f"evt_{number}") for number in range(2, 5)]
    assert sum(await asyncio.gather(*(tell(own, notice) for notice in notices))) == 4
    assert await own.is_settled_once()
    late = replace(told, id="evt_late", answer=Declined("declined before", "pi_1"))
    assert await tell(own, late)
    assert await own.is_settled_once()
    assert await own.count(PaymentRefund) == 0


@pytest.fixture
async def teller(sqlite_database: Database, gateway: StripeGateway) -> AsyncIterator[httpx.AsyncClient]:
    routes = webhook_routes(sqlite_database, {NAME: gateway}, CODE_KEYS, lambda: dt.datetime.now(dt.UTC))
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://countersign.test") as client:
        yield client


def signed(body: str, secret: str = WEBHOOK_SECRET, seconds_ago: int = 0) -> dict[str, str]:
    at = int(dt.datetime.now(dt.UTC).timestamp()) - seconds_ago
    return {"stripe-signature": stripe.WebhookSignature.generate_signature_header(body, secret, at)}


async def test_only_what_the_gateway_signed_is_believed(sqlite_database: Database, teller: httpx.AsyncClient) -> None:
    own = await till(sqlite_database)
    address = f"/webhooks/stripe/{(await own.row(Program)).slug}"
    intent = {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 25_000, "currency": "usd"}
    intent["metadata"] = {"reference": await own.reference()}
    body = json.dumps({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": intent}})
    refused = [signed(body, "whsec_another"), signed(body, seconds_ago=3_600), signed(body + " "), {}]
    for headers in refused:
        assert (await teller.post(address, content=body, headers=headers)).status_code == 400
    assert (await teller.post(address, content=b"\xff", headers=signed(body))).status_code == 400
    assert (await teller.post(address, content=b" " * (MOST_BYTES + 1))).status_code == 413
    assert (await teller.post("/webhooks/stripe/nowhere", content=body, headers=signed(body))).status_code == 404
    assert await own.count(GatewayNotice) == 0
    for _ in range(2):
        assert (await teller.post(address, content=body, headers=signed(body))).status_code == 200
    assert await own.is_settled_once()
    assert await own.count(GatewayNotice) == 1


async def test_a_charge_is_found_behind_many_others(local_stripe: LocalStripe, gateway: StripeGateway) -> None:
    method, now = local_stripe.method(GOOD_CARD), dt.datetime.now(dt.UTC)
    charge = Charge(reference="", amount=TWO, payment_method=method)
    await asyncio.gather(*(gateway.charge(replace(charge, reference=f"many_{number}")) for number in range(110)))
    answer = await gateway.charge(replace(charge, reference="wanted"))
    assert await gateway.look_up(Asked(reference="wanted", asked_at=now)) == answer


PURCHASE = """mutation ($by: ID!, $terms: ID!, $card: String!, $key: String!) {
  voucherPurchase(input: {organization: {id: $by}, voucherProgram: $terms, quantity: 2, idempotencyKey: $key,
    amount: {amount: "250.00", currency: "USD"}, payment: {card: {paymentMethod: $card}}}) {
    order { state } clientSecret userErrors { code }
  }
}"""


async def test_a_portal_buys_by_card(
    sqlite_database: Database, local_stripe: LocalStripe, gateway: StripeGateway
) -> None:
    """The same request again changes nothing; a declined card is told as such; a confirmation is asked for once."""
    own = await shop(sqlite_database)
    terms = encode_id("VoucherProgram", own.program_id, own.voucher_program_id)

    async def buy(card: str, key: str) -> tuple[str, bool, list[str]]:
        context = Context(own.client, own.now, own.database.reading, own.database.run, code_keys=CODE_KEYS)
        context.gateways = {NAME: gateway}
        given = {"by": encode_id("Organization", own.tenant.id), "terms": terms, "card": card, "key": key}
        result = await schema.execute(PURCHASE, variable_values=given, context_value=context)
        assert result.errors is None
        assert result.data is not None
        answer = result.data["voucherPurchase"]
        codes = [error["code"] for error in answer["userErrors"]]
        return answer["order"]["state"], answer["clientSecret"] is not None, codes

    good = local_stripe.method(GOOD_CARD)
    assert [await buy(good, "one"), await buy(good, "one")] == [("SETTLED", False, [])] * 2
    assert await buy(local_stripe.method(DECLINED_CARD), "two") == ("DECLINED", False, ["CARD_DECLINED"])
    confirmed = local_stripe.method(CONFIRMED_CARD)
    assert await buy(confirmed, "three") == ("AWAITING_PAYMENT", True, [])
    assert (await buy(confirmed, "three"))[1] is False
