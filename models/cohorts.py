"""Cohorts: people of an organization found by what is known of them, to whom vouchers are assigned all at once."""

from __future__ import annotations

import datetime as dt
from enum import Enum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.activity import Predicate
from models.base import Base, Key, Moment, SortText, Spelled


class Cohort(Base):
    """What its people have in common. Every attribute that is given must hold; of several values of one, any.

    A standing cohort assigns by itself, within its budget, to whoever comes to belong to it.
    """

    __tablename__ = "cohort"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    # None of a filter that was asked once.
    name: Mapped[str | None] = mapped_column(String(200))
    # Of which the vouchers are taken from stock.
    voucher_program_id: Mapped[Key]
    purpose: Mapped[str | None] = mapped_column(String(200))
    # Active in that way, at the instant or over the half-open range.
    activity: Mapped[Predicate | None] = mapped_column(Spelled(Predicate, 30))
    activity_from: Mapped[Moment | None]
    activity_to: Mapped[Moment | None]
    # Holding a certification of that name, in whatever case, whose last day is in the range, both days included.
    certification_key: Mapped[SortText | None]
    earliest_expiry: Mapped[dt.date | None] = mapped_column(Date)
    latest_expiry: Mapped[dt.date | None] = mapped_column(Date)
    # Or: whose last day is within so many months from the day that is asked, that day included.
    expires_within_months: Mapped[int | None] = mapped_column(Integer)
    # Of a standing cohort: the most value that it may assign altogether, and what it has assigned.
    budget_minor: Mapped[int | None] = mapped_column(BigInteger)
    spent_minor: Mapped[int] = mapped_column(BigInteger)
    defined_by: Mapped[str] = mapped_column(String(200))
    defined_at: Mapped[Moment]
    # Since when it assigns by itself, and since when no more; never before a dry run was seen.
    standing_from: Mapped[Moment | None]
    stopped_at: Mapped[Moment | None]
    # The local day on which it last assigned by itself, or found nobody to assign to.
    last_run_on: Mapped[dt.date | None] = mapped_column(Date)

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "voucher_program_id"], ["voucher_program.program_id", "voucher_program.id"]
        ),
        UniqueConstraint("program_id", "organization_id", "name"),
        CheckConstraint("(activity IS NULL) = (activity_from IS NULL)", name="activity"),
        CheckConstraint("expires_within_months IS NULL OR expires_within_months BETWEEN 0 AND 120", name="months"),
        CheckConstraint(
            "expires_within_months IS NULL OR (earliest_expiry IS NULL AND latest_expiry IS NULL)", name="expiry"
        ),
        CheckConstraint("spent_minor >= 0 AND (budget_minor IS NULL OR spent_minor <= budget_minor)", name="budget"),
        CheckConstraint("standing_from IS NULL OR (name IS NOT NULL AND budget_minor IS NOT NULL)", name="standing"),
        Index(None, "program_id", "organization_id", "id"),
    )


class CohortTeam(Base):
    """A team whose members belong to it."""

    __tablename__ = "cohort_team"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    cohort_id: Mapped[Key] = mapped_column(primary_key=True)
    organization_id: Mapped[Key]
    team_id: Mapped[Key] = mapped_column(primary_key=True)

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "cohort_id"], ["cohort.program_id", "cohort.id"]),
        ForeignKeyConstraint(["organization_id", "team_id"], ["scope.organization_id", "scope.id"]),
    )


class CohortDepartment(Base):
    """A department whose people belong to it, in whatever case."""

    __tablename__ = "cohort_department"
    program_id: Mapped[Key] = mapped_column(primary_key=True)
    cohort_id: Mapped[Key] = mapped_column(primary_key=True)
    department_key: Mapped[SortText] = mapped_column(primary_key=True)

    __table_args__ = (ForeignKeyConstraint(["program_id", "cohort_id"], ["cohort.program_id", "cohort.id"]),)


class Verdict(Enum):
    """Whether somebody who belongs to a cohort is given a voucher, and if not, why; the first that holds."""

    ELIGIBLE = "they are given a voucher"
    ERASED = "their personal data was erased"
    NOT_IN_ORGANIZATION = "they have left the organization"
    EXCLUDED = "it is a test or staff account, which is excluded from billing now"
    UNCERTAIN = "dates were lost, and they may not belong to it: assign to them one by one"
    HAS_VOUCHER = "they have a live voucher of the same voucher program"
    ALREADY_GIVEN = "the standing cohort gave them one since they came to belong to it"


class BulkState(Enum):
    PREVIEWED = "it was shown what would be assigned to whom; nothing is"
    COMMITTED = "exactly that was assigned"
    UNDONE = "what was not redeemed of it was taken back"


class BulkAssignment(Base):
    """One assignment to a cohort: a preview, valid for a day and once, and what came of it."""

    __tablename__ = "bulk_assignment"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    cohort_id: Mapped[Key]
    state: Mapped[BulkState] = mapped_column(Spelled(BulkState, 20))
    # SHA-256 of the people and of the attributes by which they were chosen: what is committed must have the same.
    digest: Mapped[str] = mapped_column(String(64))
    # A short fingerprint of each of the people, by which it is told who came, who went and who changed since.
    fingerprints: Mapped[bytes] = mapped_column(LargeBinary)
    # The day in the organization's zone as of which it was asked.
    as_of: Mapped[dt.date] = mapped_column(Date)
    eligible: Mapped[int] = mapped_column(Integer)
    skipped: Mapped[int] = mapped_column(Integer)
    in_stock: Mapped[int] = mapped_column(Integer)
    previewed_by: Mapped[str] = mapped_column(String(200))
    previewed_at: Mapped[Moment]
    valid_until: Mapped[Moment]
    assigned: Mapped[int] = mapped_column(Integer)
    committed_at: Mapped[Moment | None]
    taken_back: Mapped[int] = mapped_column(Integer)
    undone_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "cohort_id"], ["cohort.program_id", "cohort.id"]),
        CheckConstraint("(state = 'PREVIEWED') = (committed_at IS NULL)", name="committed"),
        CheckConstraint("(state = 'UNDONE') = (undone_at IS NOT NULL)", name="undone"),
        CheckConstraint("taken_back BETWEEN 0 AND assigned", name="taken_back"),
        Index(None, "program_id", "organization_id", "id"),
        Index(None, "program_id", "cohort_id", "id"),
    )
