"""Payments through gateways: what was asked, what was answered, and what a gateway can do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class PaymentState(Enum):
    """What is known of a charge. It is asked for outside any transaction, so an answer may be late or missing."""

    ASKING = "the gateway is being asked"
    ACTION_REQUIRED = "the card's owner must confirm it first, as 3-D Secure wants"
    UNKNOWN = "the gateway did not answer: it is looked up before anything is tried again"
    SUCCEEDED = "it was charged"
    DECLINED = "it was declined"
    CANCELLED = "it was given up before it was charged"


class RefundState(Enum):
    ASKING = "the gateway is being asked"
    UNKNOWN = "the gateway did not answer: it is looked up before anything is tried again"
    SUCCEEDED = "the money was given back"
    FAILED = "the gateway refused"


OPEN_PAYMENTS = frozenset({PaymentState.ASKING, PaymentState.ACTION_REQUIRED, PaymentState.UNKNOWN})
_IS_OPEN = text("state IN ('ASKING', 'ACTION_REQUIRED', 'UNKNOWN')")


def _one_open(column: str) -> Index:
    """Of one thing at most one payment is under way."""
    return Index(
        f"uq_payment_open_{column.removesuffix('_id')}",
        "program_id",
        column,
        unique=True,
        sqlite_where=_IS_OPEN,
        postgresql_where=_IS_OPEN,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a gateway declares that it can do: everybody asks here, nobody guesses."""

    name: str
    takes_vouchers: bool
    # Its own page asks for the card, or ours sends a method that the gateway's script made.
    hosted_page: bool
    refunds: bool
    partial_refunds: bool
    # It can set an amount aside first, to be captured or given up later.
    authorises: bool = False
    # A person takes the money, and records it.
    by_hand: bool = False
    # False: it is known by name, and nothing here speaks to it yet.
    connected: bool = True
    # Where it takes none: why.
    vouchers_off_because: str | None = None


class Payment(Base):
    """One charge, asked for once. Found at the gateway by our own reference."""

    __tablename__ = "payment"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    # What it pays for: one of these.
    voucher_order_id: Mapped[Key | None]
    checkout_id: Mapped[Key | None]
    statement_id: Mapped[Key | None]
    gateway: Mapped[str] = mapped_column(String(40))
    # Ours, sent along; and the gateway's own.
    reference: Mapped[str] = mapped_column(String(60))
    gateway_reference: Mapped[str | None] = mapped_column(String(255))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[PaymentState] = mapped_column(Spelled(PaymentState))
    asked_at: Mapped[Moment]
    answered_at: Mapped[Moment | None]
    # Why it was declined, in the gateway's words.
    failure: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "voucher_order_id"], ["voucher_order.program_id", "voucher_order.id"]),
        ForeignKeyConstraint(["program_id", "checkout_id"], ["checkout.program_id", "checkout.id"]),
        ForeignKeyConstraint(["program_id", "statement_id"], ["statement.program_id", "statement.id"]),
        CheckConstraint(
            "(voucher_order_id IS NOT NULL AND checkout_id IS NULL AND statement_id IS NULL)"
            " OR (voucher_order_id IS NULL AND (checkout_id IS NULL) <> (statement_id IS NULL))",
            name="subject",
        ),
        UniqueConstraint("program_id", "reference"),
        UniqueConstraint("program_id", "gateway", "gateway_reference"),
        CheckConstraint("amount_minor > 0", name="amount"),
        Index(None, "program_id", "voucher_order_id"),
        Index(None, "program_id", "checkout_id"),
        Index(None, "program_id", "statement_id"),
        _one_open("voucher_order_id"),
        _one_open("checkout_id"),
        _one_open("statement_id"),
        # Looked up by the worker, of whatever program.
        Index(None, "state", "asked_at"),
    )


class PaymentRefund(Base):
    """Part or all of a charge given back, asked for once."""

    __tablename__ = "payment_refund"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    payment_id: Mapped[Key]
    # Of a fee that was given back; None of a payment that came too late, and of vouchers that were given back.
    fee_refund_id: Mapped[Key | None]
    # The refund that the gateway refused, and that is asked for again by this one.
    retries_id: Mapped[Key | None]
    reference: Mapped[str] = mapped_column(String(60))
    gateway_reference: Mapped[str | None] = mapped_column(String(255))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[RefundState] = mapped_column(Spelled(RefundState))
    asked_at: Mapped[Moment]
    answered_at: Mapped[Moment | None]
    failure: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "payment_id"], ["payment.program_id", "payment.id"]),
        ForeignKeyConstraint(["program_id", "fee_refund_id"], ["fee_refund.program_id", "fee_refund.id"]),
        ForeignKeyConstraint(["program_id", "retries_id"], ["payment_refund.program_id", "payment_refund.id"]),
        UniqueConstraint("program_id", "reference"),
        UniqueConstraint("program_id", "retries_id"),
        CheckConstraint("amount_minor > 0", name="amount"),
        Index(None, "program_id", "payment_id"),
        Index(None, "state", "asked_at"),
    )


class GatewayNotice(Base):
    """Something that a gateway told by itself (a webhook), kept once however often it is told. Insert-only."""

    __tablename__ = "gateway_notice"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    gateway: Mapped[str] = mapped_column(String(40), primary_key=True)
    # The gateway's id of this notice.
    notice: Mapped[str] = mapped_column(String(255), primary_key=True)
    kind: Mapped[str] = mapped_column(String(100))
    gateway_reference: Mapped[str] = mapped_column(String(255))
    received_at: Mapped[Moment]
