"""Cards through a hosted page of the Payflow Pro kind: names and values over HTTPS, and a page that asks for the card.

A secure token pins the amount, the currency and what the payer saw before the page is opened. The page tells what
became of it in a silent post that nobody signs, so that it is never believed: it is only a reason to inquire, by our
reference. That is kept twice: as the invoice number in full, and shortened as the customer reference, by which an
inquiry finds the last transaction of it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qs, urlencode

import requests
import structlog
from pydantic import SecretStr

from models.errors import MoneyError
from models.money import Money, money_of
from models.payments import Capabilities
from resolvers.gateways.gateway import (
    Answer,
    Asked,
    Authorised,
    BadNotice,
    Capture,
    Charge,
    Declined,
    GivenBack,
    GoTo,
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

NAME = "payflow"
CAPABILITIES = Capabilities(
    name=NAME, takes_vouchers=True, hosted_page=True, refunds=True, partial_refunds=True, authorises=True
)
URL = "https://payflowpro.paypal.com"
PAGE_URL = "https://payflowlink.paypal.com"
ANSWER_SECONDS = 45.0
MOST_FIELDS = 200
# What an answer's RESULT says: 0 is yes, below it the gateway could not be reached, and of these others it is not sure.
APPROVED = 0
NOT_FOUND = 19
TIMED_OUT_BEHIND, IN_REVIEW = 104, 126
UNSURE = (TIMED_OUT_BEHIND, IN_REVIEW)
# What an inquiry's TRANSSTATE says of a transaction that was approved.
AUTHORISED = "3"
CHARGED = ("6", "7", "8")
Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Of the merchant."""

    vendor: str
    password: SecretStr
    partner: str = "PayPal"
    user: str | None = None


class PayflowGateway:
    """One account. It is asked in a thread."""

    def __init__(
        self,
        account: Account,
        public_url: str,
        url: str = URL,
        page_url: str = PAGE_URL,
        answer_seconds: float = ANSWER_SECONDS,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        """The public URL is ours: there the page tells what it knows, and there the payer comes back to."""
        self.capabilities = capabilities
        self._account, self._public_url = account, public_url.rstrip("/")
        self._url, self._page_url, self._answer_seconds = url, page_url.rstrip("/"), answer_seconds
        self._http = requests.Session()

    def close(self) -> None:
        self._http.close()

    # ------------------------------------------------------------------------------------------- charges

    async def charge(self, charge: Charge) -> Answer:
        return await self._page(charge, "S")

    async def authorise(self, charge: Charge) -> Answer:
        return await self._page(charge, "A")

    async def _page(self, charge: Charge, kind: str) -> Answer:
        own = token_id(charge.reference)
        told = f"{self._public_url}/webhooks/{self.capabilities.name}/{charge.program}"
        answer = await self._ask(
            charge.reference,
            {
                "TRXTYPE": kind,
                **_amount(charge.amount),
                "CREATESECURETOKEN": "Y",
                "SECURETOKENID": own,
                "COMMENT1": charge.pinned_to,
                "COMMENT2": charge.description,
                "SILENTPOSTURL": told,
                "URLMETHOD": "POST",
                **dict.fromkeys(("RETURNURL", "CANCELURL", "ERRORURL"), f"{told}/return"),
            },
        )
        if isinstance(answer, Unknown | Declined):
            return answer
        if answer.get("SECURETOKENID") != own or not answer.get("SECURETOKEN"):
            return Unknown("the token is not the one that was asked for")
        query = urlencode({"SECURETOKEN": answer["SECURETOKEN"], "SECURETOKENID": own})
        return GoTo(f"{self._page_url}?{query}")

    async def look_up(self, asked: Asked) -> Answer | NotThere:
        found = await self._inquire(asked.reference)
        if isinstance(found, Unknown | NotThere | Declined):
            return found
        amount = _money(found, asked.currency)
        if amount is None:
            return Unknown("the amount is missing", found["ORIGPNREF"])
        if found.get("TRANSSTATE") == AUTHORISED:
            return Authorised(found["ORIGPNREF"], amount)
        if found.get("TRANSSTATE") in CHARGED:
            return Succeeded(found["ORIGPNREF"], amount)
        return Unknown(f"the transaction is in state {found.get('TRANSSTATE')}", found["ORIGPNREF"])

    async def capture(self, capture: Capture) -> Answer:
        asked = {"TRXTYPE": "D", "ORIGID": capture.authorised, **_amount(capture.amount)}
        answer = await self._ask(capture.reference, {**asked, "CAPTURECOMPLETE": "Y"})
        return answer if isinstance(answer, Unknown | Declined) else Succeeded(answer["PNREF"], capture.amount)

    async def void(self, void: Void) -> VoidAnswer:
        answer = await self._ask(void.reference, {"TRXTYPE": "V", "ORIGID": void.authorised})
        return answer if isinstance(answer, Unknown | Declined) else Voided(answer["PNREF"])

    # ------------------------------------------------------------------------------------------- refunds

    async def refund(self, refund: Refund) -> RefundAnswer:
        asked = {"TRXTYPE": "C", "ORIGID": refund.charged, **_amount(refund.amount)}
        answer = await self._ask(refund.reference, asked)
        return answer if isinstance(answer, Unknown | Declined) else GivenBack(answer["PNREF"])

    async def look_up_refund(self, asked: Asked, charged: str) -> RefundAnswer | NotThere:
        found = await self._inquire(asked.reference)
        return found if isinstance(found, Unknown | NotThere | Declined) else GivenBack(found["ORIGPNREF"])

    # ------------------------------------------------------------------------------------------- notices

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        try:
            form = parse_qs(body.decode(), max_num_fields=MOST_FIELDS)
        except ValueError as problem:
            raise BadNotice("it is not a form") from problem
        reference = form.get("INVNUM", [""])[0]
        if form.get("SECURETOKENID") != [token_id(reference)]:
            raise BadNotice("its token is not the one of its invoice number")
        transaction = form.get("PNREF", [""])[0][:255]
        return Notice(
            id=transaction, kind="silent post", gateway_reference=transaction, reference=reference, is_hearsay=True
        )

    # ------------------------------------------------------------------------------------------- asking

    async def _inquire(self, reference: str) -> Fields | NotThere | Declined | Unknown:
        """What became of what was last asked for under our reference; the fields of an approved one, with ORIGPNREF."""
        answer = await self._post({"TRXTYPE": "I", "CUSTREF": customer_reference(reference), "VERBOSITY": "HIGH"})
        if isinstance(answer, Unknown):
            return answer
        if _result(answer, "RESULT") == NOT_FOUND:
            return NotThere()
        if _result(answer, "RESULT") != APPROVED or not answer.get("ORIGPNREF"):
            return Unknown(f"the inquiry was answered with {answer.get('RESULT')}")
        if answer.get("INVNUM", reference) != reference:
            return Unknown("the inquiry was answered with another transaction")
        return _decided(answer, "ORIGRESULT", answer["ORIGPNREF"])

    async def _ask(self, reference: str, fields: Fields) -> Fields | Declined | Unknown:
        """The answer's fields if it is a yes."""
        references = {"INVNUM": reference, "CUSTREF": customer_reference(reference)}
        answer = await self._post({**fields, **references})
        return answer if isinstance(answer, Unknown) else _decided(answer, "RESULT", answer.get("PNREF"))

    async def _post(self, fields: Fields) -> Fields | Unknown:
        return await asyncio.to_thread(self._posted, {**self._signed_in(), **fields})

    def _signed_in(self) -> Fields:
        own = self._account
        signed_in = {"PARTNER": own.partner, "VENDOR": own.vendor, "USER": own.user or own.vendor}
        return {**signed_in, "PWD": own.password.get_secret_value(), "TENDER": "C"}

    def _posted(self, fields: Fields) -> Fields | Unknown:
        """The length of each value is said, so that a value may hold anything; nothing is escaped."""
        body = "&".join(f"{name}[{len(value)}]={value}" for name, value in fields.items() if value)
        headers = {"Content-Type": "text/namevalue", "X-VPS-CLIENT-TIMEOUT": f"{self._answer_seconds:.0f}"}
        try:
            answer = self._http.post(self._url, body.encode(), headers=headers, timeout=self._answer_seconds)
            answer.raise_for_status()
        except requests.RequestException as problem:
            # Its kind alone: the text may hold what was sent.
            log.warning("gateway.no_answer", gateway=NAME, problem=type(problem).__name__)
            return Unknown(type(problem).__name__)
        return dict(part.partition("=")[::2] for part in answer.text.split("&"))


def token_id(reference: str) -> str:
    """Ours, of 32 letters and digits: the token of one reference and of no other."""
    return hashlib.sha256(reference.encode()).hexdigest()[:32]


def customer_reference(reference: str) -> str:
    """Ours, in the 12 letters and digits that an inquiry takes."""
    return base64.b32encode(hashlib.sha256(f"customer {reference}".encode()).digest())[:12].decode()


def _amount(amount: Money) -> Fields:
    return {"AMT": str(amount.amount), "CURRENCY": amount.currency}


def _money(answer: Fields, currency: str) -> Money | None:
    try:
        return money_of(Decimal(answer["AMT"].replace(",", "")), answer.get("CURRENCY") or currency)
    except (KeyError, InvalidOperation, MoneyError):
        return None


def _decided(answer: Fields, name: str, transaction: str | None) -> Fields | Declined | Unknown:
    result = _result(answer, name)
    if result == APPROVED:
        return answer
    if result is None or result < 0 or result in UNSURE:
        return Unknown(f"the gateway answered with {answer.get(name)}", transaction)
    return Declined(answer.get("RESPMSG") or "The card was not accepted.", transaction)


def _result(answer: Fields, name: str) -> int | None:
    try:
        return int(answer.get(name, ""))
    except ValueError:
        return None
