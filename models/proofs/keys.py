"""Ed25519 keys: fingerprints, signatures, and which keys follow from one that is trusted."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from models.proofs.canonical import digest_of, written
from models.proofs.statements import ENDORSEMENT_FORM, Endorsement, PublicKey


def fingerprint(public_key: str) -> str:
    """The id of a key: SHA-256 of its 32 bytes."""
    return digest_of(bytes.fromhex(public_key))


def is_signed(public_key: str, message: bytes, signature: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def endorsement_text(key_id: str, public_key: str, created_at: str, endorsed_by: str) -> bytes:
    """What the former key signs."""
    return written(
        Endorsement(
            form=ENDORSEMENT_FORM,
            key_id=key_id,
            public_key=public_key,
            created_at=created_at,
            endorsed_by=endorsed_by,
        )
    )


def is_whole(key: PublicKey) -> bool:
    """Whether the fingerprint is that of the key."""
    try:
        return fingerprint(key.public_key) == key.key_id
    except ValueError:
        return False


def trusted_from(trusted: Iterable[str], keys: Iterable[PublicKey]) -> dict[str, PublicKey]:
    """Of these keys those that are trusted, or endorsed by one that is, or by one that follows from it."""
    known, found = {key.key_id: key for key in keys if is_whole(key)}, set(trusted)
    waiting = [key for key in known.values() if key.key_id not in found]
    while follows := [key for key in waiting if _endorses(known, found, key)]:
        found |= {key.key_id for key in follows}
        waiting = [key for key in waiting if key.key_id not in found]
    return {key_id: key for key_id, key in known.items() if key_id in found}


def _endorses(known: dict[str, PublicKey], found: set[str], key: PublicKey) -> bool:
    if key.endorsed_by is None or key.endorsement is None or key.endorsed_by not in found & known.keys():
        return False
    text = endorsement_text(key.key_id, key.public_key, key.created_at, key.endorsed_by)
    return is_signed(known[key.endorsed_by].public_key, text, key.endorsement)
