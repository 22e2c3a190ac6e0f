"""Invoices: drafted from snapshots, shown to the client, issued, paid; corrected by credit notes and adjustments.

An invoice's total is the sum of its lines, and is kept nowhere else. Lines, payments, acceptances, credit notes and
adjustments are insert-only; of an invoice only its state and its times change.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled

INVOICE = ["invoice.organization_id", "invoice.id"]
SNAPSHOT = ["billing_snapshot.organization_id", "billing_snapshot.id"]


class InvoiceState(Enum):
    DRAFT = "made from the snapshots, not yet shown to the client"
    CHALLENGE = "the client sees the names and may challenge them until a deadline"
    ISSUED = "to be paid, but for what is disputed"
    PAID = "nothing is left to pay"
    CANCELLED = "a draft that was dropped"


SHOWN = (InvoiceState.CHALLENGE, InvoiceState.ISSUED, InvoiceState.PAID)
"""The states in which the client sees an invoice."""


class Invoice(Base):
    """What an organization owes for a date, in one currency."""

    __tablename__ = "invoice"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(120))
    date: Mapped[dt.date] = mapped_column(Date)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[InvoiceState] = mapped_column(Spelled(InvoiceState))
    drafted_at: Mapped[Moment]
    # The end of the challenge window: from then on it may be issued.
    challenge_until: Mapped[Moment | None]
    issued_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(["organization_id"], ["organization.id"]),
        UniqueConstraint("organization_id", "number"),
        Index(None, "organization_id", "date", "id"),
    )


class LineKind(Enum):
    OVERAGE = "the provable overage of a snapshot"
    UNCERTAIN = "people of whom dates are lost, billed by a recorded approval"
    ADJUSTMENT = "a late correction upward, billed by a recorded approval"


class InvoiceLine(Base):
    """So many people above what is licensed, at the price of the term that the snapshot froze. Insert-only."""

    __tablename__ = "invoice_line"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    invoice_id: Mapped[Key] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    kind: Mapped[LineKind] = mapped_column(Spelled(LineKind))
    snapshot_id: Mapped[Key]
    adjustment_id: Mapped[Key | None]
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    approved_by: Mapped[str | None] = mapped_column(String(200))
    approval_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "invoice_id"], INVOICE),
        ForeignKeyConstraint(["organization_id", "snapshot_id"], SNAPSHOT),
        ForeignKeyConstraint(["organization_id", "adjustment_id"], ["adjustment.organization_id", "adjustment.id"]),
        CheckConstraint("quantity > 0 AND total_minor = quantity * unit_price_minor", name="total"),
        CheckConstraint("(kind = 'OVERAGE') = (approved_by IS NULL)", name="approved"),
        CheckConstraint("(kind = 'ADJUSTMENT') = (adjustment_id IS NOT NULL)", name="adjustment"),
        Index(None, "organization_id", "snapshot_id"),
        Index(
            "uq_invoice_line_adjustment",
            *("organization_id", "adjustment_id"),
            unique=True,
            sqlite_where=text("adjustment_id IS NOT NULL"),
            postgresql_where=text("adjustment_id IS NOT NULL"),
        ),
    )


class LineAcceptance(Base):
    """The client's word that a line is right: it cannot be disputed any more. Insert-only."""

    __tablename__ = "line_acceptance"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    invoice_id: Mapped[Key] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    recorded_at: Mapped[Moment]
    accepted_by: Mapped[str] = mapped_column(String(200))

    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "invoice_id", "line_number"],
            [f"invoice_line.{key}" for key in ("organization_id", "invoice_id", "number")],
        ),
    )


class InvoicePayment(Base):
    """Money that came in for an invoice. Insert-only."""

    __tablename__ = "invoice_payment"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    invoice_id: Mapped[Key]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str] = mapped_column(String(200))
    recorded_at: Mapped[Moment]
    actor: Mapped[str] = mapped_column(String(200))

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "invoice_id"], INVOICE),
        CheckConstraint("amount_minor > 0", name="positive"),
        Index(None, "organization_id", "invoice_id", "id"),
    )


class AdjustmentState(Enum):
    CREDITED = "downward: a credit note was made with it"
    AWAITING_APPROVAL = "upward: nobody is billed for it before it is approved"
    BILLED = "upward, approved, and on an invoice"
    SUPERSEDED = "upward and not billed, and another was found later or its invoice was cancelled"


class Adjustment(Base):
    """A difference of two overages of one snapshot, each floored at zero: as billed, and as a recount knows it now.
    Insert-only. Downward it is credited at once; upward it is a draft until an invoice line bills it.
    """

    __tablename__ = "adjustment"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    snapshot_id: Mapped[Key]
    # An INQUIRY: the same question, as known later.
    recount_id: Mapped[Key]
    overage_billed: Mapped[int] = mapped_column(Integer)
    overage_now: Mapped[int] = mapped_column(Integer)
    quantity: Mapped[int] = mapped_column(Integer)
    recorded_at: Mapped[Moment]
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "snapshot_id"], SNAPSHOT),
        ForeignKeyConstraint(["organization_id", "recount_id"], SNAPSHOT),
        CheckConstraint("overage_billed >= 0 AND overage_now >= 0", name="floored"),
        CheckConstraint("quantity = overage_now - overage_billed AND quantity <> 0", name="difference"),
        Index(None, "organization_id", "snapshot_id", "id"),
    )


class CreditNote(Base):
    """What is no longer owed, and why: the outcome of a dispute, or of an adjustment. Insert-only."""

    __tablename__ = "credit_note"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(120))
    invoice_id: Mapped[Key]
    dispute_id: Mapped[Key | None]
    adjustment_id: Mapped[Key | None]
    recorded_at: Mapped[Moment]
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "invoice_id"], INVOICE),
        ForeignKeyConstraint(["organization_id", "dispute_id"], ["dispute.organization_id", "dispute.id"]),
        ForeignKeyConstraint(["organization_id", "adjustment_id"], ["adjustment.organization_id", "adjustment.id"]),
        CheckConstraint("(dispute_id IS NULL) <> (adjustment_id IS NULL)", name="cause"),
        UniqueConstraint("organization_id", "number"),
        Index(None, "organization_id", "invoice_id", "id"),
    )


class CreditNoteLine(Base):
    """So many people of an invoice line that are no longer owed. Insert-only."""

    __tablename__ = "credit_note_line"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    credit_note_id: Mapped[Key] = mapped_column(primary_key=True)
    invoice_id: Mapped[Key] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)
    total_minor: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "credit_note_id"], ["credit_note.organization_id", "credit_note.id"]),
        ForeignKeyConstraint(
            ["organization_id", "invoice_id", "line_number"],
            [f"invoice_line.{key}" for key in ("organization_id", "invoice_id", "number")],
        ),
        CheckConstraint("quantity > 0 AND total_minor > 0", name="positive"),
        Index(None, "organization_id", "invoice_id", "line_number"),
    )


# ------------------------------------------------------------------------------------------------------ rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is owed on an invoice, in the smallest unit of its currency. Due − held = collectable."""

    total: int
    credited: int
    paid: int
    disputed: int
    """In open dispute and not credited yet."""

    @property
    def due(self) -> int:
        return max(0, self.total - self.credited - self.paid)

    @property
    def credit_balance(self) -> int:
        """What the client has paid and no longer owes: it stays theirs."""
        return max(0, self.credited + self.paid - self.total)

    @property
    def held(self) -> int:
        return min(self.disputed, self.due)

    @property
    def collectable(self) -> int:
        return self.due - self.held

    @property
    def is_settled(self) -> bool:
        return not self.due and not self.disputed


def billable_now(billed: int, approved: int, least: int, most: int) -> int:
    """Of how many people the overage is to be billed, as known now, when `billed` are, `approved` of them as
    uncertain.

    At least all that are certain; beyond these only who was approved, and never more than may be counted. What is
    billed between the two stays: snapshot 401..403 of 400, one billed and two approved, changes nothing.
    """
    return max(least, min(billed, least + approved, most))
