"""Refunds of fees: what was given back of which line, to the card and to the vouchers that had paid it. Insert-only."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment


class FeeRefund(Base):
    """Part or all of an order, given back: to the card first, then to the vouchers."""

    __tablename__ = "fee_refund"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    fee_order_id: Mapped[Key]
    by_card_minor: Mapped[int] = mapped_column(BigInteger)
    by_vouchers_minor: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    refunded_by: Mapped[str] = mapped_column(String(200))
    refunded_at: Mapped[Moment]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "fee_order_id"], ["fee_order.program_id", "fee_order.id"]),
        CheckConstraint("by_card_minor >= 0 AND by_vouchers_minor >= 0", name="parts"),
        CheckConstraint("by_card_minor + by_vouchers_minor > 0", name="amount"),
        Index(None, "program_id", "fee_order_id", "id"),
    )


class FeeRefundLine(Base):
    """So much of one line."""

    __tablename__ = "fee_refund_line"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    fee_refund_id: Mapped[Key] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(Integer, primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "fee_refund_id"], ["fee_refund.program_id", "fee_refund.id"]),
        CheckConstraint("amount_minor > 0", name="amount"),
    )


class RedemptionReversal(Base):
    """So much of a redemption taken back. What cannot go back to its voucher, as that has expired, goes to breakage."""

    __tablename__ = "redemption_reversal"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    redemption_id: Mapped[Key]
    fee_refund_id: Mapped[Key]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    # Of it: back on the voucher or promotion; the rest was broken.
    restored_minor: Mapped[int] = mapped_column(BigInteger)
    reversed_at: Mapped[Moment]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "redemption_id"], ["redemption.program_id", "redemption.id"]),
        ForeignKeyConstraint(["program_id", "fee_refund_id"], ["fee_refund.program_id", "fee_refund.id"]),
        CheckConstraint("amount_minor > 0 AND restored_minor BETWEEN 0 AND amount_minor", name="amount"),
        Index(None, "program_id", "redemption_id", "id"),
        Index(None, "program_id", "fee_refund_id"),
    )
