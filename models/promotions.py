"""Promotions: one code that a crowd may use, with limits and a budget. Percent exists only here."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText, Spelled
from models.voucher_programs import ProductRuling, VoucherFunding
from models.vouchers import Value, value_checks


class Promotion(Value, Base):
    """Its face value is its budget. Prepaid, the liability is what remains of it; billed later, there is none."""

    __tablename__ = "promotion"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    # Who pays for it.
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[SortText]
    # In upper case, such as GET-LICENSED-2019. It is advertised, so no secret.
    code: Mapped[str] = mapped_column(String(40))
    # Either so much off each eligible cart, or so many hundredths of a percent off each eligible line.
    amount_off_minor: Mapped[int | None] = mapped_column(BigInteger)
    basis_points_off: Mapped[int | None] = mapped_column(Integer)
    # The most that one use takes off.
    most_off_minor: Mapped[int | None] = mapped_column(BigInteger)
    most_uses: Mapped[int | None] = mapped_column(Integer)
    most_uses_a_person: Mapped[int | None] = mapped_column(Integer)
    uses: Mapped[int] = mapped_column(Integer)
    held_uses: Mapped[int] = mapped_column(Integer)
    funding: Mapped[VoucherFunding] = mapped_column(Spelled(VoucherFunding))
    # From when to when it can be used, half-open; nothing before its budget is paid for.
    usable_from: Mapped[Moment]
    usable_until: Mapped[Moment]
    funded_at: Mapped[Moment | None]
    stopped_at: Mapped[Moment | None]
    created_at: Mapped[Moment]

    __table_args__ = (
        *value_checks(),
        UniqueConstraint("program_id", "code"),
        CheckConstraint("(amount_off_minor IS NULL) <> (basis_points_off IS NULL)", name="benefit"),
        CheckConstraint("amount_off_minor IS NULL OR amount_off_minor > 0", name="amount_off"),
        CheckConstraint("basis_points_off IS NULL OR basis_points_off BETWEEN 1 AND 10000", name="percent_off"),
        CheckConstraint("uses >= 0 AND held_uses >= 0", name="uses"),
        CheckConstraint("most_uses IS NULL OR uses + held_uses <= most_uses", name="most_uses"),
        CheckConstraint("usable_from < usable_until", name="usable"),
        Index(None, "program_id", "name_key", "id"),
    )


class PromotionProduct(Base):
    """A product that the promotion may pay for, or never; none included means all."""

    __tablename__ = "promotion_product"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    promotion_id: Mapped[Key] = mapped_column(primary_key=True)
    product_id: Mapped[Key] = mapped_column(primary_key=True)
    ruling: Mapped[ProductRuling] = mapped_column(Spelled(ProductRuling))

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "promotion_id"], ["promotion.program_id", "promotion.id"]),
        ForeignKeyConstraint(["program_id", "product_id"], ["product.program_id", "product.id"]),
    )


class PromotionPerson(Base):
    """How often one person has used a promotion, and holds it on carts: for its limit a person."""

    __tablename__ = "promotion_person"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    promotion_id: Mapped[Key] = mapped_column(primary_key=True)
    person_id: Mapped[Key] = mapped_column(ForeignKey("person.id"), primary_key=True)
    uses: Mapped[int] = mapped_column(Integer)
    held_uses: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "promotion_id"], ["promotion.program_id", "promotion.id"]),
        CheckConstraint("uses >= 0 AND held_uses >= 0", name="uses"),
    )
