"""A gateway that remembers what it charged and answers as it is told: yes, no, or nothing at all.

It keeps its side of the contract, so that what is charged can be counted; the real ones are tried in tests of their
own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from models.money import Money
from models.payments import Capabilities
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
    Unknown,
    Void,
    VoidAnswer,
)


class Mood(Enum):
    YES = "charges, and says so"
    NO = "declines"
    SILENT_YES = "charges, and its answer is lost"
    SILENT_NO = "never hears of it"


@dataclass
class Teller:
    """`charged` and `given_back` are what really happened, by our reference."""

    name: str = "cards"
    mood: Mood = Mood.YES
    charged: dict[str, Money] = field(default_factory=dict)
    declined: set[str] = field(default_factory=set)
    given_back: dict[str, Money] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(name=self.name, takes_vouchers=True, hosted_page=False, refunds=True, partial_refunds=True)

    @property
    def kept_minor(self) -> int:
        """What it has charged and not given back."""
        taken = sum(money.amount_minor for money in self.charged.values())
        return taken - sum(money.amount_minor for money in self.given_back.values())

    async def charge(self, charge: Charge) -> Answer:
        if charge.reference in self.charged or charge.reference in self.declined:
            raise AssertionError("the same charge was asked for twice")
        if self.mood in (Mood.YES, Mood.SILENT_YES):
            self.charged[charge.reference] = charge.amount
        elif self.mood is Mood.NO:
            self.declined.add(charge.reference)
        return Unknown("no answer") if self.mood in (Mood.SILENT_YES, Mood.SILENT_NO) else self._known(charge.reference)

    async def authorise(self, charge: Charge) -> Answer:
        raise NotImplementedError

    async def capture(self, capture: Capture) -> Answer:
        raise NotImplementedError

    async def void(self, void: Void) -> VoidAnswer:
        raise NotImplementedError

    async def look_up(self, asked: Asked) -> Answer | NotThere:
        known = asked.reference in self.charged or asked.reference in self.declined
        return self._known(asked.reference) if known else NotThere()

    def _known(self, reference: str) -> Answer:
        if reference in self.charged:
            return Succeeded(f"gw_{reference}", self.charged[reference])
        return Declined("insufficient funds", f"gw_{reference}")

    async def refund(self, refund: Refund) -> RefundAnswer:
        self.given_back[refund.reference] = refund.amount
        return GivenBack(f"gw_{refund.reference}")

    async def look_up_refund(self, asked: Asked, charged: str) -> RefundAnswer | NotThere:
        return GivenBack(f"gw_{asked.reference}") if asked.reference in self.given_back else NotThere()

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        raise BadNotice


@dataclass
class Slow(Teller):
    """Holds each answer back until it may be given: meanwhile anything else may happen."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def charge(self, charge: Charge) -> Answer:
        answer = await super().charge(charge)
        self.asked.set()
        await self.may_answer.wait()
        return answer
