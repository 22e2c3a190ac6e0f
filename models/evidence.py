"""What is kept of proofs: keys, seals of snapshots, the chain of checkpoints, and evidence packs.

A seal is the root of a Merkle tree over a snapshot's entries (`models.proofs`). Checkpoints are signed; each names the
digest of the one before it, so that no sealed snapshot can be changed, added or dropped unnoticed.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment

DIGEST = String(64)
"""SHA-256 in lower-case hexadecimal digits."""
SNAPSHOT = ["billing_snapshot.organization_id", "billing_snapshot.id"]
CHECKPOINT = ["checkpoint.organization_id", "checkpoint.number"]
PACK = ["evidence_pack.organization_id", "evidence_pack.id"]


class SigningKey(Base):
    """The public half of an Ed25519 key; the private half is in a file outside the database. Insert-only.

    A key that follows another is endorsed by it, so that whoever trusts the first one can trust the next.
    """

    __tablename__ = "signing_key"
    # SHA-256 of the public key: its fingerprint.
    id: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    public_key: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Moment]
    endorsed_by: Mapped[str | None] = mapped_column(ForeignKey("signing_key.id"))
    endorsement: Mapped[str | None] = mapped_column(String(128))


class Checkpoint(Base):
    """A signed statement of which snapshots an organization had by then. Insert-only."""

    __tablename__ = "checkpoint"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    recorded_at: Mapped[Moment]
    previous_digest: Mapped[str | None] = mapped_column(DIGEST)
    digest: Mapped[str] = mapped_column(DIGEST)
    key_id: Mapped[str] = mapped_column(ForeignKey("signing_key.id"))
    signature: Mapped[str] = mapped_column(String(128))


class SnapshotSeal(Base):
    """The root over a snapshot's entries, and the digest of its own figures. Insert-only."""

    __tablename__ = "snapshot_seal"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    snapshot_id: Mapped[Key] = mapped_column(primary_key=True)
    checkpoint_number: Mapped[int] = mapped_column(Integer)
    size: Mapped[int] = mapped_column(Integer)
    root: Mapped[str] = mapped_column(DIGEST)
    figures_digest: Mapped[str] = mapped_column(DIGEST)
    # From it comes the salt of each entry, so that a proof of one tells nothing about another.
    salt_seed: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "snapshot_id"], SNAPSHOT),
        ForeignKeyConstraint(["organization_id", "checkpoint_number"], CHECKPOINT),
        Index(None, "organization_id", "checkpoint_number", "snapshot_id"),
    )


class EvidencePack(Base):
    """Everything about one snapshot that a dispute needs, fixed and signed. Insert-only."""

    __tablename__ = "evidence_pack"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    snapshot_id: Mapped[Key]
    recorded_at: Mapped[Moment]
    actor: Mapped[str] = mapped_column(String(200))
    checkpoint_number: Mapped[int] = mapped_column(Integer)
    # Canonical JSON: which files there are, and the digest of each.
    manifest: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str] = mapped_column(ForeignKey("signing_key.id"))
    signature: Mapped[str] = mapped_column(String(128))

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "snapshot_id"], SNAPSHOT),
        ForeignKeyConstraint(["organization_id", "checkpoint_number"], CHECKPOINT),
        Index(None, "organization_id", "snapshot_id", "id"),
    )


class EvidenceFile(Base):
    """A part of a file of a pack, as text without personal data. Insert-only."""

    __tablename__ = "evidence_file"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    pack_id: Mapped[Key] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    # From 1. A part ends anywhere: together, in their order, they are the file.
    part: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[str] = mapped_column(Text)

    __table_args__ = (ForeignKeyConstraint(["organization_id", "pack_id"], PACK),)


class EvidencePerson(Base):
    """Somebody named in a pack. An erasure removes the row; the pack's own files keep the salted digest."""

    __tablename__ = "evidence_person"
    organization_id: Mapped[Key] = mapped_column(primary_key=True)
    pack_id: Mapped[Key] = mapped_column(primary_key=True)
    learner_id: Mapped[Key] = mapped_column(primary_key=True)
    salt: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str] = mapped_column(Text)
    department: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "pack_id"], PACK),
        Index(None, "organization_id", "learner_id"),
    )
