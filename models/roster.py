"""Roster imports: what a row said last, what is being imported, and what was refused."""

from __future__ import annotations

import datetime as dt
from enum import Enum

from sqlalchemy import BigInteger, Boolean, Date, ForeignKey, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText, Spelled


class RosterLine(Base):
    """What a roster row last said, by its identity: learner, team and start (BEGINNING if the start was lost).

    The same row again changes nothing, whatever was corrected meanwhile; another end is news.
    """

    __tablename__ = "roster_line"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    team_id: Mapped[Key] = mapped_column(primary_key=True)
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
    BATCHES = "its rows are sent in batches, each recorded when it comes"
    DONE = "all that could be recorded is"


class RosterImport(Base):
    """One run of an import. It belongs to whoever runs it, not to an organization.

    Its digest says what is imported: a file's content and how it is read, or the id that an organization gave to its
    batches. An unfinished run is resumed under the same digest; a finished one may be run again, as another run.
    """

    __tablename__ = "roster_import"
    id: Mapped[Key] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    actor: Mapped[str] = mapped_column(String(200))
    state: Mapped[RosterImportState] = mapped_column(Spelled(RosterImportState))
    started_at: Mapped[Moment]
    lines_read: Mapped[int] = mapped_column(BigInteger)
    rows_landed: Mapped[int] = mapped_column(BigInteger)
    rows_unchanged: Mapped[int] = mapped_column(BigInteger)
    rows_refused: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index(None, "digest", "id"),
        Index(
            "uq_roster_import_unfinished",
            "digest",
            unique=True,
            sqlite_where=text("state <> 'DONE'"),
            postgresql_where=text("state <> 'DONE'"),
        ),
    )


class RosterRefusal(Base):
    """A line that was refused, and why. It holds no personal data: its number finds the rest in the sender's file."""

    __tablename__ = "roster_refusal"
    import_id: Mapped[Key] = mapped_column(ForeignKey("roster_import.id"), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    column: Mapped[str] = mapped_column(String(100))
    problem: Mapped[str] = mapped_column(Text)
    mend: Mapped[str] = mapped_column(Text)


class RowOutcome(Enum):
    LANDED = "it told something new, which is recorded"
    UNCHANGED = "all it says was known"
    REFUSED = "it cannot be understood; see why, mend it and send it again"


class RosterBatchRow(Base):
    """What became of a row that was sent in a batch, so that the same row sent again is answered and not applied.

    The fingerprint (SHA-256 of its cells) tells the same row from another one under the same number.
    """

    __tablename__ = "roster_batch_row"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    import_id: Mapped[Key] = mapped_column(primary_key=True)
    row_number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[RowOutcome] = mapped_column(Spelled(RowOutcome))


class StagedLine(Base):
    """A line that was read and found good, until its organization is folded. Emptied by the fold.

    It has no foreign keys and no index of its own: it is written once, read in order and thrown away.
    """

    __tablename__ = "staged_line"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    import_id: Mapped[Key] = mapped_column(primary_key=True)
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


class StagedCertification(Base):
    """A certification that a staged line names, until its organization is folded. Apart from the line, so that files
    that name none pay nothing for it."""

    __tablename__ = "staged_certification"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    import_id: Mapped[Key] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name_key: Mapped[SortText] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    # The last day on which it is valid; None if it never expires.
    expires_on: Mapped[dt.date | None] = mapped_column(Date)

    __table_args__ = ({"sqlite_with_rowid": False},)


class MatchedLine(Base):
    """A staged line with its team, its learner and its facts, while its organization is folded.

    Those of a roster that is complete for its teams stay until the absent ones were looked at.
    """

    __tablename__ = "matched_line"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    import_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    team_id: Mapped[Key] = mapped_column(primary_key=True)
    from_at: Mapped[Moment] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    from_latest: Mapped[Moment]
    to_at: Mapped[Moment]
    known_to: Mapped[Moment | None]
    """The end that the row of this identity said last; None if there was none."""
    activity_fact_id: Mapped[Key]
    membership_fact_id: Mapped[Key]
    tells: Mapped[bool] = mapped_column(Boolean)
    """Whether it names its learner otherwise than the profile."""

    __table_args__ = ({"sqlite_with_rowid": False},)
