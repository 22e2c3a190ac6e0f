"""A hosted page of the Payflow kind, against a local one: what it posts is not believed, but inquired after."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import func, select
from starlette.applications import Starlette

from models.ledger import LedgerEntry
from models.money import Money
from models.payments import GatewayNotice, Payment, PaymentState
from models.programs import Program
from models.voucher_orders import VoucherOrder, VoucherOrderState
from models.voucher_programs import VoucherFunding
from models.vouchers import Voucher
from resolvers.gateways.gateway import (
    Answer,
    Asked,
    Authorised,
    Capture,
    Charge,
    Declined,
    GivenBack,
    GoTo,
    NotThere,
    Refund,
    Succeeded,
    Unknown,
    Void,
    Voided,
)
from resolvers.payments.charging import Means, charge
from resolvers.payments.reconciling import reconcile
from resolvers.payments.rows import PaysFor, Subject
from resolvers.voucher_orders.ordering import Ordering, order
from server.database import Database
from server.gateways.payflow import NAME, Account, PayflowGateway, token_id
from server.webhooks import webhook_routes
from tests.builders import STAFF
from tests.code_keys import CODE_KEYS
from tests.local_payflow import DECLINED_CARD, GOOD_CARD, PASSWORD, VENDOR, LocalPayflow, running_payflow
from tests.local_stripe import Swallowing, free_port
from tests.vouchering import FEE_MINOR, Shop, shop

TWO = Money(2 * FEE_MINOR, "USD")
Order, Pay = VoucherOrderState, PaymentState


@pytest.fixture(scope="module")
def local() -> Iterator[LocalPayflow]:
    with running_payflow() as running:
        yield running


@pytest.fixture(autouse=True)
def well_behaved(local: LocalPayflow) -> None:
    local.say()


def gateway(local: LocalPayflow, ours: str = "http://127.0.0.1:1", url: str | None = None) -> PayflowGateway:
    account = Account(vendor=VENDOR, password=SecretStr(PASSWORD))
    return PayflowGateway(account, ours, url or local.url, f"{local.url}/page", answer_seconds=0.7)


@dataclass
class Till:
    """An order of two vouchers that is paid on the page; and our server, to which the page tells what it knows."""

    shop: Shop
    order_id: int
    gateway: PayflowGateway
    slug: str
    ours: str

    async def charge(self, by: PayflowGateway | None = None) -> Answer | None:
        own, means = self.shop, Means(pinned_to="7", description="two = 2 & more")
        about = (own.program_id, Subject(PaysFor.VOUCHER_ORDER, self.order_id), means)
        return await charge(own.database.run, by or self.gateway, CODE_KEYS, own.client, own.now, *about)

    async def page(self) -> str:
        answer = await self.charge()
        assert isinstance(answer, GoTo)
        return answer.url

    async def reconcile(self, minutes: int) -> None:
        run, later = self.shop.database.run, self.shop.now + minutes * dt.timedelta(minutes=1)
        await reconcile(self.shop.database.reading, run, {NAME: self.gateway}, CODE_KEYS, STAFF, later)

    async def post(self, form: dict[str, str], *, coming_back: bool = False) -> httpx.Response:
        address = f"{self.ours}/webhooks/payflow/{self.slug}" + ("/return" if coming_back else "")
        async with httpx.AsyncClient() as client:
            return await client.post(address, data=form)

    async def row(self, table: Any) -> Any:
        async with self.shop.database.reading() as connection:
            return (await connection.execute(select(table.__table__))).one()

    async def count(self, table: Any) -> int:
        async with self.shop.database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(table)) or 0

    async def states(self) -> tuple[VoucherOrderState, PaymentState, int]:
        return (await self.row(VoucherOrder)).state, (await self.row(Payment)).state, await self.count(Voucher)

    async def reference(self) -> str:
        return str((await self.row(Payment)).reference)


@pytest.fixture
async def till(sqlite_database: Database, local: LocalPayflow) -> AsyncIterator[Till]:
    own = await shop(sqlite_database)
    wanted = Ordering(
        organization_id=own.tenant.id,
        voucher_program_id=own.voucher_program_id,
        quantity=2,
        amount=TWO,
        funding=VoucherFunding.CARD,
        gateway=NAME,
    )
    order_id = await own.act(lambda act: order(act, CODE_KEYS, wanted))
    port = free_port()
    payflow = gateway(local, f"http://127.0.0.1:{port}")
    routes = webhook_routes(sqlite_database, {NAME: payflow}, CODE_KEYS, lambda: own.now)
    async with listening(Starlette(routes=routes), port):
        made = Till(own, order_id, payflow, "", f"http://127.0.0.1:{port}")
        made.slug = (await made.row(Program)).slug
        yield made
    payflow.close()


@asynccontextmanager
async def listening(app: Starlette, port: int) -> AsyncIterator[None]:
    """In this very loop."""
    config = uvicorn.Config(app, port=port, log_config=None, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield
    await server.shutdown()


PAID = (Order.SETTLED, Pay.SUCCEEDED, 2)
WAITING = (Order.AWAITING_PAYMENT, Pay.ACTION_REQUIRED, 0)
NOT_PAID = (Order.DECLINED, Pay.DECLINED, 0)


async def test_who_pays_on_the_page_has_paid_once_however_often_it_is_told(till: Till, local: LocalPayflow) -> None:
    answer = await till.charge()
    assert isinstance(answer, GoTo)
    assert (await till.states(), await till.charge()) == (WAITING, None)
    # Who has the address may pay, so it is kept nowhere.
    token = answer.url.partition("SECURETOKEN=")[2].partition("&")[0]
    assert token not in str(await till.row(Payment)) + repr(answer)
    told = await asyncio.to_thread(local.pay, answer.url, GOOD_CARD)
    assert await till.states() == PAID
    for _ in range(2):
        assert (await till.post(told)).status_code == 200
        assert "has arrived" in (await till.post(told, coming_back=True)).text
    assert await till.states() == PAID
    assert (await till.count(LedgerEntry), await till.count(GatewayNotice)) == (1, 1)
    assert local.charged(await till.reference()) == ["250.00"]


async def test_a_silent_post_that_nobody_paid_for_changes_nothing(till: Till) -> None:
    await till.page()
    reference = await till.reference()
    forged = {"RESULT": "0", "PNREF": "A1", "AMT": "250.00", "INVNUM": reference, "SECURETOKENID": token_id(reference)}
    assert (await till.post(forged)).status_code == 200
    assert "Nothing is known" in (await till.post(forged, coming_back=True)).text
    for wrong in ({"SECURETOKENID": "0" * 32}, {"INVNUM": "pay_another"}):
        assert (await till.post({**forged, **wrong})).status_code == 400
    nobody = {**forged, "INVNUM": "pay_none", "SECURETOKENID": token_id("pay_none")}
    assert (await till.post(nobody)).status_code == 200
    assert (await till.states(), await till.count(GatewayNotice)) == (WAITING, 0)


async def test_what_the_page_says_is_not_read_but_what_its_gateway_says(till: Till, local: LocalPayflow) -> None:
    """A declined card whose silent post says that it was approved."""
    page = await till.page()
    local.say(silent="off")
    told = await asyncio.to_thread(local.pay, page, DECLINED_CARD)
    assert await till.states() == WAITING
    await till.post({**told, "RESULT": "0"})
    assert await till.states() == NOT_PAID
    # The page lets the payer try another card: money is money, whatever was heard before.
    await asyncio.to_thread(local.pay, page, GOOD_CARD)
    await till.post(told)
    assert await till.states() == PAID


async def test_another_amount_than_was_pinned_settles_nothing(till: Till, local: LocalPayflow) -> None:
    page = await till.page()
    local.say(charge="2.50")
    await asyncio.to_thread(local.pay, page, GOOD_CARD)
    assert await till.states() == (Order.PAYMENT_UNKNOWN, Pay.UNKNOWN, 0)
    await till.reconcile(60)
    assert await till.states() == (Order.PAYMENT_UNKNOWN, Pay.UNKNOWN, 0)
    assert await till.count(LedgerEntry) == 0


@pytest.mark.parametrize("paid", [True, False])
async def test_a_page_that_told_nothing_is_inquired_after_when_it_has_ended(
    till: Till, local: LocalPayflow, paid: bool
) -> None:
    page = await till.page()
    local.say(silent="off")
    if paid:
        await asyncio.to_thread(local.pay, page, GOOD_CARD)
    await till.reconcile(20)
    assert await till.states() == WAITING
    await till.reconcile(32)
    assert await till.states() == (PAID if paid else (Order.DECLINED, Pay.CANCELLED, 0))
    if not paid:
        # At the last moment all the same.
        local.say()
        await asyncio.to_thread(local.pay, page, GOOD_CARD)
        assert await till.states() == PAID


async def test_a_token_whose_answer_was_lost_is_given_up(till: Till, local: LocalPayflow) -> None:
    async with Swallowing(local.url) as proxy:
        hasty = gateway(local, url=proxy.url)
        assert isinstance(await till.charge(hasty), Unknown)
        hasty.close()
    assert await till.states() == (Order.PAYMENT_UNKNOWN, Pay.UNKNOWN, 0)
    await till.reconcile(2)
    assert (await till.states())[1] is Pay.UNKNOWN
    await till.reconcile(20)
    assert await till.states() == (Order.DECLINED, Pay.CANCELLED, 0)


def of(reference: str) -> Asked:
    return Asked(reference=reference, asked_at=dt.datetime.now(dt.UTC), currency="USD")


async def test_authorise_capture_void_and_give_back(local: LocalPayflow) -> None:
    payflow = gateway(local)

    async def authorised(reference: str) -> str:
        asked = Charge(reference=reference, amount=TWO, payment_method="", program="p")
        page = await payflow.authorise(asked)
        assert isinstance(page, GoTo)
        assert await payflow.look_up(of(reference)) == NotThere()
        await asyncio.to_thread(local.pay, page.url, GOOD_CARD)
        answer = await payflow.look_up(of(reference))
        assert isinstance(answer, Authorised)
        return answer.gateway_reference

    first = await authorised("pay_a")
    assert local.charged("pay_a") == []
    part = Money(20_000, "USD")
    captured = await payflow.capture(Capture(reference="capture_a", amount=part, authorised=first))
    assert isinstance(captured, Succeeded)
    assert isinstance(await payflow.void(Void(reference="void_a", authorised=first)), Declined)
    second = await authorised("pay_b")
    assert isinstance(await payflow.void(Void(reference="void_b", authorised=second)), Voided)
    back = Refund(reference="refund_a", amount=Money(5_000, "USD"), charged=captured.gateway_reference)
    assert await payflow.look_up_refund(of("refund_a"), back.charged) == NotThere()
    given_back = await payflow.refund(back)
    assert isinstance(given_back, GivenBack)
    assert await payflow.look_up_refund(of("refund_a"), back.charged) == given_back
    too_much = Refund(reference="refund_b", amount=part, charged=captured.gateway_reference)
    assert isinstance(await payflow.refund(too_much), Declined)
    payflow.close()


async def test_a_refund_whose_answer_was_lost_is_found_by_our_reference(local: LocalPayflow) -> None:
    payflow = gateway(local)
    page = await payflow.charge(Charge(reference="pay_lost", amount=TWO, payment_method="", program="p"))
    assert isinstance(page, GoTo)
    await asyncio.to_thread(local.pay, page.url, GOOD_CARD)
    paid = await payflow.look_up(of("pay_lost"))
    assert isinstance(paid, Succeeded)
    local.say(answer="off")
    refund = Refund(reference="refund_lost", amount=TWO, charged=paid.gateway_reference)
    assert isinstance(await payflow.refund(refund), Unknown)
    assert isinstance(await payflow.look_up_refund(of("refund_lost"), refund.charged), Unknown)
    local.say()
    assert isinstance(await payflow.look_up_refund(of("refund_lost"), refund.charged), GivenBack)
    wrong = PayflowGateway(Account(vendor=VENDOR, password=SecretStr("wrong")), "", local.url, "")
    assert await payflow.look_up(of("pay_never")) == NotThere()
    # Who is not let in learns nothing, which is not the same as that there is nothing.
    assert isinstance(await wrong.look_up(of("pay_never")), Unknown)
    payflow.close()
    wrong.close()
