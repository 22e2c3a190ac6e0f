"""Choosing a gateway for a charge: the one that was named, else the first that can charge what was given."""

from __future__ import annotations

from models.errors import VoucherError, VoucherErrorCode
from models.payments import Capabilities
from resolvers.gateways.gateway import Gateway, Gateways


def gateway_for(gateways: Gateways, named: str | None, *, has_method: bool) -> str | None:
    """None where none was named and none can."""
    if named is not None:
        return must_charge(gateways, named, has_method=has_method).capabilities.name
    return next((name for name, one in gateways.items() if _charges(one.capabilities, has_method=has_method)), None)


def must_charge(gateways: Gateways, named: str, *, has_method: bool) -> Gateway:
    """Refused before anything is asked for: one that is not there, that is not connected, or that needs a method."""
    if named not in gateways:
        said = f"There is no gateway {named!r} here, only {', '.join(gateways) or 'none'}."
        raise VoucherError(VoucherErrorCode.UNKNOWN_GATEWAY, said, "gateway")
    able = gateways[named].capabilities
    if not able.connected:
        said = f"{named}: {VoucherErrorCode.GATEWAY_NOT_CONNECTED.value}"
        raise VoucherError(VoucherErrorCode.GATEWAY_NOT_CONNECTED, said, "gateway")
    if not (has_method or able.hosted_page or able.by_hand):
        needed = VoucherErrorCode.PAYMENT_METHOD_REQUIRED
        raise VoucherError(needed, needed.value, "paymentMethod")
    return gateways[named]


def _charges(able: Capabilities, *, has_method: bool) -> bool:
    """By itself, with what was given."""
    return able.connected and not able.by_hand and able.hosted_page is not has_method
