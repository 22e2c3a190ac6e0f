"""Voucher programs: on which terms organizations may buy vouchers, and what those may pay. Never changed, only stopped,
since vouchers that were bought keep the terms that they were bought on.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText, Spelled
from models.interval import DAY, FOREVER, BillingCalendar


class VoucherFunding(Enum):
    """How vouchers may be paid for."""

    CARD = "by card, before they are issued"
    PURCHASE_ORDER = "by purchase order"
    BILL_LATER = "not before they are used: the organization is billed for what was redeemed"


class IssueOn(Enum):
    """When the vouchers of a purchase order are issued."""

    APPROVAL = "when the purchase order is approved"
    SETTLEMENT = "when the purchase order is paid"


class Leftovers(Enum):
    """What becomes of the value that a redemption leaves."""

    KEEP = "it stays on the voucher"
    FORFEIT = "it is forfeited"


class Transferability(Enum):
    """Who may use a voucher after it was assigned, and before."""

    BEARER = "whoever knows the code, until it is assigned to somebody"
    ASSIGNED_ONLY = "only whom it is assigned to; it can be reissued and assigned to somebody else"
    FIRST_ASSIGNEE = "only whom it is first assigned to; a reissue goes to the same person"


class RefundPolicy(Enum):
    """Whether an organization gets money back for what is not redeemed."""

    NEVER = "nothing is given back"
    UNUSED = "vouchers of which nothing was redeemed"
    REMAINING = "whatever value is left"


class ProductRuling(Enum):
    INCLUDED = "it may pay for this product"
    EXCLUDED = "it may never pay for this product"


class VoucherProgram(Base):
    __tablename__ = "voucher_program"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[SortText]
    # What one voucher is worth, which is also its price if it is prepaid.
    face_value_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    by_card: Mapped[bool] = mapped_column(Boolean)
    by_purchase_order: Mapped[bool] = mapped_column(Boolean)
    billed_later: Mapped[bool] = mapped_column(Boolean)
    issue_on: Mapped[IssueOn] = mapped_column(Spelled(IssueOn))
    leftovers: Mapped[Leftovers] = mapped_column(Spelled(Leftovers))
    transferability: Mapped[Transferability] = mapped_column(Spelled(Transferability))
    refund_policy: Mapped[RefundPolicy] = mapped_column(Spelled(RefundPolicy))
    # For how many days after they were issued; None: as long as they are valid.
    refund_days: Mapped[int | None] = mapped_column(Integer)
    # Either so many days after they were issued, or through one day, or for ever.
    valid_days: Mapped[int | None] = mapped_column(Integer)
    valid_through: Mapped[dt.date | None] = mapped_column(Date)
    created_at: Mapped[Moment]
    stopped_at: Mapped[Moment | None]
    """Since when none can be bought any more."""

    __table_args__ = (
        UniqueConstraint("program_id", "name"),
        CheckConstraint("face_value_minor > 0", name="face_value"),
        CheckConstraint("by_card OR by_purchase_order OR billed_later", name="funding"),
        CheckConstraint("valid_days IS NULL OR valid_through IS NULL", name="validity"),
        CheckConstraint(
            "(valid_days IS NULL OR valid_days > 0) AND (refund_days IS NULL OR refund_days > 0)", name="days"
        ),
        Index(None, "program_id", "name_key", "id"),
    )


class VoucherProgramProduct(Base):
    """A product that the vouchers may pay for, or never; none included means all."""

    __tablename__ = "voucher_program_product"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    voucher_program_id: Mapped[Key] = mapped_column(primary_key=True)
    product_id: Mapped[Key] = mapped_column(primary_key=True)
    ruling: Mapped[ProductRuling] = mapped_column(Spelled(ProductRuling))

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "voucher_program_id"], ["voucher_program.program_id", "voucher_program.id"]
        ),
        ForeignKeyConstraint(["program_id", "product_id"], ["product.program_id", "product.id"]),
    )


def expires_at(issued_at: dt.datetime, zone: str, valid_days: int | None, valid_through: dt.date | None) -> dt.datetime:
    """The first instant at which a voucher cannot be used any more: its last day is whole, whatever the clocks do."""
    calendar = BillingCalendar.of(zone)
    last = calendar.day_of(issued_at) + dt.timedelta(days=valid_days) if valid_days is not None else valid_through
    return FOREVER if last is None else calendar.start_of(last + DAY)
