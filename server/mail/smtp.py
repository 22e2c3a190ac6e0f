"""Mail by SMTP. What the server answers is sorted by whom it concerns: this letter, its recipient, or all letters."""

from __future__ import annotations

import asyncio
import datetime as dt
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from resolvers.outbox.letters import Letter, NoAnswer, NoSuchRecipient, NotNow, NotTaken, Outcome, Taken
from server.mail.addresses import REFERENCE_HEADER, SmtpServer, returning_to

ANSWER_SECONDS = 20.0
WHOLE_SECONDS = 90.0
PERMANENT = 500


class SmtpMailer:
    """One connection a letter: they are few, and what goes wrong with one then concerns no other."""

    def __init__(
        self,
        server: SmtpServer,
        sender: Address,
        answer_seconds: float = ANSWER_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        self._server, self._sender = server, sender
        self._answer_seconds, self._whole_seconds = answer_seconds, whole_seconds

    async def send(self, letter: Letter, now: dt.datetime) -> Outcome:
        try:
            message = written(letter, self._sender, now)
        except (MessageError, ValueError, IndexError) as problem:
            return NoSuchRecipient(f"This is no address that mail can be sent to ({type(problem).__name__}).")
        try:
            async with asyncio.timeout(self._whole_seconds):
                return await self._give(message, letter)
        except TimeoutError:
            return NoAnswer("The mail server did not answer in time.")

    async def _give(self, message: EmailMessage, letter: Letter) -> Outcome:
        client = self._client()
        try:
            await client.connect()
        except (SMTPException, OSError) as problem:
            return NoAnswer(said_by(problem))
        returning = returning_to(self._sender, letter.reference)
        try:
            await client.send_message(message, sender=returning, recipients=[letter.recipient])
        except (SMTPException, OSError, ValueError) as problem:
            return outcome_of(problem)
        finally:
            # It was taken or refused by now: a good-bye is not waited for.
            client.close()
        return Taken()

    def _client(self) -> SMTP:
        """A password never goes over a line that others can read, nor to a server that cannot prove who it is. Without
        one the line is encrypted where that is offered, by whomever: the letter would be sent in the clear otherwise.
        """
        server, trusted = self._server, self._server.user is not None
        return SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=self._sender.domain,
            use_tls=server.tls,
            start_tls=False if server.tls else True if trusted else None,
            validate_certs=server.tls or trusted,
            timeout=self._answer_seconds,
        )


# ------------------------------------------------------------------------------------------- the letter


def written(letter: Letter, sender: Address, now: dt.datetime) -> EmailMessage:
    """The same letter has the same Message-ID, however often it is sent. ValueError for what is no address."""
    message = EmailMessage(policy=WIRE)
    message["From"] = sender
    message["To"] = Address(addr_spec=letter.recipient)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{letter.reference}@{sender.domain}>"
    message[REFERENCE_HEADER] = letter.reference
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


# ------------------------------------------------------------------------------------------- the answer


def outcome_of(problem: Exception) -> Outcome:
    """What is said about the recipient, about the letter, or about neither."""
    if isinstance(problem, SMTPRecipientsRefused):
        return _of_recipient(problem.recipients[0])
    if isinstance(problem, SMTPRecipientRefused):
        return _of_recipient(problem)
    if isinstance(problem, SMTPDataError):
        return _of_letter(problem)
    if isinstance(problem, SMTPNotSupported | ValueError):
        return NoSuchRecipient(f"The mail server cannot take this address ({type(problem).__name__}).")
    if isinstance(problem, OSError):
        return NoAnswer(said_by(problem))
    return NotNow(said_by(problem))


def _of_recipient(problem: SMTPResponseException) -> Outcome:
    return NoSuchRecipient(said_by(problem)) if problem.code >= PERMANENT else NotNow(said_by(problem))


def _of_letter(problem: SMTPResponseException) -> Outcome:
    """Some servers look at the recipient only when they have all of the letter: 5.1.x says so."""
    if problem.code < PERMANENT:
        return NotNow(said_by(problem))
    about_address = problem.message.startswith("5.1.")
    return NoSuchRecipient(said_by(problem)) if about_address else NotTaken(said_by(problem))


def said_by(problem: Exception) -> str:
    if isinstance(problem, SMTPResponseException):
        return f"{problem.code} {problem.message}"
    return f"{type(problem).__name__}: {problem}"
