"""Checkouts: one attempt to complete a version of a cart, from the moment it is frozen until its outcome is known."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class CheckoutState(Enum):
    PAYING = "the gateway is being asked, or its page is open"
    PAYMENT_UNKNOWN = "the gateway did not answer: whether anything was charged is being found out"
    COMPLETED = "it is paid, and there is an order"
    DECLINED = "the payment was declined: nothing was charged, and nothing of any voucher was used"
    CANCELLED = "it was given up before anything was charged"


UNDECIDED = (CheckoutState.PAYING, CheckoutState.PAYMENT_UNKNOWN)


class Checkout(Base):
    """What the person saw when they said yes. A cart has at most one that is undecided, and at most one order."""

    __tablename__ = "checkout"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    cart_id: Mapped[Key]
    cart_version: Mapped[int] = mapped_column(Integer)
    person_id: Mapped[Key] = mapped_column(ForeignKey("person.id"))
    gateway: Mapped[str] = mapped_column(String(40))
    total_minor: Mapped[int] = mapped_column(BigInteger)
    by_vouchers_minor: Mapped[int] = mapped_column(BigInteger)
    by_card_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[CheckoutState] = mapped_column(Spelled(CheckoutState, 20))
    started_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "cart_id"], ["cart.program_id", "cart.id"]),
        CheckConstraint("by_vouchers_minor >= 0 AND by_card_minor >= 0", name="parts"),
        CheckConstraint("by_vouchers_minor + by_card_minor = total_minor", name="total"),
        CheckConstraint("(state IN ('PAYING', 'PAYMENT_UNKNOWN')) = (ended_at IS NULL)", name="ended"),
        Index(
            "uq_checkout_once_a_cart",
            "program_id",
            "cart_id",
            unique=True,
            sqlite_where=text("state IN ('PAYING', 'PAYMENT_UNKNOWN', 'COMPLETED')"),
            postgresql_where=text("state IN ('PAYING', 'PAYMENT_UNKNOWN', 'COMPLETED')"),
        ),
        Index(None, "program_id", "cart_id", "id"),
        Index(None, "program_id", "person_id", "id"),
        Index(None, "state", "started_at"),
    )
