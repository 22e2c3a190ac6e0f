"""People: the account, the person in an organization, and the personal data that an erasure removes."""

from __future__ import annotations

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, SortText


class Person(Base):
    """An individual with an account; may be a learner in several organizations or in none."""

    __tablename__ = "person"
    id: Mapped[Key] = mapped_column(primary_key=True, autoincrement=False)


class Learner(Base):
    """A person in one organization: what is counted and billed. Tied to a person by a verified claim only."""

    __tablename__ = "learner"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    person_id: Mapped[Key | None] = mapped_column(ForeignKey("person.id"))

    __table_args__ = (Index(None, "person_id", "organization_id"),)


class Profile(Base):
    """A learner's personal data, apart from all evidence so that it can be erased. Keys are casefolded, for order
    and search; a missing name or department is an empty text."""

    __tablename__ = "profile"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    external_id: Mapped[SortText]
    name: Mapped[SortText]
    email: Mapped[SortText]
    department: Mapped[SortText]
    name_key: Mapped[SortText]
    email_key: Mapped[SortText]
    department_key: Mapped[SortText]

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "learner_id"], ["learner.organization_id", "learner.id"]),
        UniqueConstraint("organization_id", "external_id"),
        Index(None, "organization_id", "name_key", "learner_id"),
        Index(None, "organization_id", "email_key", "learner_id"),
        Index(None, "organization_id", "department_key", "learner_id"),
    )


def sort_key(text: str) -> str:
    """The text by which names are ordered and searched: without regard to case."""
    return text.casefold()
