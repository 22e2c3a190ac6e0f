"""Cards through Stripe: a payment intent a charge, confirmed at once, with our reference in its metadata.

A charge is found again by that reference, not by Stripe's idempotency, which is sent all the same. Nothing is retried
here: whoever hears `Unknown` looks it up first.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import requests
import stripe
import structlog
from stripe import PaymentIntent, RequestsClient, StripeClient
from stripe.params import PaymentIntentCreateParams, PaymentIntentListParams, RefundListParams

from models.money import Money
from models.payments import Capabilities
from resolvers.gateways.gateway import (
    ActionRequired,
    Answer,
    Asked,
    Authorised,
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
    Unknown,
    Void,
    VoidAnswer,
    Voided,
)

log = structlog.get_logger()

NAME = "stripe"
# The version of Stripe's API that a charge is written in: it takes the one way to pay that needs no page of Stripe's.
API_VERSION = "2024-06-20"
ANSWER_SECONDS = 20.0
OLDEST_NOTICE_SECONDS = 300
A_PAGE = 100
# Clocks differ, and so a charge may seem older there than when it was asked for.
CLOCKS_DIFFER = dt.timedelta(hours=1)
ABOUT_CHARGES = "payment_intent."
CAPABILITIES = Capabilities(
    name=NAME, takes_vouchers=True, hosted_page=False, refunds=True, partial_refunds=True, authorises=True
)
Listed = TypeVar("Listed", PaymentIntent, stripe.Refund)


class StripeGateway:
    """One account of Stripe's. Its SDK blocks, so it is asked in a thread."""

    def __init__(
        self,
        secret_key: str,
        webhook_secret: str | None,
        url: str | None,
        answer_seconds: float = ANSWER_SECONDS,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        self.capabilities = capabilities
        self._webhook_secret = webhook_secret
        self._http = requests.Session()
        self._client = StripeClient(
            secret_key,
            base_addresses={"api": url.rstrip("/")} if url else None,
            stripe_version=API_VERSION,
            max_network_retries=0,
            http_client=RequestsClient(timeout=answer_seconds, session=self._http),
        )

    def close(self) -> None:
        self._http.close()

    async def charge(self, charge: Charge) -> Answer:
        return await asyncio.to_thread(self._charge, _asked(charge))

    async def authorise(self, charge: Charge) -> Answer:
        return await asyncio.to_thread(self._charge, {**_asked(charge), "capture_method": "manual"})

    async def capture(self, capture: Capture) -> Answer:
        return await asyncio.to_thread(self._capture, capture)

    async def void(self, void: Void) -> VoidAnswer:
        return await asyncio.to_thread(self._void, void)

    async def look_up(self, asked: Asked) -> Answer | NotThere:
        return await asyncio.to_thread(self._look_up, asked)

    async def refund(self, refund: Refund) -> RefundAnswer:
        return await asyncio.to_thread(self._refund, refund)

    async def look_up_refund(self, asked: Asked, charged: str) -> RefundAnswer | NotThere:
        return await asyncio.to_thread(self._look_up_refund, asked, charged)

    # ------------------------------------------------------------------------------------------- charges

    def _charge(self, asked: PaymentIntentCreateParams) -> Answer:
        reference = str(cast("dict[str, dict[str, str]]", asked)["metadata"]["reference"])
        try:
            intent = self._client.v1.payment_intents.create(asked, {"idempotency_key": reference})
        except stripe.StripeError as problem:
            return _refused(problem)
        return _read(intent)

    def _capture(self, capture: Capture) -> Answer:
        amount = capture.amount.amount_minor
        try:
            intent = self._client.v1.payment_intents.capture(
                capture.authorised, {"amount_to_capture": amount}, {"idempotency_key": capture.reference}
            )
        except stripe.StripeError as problem:
            return _refused(problem)
        return _read(intent)

    def _void(self, void: Void) -> VoidAnswer:
        try:
            intent = self._client.v1.payment_intents.cancel(void.authorised, {}, {"idempotency_key": void.reference})
        except stripe.StripeError as problem:
            return _refused(problem)
        return Voided(intent.id) if intent.status == "canceled" else Unknown(f"the payment is {intent.status}")

    def _look_up(self, asked: Asked) -> Answer | NotThere:
        intents = self._client.v1.payment_intents
        try:
            if asked.gateway_reference:
                return _read(intents.retrieve(asked.gateway_reference))
            found = _find(asked, lambda after: intents.list(_intents_page(after)).data)
        except stripe.StripeError as problem:
            return _unknown(problem)
        return _read(found) if found else NotThere()

    # ------------------------------------------------------------------------------------------- refunds

    def _refund(self, refund: Refund) -> RefundAnswer:
        try:
            made = self._client.v1.refunds.create(
                {
                    "payment_intent": refund.charged,
                    "amount": refund.amount.amount_minor,
                    "metadata": {"reference": refund.reference},
                },
                {"idempotency_key": refund.reference},
            )
        except stripe.StripeError as problem:
            return _refused(problem)
        return _read_refund(made)

    def _look_up_refund(self, asked: Asked, charged: str) -> RefundAnswer | NotThere:
        refunds = self._client.v1.refunds
        try:
            found = _find(asked, lambda after: refunds.list(_refunds_page(charged, after)).data)
        except stripe.StripeError as problem:
            return _unknown(problem)
        return _read_refund(found) if found else NotThere()

    # ------------------------------------------------------------------------------------------- notices

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        if self._webhook_secret is None:
            raise BadNotice("the server has no secret by which notices are verified")
        try:
            text = body.decode()
            signature = headers.get("stripe-signature")
            stripe.WebhookSignature.verify_header(text, signature, self._webhook_secret, OLDEST_NOTICE_SECONDS)
            return _notice(json.loads(text))
        except (stripe.SignatureVerificationError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise BadNotice("the signature or the content is not one of Stripe's") from problem


def _find(asked: Asked, listed: Callable[[str | None], Sequence[Listed]]) -> Listed | None:
    """Page by page, until a page is all older than what is looked for."""
    oldest = (asked.asked_at - CLOCKS_DIFFER).timestamp()
    after: str | None = None
    while page := listed(after):
        for one in page:
            if _reference_of(one) == asked.reference:
                return one
        if len(page) < A_PAGE or all(one.created < oldest for one in page):
            return None
        after = page[-1].id
    return None


def _intents_page(after: str | None) -> PaymentIntentListParams:
    return {"limit": A_PAGE, "starting_after": after} if after else {"limit": A_PAGE}


def _refunds_page(charged: str, after: str | None) -> RefundListParams:
    page: RefundListParams = {"payment_intent": charged, "limit": A_PAGE}
    return {**page, "starting_after": after} if after else page


def _reference_of(one: PaymentIntent | stripe.Refund) -> object:
    """Ours. A refund may have no metadata at all, whatever the SDK declares."""
    kept: Mapping[str, object] = one.to_dict().get("metadata") or {}
    return kept.get("reference")


def _asked(charge: Charge) -> PaymentIntentCreateParams:
    about = {**charge.metadata, "reference": charge.reference, "description": charge.description}
    about |= {"pinned_to": charge.pinned_to}
    asked = {
        "amount": charge.amount.amount_minor,
        "currency": charge.amount.currency.lower(),
        "payment_method": charge.payment_method,
        "payment_method_types": ["card"],
        "confirm": True,
        "metadata": {name: value for name, value in about.items() if value},
    }
    # The SDK declares what a newer version takes.
    return cast("PaymentIntentCreateParams", asked)


def _read(intent: PaymentIntent) -> Answer:
    if intent.status == "succeeded":
        # After a capture of a part it is less than was asked for.
        received: int = intent.to_dict().get("amount_received") or intent.amount
        return Succeeded(intent.id, Money(received, intent.currency.upper()))
    if intent.status == "requires_capture":
        return Authorised(intent.id, Money(intent.amount, intent.currency.upper()))
    if intent.status == "requires_action" and intent.client_secret:
        return ActionRequired(intent.id, intent.client_secret)
    if intent.status == "requires_payment_method":
        error = intent.last_payment_error
        return Declined((error and error.message) or "The card was not accepted.", intent.id)
    if intent.status == "canceled":
        return Declined("The payment was cancelled at the gateway.", intent.id)
    return Unknown(f"the payment is {intent.status}", intent.id)


def _read_refund(refund: stripe.Refund) -> RefundAnswer:
    if refund.status == "succeeded":
        return GivenBack(refund.id)
    if refund.status in ("failed", "canceled"):
        return Declined(refund.failure_reason or "The refund failed.", refund.id)
    return Unknown(f"the refund is {refund.status}", refund.id)


def _refused(problem: stripe.StripeError) -> Declined | Unknown:
    """A card or a request that is refused is an answer; all else may have been done, or not."""
    if isinstance(problem, stripe.CardError | stripe.InvalidRequestError):
        intent = problem.error.payment_intent if problem.error else None
        return Declined(problem.user_message or "The card was not accepted.", intent.id if intent else None)
    return _unknown(problem)


def _unknown(problem: stripe.StripeError) -> Unknown:
    """Its kind alone: the SDK's text may hold what was sent."""
    log.warning("gateway.no_answer", gateway=NAME, problem=type(problem).__name__)
    return Unknown(type(problem).__name__)


def _notice(told: dict[str, Any]) -> Notice:
    thing, kind = told["data"]["object"], str(told["type"])
    about = Notice(id=str(told["id"]), kind=kind, gateway_reference=str(thing.get("id", "")))
    if not kind.startswith(ABOUT_CHARGES):
        return about
    reference = (thing.get("metadata") or {}).get("reference")
    return replace(about, reference=reference, answer=_read(PaymentIntent.construct_from(thing, None)))
