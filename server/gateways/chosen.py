"""The gateways that the settings name."""

from resolvers.gateways.gateway import Gateways
from server.settings import Settings


def chosen_gateways(settings: Settings) -> Gateways:
    """Stripe where there is a key, else none: then no card can be charged."""
    if settings.stripe_secret_key is None:
        return {}
    # Its SDK takes long to load, and few commands charge anything.
    from server.gateways.stripe import NAME, StripeGateway  # noqa: PLC0415

    secret = settings.stripe_webhook_secret
    own = settings.stripe_secret_key.get_secret_value()
    return {NAME: StripeGateway(own, secret.get_secret_value() if secret else None, settings.stripe_url)}
