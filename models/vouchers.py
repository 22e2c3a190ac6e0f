"""Vouchers and their codes. Value moves by conditional updates, and the database keeps every sum."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled
from models.voucher_programs import VoucherFunding

REMAINS = (
    "remaining_minor = face_value_minor - captured_minor + reversed_minor"
    " - expired_minor - forfeited_minor - refunded_minor"
)


class Value:
    """The columns of what holds value: a voucher, and a promotion's budget. Each part only grows, but what is held."""

    face_value_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    remaining_minor: Mapped[int] = mapped_column(BigInteger)
    held_minor: Mapped[int] = mapped_column(BigInteger)
    captured_minor: Mapped[int] = mapped_column(BigInteger)
    reversed_minor: Mapped[int] = mapped_column(BigInteger)
    expired_minor: Mapped[int] = mapped_column(BigInteger)
    forfeited_minor: Mapped[int] = mapped_column(BigInteger)
    refunded_minor: Mapped[int] = mapped_column(BigInteger)


def value_checks() -> tuple[CheckConstraint, ...]:
    parts = ("captured", "reversed", "expired", "forfeited", "refunded")
    return (
        CheckConstraint(REMAINS, name="remaining"),
        CheckConstraint("held_minor BETWEEN 0 AND remaining_minor", name="held"),
        CheckConstraint(" AND ".join(f"{part}_minor >= 0" for part in parts), name="parts"),
        CheckConstraint("face_value_minor > 0 AND reversed_minor <= captured_minor", name="face_value"),
    )


class VoucherStanding(Enum):
    """Whether a voucher can be used, and if not, why."""

    LIVE = "it can be used"
    SPENT = "all of its value was redeemed"
    EXPIRED = "it expired: what was left went to breakage"
    REVOKED = "the organization revoked it: its code is dead, its value stays, a reissue revives it"
    REFUNDED = "what was left was given back"
    CANCELLED = "its order was cancelled before it was paid"


class CodeEnd(Enum):
    """Why a code is dead."""

    REISSUED = "the voucher has another code"
    REVOKED = "the voucher was revoked"
    SPENT = "the voucher was used up"
    EXPIRED = "the voucher expired"
    REFUNDED = "the voucher was given back"
    CANCELLED = "the order was cancelled"


class Voucher(Value, Base):
    __tablename__ = "voucher"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    voucher_program_id: Mapped[Key]
    voucher_order_id: Mapped[Key]
    # Billed-later value is no money yet: it is in no liability.
    funding: Mapped[VoucherFunding] = mapped_column(Spelled(VoucherFunding))
    standing: Mapped[VoucherStanding] = mapped_column(Spelled(VoucherStanding))
    # Of its current code, by which its owner knows it.
    last_four: Mapped[str] = mapped_column(String(4))
    # What the organization means it for, in its own words.
    purpose: Mapped[str | None] = mapped_column(String(200))
    issued_at: Mapped[Moment]
    # FOREVER if it never does.
    expires_at: Mapped[Moment]
    # The assignment that is in force.
    assignment_id: Mapped[Key | None]
    # Since when its assignee has left the organization: to be reissued, never silently revoked.
    flagged_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["program_id", "voucher_program_id"], ["voucher_program.program_id", "voucher_program.id"]
        ),
        ForeignKeyConstraint(["program_id", "voucher_order_id"], ["voucher_order.program_id", "voucher_order.id"]),
        *value_checks(),
        CheckConstraint("(standing = 'LIVE') <= (remaining_minor > 0)", name="live"),
        CheckConstraint("standing IN ('LIVE', 'REVOKED') OR remaining_minor = 0", name="ended"),
        CheckConstraint("standing = 'LIVE' OR (assignment_id IS NULL AND held_minor = 0)", name="dead"),
        Index(None, "program_id", "organization_id", "standing", "expires_at", "id"),
        Index(None, "program_id", "organization_id", "id"),
        Index(None, "program_id", "voucher_order_id", "id"),
        Index(None, "program_id", "voucher_program_id", "id"),
        Index(None, "program_id", "standing", "expires_at", "id"),
    )


class VoucherCode(Base):
    """A code that was given to a voucher. Found by a keyed hash; kept encrypted, so that its owner can see it again."""

    __tablename__ = "voucher_code"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    voucher_id: Mapped[Key]
    # Which of the server's keys made the hash and the ciphertext.
    code_key: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    end: Mapped[CodeEnd | None] = mapped_column(Spelled(CodeEnd))

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "voucher_id"], ["voucher.program_id", "voucher.id"]),
        Unique("program_id", "digest"),
        CheckConstraint('(ended_at IS NULL) = ("end" IS NULL)', name="end"),
        Index(
            "uq_voucher_code_live",
            "program_id",
            "voucher_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(None, "program_id", "voucher_id", "id"),
    )


class AssigneeKind(Enum):
    """How an assignment names its person."""

    LEARNER = "a learner of the organization"
    PERSON = "somebody the organization is responsible party for"
    EMAIL = "whoever follows the link that was sent to an address"


class AssignmentState(Enum):
    ACTIVE = "the voucher is theirs to use"
    INVITED = "an e-mail was sent, and nobody has claimed it yet"
    AWAITING_APPROVAL = "it was claimed by an account with another address: the organization decides"
    ENDED = "it is over"


class AssignmentEnd(Enum):
    REISSUED = "the voucher was reissued"
    REVOKED = "the voucher was revoked"
    SPENT = "the voucher was used up"
    EXPIRED = "the voucher expired"
    REFUNDED = "the voucher was given back"
    CANCELLED = "the assignment was cancelled, or the order"
    UNDONE = "the assignment of a cohort was undone"


class VoucherAssignment(Base):
    """A voucher given to somebody, until it ends. What names them may be erased with them."""

    __tablename__ = "voucher_assignment"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    voucher_id: Mapped[Key]
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"))
    kind: Mapped[AssigneeKind] = mapped_column(Spelled(AssigneeKind))
    # A learner of that organization.
    learner_id: Mapped[Key | None]
    # Of a responsible party's person; of an e-mail, whoever claimed it.
    person_id: Mapped[Key | None] = mapped_column(ForeignKey("person.id"))
    email: Mapped[str | None] = mapped_column(String(254))
    # Of a cohort: the assignment of all at once, which can be undone at once.
    bulk_assignment_id: Mapped[Key | None]
    # What the organization wrote to them.
    message: Mapped[str | None] = mapped_column(Text)
    state: Mapped[AssignmentState] = mapped_column(Spelled(AssignmentState))
    assigned_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    end: Mapped[AssignmentEnd | None] = mapped_column(Spelled(AssignmentEnd))

    __table_args__ = (
        ForeignKeyConstraint(["program_id", "voucher_id"], ["voucher.program_id", "voucher.id"]),
        ForeignKeyConstraint(
            ["program_id", "bulk_assignment_id"], ["bulk_assignment.program_id", "bulk_assignment.id"]
        ),
        CheckConstraint("(kind = 'LEARNER') = (learner_id IS NOT NULL)", name="learner"),
        CheckConstraint("kind <> 'PERSON' OR person_id IS NOT NULL", name="person"),
        CheckConstraint("(kind = 'EMAIL') = (email IS NOT NULL)", name="email"),
        CheckConstraint("(state = 'ENDED') = (ended_at IS NOT NULL)", name="ended"),
        CheckConstraint('(ended_at IS NULL) = ("end" IS NULL)', name="end"),
        Index(
            "uq_voucher_assignment_live",
            "program_id",
            "voucher_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(None, "program_id", "voucher_id", "id"),
        Index(None, "program_id", "organization_id", "learner_id"),
        Index(None, "program_id", "bulk_assignment_id", "id"),
        Index(None, "program_id", "person_id"),
    )
