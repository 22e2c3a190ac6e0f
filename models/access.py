"""Who may speak to the API: local tokens, made by a command, shown once, kept hashed."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class Role(Enum):
    STAFF = "the vendor's support and accounting: sees and changes everything"
    ORGANIZATION = "an administrator of one organization: sees and changes its own"
    PARTNER = "a partner's system acting for one organization"
    INDIVIDUAL = "a person: sees what is theirs"


class TokenUse(Enum):
    API = "sent with each request as a bearer token"
    SIGN_IN = "a link that signs a browser in, once"
    SESSION = "a signed-in browser's cookie"


class Token(Base):
    """A secret that proves who is speaking. Only its SHA-256 is kept; it holds 256 random bits, beyond guessing."""

    __tablename__ = "token"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(Spelled(Role))
    use: Mapped[TokenUse] = mapped_column(Spelled(TokenUse))
    organization_id: Mapped[Key | None] = mapped_column(ForeignKey("organization.id"))
    person_id: Mapped[Key | None] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    """When it was revoked or, for a link, used."""

    __table_args__ = (
        CheckConstraint("(role IN ('ORGANIZATION', 'PARTNER')) = (organization_id IS NOT NULL)", name="organization"),
        CheckConstraint("(role = 'INDIVIDUAL') = (person_id IS NOT NULL)", name="person"),
        Index(None, "name"),
    )
