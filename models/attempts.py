"""Attempts to use a code, counted, so that nobody can try many: whatever aliases, lists or connections they use."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class AttemptBy(Enum):
    """Whose attempts are counted together."""

    ACTOR = "one account"
    ADDRESS = "one network address"
    TARGET = "one code, whoever tries it"


class AttemptCount(Base):
    """Failed attempts, and those that are under way, of one window of time. Counted before the answer is known."""

    __tablename__ = "attempt_count"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    by: Mapped[AttemptBy] = mapped_column(Spelled(AttemptBy, 20), primary_key=True)
    # SHA-256 of what is counted, in hexadecimal: neither codes nor addresses are kept.
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    window_at: Mapped[Moment] = mapped_column(primary_key=True)
    attempts: Mapped[int] = mapped_column(Integer)

    __table_args__ = (CheckConstraint("attempts >= 0", name="attempts"), Index(None, "window_at"))
