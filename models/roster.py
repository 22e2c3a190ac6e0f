"""Roster imports: what a row said last, what is being imported, and what was refused."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText, Spelled


class RosterLine(Base):
    """What a roster row last said, by its identity: team, learner and start (BEGINNING if the start was lost).

    The same row again changes nothing, whatever was corrected meanwhile; another end is news.
    """

    __tablename__ = "roster_line"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    team_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    from_at: Mapped[Moment] = mapped_column(primary_key=True)
    to_at: Mapped[Moment]
    activity_fact_id: Mapped[Key]
    membership_fact_id: Mapped[Key]

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "team_id"], ["scope.organization_id", "scope.id"]),
        ForeignKeyConstraint(["organization_id", "learner_id"], ["learner.organization_id", "learner.id"]),
        {"sqlite_with_rowid": False},
    )


class RosterImportState(Enum):
    STAGING = "its lines are being read"
    FOLDING = "its lines were read and are being recorded, organization by organization"
    DONE = "all that could be recorded is"


class RosterImport(Base):
    """One import of a file or of batches sent under one id. It belongs to whoever runs it, not to an organization."""

    __tablename__ = "roster_import"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    actor: Mapped[str] = mapped_column(String(200))
    state: Mapped[RosterImportState] = mapped_column(Spelled(RosterImportState))
    started_at: Mapped[Moment]
    lines_read: Mapped[int] = mapped_column(BigInteger)
    rows_landed: Mapped[int] = mapped_column(BigInteger)
    rows_unchanged: Mapped[int] = mapped_column(BigInteger)
    rows_refused: Mapped[int] = mapped_column(BigInteger)


class RosterRefusal(Base):
    """A line that was refused, and why. It holds no personal data: a line number finds the rest in the sender's file."""

    __tablename__ = "roster_refusal"
    import_id: Mapped[str] = mapped_column(ForeignKey("roster_import.id"), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    column: Mapped[str] = mapped_column(String(100))
    problem: Mapped[str] = mapped_column(Text)
    mend: Mapped[str] = mapped_column(Text)


class StagedLine(Base):
    """A line that was read and found good, until its organization is folded. Emptied by the fold."""

    __tablename__ = "staged_line"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    import_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    team: Mapped[SortText]
    external_id: Mapped[SortText]
    name: Mapped[SortText]
    email: Mapped[SortText]
    department: Mapped[SortText]
    name_key: Mapped[SortText]
    email_key: Mapped[SortText]
    department_key: Mapped[SortText]
    from_earliest: Mapped[Moment]
    from_latest: Mapped[Moment]
    to_at: Mapped[Moment]

    __table_args__ = ({"sqlite_with_rowid": False},)
