"""Whether a cart's gateway takes vouchers: asked here by the field that draws the entry, by apply and by complete."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import VoucherError, VoucherErrorCode
from resolvers.gateways.gateway import Gateways


@dataclass(frozen=True, slots=True)
class VoucherEntry:
    enabled: bool
    # Why not, in a sentence.
    reason: str | None = None


def voucher_entry(gateways: Gateways, gateway: str) -> VoucherEntry:
    """What the gateway declares, which the setting of this server may have narrowed; the same whether or not anything
    is left to pay."""
    known = gateways.get(gateway)
    if known is None:
        return VoucherEntry(False, f"The gateway {gateway} is not set up here, so no vouchers can be used with it.")
    if not known.capabilities.takes_vouchers:
        return VoucherEntry(False, known.capabilities.vouchers_off_because or f"{gateway} takes no vouchers.")
    return VoucherEntry(True)


def must_take_vouchers(gateways: Gateways, gateway: str, *at: str) -> None:
    entry = voucher_entry(gateways, gateway)
    if not entry.enabled:
        raise VoucherError(VoucherErrorCode.GATEWAY_TAKES_NO_VOUCHERS, entry.reason or "", *at)


def gateway_of(gateways: Gateways, named: str | None) -> str:
    """The one that was named, else the server's first."""
    if named is not None and named not in gateways:
        said = f"There is no gateway {named!r} here, only {', '.join(gateways) or 'none'}."
        raise VoucherError(VoucherErrorCode.UNKNOWN_GATEWAY, said, "gateway")
    chosen = named or next(iter(gateways), None)
    if chosen is None:
        raise VoucherError(VoucherErrorCode.NO_GATEWAY, VoucherErrorCode.NO_GATEWAY.value, "gateway")
    return chosen
