"""What workers do later or regularly, and the keys by which a repeated request is known again."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class TaskKind(Enum):
    TAKE_MONTH = "take a date's snapshots of an organization, seal them and draft its invoice"
    CHECK_DRIFT = "recompute an organization's snapshots and open a case where one differs"
    END_CHALLENGE = "issue an organization's invoices whose challenge window has ended"


class Task(Base):
    """Something to be done once for an organization, from an instant on. Whoever does it holds a lease; what failed is
    tried again later.
    """

    __tablename__ = "task"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    kind: Mapped[TaskKind] = mapped_column(Spelled(TaskKind), primary_key=True)
    # What of that kind: a date.
    subject: Mapped[str] = mapped_column(String(100), primary_key=True)
    due_at: Mapped[Moment]
    attempts: Mapped[int] = mapped_column(Integer)
    leased_until: Mapped[Moment | None]
    lease: Mapped[str | None] = mapped_column(String(64))
    failure: Mapped[str | None] = mapped_column(Text)
    done_at: Mapped[Moment | None]

    __table_args__ = (
        Index(
            "ix_task_due",
            "due_at",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
    )


class IdempotencyKey(Base):
    """A money mutation that was done, by the key that its caller gave: the same again is answered with what it made."""

    __tablename__ = "idempotency_key"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    mutation: Mapped[str] = mapped_column(String(100))
    # SHA-256 of the input: another input under the same key is refused.
    input_digest: Mapped[str] = mapped_column(String(64))
    made_id: Mapped[Key]
    recorded_at: Mapped[Moment]


class ProgramKey(Base):
    """The same in a program, of whoever acts there: an organization, or the program itself."""

    __tablename__ = "program_key"
    program_id: Mapped[Key] = mapped_column(ForeignKey("program.id"), primary_key=True)
    # The organization's id, or the program's for its own people and for staff.
    actor_id: Mapped[Key] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    mutation: Mapped[str] = mapped_column(String(100))
    input_digest: Mapped[str] = mapped_column(String(64))
    made_id: Mapped[Key]
    recorded_at: Mapped[Moment]
