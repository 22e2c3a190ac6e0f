"""The outbox: what is to be sent, written in the transaction that decided it, and sent later by a worker.

So nothing is sent about what was rolled back, and nothing that was decided is forgotten in a crash. A message may be
sent twice, and is known again by its id.
"""

from __future__ import annotations

import re
from enum import Enum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class MessageKind(Enum):
    """What is said. The text is made when it is sent, so no secret waits in the outbox."""

    VOUCHER_INVITATION = "a voucher is yours: follow the link"
    VOUCHER_REMINDER = "a voucher still waits for you: follow the link"


class MessageState(Enum):
    WAITING = "it is to be sent, perhaps again"
    SENT = "a server took it"
    BOUNCED = "the server refused the address for good, or told later that it could not be delivered"
    GIVEN_UP = "it could not be sent, however often it was tried"
    WITHDRAWN = "what it was about ended before it was sent"


MOST_ATTEMPTS = 20
"""With pauses of a minute that double up to six hours these are about three days."""
REFERENCE = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})")


def reference_of(program_id: int, message_id: int) -> str:
    """By which a message is known again at a mail server. Lower case, since some change the case of an address."""
    return f"{program_id:x}-{message_id:x}"


def keys_of_reference(reference: str) -> tuple[int, int] | None:
    """The program and the message; None if it is none of ours."""
    found = REFERENCE.fullmatch(reference.lower())
    keys = (int(found[1], 16), int(found[2], 16)) if found else None
    return keys if keys and max(keys) < 1 << 63 else None


class OutboxMessage(Base):
    """One e-mail. Whoever sends it holds a lease; what failed is tried again later, less and less often."""

    __tablename__ = "outbox_message"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    # By which a message that was sent twice is known again: its Message-ID is made of it.
    id: Mapped[Key] = mapped_column(primary_key=True)
    kind: Mapped[MessageKind] = mapped_column(Spelled(MessageKind, 40))
    state: Mapped[MessageState] = mapped_column(Spelled(MessageState, 20))
    recipient: Mapped[str] = mapped_column(String(254))
    # What it is about.
    voucher_invitation_id: Mapped[Key]
    made_at: Mapped[Moment]
    due_at: Mapped[Moment]
    attempts: Mapped[int] = mapped_column(Integer)
    lease: Mapped[str | None] = mapped_column(String(64))
    leased_until: Mapped[Moment | None]
    # In the mail server's words.
    failure: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "voucher_invitation_id"], ["voucher_invitation.program_id", "voucher_invitation.id"]
        ),
        CheckConstraint("(state = 'WAITING') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("attempts >= 0", name="attempts"),
        Index(
            "ix_outbox_message_due",
            "due_at",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(None, "program_id", "voucher_invitation_id"),
    )
