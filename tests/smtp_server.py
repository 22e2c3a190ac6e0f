"""A real SMTP server in the test's own loop, which behaves as it is told: takes, refuses, hangs, hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import Enum
from functools import partial

from aiosmtpd.smtp import SMTP, Envelope, Session


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
    # How many letters are being looked at at once, and were at most.
    busy: int = 0
    busiest: int = 0

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
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await asyncio.sleep(0)
        self.busy -= 1
        self.got.append(mail)
        self.envelopes.append(envelope)
        if manner is Manner.DROP:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 Taken"


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    office = PostOffice()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(partial(SMTP, office, loop=loop, hostname="mail.test"), "127.0.0.1", 0)
    office.port = listening.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        listening.close()
        await listening.wait_closed()
