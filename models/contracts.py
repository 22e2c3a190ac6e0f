"""Contract terms: how much is licensed, at which price, and by which measure it is counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Date, ForeignKeyConstraint, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled
from models.errors import BillingError, BillingErrorCode
from models.interval import DAY
from models.money import Money

NO_LAST_DAY = dt.date.max
"""The `until` of a term that has not ended."""
MOST_LICENSED = 2**31 - 1


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


def last_day_before(until: dt.date) -> dt.date | None:
    """The last day of what lasts until then; None if it has not ended."""
    return None if until == NO_LAST_DAY else until - DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What is agreed of a product: `[since, until)` in local days."""

    product_id: int
    since: dt.date
    until: dt.date
    licensed: int
    unit_price_minor: int
    currency: str
    measure: Measure

    def covers(self, date: dt.date) -> bool:
        return self.since <= date < self.until

    def overlaps(self, other: Agreement) -> bool:
        return self.product_id == other.product_id and self.since < other.until and self.until > other.since

    @property
    def through(self) -> dt.date | None:
        """Its last day; None if it has not ended."""
        return last_day_before(self.until)

    def __str__(self) -> str:
        price = Money(self.unit_price_minor, self.currency)
        return f"{self.licensed} at {price}, {self.measure.name}, {self.dates}"

    @property
    def dates(self) -> str:
        return f"{self.since} through {self.through}" if self.through else f"from {self.since} on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(Agreement):
    """A term as it is held."""

    id: int


def term_on(terms: Iterable[Term], product_id: int, date: dt.date) -> Term | None:
    """The one term of a product that is in force on a local date; None if there is none."""
    return next((term for term in terms if term.product_id == product_id and term.covers(date)), None)


# ------------------------------------------------------------------------------------------- decisions


@dataclass(frozen=True, slots=True)
class TermChange:
    """A row to record: of a known term, or of a new one where `term_id` is None."""

    agreed: Agreement
    term_id: int | None = None
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Decided:
    """What to record, nothing if that is held already, and the term that then says it: a new one where None."""

    changes: tuple[TermChange, ...] = ()
    term_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What is agreed instead from a local day on."""

    since: dt.date
    licensed: int
    unit_price_minor: int
    currency: str
    measure: Measure


def newly_agreed(held: Sequence[Term], new: Agreement) -> Decided:
    """A term of a product. The very same again changes nothing; two of one product never overlap."""
    _refuse_nonsense(new)
    for term in held:
        if _agreed(term) == new:
            return Decided(term_id=term.id)
    _refuse_overlap(held, new)
    return Decided((TermChange(new),))


def amended(held: Sequence[Term], term: Term, amendment: Amendment) -> Decided:
    """From a day on something else is agreed, for as long as the term lasts: the term ends the day before, or is
    replaced as a whole if that is its own first day. The same amendment again changes nothing.
    """
    known = (other for other in held if other.product_id == term.product_id and _is_amended_so(other, amendment))
    for other in known:
        if other.id == term.id or term.until == amendment.since:
            return Decided(term_id=other.id)
    if not term.covers(amendment.since):
        raise _not_within(term, amendment.since, "from")
    terms = {name: getattr(amendment, name) for name in AMENDED}
    instead = replace(_agreed(term), **terms)
    _refuse_nonsense(instead)
    if amendment.since == term.since:
        return Decided((TermChange(instead, term.id),), term.id)
    return Decided((TermChange(replace(_agreed(term), until=amendment.since), term.id), TermChange(instead)))


AMENDED = tuple(field.name for field in fields(Amendment))


def _is_amended_so(term: Term, amendment: Amendment) -> bool:
    return all(getattr(term, name) == getattr(amendment, name) for name in AMENDED)


def ended(held: Sequence[Term], term: Term, until: dt.date) -> Decided:
    """The term gets another end: earlier, or later if no other one of the product is in force then."""
    if until == term.until:
        return Decided(term_id=term.id)
    if until <= term.since:
        raise _not_within(term, until - DAY, "lastDay")
    changed = replace(_agreed(term), until=until)
    _refuse_overlap([other for other in held if other.id != term.id], changed, "lastDay")
    return Decided((TermChange(changed, term.id),), term.id)


def withdrawn(term: Term) -> Decided:
    """The term was never agreed; what was billed by it stays as it was frozen."""
    return Decided((TermChange(_agreed(term), term.id, holds=False),), term.id)


def _agreed(term: Term) -> Agreement:
    return Agreement(**{field.name: getattr(term, field.name) for field in fields(Agreement)})


def _refuse_nonsense(agreed: Agreement) -> None:
    if agreed.since >= agreed.until:
        raise BillingError(
            BillingErrorCode.EMPTY_TERM,
            f"The term starts on {agreed.since} and ends before that.",
            "dates",
        )
    if not 0 <= agreed.licensed <= MOST_LICENSED:
        raise BillingError(
            BillingErrorCode.BAD_QUANTITY, f"{agreed.licensed} is not a number of people from 0 up.", "quantity"
        )
    if agreed.unit_price_minor < 0:
        raise BillingError(BillingErrorCode.BAD_AMOUNT, "A unit price is not negative.", "unitPrice")


def _refuse_overlap(held: Iterable[Term], agreed: Agreement, field: str = "dates") -> None:
    for other in held:
        if other.overlaps(agreed):
            raise BillingError(
                BillingErrorCode.TERM_OVERLAPS,
                f"Another term of the product is in force then: {other}. Amend or end that one.",
                field,
            )


def _not_within(term: Term, day: dt.date, field: str) -> BillingError:
    return BillingError(BillingErrorCode.NOT_IN_TERM, f"{day} is not within the term ({term.dates}).", field)
