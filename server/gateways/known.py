"""Gateways that charge nothing by themselves: those that are known by name only, and the one that is a person.

Nothing here speaks to Moolah, USAePay or Alabama Interactive: of these it is known that they take no vouchers, and
that is declared, so that a cart says so. Connecting one is a file beside this one, as `stripe.py` is.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.errors import VoucherErrorCode
from models.payments import Capabilities
from resolvers.gateways.gateway import (
    Answer,
    Asked,
    AwaitingStaff,
    BadNotice,
    Capture,
    Charge,
    Declined,
    Notice,
    NotThere,
    Refund,
    RefundAnswer,
    Void,
    VoidAnswer,
)

MANUAL = Capabilities(
    name="manual", takes_vouchers=True, hosted_page=False, refunds=False, partial_refunds=False, by_hand=True
)
UNCONNECTED = tuple(
    Capabilities(
        name=name,
        takes_vouchers=False,
        hosted_page=False,
        refunds=False,
        partial_refunds=False,
        connected=False,
        vouchers_off_because=f"{shown} takes no vouchers.",
    )
    for name, shown in (
        ("moolah", "Moolah"),
        ("usaepay", "USAePay"),
        ("alabama-interactive", "Alabama Interactive"),
    )
)


class Unconnected:
    """Whatever is asked of it is refused. Nothing was charged, and nothing is pretended."""

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities

    async def charge(self, charge: Charge) -> Answer:
        return self._refusal()

    async def authorise(self, charge: Charge) -> Answer:
        return self._refusal()

    async def capture(self, capture: Capture) -> Answer:
        return self._refusal()

    async def void(self, void: Void) -> VoidAnswer:
        return self._refusal()

    async def look_up(self, asked: Asked) -> Answer | NotThere:
        return NotThere()

    async def refund(self, refund: Refund) -> RefundAnswer:
        return self._refusal()

    async def look_up_refund(self, asked: Asked, charged: str) -> RefundAnswer | NotThere:
        return NotThere()

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        raise BadNotice("this gateway tells nothing")

    def _refusal(self) -> Declined:
        return Declined(f"{self.capabilities.name}: {VoucherErrorCode.GATEWAY_NOT_CONNECTED.value}")


class Manual(Unconnected):
    """Who runs the program takes the money, by cheque or at the counter, and records that it came."""

    async def charge(self, charge: Charge) -> Answer:
        return AwaitingStaff()

    async def look_up(self, asked: Asked) -> Answer | NotThere:
        return AwaitingStaff()

    def _refusal(self) -> Declined:
        return Declined("No gateway took this money, so none can do that. Whoever runs the program does it by hand.")
