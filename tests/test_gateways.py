"""Which gateways there are, what each can do, and what is refused before anything is asked for."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from resolvers.gateways.choosing import gateway_for, must_charge
from resolvers.gateways.gateway import (
    ActionRequired,
    Asked,
    Authorised,
    Capture,
    Charge,
    Declined,
    Gateways,
    NotThere,
    Succeeded,
    Void,
    Voided,
)
from schema.context import Context
from schema.ids import encode_id
from schema.root import schema
from server.database import Database
from server.gateways.chosen import chosen_gateways, narrowed
from server.gateways.known import MANUAL, UNCONNECTED
from server.gateways.stripe import CAPABILITIES, StripeGateway
from server.settings import Settings, SettingsError
from tests.code_keys import CODE_KEYS
from tests.local_stripe import CONFIRMED_CARD, DECLINED_CARD, GOOD_CARD, SECRET_KEY, LocalStripe, running_stripe
from tests.vouchering import shop

TEN = Money(1_000, "USD")


@pytest.fixture(scope="module")
def local_stripe() -> Iterator[LocalStripe]:
    with running_stripe() as running:
        yield running


@pytest.fixture
def stripe(local_stripe: LocalStripe) -> Iterator[StripeGateway]:
    own = StripeGateway(SECRET_KEY, None, local_stripe.url)
    yield own
    own.close()


# ------------------------------------------------------------------------------------------------ the registry


def chosen(**settings: Any) -> Gateways:
    return chosen_gateways(Settings(_env_file=None, **settings))  # type: ignore[call-arg]


ALL = {
    "stripe_secret_key": SecretStr("sk_test"),
    "payflow_vendor": "us",
    "payflow_password": SecretStr("secret"),
    "gateways": "moolah, usaepay,alabama-interactive,manual",
}
TAKES_VOUCHERS = {
    "stripe": True,
    "payflow": True,
    "moolah": False,
    "usaepay": False,
    "alabama-interactive": False,
    "manual": True,
}


def taking(gateways: Gateways) -> dict[str, bool]:
    return {name: one.capabilities.takes_vouchers for name, one in gateways.items()}


def test_a_setting_switches_vouchers_off_and_never_on() -> None:
    assert taking(chosen(**ALL)) == TAKES_VOUCHERS
    switches = "stripe=false,moolah=true,payflow=true"
    gateways = chosen(**ALL, voucher_enabled=switches)
    assert taking(gateways) == {**TAKES_VOUCHERS, "stripe": False}
    for one in gateways.values():
        assert (one.capabilities.vouchers_off_because is None) is one.capabilities.takes_vouchers
    assert narrowed(CAPABILITIES, {}) == CAPABILITIES
    assert not narrowed(narrowed(CAPABILITIES, {"stripe": False}), {"stripe": True}).takes_vouchers


def test_without_settings_there_is_no_gateway_and_a_wrong_name_is_told() -> None:
    assert chosen() == {}
    for wrong, said in (({"gateways": "mulah"}, "mulah"), ({"voucher_enabled": "stripe=false"}, "stripe")):
        with pytest.raises(SettingsError, match=said):
            chosen(**wrong)
    with pytest.raises(ValueError, match="true or false"):
        chosen(voucher_enabled="stripe")


def test_a_gateway_is_chosen_by_what_was_given() -> None:
    gateways = chosen(**ALL)
    assert gateway_for(gateways, None, has_method=True) == "stripe"
    assert gateway_for(gateways, None, has_method=False) == "payflow"
    assert gateway_for(gateways, "manual", has_method=False) == "manual"
    assert gateway_for(chosen(gateways="moolah,manual"), None, has_method=True) is None
    refused = {"stripe": "PAYMENT_METHOD_REQUIRED", "moolah": "GATEWAY_NOT_CONNECTED", "other": "UNKNOWN_GATEWAY"}
    for name, code in refused.items():
        with pytest.raises(VoucherError) as problem:
            must_charge(gateways, name, has_method=False)
        assert problem.value.code is VoucherErrorCode[code]


@pytest.mark.parametrize("name", [one.name for one in UNCONNECTED])
async def test_a_gateway_that_is_not_connected_pretends_nothing(name: str) -> None:
    gateway = chosen(gateways=name)[name]
    answer = await gateway.charge(Charge(reference="pay_1", amount=TEN, payment_method="pm"))
    assert isinstance(answer, Declined)
    assert VoucherErrorCode.GATEWAY_NOT_CONNECTED.value in answer.reason
    assert await gateway.look_up(Asked(reference="pay_1", asked_at=dt.datetime.now(dt.UTC))) == NotThere()
    assert not MANUAL.refunds


# ---------------------------------------------------------------------------------------------- Stripe, by hand


async def test_stripe_sets_an_amount_aside_and_charges_or_frees_it(
    local_stripe: LocalStripe, stripe: StripeGateway
) -> None:
    async def authorised(reference: str) -> Authorised:
        asked = Charge(reference=reference, amount=TEN, payment_method=local_stripe.method(GOOD_CARD))
        answer = await stripe.authorise(asked)
        assert isinstance(answer, Authorised)
        looked_up = await stripe.look_up(Asked(reference=reference, asked_at=dt.datetime.now(dt.UTC)))
        assert (looked_up, local_stripe.charged(reference)) == (answer, 0)
        return answer

    first, second = await asyncio.gather(authorised("aside_1"), authorised("aside_2"))
    captured = Capture(reference="capture_1", amount=TEN, authorised=first.gateway_reference)
    assert await stripe.capture(captured) == Succeeded(first.gateway_reference, TEN)
    assert local_stripe.charged("aside_1") == 1
    assert isinstance(await stripe.void(Void(reference="void_1", authorised=first.gateway_reference)), Declined)
    freed = await stripe.void(Void(reference="void_2", authorised=second.gateway_reference))
    assert freed == Voided(second.gateway_reference)
    late = await stripe.capture(Capture(reference="capture_2", amount=TEN, authorised=second.gateway_reference))
    assert (isinstance(late, Declined), local_stripe.charged("aside_2")) == (True, 0)
    declined = Charge(reference="aside_3", amount=TEN, payment_method=local_stripe.method(DECLINED_CARD))
    assert isinstance(await stripe.authorise(declined), Declined)
    confirmed = Charge(reference="aside_4", amount=TEN, payment_method=local_stripe.method(CONFIRMED_CARD))
    asked = await stripe.authorise(confirmed)
    assert isinstance(asked, ActionRequired)
    local_stripe.authenticate(asked.gateway_reference, asked.client_secret, success=True)
    looked_up = await stripe.look_up(Asked(reference="aside_4", asked_at=dt.datetime.now(dt.UTC)))
    assert isinstance(looked_up, Authorised)


# ------------------------------------------------------------------------------------------------- the API

GATEWAYS = "{ gateways { name takesVouchers vouchersOffBecause hostedPage byHand connected refunds } }"
PURCHASE = """mutation ($by: ID!, $terms: ID!, $card: VoucherCardInput!, $key: String!) {
  voucherPurchase(input: {organization: {id: $by}, voucherProgram: $terms, quantity: 2, idempotencyKey: $key,
    amount: {amount: "250.00", currency: "USD"}, payment: {card: $card}}) {
    order { id state payment { charges { state failure gateway } } } pageUrl userErrors { code }
  }
}"""
PAY = """mutation ($order: ID!, $card: VoucherCardInput!, $key: String!) {
  voucherOrderPay(input: {order: $order, card: $card, idempotencyKey: $key}) {
    order { state payment { charges { state } } } userErrors { code field }
  }
}"""


async def test_a_portal_pays_again_with_another_card(
    sqlite_database: Database, local_stripe: LocalStripe, stripe: StripeGateway
) -> None:
    own = await shop(sqlite_database)
    gateways = {**chosen(gateways="moolah,manual"), "stripe": stripe}

    async def asked(query: str, **given: Any) -> dict[str, Any]:
        context = Context(own.client, own.now, own.database.reading, own.database.run, code_keys=CODE_KEYS)
        context.gateways = gateways
        result = await schema.execute(query, variable_values=given, context_value=context)
        assert (result.errors, bool(result.data)) == (None, True)
        data: dict[str, Any] = result.data or {}
        return data

    listed = {one["name"]: one for one in (await asked(GATEWAYS))["gateways"]}
    assert (listed["moolah"]["connected"], listed["moolah"]["takesVouchers"]) == (False, False)
    assert listed["moolah"]["vouchersOffBecause"] == "Moolah takes no vouchers."
    about = {"by": encode_id("Organization", own.tenant.id)}
    about["terms"] = encode_id("VoucherProgram", own.program_id, own.voucher_program_id)
    card = {"gateway": "moolah"}
    refused = (await asked(PURCHASE, **about, card=card, key="one"))["voucherPurchase"]
    assert [error["code"] for error in refused["userErrors"]] == ["GATEWAY_NOT_CONNECTED"]
    card = {"paymentMethod": local_stripe.method(DECLINED_CARD)}
    bought = (await asked(PURCHASE, **about, card=card, key="one"))["voucherPurchase"]
    charges = [{"state": "DECLINED", "failure": "Your card was declined.", "gateway": "stripe"}]
    assert (bought["order"]["payment"]["charges"], bought["pageUrl"]) == (charges, None)
    again = {"order": bought["order"]["id"], "card": {"paymentMethod": local_stripe.method(GOOD_CARD)}}
    for _ in range(2):
        paid = (await asked(PAY, **again, key="two"))["voucherOrderPay"]
        assert (paid["order"]["state"], paid["userErrors"]) == ("SETTLED", [])
        assert sorted(charge["state"] for charge in paid["order"]["payment"]["charges"]) == ["DECLINED", "SUCCEEDED"]
    done = (await asked(PAY, **again, key="three"))["voucherOrderPay"]
    assert [error["code"] for error in done["userErrors"]] == ["WRONG_STATE"]
