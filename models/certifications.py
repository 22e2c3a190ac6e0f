"""Certifications that learners hold, and when they expire: by which an organization finds whom to give a voucher."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Date, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText


class Certification(Base):
    """So it was held to be, from one recorded time until another row of the same name superseded it."""

    __tablename__ = "certification"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[SortText]
    # The last day on which it is valid; None if it never expires.
    expires_on: Mapped[dt.date | None] = mapped_column(Date)
    recorded_at: Mapped[Moment]
    superseded_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "learner_id"], ["learner.organization_id", "learner.id"]),
        Index(
            "uq_certification_current",
            "organization_id",
            "learner_id",
            "name_key",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
        Index(None, "organization_id", "name_key", "expires_on", "learner_id"),
    )
