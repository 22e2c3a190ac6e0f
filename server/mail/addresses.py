"""Where mail goes out and from whom, as the settings name them."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses
from urllib.parse import unquote, urlsplit

REFERENCE_HEADER = "X-Countersign-Message"
PORTS = {"smtp": 587, "smtps": 465}
SMTP_URL = "the URL of a mail server, like smtp://user:password@host:587 or smtps://user:password@host"
FROM = "an address that mail comes from, like vouchers@example.org or Board of Nursing <vouchers@example.org>"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    host: str
    port: int
    # Whether the line is encrypted from the first byte on; else it becomes so by STARTTLS.
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def smtp_server(url: str) -> SmtpServer:
    """ValueError, which says what is accepted and never what was given."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (KeyError, ValueError) as problem:
        raise ValueError(SMTP_URL) from problem
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(SMTP_URL)
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return SmtpServer(parts.hostname, port, parts.scheme == "smtps", user, password)


def sender(text: str) -> Address:
    """ValueError, which says what is accepted."""
    try:
        ((name, spec),) = getaddresses([text])
        address = Address(display_name=name, addr_spec=spec)
    except (MessageError, ValueError, IndexError) as problem:
        raise ValueError(FROM) from problem
    alone = text.strip() == spec or text.strip().endswith(f"<{spec}>")
    if not alone or not address.username or not address.domain or not text.isprintable() or not spec.isascii():
        raise ValueError(FROM)
    return address


def returning_to(own: Address, reference: str) -> str:
    """Where a mail server sends what it cannot deliver: the sender's address, with the message in it."""
    return f"{own.username}+{reference}@{own.domain}"
