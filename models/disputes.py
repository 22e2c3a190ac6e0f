"""Disputes: a count or a bill is questioned, evidence is attached, and somebody decides."""

from __future__ import annotations

import datetime as dt
from enum import Enum

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, Spelled


class DisputeState(Enum):
    OPEN = "it was opened"
    EVIDENCE_READY = "the evidence is attached"
    WITH_CLIENT = "it is the client's turn"
    UPHELD = "the client was right: all that was disputed is credited"
    PARTIAL = "the client was right in part: some of it is credited"
    REJECTED = "the bill was right"
    WITHDRAWN = "the client let it go"
    CLOSED = "nothing is left to do"


RESOLUTIONS = (DisputeState.UPHELD, DisputeState.PARTIAL, DisputeState.REJECTED, DisputeState.WITHDRAWN)


class DisputeOrigin(Enum):
    CLIENT = "the client opened it"
    STAFF = "staff opened it for the client"
    DRIFT = "the nightly check found that what is known now differs from what was billed; the client does not see it"


class Dispute(Base):
    """One case, about one snapshot, with the invoice lines that bill it if there are any. What happened to it is in
    `models.events`, and its state is what those events have led to.
    """

    __tablename__ = "dispute"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(120))
    origin: Mapped[DisputeOrigin] = mapped_column(Spelled(DisputeOrigin))
    state: Mapped[DisputeState] = mapped_column(Spelled(DisputeState))
    # How it was resolved; stays when it is closed.
    resolution: Mapped[DisputeState | None] = mapped_column(Spelled(DisputeState))
    snapshot_id: Mapped[Key]
    opened_at: Mapped[Moment]
    opened_by: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    assignee: Mapped[str | None] = mapped_column(String(200))
    respond_by: Mapped[dt.date | None] = mapped_column(Date)
    pack_id: Mapped[Key | None]
    resolved_at: Mapped[Moment | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "snapshot_id"], ["billing_snapshot.organization_id", "billing_snapshot.id"]
        ),
        ForeignKeyConstraint(["organization_id", "pack_id"], ["evidence_pack.organization_id", "evidence_pack.id"]),
        UniqueConstraint("organization_id", "number"),
        CheckConstraint("(resolution IS NULL) = (resolved_at IS NULL)", name="resolved"),
        Index(None, "organization_id", "snapshot_id"),
        # The nightly check opens one case about a snapshot and not another every night.
        Index(
            "uq_dispute_drift",
            *("organization_id", "snapshot_id"),
            unique=True,
            sqlite_where=text("origin = 'DRIFT' AND resolution IS NULL"),
            postgresql_where=text("origin = 'DRIFT' AND resolution IS NULL"),
        ),
    )


class DisputeLine(Base):
    """An invoice line in dispute, and for how many people. While it is open, that much is held from collection, and
    no second dispute can be opened on it."""

    __tablename__ = "dispute_line"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    dispute_id: Mapped[Key] = mapped_column(primary_key=True)
    invoice_id: Mapped[Key] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)
    credited: Mapped[int] = mapped_column(Integer)
    is_open: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "dispute_id"], ["dispute.organization_id", "dispute.id"]),
        ForeignKeyConstraint(
            ["organization_id", "invoice_id", "line_number"],
            [f"invoice_line.{key}" for key in ("organization_id", "invoice_id", "number")],
        ),
        CheckConstraint("quantity > 0 AND credited >= 0 AND credited <= quantity", name="credited"),
        Index(
            "uq_dispute_line_open",
            *("organization_id", "invoice_id", "line_number"),
            unique=True,
            sqlite_where=text("is_open"),
            postgresql_where=text("is_open"),
        ),
    )
