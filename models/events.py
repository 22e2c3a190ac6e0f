"""What was done to a thing of an organization: who, when, from where, and what it was before and after. Insert-only."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class Thing(Enum):
    """What an event is about. Its key is the `id` of the row of that table."""

    ORGANIZATION = "the organization itself"
    LEARNER = "a learner"
    CONTRACT_TERM = "a term of the contract"
    BILLING_SNAPSHOT = "a frozen count"
    INVOICE = "an invoice"
    ADJUSTMENT = "a late correction of what was billed"
    DISPUTE = "a dispute"
    EVIDENCE_PACK = "an evidence pack"
    PERSON = "somebody the organization is, or was, responsible party for"


class Deed(Enum):
    """What was done."""

    TERM_SET = "a contract term was agreed"
    TERM_AMENDED = "a contract term was replaced from a day on"
    TERM_ENDED = "a contract term got another last day"
    TERM_WITHDRAWN = "a contract term turned out never to have been agreed"
    INVOICE_DRAFTED = "an invoice was drafted"
    CHALLENGE_OPENED = "the client was shown the names, and may challenge them"
    LINE_ACCEPTED = "the client accepted a line: it cannot be disputed later"
    INVOICE_ISSUED = "an invoice was issued"
    INVOICE_CANCELLED = "a draft was cancelled"
    PAYMENT_RECORDED = "a payment was recorded"
    CREDIT_NOTE_MADE = "a credit note was made"
    ADJUSTMENT_FOUND = "a late correction changed what should have been billed"
    ADJUSTMENT_APPROVED = "an adjustment upward was approved"
    UNCERTAIN_APPROVED = "people of whom dates are lost were approved for billing"
    DISPUTE_OPENED = "a dispute was opened"
    EVIDENCE_ATTACHED = "evidence was attached"
    MESSAGE_SENT = "a message was written"
    ASSIGNED = "somebody took it on"
    DEADLINE_SET = "a deadline was set"
    MINUTES_SPENT = "staff spent time on it"
    STATE_CHANGED = "it went from one state to another"
    DISPUTE_RESOLVED = "a dispute was resolved"
    PACK_BUILT = "an evidence pack was built"
    ERASED = "personal data was erased"
    RESPONSIBILITY_SET = "it was said from when to when the organization may pay for somebody"


class Event(Base):
    """One thing done. The text that a person wrote may be erased with them; nothing else ever changes."""

    __tablename__ = "event"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    recorded_at: Mapped[Moment]
    thing: Mapped[Thing] = mapped_column(Spelled(Thing))
    thing_id: Mapped[Key]
    deed: Mapped[Deed] = mapped_column(Spelled(Deed))
    actor: Mapped[str] = mapped_column(String(200))
    # From where: an address, the command line, the worker.
    origin: Mapped[str] = mapped_column(String(100))
    said: Mapped[str | None] = mapped_column(Text)
    before: Mapped[str | None] = mapped_column(String(200))
    after: Mapped[str | None] = mapped_column(String(200))
    minutes: Mapped[int | None] = mapped_column(Integer)
    # Not shown to the client.
    internal: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = (
        CheckConstraint("minutes IS NULL OR minutes > 0", name="minutes"),
        Index(None, "organization_id", "thing", "thing_id", "id"),
    )
