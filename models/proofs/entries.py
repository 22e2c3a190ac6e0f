"""The leaves of a sealed snapshot: who was counted, by a pseudonym, each salted so that no other can be guessed."""

from __future__ import annotations

import hashlib
import hmac
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.ids import encode_id
from models.proofs.canonical import instant_text, written
from models.proofs.merkle import leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Somebody who was counted. A bound is an instant in UTC, null if nothing bounds it or it has not come."""

    snapshot: str
    # The learner's opaque id.
    subject: str
    from_earliest: str | None
    from_latest: str | None
    to_earliest: str | None
    to_latest: str | None
    # False if only some completions of lost dates count this person.
    certain: bool


class CountedRow(NamedTuple):
    """An entry as it is in the table; instants are microseconds."""

    learner_id: int
    from_earliest: int
    from_latest: int
    to_earliest: int
    to_latest: int
    certain: bool


def entry_of(organization_id: int, snapshot_id: int, row: CountedRow) -> Entry:
    return Entry(
        snapshot=snapshot_text(organization_id, snapshot_id),
        subject=subject_text(organization_id, row.learner_id),
        from_earliest=instant_text(row.from_earliest),
        from_latest=instant_text(row.from_latest),
        to_earliest=instant_text(row.to_earliest),
        to_latest=instant_text(row.to_latest),
        certain=bool(row.certain),
    )


def snapshot_text(organization_id: int, snapshot_id: int) -> str:
    return encode_id("BillingSnapshot", organization_id, snapshot_id)


def subject_text(organization_id: int, learner_id: int) -> str:
    return encode_id("Learner", organization_id, learner_id)


def salt_of(seed: bytes, learner_id: int) -> bytes:
    """The salt of one entry: known to whom it was told, and of no help to find that of another."""
    return hmac.digest(seed, b"%d" % learner_id, "sha256")


def _salts_of(seed: bytes) -> Callable[[int], bytes]:
    """The same as `salt_of`, with the hashes of HMAC's two keys begun once."""
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in seed.ljust(64, b"\0"))) for pad in (0x36, 0x5C))

    def salt(learner_id: int) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(b"%d" % learner_id)
        second.update(first.digest())
        return second.digest()

    return salt


def leaf_of(entry: Entry, salt: bytes) -> bytes:
    return leaf_hash(salt + written(entry))


def leaves_of(organization_id: int, snapshot_id: int, seed: bytes, rows: Sequence[CountedRow]) -> Iterator[bytes]:
    """The same leaves as `leaf_of` makes, quickly: a snapshot may have a million of them."""
    middle = f'"snapshot":"{snapshot_text(organization_id, snapshot_id)}","subject":"'
    prefix, salt = f"Learner:{organization_id}:", _salts_of(seed)
    for learner_id, from_earliest, from_latest, to_earliest, to_latest, certain in rows:
        # Base64 of letters, digits and colons has none of the two characters that are spelled otherwise in ids.
        subject = b2a_base64(f"{prefix}{learner_id}".encode(), newline=False).rstrip(b"=").decode()
        start, end = _quoted(from_earliest), _quoted(to_latest)
        text = (
            f'{{"certain":{"true" if certain else "false"},"from_earliest":{start},"from_latest":'
            f"{start if from_latest == from_earliest else _quoted(from_latest)},{middle}{subject}"
            f'","to_earliest":{end if to_earliest == to_latest else _quoted(to_earliest)},"to_latest":{end}}}'
        )
        yield leaf_hash(salt(learner_id) + text.encode())


def _quoted(microseconds: int) -> str:
    text = instant_text(microseconds)
    return f'"{text}"' if text else "null"
