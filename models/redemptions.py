"""What vouchers paid: fees that were paid, each with its lines, and the part of each that a voucher paid."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, String
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class FeeChannel(Enum):
    COUNTER = "the program's staff took it at the counter"
    CHECKOUT = "the person completed a cart"


class FeeOrder(Base):
    """Fees that somebody paid. What vouchers paid and what a card paid make up the total, always. Insert-only."""

    __tablename__ = "fee_order"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    channel: Mapped[FeeChannel] = mapped_column(Spelled(FeeChannel, 20))
    person_id: Mapped[Key | None] = mapped_column(ForeignKey("person.id"))
    # The attempt that completed the cart, and the gateway that it went through, even if nothing was left for a card.
    checkout_id: Mapped[Key | None]
    gateway: Mapped[str | None] = mapped_column(String(40))
    # By which the program's own systems know it.
    reference: Mapped[str] = mapped_column(String(100))
    total_minor: Mapped[int] = mapped_column(BigInteger)
    by_vouchers_minor: Mapped[int] = mapped_column(BigInteger)
    by_card_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    completed_at: Mapped[Moment]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "checkout_id"], ["checkout.program_id", "checkout.id"]),
        Unique("program_id", "checkout_id"),
        CheckConstraint(
            "(channel = 'CHECKOUT') = (checkout_id IS NOT NULL) AND (channel = 'CHECKOUT') = (gateway IS NOT NULL)",
            name="channel",
        ),
        CheckConstraint("by_vouchers_minor >= 0 AND by_card_minor >= 0", name="parts"),
        CheckConstraint("by_vouchers_minor + by_card_minor = total_minor", name="total"),
        Index(None, "program_id", "completed_at", "id"),
        Index(None, "program_id", "person_id", "id"),
        Index(None, "program_id", "reference"),
    )


class FeeOrderLine(Base):
    """One fee of an order, at the price of that moment. Insert-only, but that what was given back of it only grows."""

    __tablename__ = "fee_order_line"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    fee_order_id: Mapped[Key] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    product_id: Mapped[Key]
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "fee_order_id"], ["fee_order.program_id", "fee_order.id"]),
        ForeignKeyConstraint(["program_id", "product_id"], ["product.program_id", "product.id"]),
        CheckConstraint("quantity > 0 AND unit_price_minor >= 0", name="amount"),
        CheckConstraint("refunded_minor BETWEEN 0 AND quantity * unit_price_minor", name="refunded"),
    )


class Redemption(Base):
    """So much of a line, paid by a voucher or a promotion. Insert-only: a reversal is another row, and only what was
    reversed of it grows here."""

    __tablename__ = "redemption"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    fee_order_id: Mapped[Key]
    line_number: Mapped[int] = mapped_column(Integer)
    voucher_id: Mapped[Key | None]
    promotion_id: Mapped[Key | None]
    # Whose voucher or promotion it is.
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    # Under which the organization is billed for it later; None if it was prepaid.
    billing_agreement_id: Mapped[Key | None]
    # The assignment under which it was used; None for a bearer and a promotion.
    assignment_id: Mapped[Key | None]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    reversed_minor: Mapped[int] = mapped_column(BigInteger, server_default="0")
    currency: Mapped[str] = mapped_column(String(3))
    redeemed_at: Mapped[Moment]

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "fee_order_id", "line_number"],
            ["fee_order_line.program_id", "fee_order_line.fee_order_id", "fee_order_line.number"],
        ),
        ForeignKeyConstraint(["program_id", "voucher_id"], ["voucher.program_id", "voucher.id"]),
        ForeignKeyConstraint(["program_id", "promotion_id"], ["promotion.program_id", "promotion.id"]),
        ForeignKeyConstraint(
            ["program_id", "billing_agreement_id"], ["billing_agreement.program_id", "billing_agreement.id"]
        ),
        ForeignKeyConstraint(
            ["program_id", "assignment_id"], ["voucher_assignment.program_id", "voucher_assignment.id"]
        ),
        CheckConstraint("(voucher_id IS NULL) <> (promotion_id IS NULL)", name="subject"),
        CheckConstraint("amount_minor > 0 AND reversed_minor BETWEEN 0 AND amount_minor", name="amount"),
        Index(None, "program_id", "fee_order_id", "line_number"),
        Index(None, "program_id", "promotion_id", "id"),
        Index(None, "program_id", "billing_agreement_id", "redeemed_at"),
        Index(None, "program_id", "voucher_id", "id"),
        Index(None, "program_id", "organization_id", "redeemed_at", "id"),
    )
