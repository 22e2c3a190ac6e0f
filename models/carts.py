"""Carts: what a person is about to pay for, and what vouchers hold for it. Working state: nothing here is history."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled

MOST_LINES = 50
MOST_VOUCHERS = 10
MOST_OF_A_LINE = 1_000


class CartState(Enum):
    OPEN = "it can be changed and completed"
    COMPLETING = "its payment is under way: nothing of it can be changed"
    COMPLETED = "it is paid"
    ABANDONED = "it was given up: nothing is held for it"


class Cart(Base):
    """One person's, of one program and one currency. Each change makes a new version, and names the one that it saw."""

    __tablename__ = "cart"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    person_id: Mapped[Key] = mapped_column(ForeignKey("person.id"))
    currency: Mapped[str] = mapped_column(String(3))
    # Through which a card would pay, and which decides whether vouchers are taken.
    gateway: Mapped[str] = mapped_column(String(40))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[CartState] = mapped_column(Spelled(CartState, 20))
    # Of its lines, and what vouchers hold of it.
    total_minor: Mapped[int] = mapped_column(BigInteger)
    by_vouchers_minor: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[Moment]
    changed_at: Mapped[Moment]

    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("total_minor >= 0 AND by_vouchers_minor BETWEEN 0 AND total_minor", name="total"),
        Index(None, "program_id", "person_id", "id"),
        Index(None, "state", "changed_at"),
    )


class CartLine(Base):
    __tablename__ = "cart_line"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    cart_id: Mapped[Key] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    product_id: Mapped[Key]
    quantity: Mapped[int] = mapped_column(Integer)
    # As it was when the line was set: completing refuses another price until the cart has been seen again.
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "cart_id"], ["cart.program_id", "cart.id"]),
        ForeignKeyConstraint(["program_id", "product_id"], ["product.program_id", "product.id"]),
        CheckConstraint(f"quantity BETWEEN 1 AND {MOST_OF_A_LINE} AND unit_price_minor >= 0", name="amount"),
        CheckConstraint(f"number BETWEEN 1 AND {MOST_LINES}", name="number"),
    )


class AppliedBy(Enum):
    """How a voucher came onto the cart."""

    CODE = "its code was entered"
    CHOICE = "it was chosen by its id"
    ASSIGNMENT = "it is assigned to the person, so it applied by itself"


class CartVoucherEnd(Enum):
    REMOVED = "the person took it off: it does not come back by itself"
    RELEASED = "its hold ended, or the voucher was reissued, revoked or expired"
    CAPTURED = "it paid"


class CartVoucher(Base):
    """A voucher or a promotion on a cart, and what it holds there until a moment. Ended ones are remembered."""

    __tablename__ = "cart_voucher"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    cart_id: Mapped[Key]
    voucher_id: Mapped[Key | None]
    promotion_id: Mapped[Key | None]
    # Under which it is billed later; None if it is prepaid.
    billing_agreement_id: Mapped[Key | None]
    applied_by: Mapped[AppliedBy] = mapped_column(Spelled(AppliedBy, 20))
    # The most that it is to pay; None takes as much as is due.
    named_minor: Mapped[int | None] = mapped_column(BigInteger)
    # On the voucher, and on the agreement too if there is one.
    held_minor: Mapped[int] = mapped_column(BigInteger)
    held_until: Mapped[Moment]
    applied_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    end: Mapped[CartVoucherEnd | None] = mapped_column(Spelled(CartVoucherEnd, 20))

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "cart_id"], ["cart.program_id", "cart.id"]),
        ForeignKeyConstraint(["program_id", "voucher_id"], ["voucher.program_id", "voucher.id"]),
        ForeignKeyConstraint(["program_id", "promotion_id"], ["promotion.program_id", "promotion.id"]),
        ForeignKeyConstraint(
            ["program_id", "billing_agreement_id"], ["billing_agreement.program_id", "billing_agreement.id"]
        ),
        CheckConstraint("(voucher_id IS NULL) <> (promotion_id IS NULL)", name="subject"),
        CheckConstraint("held_minor >= 0 AND (named_minor IS NULL OR named_minor > 0)", name="amount"),
        CheckConstraint('(ended_at IS NULL) = ("end" IS NULL)', name="end"),
        # What has ended holds nothing, but for what it captured.
        CheckConstraint('"end" IS NULL OR "end" = \'CAPTURED\' OR held_minor = 0', name="held"),
        Index(
            "uq_cart_voucher_live_voucher",
            "program_id",
            "cart_id",
            "voucher_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL AND voucher_id IS NOT NULL"),
            postgresql_where=text("ended_at IS NULL AND voucher_id IS NOT NULL"),
        ),
        Index(
            "uq_cart_voucher_live_promotion",
            "program_id",
            "cart_id",
            "promotion_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL AND promotion_id IS NOT NULL"),
            postgresql_where=text("ended_at IS NULL AND promotion_id IS NOT NULL"),
        ),
        Index(None, "program_id", "cart_id", "id"),
        Index(None, "program_id", "voucher_id", "ended_at"),
        Index(None, "program_id", "promotion_id", "ended_at"),
        Index(None, "program_id", "billing_agreement_id", "ended_at"),
        # What the worker releases, of whatever program.
        Index(
            "ix_cart_voucher_holding",
            "held_until",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )


class CartAllocation(Base):
    """So much of a line, held by a voucher on the cart."""

    __tablename__ = "cart_allocation"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    cart_voucher_id: Mapped[Key] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(Integer, primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "cart_voucher_id"], ["cart_voucher.program_id", "cart_voucher.id"]),
        CheckConstraint("amount_minor > 0", name="amount"),
    )
