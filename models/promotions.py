"""Promotions: one code that a crowd may use, with limits and a budget. Percent exists only here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

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
from models.products import ProductRule
from models.voucher_programs import ProductRuling, VoucherFunding
from models.vouchers import Value, value_checks

BASIS_POINTS = 10_000
"""Hundredths of a percent in the whole."""


class PromotionState(Enum):
    """Where a promotion stands at a moment; the first that is so."""

    STOPPED = "it was stopped: nobody can use it any more"
    ENDED = "its last day has passed"
    AWAITING_FUNDING = "its budget is not paid for yet"
    FULL = "its uses or its budget are used up"
    SCHEDULED = "its first day is still to come"
    USABLE = "its code can be used"


class Held(Enum):
    """Whether a use of a promotion could be held for a cart, and if not, why."""

    HELD = "the use and what it takes off are held"
    FULL = "its uses or its budget are used up"
    FULL_BY_HOLDS = "others hold what is left of it: try again in a moment"
    PERSON_LIMIT = "this person has used it, or holds it, as often as one may"
    NOT_USABLE = "it cannot be used now"


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


# ------------------------------------------------------------------------------------------------- what it takes off


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionTerms:
    """What one use takes off: a percentage of each eligible line, or an amount of them together."""

    rule: ProductRule
    basis_points_off: int | None = None
    amount_off_minor: int | None = None
    # The most that one use takes off, and what is left of the budget that nobody holds; None sets no bound.
    most_off_minor: int | None = None
    left_minor: int | None = None

    @property
    def most_minor(self) -> int | None:
        return min((most for most in (self.most_off_minor, self.left_minor) if most is not None), default=None)


class PromotedLine(NamedTuple):
    number: int
    product_id: int
    amount_minor: int


def benefit(terms: PromotionTerms, lines: Sequence[PromotedLine]) -> dict[int, int]:
    """What a promotion takes off each line, in minor units by line number; lines that it takes nothing off are left
    out.

    A percentage is rounded half up on each eligible line. If the lines together come to more than one use may take
    off, each takes its share of that, rounded down, and what the rounding leaves is taken off the largest line: the
    one with the largest percentage, of equal ones the first. Where that would be more than the line's own percentage,
    the rest goes to the next largest. An amount is taken off the eligible lines in the order of their numbers, of each
    as much as it has.
    """
    eligible = sorted(line for line in lines if terms.rule.admits(line.product_id))
    off = _percent_off(terms, eligible) if terms.basis_points_off is not None else _amount_off(terms, eligible)
    return {number: minor for number, minor in off.items() if minor}


def _percent_off(terms: PromotionTerms, eligible: Sequence[PromotedLine]) -> dict[int, int]:
    points = terms.basis_points_off or 0
    off = {line.number: (line.amount_minor * points * 2 + BASIS_POINTS) // (2 * BASIS_POINTS) for line in eligible}
    most, whole = terms.most_minor, sum(off.values())
    return off if most is None or whole <= most else _shared(most, off, whole)


def _shared(most: int, off: dict[int, int], whole: int) -> dict[int, int]:
    shares = {number: minor * most // whole for number, minor in off.items()}
    left = most - sum(shares.values())
    for number in sorted(off, key=lambda number: (-off[number], number)):
        more = min(left, off[number] - shares[number])
        shares[number] += more
        left -= more
    return shares


def _amount_off(terms: PromotionTerms, eligible: Sequence[PromotedLine]) -> dict[int, int]:
    left = min(most for most in (terms.amount_off_minor, terms.most_minor) if most is not None)
    off = {}
    for line in eligible:
        off[line.number] = min(left, line.amount_minor)
        left -= off[line.number]
    return off
