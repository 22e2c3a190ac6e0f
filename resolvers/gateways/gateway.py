"""What a payment gateway is to us. A gateway that does not answer is an answer too: time-outs are never exceptions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from models.money import Money
from models.payments import Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What is asked for, once. The reference is ours: by it the charge is found again, whatever was answered."""

    reference: str
    amount: Money
    # Made by the gateway's own script, so that no card number ever comes here; none where it has a page of its own.
    payment_method: str
    description: str = ""
    # The slug of the program, to which the gateway tells what it knows.
    program: str = ""
    # What the payer was shown, such as a version of a cart; kept at the gateway with the charge.
    pinned_to: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """All or a part of what was authorised, to be charged, once. The rest is set free."""

    reference: str
    amount: Money
    # The gateway's own reference of the authorisation.
    authorised: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Void:
    """An authorisation that is given up."""

    reference: str
    authorised: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Part or all of a charge to be given back, once."""

    reference: str
    amount: Money
    # The gateway's own reference of the charge.
    charged: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for before, and is looked up."""

    reference: str
    asked_at: dt.datetime
    # The gateway's own reference of it, where it is known.
    gateway_reference: str | None = None
    # In which it was asked for: not every gateway says.
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    gateway_reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Declined:
    """In the gateway's words."""

    reason: str
    gateway_reference: str | None = None


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The card's owner must confirm it. The secret is shown to them once, and never stored."""

    gateway_reference: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GoTo:
    """The gateway's own page asks for the card. Whoever has the address may pay, once: shown once, and never stored."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AwaitingStaff:
    """Whoever runs the program records by hand that it was paid."""


@dataclass(frozen=True, slots=True)
class Authorised:
    """Set aside, and not charged yet."""

    gateway_reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Unknown:
    """It did not answer, or has not decided yet: it is looked up before anything is tried again."""

    why: str
    gateway_reference: str | None = None


@dataclass(frozen=True, slots=True)
class NotThere:
    """The gateway answered, and knows nothing of that reference."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    gateway_reference: str


@dataclass(frozen=True, slots=True)
class Voided:
    gateway_reference: str


Answer = Succeeded | Authorised | Declined | ActionRequired | GoTo | AwaitingStaff | Unknown
RefundAnswer = GivenBack | Declined | Unknown
VoidAnswer = Voided | Declined | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that the gateway told by itself."""

    id: str
    kind: str
    gateway_reference: str
    # Ours; None where it is about nothing of ours.
    reference: str | None = None
    # What it says of a charge; None of anything else.
    answer: Answer | None = None
    # Nobody signed it, so that anybody may have sent it: what it is about is looked up, and what it says is not read.
    is_hearsay: bool = False


class BadNotice(Exception):
    """A notice that the gateway did not sign, signed too long ago, or that cannot be read."""


class Gateway(Protocol):
    @property
    def capabilities(self) -> Capabilities: ...

    async def charge(self, charge: Charge) -> Answer: ...

    async def authorise(self, charge: Charge) -> Answer:
        """Of a gateway that authorises: sets the amount aside."""

    async def capture(self, capture: Capture) -> Answer: ...

    async def void(self, void: Void) -> VoidAnswer: ...

    async def look_up(self, asked: Asked) -> Answer | NotThere: ...

    async def refund(self, refund: Refund) -> RefundAnswer: ...

    async def look_up_refund(self, asked: Asked, charged: str) -> RefundAnswer | NotThere:
        """Among the refunds of that charge, by the gateway's own reference of it."""

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Raises BadNotice."""


Gateways = Mapping[str, Gateway]
