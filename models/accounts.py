"""Accounts: what an individual registered with. Personal data, apart from all evidence so that it can be erased."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText


class Account(Base):
    """An address belongs to one account, and is known to be its owner's: they followed a link that was sent there."""

    __tablename__ = "account"
    person_id: Mapped[Key] = mapped_column(ForeignKey("person.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    # Casefolded: nobody registers the same address twice.
    email_key: Mapped[SortText]
    verified_at: Mapped[Moment]

    __table_args__ = (UniqueConstraint("email_key"),)
