"""Carts completed through real gateways' protocols: Stripe's SDK, and a hosted page; each against a local one."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import stripe
from pydantic import SecretStr
from sqlalchemy import func, select
from starlette.applications import Starlette

from models.payments import GatewayNotice, Payment, PaymentRefund, RefundState
from models.programs import Program
from models.redemptions import FeeOrder
from resolvers.gateways.gateway import Gateway
from resolvers.payments.reconciling import reconcile
from server.database import Database
from server.gateways.payflow import NAME as PAYFLOW
from server.gateways.payflow import Account, PayflowGateway
from server.gateways.stripe import NAME as STRIPE
from server.gateways.stripe import StripeGateway
from server.webhooks import webhook_routes
from tests import local_payflow
from tests.builders import MINUTE, STAFF
from tests.code_keys import CODE_KEYS
from tests.local_payflow import LocalPayflow, running_payflow
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
from tests.shopping import Market, Window, market, window
from tests.test_invariants import offended
from tests.test_payflow import listening

WEBHOOK_SECRET = "whsec_countersign"


@dataclass
class Till:
    """Somebody with a voucher of 100 dollars on a cart of 125, and the gateway that charges the rest."""

    market: Market
    me: Window
    gateway: Any
    voucher_id: int
    slug: str = ""
    ours: str = ""

    async def rows(self, table: Any) -> list[Any]:
        async with self.market.shop.database.reading() as connection:
            return list((await connection.execute(select(table.__table__))).all())

    async def count(self, table: Any) -> int:
        async with self.market.shop.database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(table)) or 0

    async def reference(self) -> str:
        (payment,) = await self.rows(Payment)
        return str(payment.reference)

    async def reconciles(self, minutes: int) -> None:
        shop = self.market.shop
        later = shop.now + minutes * dt.timedelta(minutes=1)
        await reconcile(shop.database.reading, shop.database.run, self.market.gateways, CODE_KEYS, STAFF, later)

    async def cart(self) -> tuple[str, str]:
        """Where it stands, and what is due."""
        query = "query ($id: ID!) { cart(id: $id) { id version state due { amount } checkout { id state } } }"
        seen = (await self.market.asked(self.me.buyer.principal, query, id=self.me.cart["id"]))["cart"]
        self.me.cart = {**self.me.cart, **seen}
        return seen["state"], seen["checkout"]["state"]

    async def voucher(self) -> tuple[int, int]:
        """What is held of it, and what was taken."""
        row = await self.market.shop.voucher(self.voucher_id)
        return row.held_minor, row.captured_minor

    async def is_paid_once(self) -> bool:
        (order,) = await self.rows(FeeOrder)
        assert (order.total_minor, order.by_vouchers_minor, order.by_card_minor) == (12_500, 10_000, 2_500)
        assert await self.voucher() == (0, 10_000)
        assert await offended(self.market.shop.database) == set()
        return await self.cart() == ("COMPLETED", "COMPLETED")

    async def is_open_again(self, how: str) -> bool:
        assert await self.count(FeeOrder) == 0
        assert await self.voucher() == (10_000, 0)
        assert await offended(self.market.shop.database) == set()
        return await self.cart() == ("OPEN", how)


async def till(database: Database, name: str, gateway: Gateway) -> Till:
    own = await market(database)
    own.gateways = {name: gateway}
    (voucher,) = await own.shop.stock(CODE_KEYS, face_minor=10_000)
    me = await window(own)
    await me.opens(own.shop.fee_id)
    await me.enters(voucher.code)
    made = Till(own, me, gateway, voucher.id)
    made.slug = (await made.rows(Program))[0].slug
    return made


# ------------------------------------------------------------------------------------------- Stripe's SDK


@pytest.fixture(scope="module")
def local_stripe() -> Iterator[LocalStripe]:
    with running_stripe() as running:
        yield running


@pytest.fixture
async def by_card(sqlite_database: Database, local_stripe: LocalStripe) -> AsyncIterator[Till]:
    gateway = StripeGateway(SECRET_KEY, WEBHOOK_SECRET, local_stripe.url)
    yield await till(sqlite_database, STRIPE, gateway)
    gateway.close()


async def test_what_the_voucher_leaves_is_charged_once_and_no_more(by_card: Till, local_stripe: LocalStripe) -> None:
    method = local_stripe.method(GOOD_CARD)
    windows = [Window(by_card.market, by_card.me.buyer, cart=dict(by_card.me.cart)) for _ in range(5)]
    await asyncio.gather(*(one.pays(method=method) for one in windows))
    told = sorted(code for one in windows for code in one.codes)
    assert set(told) <= {"REQUEST_IN_FLIGHT"}
    await by_card.me.pays(method=method)
    assert by_card.me.state == "COMPLETED"
    assert await by_card.is_paid_once()
    assert local_stripe.charged(await by_card.reference()) == 1


async def test_a_declined_card_uses_nothing_and_another_pays(by_card: Till, local_stripe: LocalStripe) -> None:
    me = by_card.me
    await me.pays(method=local_stripe.method(DECLINED_CARD))
    by_card.market.shop.now += MINUTE
    assert (me.codes, me.state, me.order) == (["CARD_DECLINED"], "DECLINED", None)
    assert await by_card.is_open_again("DECLINED")
    await me.pays(method=local_stripe.method(GOOD_CARD), key="another card")
    assert me.state == "COMPLETED"
    assert await by_card.is_paid_once()


async def test_a_card_that_its_owner_must_confirm_pays_when_the_gateway_says_so_however_often(
    by_card: Till, local_stripe: LocalStripe
) -> None:
    me = by_card.me
    await me.pays(method=local_stripe.method(CONFIRMED_CARD))
    secret = me.answer["clientSecret"]
    assert (me.codes, me.state, secret is not None) == ([], "PAYING", True)
    for method in (None, local_stripe.method(GOOD_CARD)):
        await me.pays(method=method, key="impatient")
        assert me.codes == ["CART_COMPLETING"]
    (payment,) = await by_card.rows(Payment)
    local_stripe.authenticate(payment.gateway_reference, secret, success=True)
    database, gateways = by_card.market.shop.database, by_card.market.gateways
    routes = webhook_routes(database, gateways, CODE_KEYS, lambda: dt.datetime.now(dt.UTC))
    intent = {"id": payment.gateway_reference, "object": "payment_intent", "status": "succeeded", "amount": 2_500}
    intent |= {"currency": "usd", "metadata": {"reference": payment.reference}}
    body = json.dumps({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": intent}})
    signature = stripe.WebhookSignature.generate_signature_header(
        body, WEBHOOK_SECRET, int(dt.datetime.now(dt.UTC).timestamp())
    )
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://countersign.test") as client:
        for _ in range(2):
            told = await client.post(
                f"/webhooks/stripe/{by_card.slug}", content=body, headers={"stripe-signature": signature}
            )
            assert told.status_code == 200
    assert await by_card.is_paid_once()
    assert await by_card.count(GatewayNotice) == 1


async def test_an_answer_that_was_lost_is_found_and_nothing_is_charged_twice(
    by_card: Till, local_stripe: LocalStripe
) -> None:
    me = by_card.me
    async with Swallowing(local_stripe.url) as proxy:
        hasty = StripeGateway(SECRET_KEY, None, proxy.url, answer_seconds=0.7)
        by_card.market.gateways = {STRIPE: hasty}
        await me.pays(method=local_stripe.method(GOOD_CARD))
        await proxy.swallowed.acquire()
        hasty.close()
    assert (me.codes, me.state) == ([], "PAYMENT_UNKNOWN")
    by_card.market.gateways = {STRIPE: by_card.gateway}
    await me.pays(method=local_stripe.method(GOOD_CARD), key="again")
    assert me.codes == ["CART_COMPLETING"]
    await me.enters("anything")
    assert me.codes == ["CART_COMPLETING"]
    await asyncio.gather(*(by_card.reconciles(2) for _ in range(3)))
    assert await by_card.is_paid_once()
    assert local_stripe.charged(await by_card.reference()) == 1


# ----------------------------------------------------------------------------------------- a hosted page


@pytest.fixture(scope="module")
def local() -> Iterator[LocalPayflow]:
    with running_payflow() as running:
        yield running


@pytest.fixture
async def on_a_page(sqlite_database: Database, local: LocalPayflow) -> AsyncIterator[Till]:
    local.say()
    port = free_port()
    account = Account(vendor=local_payflow.VENDOR, password=SecretStr(local_payflow.PASSWORD))
    ours = f"http://127.0.0.1:{port}"
    gateway = PayflowGateway(account, ours, local.url, f"{local.url}/page", answer_seconds=0.7)
    made = await till(sqlite_database, PAYFLOW, gateway)
    made.ours = ours
    routes = webhook_routes(sqlite_database, {PAYFLOW: gateway}, CODE_KEYS, lambda: made.market.shop.now)
    async with listening(Starlette(routes=routes), port):
        yield made
    gateway.close()


async def test_the_page_is_pinned_to_what_was_seen_and_meanwhile_no_other_tab_changes_the_cart(
    on_a_page: Till, local: LocalPayflow
) -> None:
    me = on_a_page.me
    other = Window(on_a_page.market, me.buyer, cart=dict(me.cart))
    await me.pays(method=None)
    page = me.answer["pageUrl"]
    assert (me.codes, me.state, me.answer["checkout"]["due"]["amount"]) == ([], "PAYING", "25.00")
    await me.pays(method=None)
    assert (me.codes, me.answer["pageUrl"]) == (["REQUEST_IN_FLIGHT"], None), "it is shown once"
    await other.sets(on_a_page.market.shop.fee_id, on_a_page.market.shop.late_fee_id)
    assert (other.codes, other.answer["cart"]["state"]) == (["CART_COMPLETING"], "COMPLETING")
    await other.pays(method=None, key="the other tab")
    assert other.codes == ["CART_COMPLETING"]
    told = await asyncio.to_thread(local.pay, page, local_payflow.GOOD_CARD)
    assert await on_a_page.is_paid_once()
    async with httpx.AsyncClient() as client:
        for _ in range(2):
            await client.post(f"{on_a_page.ours}/webhooks/payflow/{on_a_page.slug}", data=told)
    assert await on_a_page.is_paid_once()
    assert local.charged(await on_a_page.reference()) == ["25.00"]


async def test_a_page_that_is_given_up_frees_the_cart_and_money_that_comes_late_goes_back(
    on_a_page: Till, local: LocalPayflow
) -> None:
    me = on_a_page.me
    await me.pays(method=None)
    page = me.answer["pageUrl"]
    on_a_page.market.shop.now += MINUTE
    await me.cancels()
    assert me.state == "CANCELLED"
    assert await on_a_page.is_open_again("CANCELLED")
    await me.sets(on_a_page.market.shop.fee_id, on_a_page.market.shop.late_fee_id)
    assert me.cart["due"]["amount"] == "75.00"
    await asyncio.to_thread(local.pay, page, local_payflow.GOOD_CARD)
    (back,) = await on_a_page.rows(PaymentRefund)
    assert (back.state, back.amount_minor) == (RefundState.ASKING, 2_500)
    await on_a_page.reconciles(1)
    (back,) = await on_a_page.rows(PaymentRefund)
    assert back.state is RefundState.SUCCEEDED
    assert await on_a_page.is_open_again("CANCELLED")
    await me.pays(method=None, key="what it is now")
    assert me.answer["checkout"]["due"]["amount"] == "75.00"
    await asyncio.to_thread(local.pay, me.answer["pageUrl"], local_payflow.GOOD_CARD)
    assert await on_a_page.cart() == ("COMPLETED", "COMPLETED")
    assert await offended(on_a_page.market.shop.database) == set()


async def test_a_page_that_is_left_open_ends_by_itself(on_a_page: Till, local: LocalPayflow) -> None:
    me = on_a_page.me
    await me.pays(method=None)
    await on_a_page.reconciles(20)
    assert await on_a_page.cart() == ("COMPLETING", "PAYING")
    await on_a_page.reconciles(32)
    assert await on_a_page.is_open_again("DECLINED")
    on_a_page.market.shop.now += MINUTE
    await me.pays(method=None, key="again")
    await asyncio.to_thread(local.pay, me.answer["pageUrl"], local_payflow.GOOD_CARD)
    assert await on_a_page.is_paid_once()
