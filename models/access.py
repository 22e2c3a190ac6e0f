"""Who may speak to the API: local tokens, made by a command, shown once, kept hashed."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled
from models.errors import DomainError


class Role(Enum):
    STAFF = "the vendor's support and accounting: sees and changes everything"
    ORGANIZATION = "an administrator of one organization: sees and changes its own"
    PARTNER = "a partner's system acting for one organization"
    INDIVIDUAL = "a person: sees what is theirs"
    PROGRAM = "an administrator of one program: its products, vouchers and money"


class TokenUse(Enum):
    API = "sent with each request as a bearer token"
    SIGN_IN = "a link that signs a browser in, once"
    SESSION = "a signed-in browser's cookie"


class Token(Base):
    """A secret that proves who is speaking. Only its SHA-256 is kept; it holds 256 random bits, beyond guessing."""

    __tablename__ = "token"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    # The last characters of the secret, by which its owner knows it again.
    ending: Mapped[str] = mapped_column(String(4))
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(Spelled(Role))
    use: Mapped[TokenUse] = mapped_column(Spelled(TokenUse))
    organization_id: Mapped[Key | None] = mapped_column(ForeignKey("organization.id"))
    person_id: Mapped[Key | None] = mapped_column(ForeignKey("person.id"))
    program_id: Mapped[Key | None] = mapped_column(ForeignKey("program.id"))
    # Of a session: the digest of the token or link that began it, so that revoking one ends the other.
    began_with: Mapped[str | None] = mapped_column(ForeignKey("token.digest"))
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    """When it was revoked or signed out or, for a link, used."""

    __table_args__ = (
        CheckConstraint("(role IN ('ORGANIZATION', 'PARTNER')) = (organization_id IS NOT NULL)", name="organization"),
        CheckConstraint("(role = 'INDIVIDUAL') = (person_id IS NOT NULL)", name="person"),
        CheckConstraint("(role = 'PROGRAM') = (program_id IS NOT NULL)", name="program"),
        CheckConstraint("(use = 'SESSION') = (began_with IS NOT NULL)", name="began_with"),
        Index(None, "name"),
        Index(None, "began_with"),
    )


class TokenErrorCode(Enum):
    ORGANIZATION_REQUIRED = "An organization's administrator and a partner act for one organization. Name it."
    ORGANIZATION_NOT_TAKEN = (
        "Only an organization's administrator and a partner act for one organization. Leave it out."
    )
    PERSON_REQUIRED = "An individual is one person's account. Name the person."
    PERSON_NOT_TAKEN = "Only an individual is a person's account. Leave the person out."
    UNKNOWN_ORGANIZATION = "There is no organization of that slug."
    UNKNOWN_PERSON = "There is no person of that id."
    PROGRAM_REQUIRED = "A program's administrator acts for one program. Name it."
    PROGRAM_NOT_TAKEN = "Only a program's administrator acts for a program. Leave it out."
    UNKNOWN_PROGRAM = "There is no program of that slug."
    BAD_NAME = "A name has 1 to 200 printable characters."
    BAD_VALIDITY = "A token is valid for 1 to 366 days."
    UNKNOWN_NAME = "No token that still works has that name or id."


class TokenError(DomainError):
    def __init__(self, code: TokenErrorCode, message: str, *field: str) -> None:
        super().__init__(code, message, *field)
