"""Attempts to use a code, counted, so that nobody can try many: whatever aliases, lists or connections they use; and
what is asked about somebody's address.

They are counted in windows of a quarter of an hour that begin with the hour, the same for everybody, so that the
moment to try again tells nothing about who or what was counted.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled
from models.interval import BEGINNING


class AttemptBy(Enum):
    """Whose attempts are counted together."""

    ACTOR = "one account"
    ADDRESS = "one network address"
    TARGET = "one code, whoever tries it"


WINDOW = dt.timedelta(minutes=15)

# Of somebody who types one in, a few are slips of the finger. With 80 random bits in a code, a million live codes and
# 40 tries an hour, a guess succeeds once in some billions of years.
MOST = {
    AttemptBy.ACTOR: 10,
    # Many people may share the address of an office.
    AttemptBy.ADDRESS: 50,
    # Whoever knows a dead code may tell it to others; a live one is not shut to its owner by two people's slips.
    AttemptBy.TARGET: 20,
}

# A program's counter and a partner's portal serve many people in a quarter of an hour, all through one account and
# one address.
MOST_SERVING_OTHERS = MOST | {AttemptBy.ACTOR: 100, AttemptBy.ADDRESS: 200}


def window_of(now: dt.datetime) -> dt.datetime:
    """When the window began in which this moment lies."""
    return now - (now - BEGINNING) % WINDOW


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


class AskedBy(Enum):
    """What is asked about an address, and whose asking is counted together."""

    NETWORK = "links to sign in with, asked for from one network address"
    MAILBOX = "links to sign in with, asked for to one mailbox"
    ORGANIZATION = "addresses that no account has, named by one organization"


MOST_ASKED = {
    AskedBy.NETWORK: 20,
    # Each is a mail, whoever asked for it.
    AskedBy.MAILBOX: 3,
    AskedBy.ORGANIZATION: 20,
}


class AskedCount(Base):
    """What was asked in one window of time, whether or not there is such an address. It belongs to no program."""

    __tablename__ = "asked_count"
    by: Mapped[AskedBy] = mapped_column(Spelled(AskedBy, 20), primary_key=True)
    # As of attempts.
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    window_at: Mapped[Moment] = mapped_column(primary_key=True)
    asked: Mapped[int] = mapped_column(Integer)

    __table_args__ = (CheckConstraint("asked >= 0", name="asked"), Index(None, "window_at"))
