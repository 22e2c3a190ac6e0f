"""A real SMTP server in the test's own loop, which behaves as it is told: takes, refuses, hangs, hangs up."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import Enum
from functools import partial
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

YEAR_2100 = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


class Manner(Enum):
    TAKE = "it takes what it gets"
    DEFER = "it refuses recipients for now"
    REFUSE = "it refuses recipients for good"
    REFUSE_LETTER = "it refuses the letter for good, when it has all of it"
    QUOTE = "it refuses the letter for now, and quotes its link"
    HANG = "it says nothing after the recipient"
    DROP = "it takes the letter, and hangs up instead of saying so"


@dataclass
class PostOffice:
    """What it has got, in order, and how it behaves; for single recipients otherwise."""

    port: int = 0
    manner: Manner = Manner.TAKE
    manners: dict[str, Manner] = field(default_factory=dict)
    got: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    # Those that somebody signed in with, and whether letters came over an encrypted line.
    passwords: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        return [str(mail["Message-ID"]) for mail in self.got]

    def text(self, place: int = -1) -> str:
        return self._part(place, "plain")

    def html(self, place: int = -1) -> str:
        return self._part(place, "html")

    def _part(self, place: int, kind: str) -> str:
        body = self.got[place].get_body((kind,))
        assert body is not None
        return str(body.get_content())

    def _manner(self, envelope: Envelope) -> Manner:
        return self.manners.get(envelope.rcpt_tos[0] if envelope.rcpt_tos else "", self.manner)

    # ----------------------------------------------------------------------- as aiosmtpd calls them

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        manner = self.manners.get(address, self.manner)
        if manner is Manner.DEFER:
            return "451 4.7.1 Greylisted, come back later"
        if manner is Manner.REFUSE:
            return "550 5.1.1 No such user here"
        if manner is Manner.HANG:
            await asyncio.Event().wait()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        manner, raw = self._manner(envelope), envelope.original_content or b""
        mail = message_from_bytes(raw, policy=policy.default)
        if manner is Manner.REFUSE_LETTER:
            return "554 5.7.1 This looks like spam"
        if manner is Manner.QUOTE:
            body = mail.get_body(("plain",))
            assert body is not None
            link = next(word for word in body.get_content().split() if "/claim/" in word)
            return f"451 4.7.0 Suspicious link {link}"
        self.got.append(mail)
        self.encrypted.append(session.ssl is not None)
        self.envelopes.append(envelope)
        if manner is Manner.DROP:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 Taken"

    def sign_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object) -> AuthResult:
        if isinstance(given, LoginPassword):
            self.passwords.append(given.password)
        return AuthResult(success=True)


@asynccontextmanager
async def post_office(tls: ssl.SSLContext | None = None) -> AsyncIterator[PostOffice]:
    """It lets everybody sign in, also over a line that is not encrypted; it can encrypt if it has a certificate."""
    office = PostOffice()
    loop = asyncio.get_running_loop()
    made = partial(SMTP, office, loop=loop, hostname="mail.test", tls_context=tls)
    behaving = partial(made, auth_require_tls=False, authenticator=office.sign_in)
    listening = await loop.create_server(behaving, "127.0.0.1", 0)
    office.port = listening.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        listening.close()
        await listening.wait_closed()


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    began = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), began, YEAR_2100)
    file = folder / "mail.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + unsigned.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
