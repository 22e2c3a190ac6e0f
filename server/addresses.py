"""Where people find this server."""

from server.settings import Settings


def address(settings: Settings) -> str:
    """Where a person on this machine finds it; an address that means every network is reached as localhost."""
    host = "localhost" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/"


def public_address(settings: Settings) -> str:
    """Where people find it: the address they are given, or else this machine's."""
    return f"{settings.public_url}/" if settings.public_url else address(settings)
