"""Letters: what a message says once it is written, and whoever carries it to a mail server.

A letter is written when it is sent, so that no secret waits in the outbox. Each kind of message that is sent has its
reader here, and its words in the templates of the server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from models.outbox import MessageKind
from resolvers.vouchers.codes import CodeKeys, must_have
from resolvers.vouchers.invitation_facts import InvitationFacts, invitation_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The message that is to be written."""

    program_id: int
    message_id: int
    kind: MessageKind
    recipient: str
    voucher_invitation_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is sent. The secret that it holds is named, so that it can be kept out of everything else."""

    # By which it is known again: in its Message-ID, and where it comes back to.
    reference: str
    recipient: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)


# ------------------------------------------------------------------------------------------- what is to be said


Facts = InvitationFacts


class Composer(Protocol):
    def __call__(self, about: About, facts: Facts) -> Letter: ...


async def facts_of(connection: AsyncConnection, keys: CodeKeys | None, now: dt.datetime, about: About) -> Facts | None:
    """What a message says as things are now; None if there is nothing to say any more."""
    return await READERS[about.kind](connection, keys, now, about)


async def _of_invitation(
    connection: AsyncConnection, keys: CodeKeys | None, now: dt.datetime, about: About
) -> InvitationFacts | None:
    facts = await invitation_facts(connection, must_have(keys), about.program_id, about.voucher_invitation_id)
    return facts if facts and facts.link_until > now else None


Reader = Callable[[AsyncConnection, CodeKeys | None, dt.datetime, About], Awaitable[Facts | None]]
READERS: dict[MessageKind, Reader] = {
    MessageKind.VOUCHER_INVITATION: _of_invitation,
    MessageKind.VOUCHER_REMINDER: _of_invitation,
}


# --------------------------------------------------------------------------------------------- who carries it


@dataclass(frozen=True, slots=True)
class Taken:
    """The server took it. Whether it arrives is another matter: see `bouncing`."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """The server may take it later, or another time."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The server cannot be reached, lets us in no more or does not answer: so it is for other letters too."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoSuchRecipient:
    """The server refuses the address for good."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The server refuses the letter for good, whoever it is for."""

    reason: str


Outcome = Taken | NotNow | NoAnswer | NoSuchRecipient | NotTaken


class Mailer(Protocol):
    async def send(self, letter: Letter, now: dt.datetime) -> Outcome:
        """Gives the letter to a mail server. What goes wrong is an answer, never an exception."""
