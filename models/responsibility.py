"""Responsible parties: for whom an organization may pay besides its learners, and from when to when."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment


class ResponsibleParty(Base):
    """So it was held to be, from one recorded time until another row superseded it. Learners of the organization need
    none: it may pay for them anyway."""

    __tablename__ = "responsible_party"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    person_id: Mapped[Key] = mapped_column(ForeignKey("person.id"))
    # Half-open; FOREVER while no end is known.
    from_at: Mapped[Moment]
    to_at: Mapped[Moment]
    recorded_at: Mapped[Moment]
    recorded_by: Mapped[str] = mapped_column(String(200))
    superseded_at: Mapped[Moment | None]

    __table_args__ = (
        CheckConstraint("from_at < to_at", name="window"),
        # One window a person at a time: another one supersedes it.
        Index(
            "uq_responsible_party_current",
            "organization_id",
            "person_id",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
        Index(None, "person_id", "organization_id"),
    )
