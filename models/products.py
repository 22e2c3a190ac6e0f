"""Products: the fees of a program, such as an application fee or a late fee."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText


class Product(Base):
    """A fee. Orders keep the price that they were made at; a later price changes none of them."""

    __tablename__ = "product"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    # By which the program's own systems know it; unique in the program.
    code: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[SortText]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    retired_at: Mapped[Moment | None]
    """Since when nobody can buy it any more."""

    __table_args__ = (
        UniqueConstraint("program_id", "code"),
        CheckConstraint("price_minor >= 0", name="price"),
        Index(None, "program_id", "name_key", "id"),
    )


@dataclass(frozen=True, slots=True)
class ProductRule:
    """For which products a voucher may pay."""

    included: Collection[int]
    excluded: Collection[int]

    def admits(self, product_id: int) -> bool:
        """An exclusion wins; none included means all."""
        return product_id not in self.excluded and (not self.included or product_id in self.included)
