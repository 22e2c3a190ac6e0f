"""What is signed, and what it says. Each is written as canonical JSON; instants are in UTC, digests hexadecimal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.proofs.entries import Entry

# The first field of whatever is signed, so that no statement can be taken for one of another kind.
CHECKPOINT_FORM = "countersign checkpoint 1"
ENDORSEMENT_FORM = "countersign key endorsement 1"
MANIFEST_FORM = "countersign evidence pack 1"
DISCLOSURE_FORM = "countersign entry proof 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a snapshot froze besides its entries; what depends on a contract term is null without one."""

    organization: str
    # "seats", or the library's id.
    product: str
    date: str
    kind: str
    cutoff: str
    known_at: str
    measure: str
    counted_from: str
    counted_until: str
    count_least: int
    count_most: int
    excluded: int
    licensed: int | None
    unit_price_minor: int | None
    currency: str | None
    overage_least: int | None
    overage_most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A snapshot within a checkpoint: the root over its entries, how many there are, and the digest of its figures."""

    snapshot: str
    root: str
    size: int
    figures_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointStatement:
    """Which snapshots an organization had by then, and the digest of the checkpoint before it (null for the first)."""

    form: str
    number: int
    organization: str
    recorded_at: str
    previous_digest: str | None
    snapshots: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    statement: CheckpointStatement
    key_id: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All checkpoints of an organization, from the first."""

    checkpoints: tuple[SignedCheckpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """What a key signs of the key that follows it."""

    form: str
    key_id: str
    public_key: str
    created_at: str
    endorsed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """An Ed25519 key. Its id is the SHA-256 of it: its fingerprint."""

    key_id: str
    public_key: str
    created_at: str
    endorsed_by: str | None
    endorsement: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a pack is made of. Personal data may be erased later, so it is not named here: its digests are."""

    form: str
    pack: str
    organization: str
    snapshot: str
    root: str
    checkpoint_number: int
    checkpoint_digest: str
    built_at: str
    # The SHA-256 of each file.
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSignature:
    key_id: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """The proof that one entry is in a sealed snapshot; it tells nothing of the others but how many there are."""

    form: str
    entry: Entry
    salt: str
    # From 0, of the snapshot's entries in their order.
    index: int
    size: int
    # The hashes beside the way to the root, the entry's neighbour first.
    path: tuple[str, ...]
    figures: Figures
    checkpoints: tuple[SignedCheckpoint, ...]
    keys: tuple[PublicKey, ...]
