"""The gateways that the settings name, those that can charge a card by themselves first.

Another one is a file beside this, with a line of what it can do, and a line in `_connected`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from models.payments import Capabilities
from resolvers.gateways.gateway import Gateway, Gateways
from server.gateways.known import MANUAL, UNCONNECTED, Manual, Unconnected
from server.settings import Settings, SettingsError, variable

BY_NAME = {one.name: one for one in (*UNCONNECTED, MANUAL)}


def chosen_gateways(settings: Settings) -> Gateways:
    """Stripe and Payflow where there are keys for them, and whatever else is named; none: no card can be charged."""
    made = {gateway.capabilities.name: gateway for gateway in (*_connected(settings), *_named(settings))}
    if unknown := sorted(settings.voucher_enabled.keys() - made.keys()):
        raise SettingsError(f"{variable('voucher_enabled')} names {unknown[0]!r}, which is no gateway here.")
    return made


def narrowed(capabilities: Capabilities, voucher_enabled: Mapping[str, bool]) -> Capabilities:
    """Switched off by the setting; what a gateway cannot do, no setting switches on."""
    if not capabilities.takes_vouchers:
        why = capabilities.vouchers_off_because or f"{capabilities.name} takes no vouchers."
        return replace(capabilities, vouchers_off_because=why)
    if voucher_enabled.get(capabilities.name, True):
        return capabilities
    return replace(capabilities, takes_vouchers=False, vouchers_off_because="Vouchers are switched off here.")


def _connected(settings: Settings) -> Iterator[Gateway]:
    """Each is imported where it is wanted: an SDK takes long to load, and few commands charge anything."""
    if settings.stripe_secret_key is not None:
        from server.gateways import stripe  # noqa: PLC0415

        secret = settings.stripe_webhook_secret
        yield stripe.StripeGateway(
            settings.stripe_secret_key.get_secret_value(),
            secret.get_secret_value() if secret else None,
            settings.stripe_url,
            capabilities=narrowed(stripe.CAPABILITIES, settings.voucher_enabled),
        )
    if settings.payflow_vendor is not None and settings.payflow_password is not None:
        from server.gateways import payflow  # noqa: PLC0415

        account = payflow.Account(
            vendor=settings.payflow_vendor,
            password=settings.payflow_password,
            partner=settings.payflow_partner,
            user=settings.payflow_user,
        )
        yield payflow.PayflowGateway(
            account,
            settings.public_url or f"http://{settings.host}:{settings.port}",
            url=settings.payflow_url or payflow.URL,
            page_url=f"{settings.payflow_url}/page" if settings.payflow_url else payflow.PAGE_URL,
            capabilities=narrowed(payflow.CAPABILITIES, settings.voucher_enabled),
        )


def _named(settings: Settings) -> Iterator[Gateway]:
    for name in settings.gateways:
        if name not in BY_NAME:
            raise SettingsError(f"{variable('gateways')} names {name!r}; it takes {', '.join(BY_NAME)}.")
        own = narrowed(BY_NAME[name], settings.voucher_enabled)
        yield Unconnected(own) if not own.connected else Manual(own)
