"""Delivery status notifications (RFC 3464): what a mail server tells later about a message that it took."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message

from models.outbox import keys_of_reference
from resolvers.outbox.sending import without_secret
from server.logs import SECRET
from server.mail.addresses import REFERENCE_HEADER

# Where a bounce came to, and where our Message-ID stands in what is sent back.
RETURNED_TO = ("To", "Delivered-To", "X-Original-To", "Envelope-To")
WITH_REFERENCE = re.compile(r"[+<]([0-9a-f]{1,16}-[0-9a-f]{1,16})@", re.IGNORECASE)


class MailNoticeError(Exception):
    """What was given is no notice of ours; the message says why."""


@dataclass(frozen=True, slots=True)
class Notice:
    """About which message it is, and what became of it."""

    program_id: int
    message_id: int
    # failed, delayed, delivered, relayed or expanded.
    action: str
    # In the mail server's words.
    reason: str

    @property
    def failed(self) -> bool:
        return self.action == "failed"


def read_notice(raw: bytes) -> Notice:
    mail = message_from_bytes(raw, policy=policy.compat32)
    statuses = [block for part in mail.walk() for block in _blocks(part)]
    told = [block for block in statuses if "Action" in block]
    if not told:
        raise MailNoticeError(
            "this is no delivery status notification (RFC 3464): it says of no recipient what was done"
        )
    keys = _message_of(mail)
    if keys is None:
        raise MailNoticeError(
            "this notice is about no message of Countersign: it names none, and none is sent back in it"
        )
    worst = next((one for one in told if _action(one) == "failed"), told[0])
    return Notice(*keys, _action(worst), _reason(worst))


def _blocks(part: Message) -> list[Message]:
    """Of the message, then of each of its recipients."""
    payload = part.get_payload()
    is_status = part.get_content_type() == "message/delivery-status"
    return [one for one in payload if isinstance(one, Message)] if is_status and isinstance(payload, list) else []


def _action(block: Message) -> str:
    return str(block["Action"]).strip().lower()


def _reason(block: Message) -> str:
    said = " ".join(str(block[name]) for name in ("Status", "Diagnostic-Code") if block[name])
    return without_secret(SECRET.sub("…", said), None)


def _message_of(mail: Message) -> tuple[int, int] | None:
    return next((keys for reference in _references(mail) if (keys := keys_of_reference(reference))), None)


def _references(mail: Message) -> Iterator[str]:
    """By the address that it came back to; else by what was sent back."""
    for header in (str(value) for name in RETURNED_TO for value in mail.get_all(name, [])):
        yield from WITH_REFERENCE.findall(header)
    for part in _returned(mail):
        yield str(part.get(REFERENCE_HEADER, "")).strip()
        yield from WITH_REFERENCE.findall(str(part.get("Message-ID", "")))


def _returned(mail: Message) -> Iterator[Message]:
    """The message that could not be delivered, or its headers alone."""
    for part in mail.walk():
        if part.get_content_type() == "message/rfc822" and isinstance(part.get_payload(), list):
            yield part.get_payload()[0]  # type: ignore[index, misc]
        elif part.get_content_type() == "text/rfc822-headers":
            yield message_from_bytes(part.get_payload(decode=True) or b"", policy=policy.compat32)  # type: ignore[arg-type]
