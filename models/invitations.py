"""Invitations: a voucher sent by e-mail to somebody who need not be registered, by a link that only they receive."""

from __future__ import annotations

import datetime as dt
from enum import Enum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, LargeBinary, String, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled

VALID_DAYS = 30
"""For how many days a link works, unless the voucher itself expires sooner."""


class InvitationEnd(Enum):
    """Why a link is dead."""

    CLAIMED = "somebody followed it and took the voucher"
    RESENT = "another link was sent"
    CANCELLED = "the organization took the voucher back, reissued or revoked it"
    EXPIRED = "nobody followed it in time"
    BOUNCED = "the mail could not be delivered"


class InvitationState(Enum):
    """What a link is shown as."""

    LIVE = "whoever follows it can claim the voucher"
    CLAIMED = InvitationEnd.CLAIMED.value
    RESENT = InvitationEnd.RESENT.value
    CANCELLED = InvitationEnd.CANCELLED.value
    EXPIRED = InvitationEnd.EXPIRED.value
    BOUNCED = InvitationEnd.BOUNCED.value


def invitation_state(end: InvitationEnd | None, expires_at: dt.datetime, now: dt.datetime) -> InvitationState:
    """A link past its last moment has expired, whether or not that was written down yet."""
    if end is not None:
        return InvitationState[end.name]
    return InvitationState.LIVE if expires_at > now else InvitationState.EXPIRED


class VoucherInvitation(Base):
    """One link. Found by a keyed hash; kept encrypted until it is dead, since it is written into the mail when that is
    sent, perhaps long after it was made."""

    __tablename__ = "voucher_invitation"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    voucher_assignment_id: Mapped[Key]
    # Which of the server's keys made the hash and the ciphertext.
    code_key: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    made_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    # How often they were reminded of it, and when last: of their assignment, so that another link takes both over.
    reminders: Mapped[int] = mapped_column(Integer)
    reminded_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]
    end: Mapped[InvitationEnd | None] = mapped_column(Spelled(InvitationEnd))

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "voucher_assignment_id"], ["voucher_assignment.program_id", "voucher_assignment.id"]
        ),
        Unique("program_id", "digest"),
        CheckConstraint('(ended_at IS NULL) = ("end" IS NULL)', name="end"),
        CheckConstraint("(ended_at IS NULL) = (sealed IS NOT NULL)", name="sealed"),
        Index(
            "uq_voucher_invitation_live",
            "program_id",
            "voucher_assignment_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(None, "program_id", "voucher_assignment_id", "id"),
        Index(
            "ix_voucher_invitation_due",
            "program_id",
            "expires_at",
            "id",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
