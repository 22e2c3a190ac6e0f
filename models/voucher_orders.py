"""Orders of vouchers (and of the budgets of promotions), and the agreements under which they are billed later."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Text, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled
from models.voucher_programs import VoucherFunding

MOST_VOUCHERS = 10_000
"""An order holds no more vouchers than this."""


class VoucherOrderState(Enum):
    """Where an order stands. Card: AWAITING_PAYMENT → SETTLED, DECLINED or CANCELLED, perhaps after PAYMENT_UNKNOWN.
    Purchase order: AWAITING_APPROVAL → APPROVED → SETTLED, or REJECTED, or CANCELLED. Billed later: ON_ACCOUNT.
    """

    AWAITING_PAYMENT = "the card has not been charged yet"
    PAYMENT_UNKNOWN = "the gateway did not answer: whether the card was charged is being found out"
    DECLINED = "the card was declined: nothing was issued, and nothing charged"
    AWAITING_APPROVAL = "the program has not approved the purchase order yet"
    REJECTED = "the program did not approve the purchase order"
    APPROVED = "the purchase order is approved and not paid yet"
    SETTLED = "it is paid in full"
    ON_ACCOUNT = "the organization is billed for what is redeemed"
    CANCELLED = "it was cancelled: what it had issued cannot be used"


class VoucherOrder(Base):
    """So many vouchers of one voucher program, or the budget of one promotion, bought by an organization."""

    __tablename__ = "voucher_order"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    # What people call it, such as ORD-7K2M9Q; unique in the program.
    number: Mapped[str] = mapped_column(String(40))
    voucher_program_id: Mapped[Key | None]
    promotion_id: Mapped[Key | None]
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    funding: Mapped[VoucherFunding] = mapped_column(Spelled(VoucherFunding))
    state: Mapped[VoucherOrderState] = mapped_column(Spelled(VoucherOrderState))
    # The organization's own number of its purchase order.
    purchase_order: Mapped[str | None] = mapped_column(String(100))
    # By which the payment of a purchase order is found in the bank's records.
    payment_reference: Mapped[str | None] = mapped_column(String(100))
    paid_minor: Mapped[int] = mapped_column(BigInteger)
    # Of what was paid, given back for vouchers that were not used.
    refunded_minor: Mapped[int] = mapped_column(BigInteger)
    ordered_by: Mapped[str] = mapped_column(String(200))
    ordered_at: Mapped[Moment]
    # When its vouchers were issued: once.
    issued_at: Mapped[Moment | None]
    closed_at: Mapped[Moment | None]
    """When it was settled, declined, rejected or cancelled."""
    reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "voucher_program_id"], ["voucher_program.program_id", "voucher_program.id"]
        ),
        ForeignKeyConstraint(["program_id", "promotion_id"], ["promotion.program_id", "promotion.id"]),
        Unique("program_id", "number"),
        CheckConstraint("(voucher_program_id IS NULL) <> (promotion_id IS NULL)", name="subject"),
        CheckConstraint(f"quantity BETWEEN 1 AND {MOST_VOUCHERS} AND unit_price_minor > 0", name="amount"),
        CheckConstraint("promotion_id IS NULL OR quantity = 1", name="budget"),
        # A budget is bought once: an order that came to nothing makes room for another.
        Index(
            "uq_voucher_order_budget",
            "program_id",
            "promotion_id",
            unique=True,
            sqlite_where=text("promotion_id IS NOT NULL AND state NOT IN ('DECLINED', 'REJECTED', 'CANCELLED')"),
            postgresql_where=text("promotion_id IS NOT NULL AND state NOT IN ('DECLINED', 'REJECTED', 'CANCELLED')"),
        ),
        # Settled is paid in full, and nothing else is paid at all.
        CheckConstraint(
            "paid_minor = CASE WHEN state = 'SETTLED' THEN quantity * unit_price_minor ELSE 0 END", name="paid"
        ),
        CheckConstraint("refunded_minor BETWEEN 0 AND paid_minor", name="refunded"),
        Index(None, "program_id", "organization_id", "ordered_at", "id"),
        Index(None, "program_id", "ordered_at", "id"),
        Index(None, "program_id", "state", "ordered_at", "id"),
    )


class BillingAgreement(Base):
    """An organization may use vouchers of a program now and be billed later, up to a cap, in one currency. There is
    one of each; it may end, and be in force again."""

    __tablename__ = "billing_agreement"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    currency: Mapped[str] = mapped_column(String(3))
    cap_minor: Mapped[int] = mapped_column(BigInteger)
    # Redeemed and on no statement yet; on statements that are not paid; held by carts.
    unbilled_minor: Mapped[int] = mapped_column(BigInteger)
    unpaid_minor: Mapped[int] = mapped_column(BigInteger)
    held_minor: Mapped[int] = mapped_column(BigInteger)
    # Statements up to here are closed: what is redeemed from now on counts at this moment or later.
    closed_until: Mapped[Moment]
    agreed_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]

    __table_args__ = (
        # A reversal after a statement's close is credited on the next, so what is unbilled may be negative.
        CheckConstraint("unpaid_minor >= 0 AND held_minor >= 0", name="parts"),
        CheckConstraint("unbilled_minor + unpaid_minor + held_minor <= cap_minor", name="cap"),
        Unique("program_id", "organization_id", "currency"),
    )


_PARTS = BillingAgreement.__table__.c
OUTSTANDING = _PARTS.unbilled_minor + _PARTS.unpaid_minor + _PARTS.held_minor
"""What an organization owes under an agreement, or may come to owe: never more than the cap."""
