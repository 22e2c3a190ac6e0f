"""Contract terms: how much is licensed, at which price, and by which measure it is counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Date, ForeignKeyConstraint, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled

NO_LAST_DAY = dt.date.max
"""The `until` of a term that has not ended."""


class Measure(Enum):
    """What is counted for a bill of a local date; people, each once."""

    AT_CUTOFF = "who is active at the billing cutoff of the date"
    ANY_ON_DAY = "who is active at any time on the date"
    DISTINCT_IN_PERIOD = "who is active at any time in the month before the date"
    PEAK_DAY = "the most who are active at the billing cutoff of a day of the month before the date"


class ContractTerm(Base):
    """What a recorded time held to be agreed of one product: `[since, until)` in local days. Insert-only: the last
    recorded row of a term is what is held now. Of one product no two terms that hold overlap.

    A product is a scope: the organization's own (seats), or a library.
    """

    __tablename__ = "contract_term"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    recorded_at: Mapped[Moment] = mapped_column(primary_key=True)
    product_id: Mapped[Key]
    since: Mapped[dt.date] = mapped_column(Date)
    until: Mapped[dt.date] = mapped_column(Date)
    licensed: Mapped[int] = mapped_column(Integer)
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    measure: Mapped[Measure] = mapped_column(Spelled(Measure))
    holds: Mapped[bool] = mapped_column(Boolean)
    """False once it turned out never to have been agreed."""

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "product_id"], ["scope.organization_id", "scope.id"]),
        CheckConstraint("since < until", name="forward"),
        CheckConstraint("licensed >= 0 AND unit_price_minor >= 0", name="not_negative"),
        Index(None, "organization_id", "product_id", "since"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A term as it is held: `[since, until)` in local days."""

    id: int
    product_id: int
    since: dt.date
    until: dt.date
    licensed: int
    unit_price_minor: int
    currency: str
    measure: Measure

    def covers(self, date: dt.date) -> bool:
        return self.since <= date < self.until


def term_on(terms: Iterable[Term], product_id: int, date: dt.date) -> Term | None:
    """The one term of a product that is in force on a local date; None if there is none."""
    return next((term for term in terms if term.product_id == product_id and term.covers(date)), None)
