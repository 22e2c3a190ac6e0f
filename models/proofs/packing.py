"""The files of an evidence pack: their names, columns, and what the statement says."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from models.proofs.canonical import Malformed, canonical
from models.proofs.entries import Entry
from models.proofs.statements import Figures
from models.proofs.tables import read_table

README, STATEMENT, ENTRIES, BRIDGE = "README.txt", "statement.json", "entries.csv", "bridge.csv"
CORRECTIONS, DAYS, DIGESTS = "corrections.csv", "days.csv", "people-digests.csv"
CHECKPOINTS, KEYS = "checkpoints.json", "keys.json"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
PEOPLE, REASONS = "people.csv", "reasons.csv"
"""What may be erased later, and is therefore in no manifest; the digests in other files vouch for it."""

SEALED_FILES = (README, STATEMENT, ENTRIES, BRIDGE, CORRECTIONS, DAYS, DIGESTS, CHECKPOINTS, KEYS)
ALL_FILES = (*SEALED_FILES, MANIFEST, SIGNATURE, PEOPLE, REASONS)

ENTRY_COLUMNS = (
    *("number", "subject", "activated_on", "deactivated_on", "last_active_on"),
    *("from_earliest", "from_latest", "to_earliest", "to_latest", "certain", "salt"),
)
BRIDGE_COLUMNS = (
    *("subject", "movement", "cause", "certain", "at", "on", "until"),
    *("recorded_at", "actor", "reason_digest"),
)
CORRECTION_COLUMNS = ("subject", "difference", "recorded_at", "actor", "reason_digest")
DAY_COLUMNS = ("day", "least", "most")
DIGEST_COLUMNS = ("subject", "digest")
PEOPLE_COLUMNS = ("subject", "name", "email", "external_id", "department", "salt")
REASON_COLUMNS = ("subject", "recorded_at", "reason", "salt")
SALT_BYTES = 32
ERASED = "[erased]"
"""Stands for a text that was erased; its salt is then empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedTerm:
    """The contract term in force: local days, both included; null if it has not ended."""

    since: str
    through: str | None
    licensed: int
    unit_price_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedBill:
    """An invoice line that bills the snapshot, when the pack was built."""

    invoice: str
    state: str
    kind: str
    quantity: int
    unit_price_minor: int
    total_minor: int
    currency: str
    credited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a pack says, without the people."""

    pack: str
    snapshot: str
    organization_name: str
    organization_slug: str
    product_name: str
    zone: str
    # In words, with zone and cutoff.
    question: str
    figures: Figures
    recorded_at: str
    recorded_by: str
    built_at: str
    built_by: str
    term: StatedTerm | None
    bills: tuple[StatedBill, ...]
    # The bridge goes from the snapshot to the count at this moment, as known when the pack was built.
    closing_at: str
    closing_least: int
    closing_most: int


@dataclass(frozen=True, slots=True)
class SaltedEntry:
    entry: Entry
    salt: bytes


def person_digest(salt: str, subject: str, name: str, email: str, external_id: str, department: str) -> str:
    """Says nothing of the person without the salt, which is erased with them."""
    person = {
        "subject": subject,
        "name": name,
        "email": email,
        "external_id": external_id,
        "department": department,
    }
    return hashlib.sha256(salt_in(salt) + canonical(person)).hexdigest()


def reason_salt(person_salt: str, recorded_at: str) -> str:
    """The salt of a reason that was given for somebody: it goes with theirs."""
    return hmac.digest(bytes.fromhex(person_salt), recorded_at.encode(), "sha256").hex()


def reason_digest(salt: str, subject: str, recorded_at: str, reason: str) -> str:
    told = {"subject": subject, "recorded_at": recorded_at, "reason": reason}
    return hashlib.sha256(salt_in(salt) + canonical(told)).hexdigest()


def entry_cells(number: int, days: Sequence[str], entry: Entry, salt: bytes) -> list[str]:
    bounds = (entry.from_earliest, entry.from_latest, entry.to_earliest, entry.to_latest)
    certain = "yes" if entry.certain else "possible"
    return [str(number), entry.subject, *days, *(bound or "" for bound in bounds), certain, salt.hex()]


def read_entries(snapshot: str, text: bytes) -> list[SaltedEntry]:
    """The entries of the table in its order; Malformed where a row is none."""
    return [_entry(snapshot, n, row) for n, row in enumerate(read_table(ENTRY_COLUMNS, text), start=1)]


def _entry(snapshot: str, number: int, row: Sequence[str]) -> SaltedEntry:
    given, subject, _, _, _, *bounds, certain, salt = row
    if given != str(number) or certain not in {"yes", "possible"}:
        raise Malformed(f"row {number} is not the entry {number}")
    from_earliest, from_latest, to_earliest, to_latest = (bound or None for bound in bounds)
    entry = Entry(
        snapshot=snapshot,
        subject=subject,
        from_earliest=from_earliest,
        from_latest=from_latest,
        to_earliest=to_earliest,
        to_latest=to_latest,
        certain=certain == "yes",
    )
    return SaltedEntry(entry, salt_in(salt))


def salt_in(text: str) -> bytes:
    """A salt of its one length: with another one it could swallow a part of what it salts."""
    try:
        salt = bytes.fromhex(text)
    except ValueError as problem:
        raise Malformed(f"{text[:80]!r} is not a salt") from problem
    if len(salt) != SALT_BYTES:
        raise Malformed(f"{text[:80]!r} is not a salt")
    return salt
