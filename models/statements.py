"""Statements: what an organization redeemed under an agreement, billed once a month."""

from __future__ import annotations

import datetime as dt
from enum import Enum

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, ForeignKeyConstraint, Index, Integer, String
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class StatementState(Enum):
    DUE = "it is closed, and not paid yet"
    PAYMENT_UNKNOWN = "the gateway did not answer: whether the card was charged is being found out"
    PAID = "it is paid in full, or nothing was due on it"


class Statement(Base):
    """Everything that an organization redeemed in a month of the program's zone, in one currency. Closed at once."""

    __tablename__ = "statement"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    billing_agreement_id: Mapped[Key]
    currency: Mapped[str] = mapped_column(String(3))
    # What people call it; unique in the program.
    number: Mapped[str] = mapped_column(String(40))
    # The first day of the month.
    month: Mapped[dt.date] = mapped_column(Date)
    state: Mapped[StatementState] = mapped_column(Spelled(StatementState))
    # Negative if more was reversed than redeemed: then the next statement brings it forward.
    total_minor: Mapped[int] = mapped_column(BigInteger)
    purchase_order: Mapped[str | None] = mapped_column(String(100))
    payment_reference: Mapped[str | None] = mapped_column(String(100))
    closed_at: Mapped[Moment]
    paid_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "billing_agreement_id"], ["billing_agreement.program_id", "billing_agreement.id"]
        ),
        Unique("program_id", "number"),
        Unique("program_id", "organization_id", "currency", "month"),
        CheckConstraint("(state = 'PAID') = (paid_at IS NOT NULL)", name="paid"),
        CheckConstraint("total_minor > 0 OR state = 'PAID'", name="due"),
        Index(None, "program_id", "month", "id"),
    )


class StatementLine(Base):
    """One redemption, one reversal, or what the statement before left to its organization's credit. Insert-only; the
    database takes each redemption and each reversal once."""

    __tablename__ = "statement_line"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    statement_id: Mapped[Key] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    redemption_id: Mapped[Key | None]
    redemption_reversal_id: Mapped[Key | None]
    brought_forward_id: Mapped[Key | None]
    """The statement whose credit it is."""
    # Negative for a reversal and for a credit.
    amount_minor: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "statement_id"], ["statement.program_id", "statement.id"]),
        ForeignKeyConstraint(["program_id", "redemption_id"], ["redemption.program_id", "redemption.id"]),
        ForeignKeyConstraint(
            ["program_id", "redemption_reversal_id"], ["redemption_reversal.program_id", "redemption_reversal.id"]
        ),
        ForeignKeyConstraint(["program_id", "brought_forward_id"], ["statement.program_id", "statement.id"]),
        Unique("program_id", "redemption_id"),
        Unique("program_id", "redemption_reversal_id"),
        Unique("program_id", "brought_forward_id"),
        CheckConstraint(
            "(redemption_id IS NOT NULL AND redemption_reversal_id IS NULL AND brought_forward_id IS NULL"
            " AND amount_minor > 0) OR (redemption_id IS NULL AND amount_minor < 0"
            " AND (redemption_reversal_id IS NULL) <> (brought_forward_id IS NULL))",
            name="subject",
        ),
    )
