"""Billing snapshots: what a date's bill counts, frozen with everybody who was counted.

A product is a scope: the organization's own (seats), or a library. People whom an exclusion covers are left out.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.activity import Predicate
from models.base import Base, Key, Moment, Spelled
from models.contracts import Measure
from models.interval import DAY, BillingCalendar, months_later


class SnapshotKind(Enum):
    BILLING = "the count that is billed: one for an organization, a product and a date"
    INQUIRY = "the same question asked again, perhaps as known at another time; it is never billed"


class BillingSnapshot(Base):
    """A count as known at `known_at`, with the term in force. Insert-only; its entries are who was counted.

    `count_least` people are counted by every completion of lost dates, `count_most` by some.
    """

    __tablename__ = "billing_snapshot"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    product_id: Mapped[Key]
    date: Mapped[dt.date] = mapped_column(Date)
    kind: Mapped[SnapshotKind] = mapped_column(Spelled(SnapshotKind))
    recorded_at: Mapped[Moment]
    actor: Mapped[str] = mapped_column(String(200))
    known_at: Mapped[Moment]
    cutoff: Mapped[Moment]
    measure: Mapped[Measure] = mapped_column(Spelled(Measure))
    # The instants between which its entries were counted; both are the cutoff for a count at a cutoff.
    counted_from: Mapped[Moment]
    counted_until: Mapped[Moment]
    # Without a term there is no overage.
    term_id: Mapped[Key | None]
    licensed: Mapped[int | None] = mapped_column(Integer)
    unit_price_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    count_least: Mapped[int] = mapped_column(Integer)
    count_most: Mapped[int] = mapped_column(Integer)
    # Who would have been counted but for an exclusion, at most.
    excluded: Mapped[int] = mapped_column(Integer)
    overage_least: Mapped[int | None] = mapped_column(Integer)
    overage_most: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "product_id"], ["scope.organization_id", "scope.id"]),
        CheckConstraint("0 <= count_least AND count_least <= count_most AND excluded >= 0", name="bounds"),
        CheckConstraint("kind = 'INQUIRY' OR known_at = recorded_at", name="billed_as_known"),
        CheckConstraint("(term_id IS NULL) = (licensed IS NULL)", name="term"),
        CheckConstraint("(licensed IS NULL) = (overage_least IS NULL)", name="licensed"),
        CheckConstraint(
            "overage_least = CASE WHEN count_least > licensed THEN count_least - licensed ELSE 0 END", name="overage"
        ),
        CheckConstraint(
            "overage_most = CASE WHEN count_most > licensed THEN count_most - licensed ELSE 0 END", name="overage_most"
        ),
        Index(
            "uq_billing_snapshot_billed",
            *("organization_id", "date", "product_id"),
            unique=True,
            sqlite_where=text("kind = 'BILLING'"),
            postgresql_where=text("kind = 'BILLING'"),
        ),
        Index(None, "organization_id", "product_id", "date", "id"),
    )


class SnapshotEntry(Base):
    """Somebody who was counted, and the window that made it so, with its dates as known then. Insert-only.

    The window is the latest that answers; a start or end that was lost lies between its two bounds.
    """

    __tablename__ = "snapshot_entry"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    snapshot_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    from_earliest: Mapped[Moment]
    from_latest: Mapped[Moment]
    to_earliest: Mapped[Moment]
    to_latest: Mapped[Moment]
    known_from: Mapped[Moment]
    """When the window was learned: with its bounds and its scope, the key by which it is found again."""
    certain: Mapped[bool] = mapped_column(Boolean)
    """False if only some completions of lost dates count this person."""

    __table_args__ = (
        # The entries are written first, since the snapshot holds their count and never changes.
        ForeignKeyConstraint(
            ["organization_id", "snapshot_id"],
            ["billing_snapshot.organization_id", "billing_snapshot.id"],
            deferrable=True,
            initially="DEFERRED",
        ),
        {"sqlite_with_rowid": False},
    )


def overage_of(count: int, licensed: int) -> int:
    """Who was active beyond what is licensed: 403 − 400 = 3; never less than none."""
    return max(0, count - licensed)


# ---------------------------------------------------------------------------------------------- measures


@dataclass(frozen=True, slots=True)
class Counted:
    """What a measure counts for a date: people who answer the predicate between two instants. Of a peak it is the
    count of each of several days."""

    predicate: Predicate
    spans: tuple[tuple[dt.datetime, dt.datetime], ...]


def counted_by(measure: Measure, date: dt.date, calendar: BillingCalendar) -> Counted:
    """What to count for the bill of a local date. The month before 2017-09-01 is 2017-08-01 through 2017-08-31."""
    match measure:
        case Measure.AT_CUTOFF:
            cutoff = calendar.cutoff_of(date)
            return Counted(Predicate.ACTIVE_AT, ((cutoff, cutoff),))
        case Measure.ANY_ON_DAY:
            return _during(calendar, date, date)
        case Measure.DISTINCT_IN_PERIOD:
            return _during(calendar, month_before(date), date - DAY)
        case Measure.PEAK_DAY:
            cutoffs = [calendar.cutoff_of(day) for day in _days(month_before(date), date)]
            return Counted(Predicate.ACTIVE_AT, tuple((cutoff, cutoff) for cutoff in cutoffs))


def _during(calendar: BillingCalendar, first: dt.date, last: dt.date) -> Counted:
    whole = calendar.span(first, last)
    return Counted(Predicate.ACTIVE_DURING, ((whole.start, whole.end),))


def _days(first: dt.date, until: dt.date) -> list[dt.date]:
    return [first + n * DAY for n in range((until - first).days)]


def month_before(date: dt.date) -> dt.date:
    """The same day of the month before; its last day if it has no such day."""
    return months_later(date, -1)


def countable_from(measure: Measure, date: dt.date, calendar: BillingCalendar) -> dt.datetime:
    """The instant from which all that is counted has happened: earlier a bill would count the future."""
    return max(calendar.cutoff_of(date), counted_by(measure, date, calendar).spans[-1][1])
