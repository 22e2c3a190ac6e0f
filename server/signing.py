"""The keys that sign, in files outside the database: an encrypted or plain PEM each, readable by their owner alone.

Beside each private key lies its public record, with the endorsement by the key before it.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from models.proofs.canonical import Malformed, moment_of, moment_text, read, written
from models.proofs.keys import endorsement_text, fingerprint
from models.proofs.statements import PublicKey
from server.settings import Settings

OWNER_ONLY, OWNER_ONLY_FOLDER = 0o600, 0o700


class SigningKeyError(Exception):
    """A key file that cannot be used; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """A private key, and the records of the keys that lead to it by endorsements, the first one first."""

    private: Ed25519PrivateKey
    lineage: tuple[PublicKey, ...]

    @property
    def key_id(self) -> str:
        return self.lineage[-1].key_id

    @property
    def public_key(self) -> str:
        return self.lineage[-1].public_key

    def sign(self, message: bytes) -> str:
        return self.private.sign(message).hex()


def fresh_signer(now: dt.datetime, former: KeySigner | None = None) -> KeySigner:
    """A new key, endorsed by the former one if there is one; in memory only."""
    private = Ed25519PrivateKey.generate()
    public_key = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    key_id, created_at = fingerprint(public_key), moment_text(now)
    text = endorsement_text(key_id, public_key, created_at, former.key_id) if former else b""
    record = PublicKey(
        key_id=key_id,
        public_key=public_key,
        created_at=created_at,
        endorsed_by=former.key_id if former else None,
        endorsement=former.sign(text) if former else None,
    )
    return KeySigner(private, (*(former.lineage if former else ()), record))


def load_signer(settings: Settings) -> KeySigner | None:
    """The key that signs now; None if there is none."""
    return newest_signer(settings.signing_keys, passphrase_of(settings))


def passphrase_of(settings: Settings) -> str | None:
    secret = settings.signing_passphrase
    return secret.get_secret_value() if secret else None


# ------------------------------------------------------------------------------------------------------ files


def make_key(folder: Path, passphrase: str | None, now: dt.datetime) -> KeySigner:
    """A new key in the folder, endorsed by the newest that is there."""
    signer = fresh_signer(now, newest_signer(folder, passphrase))
    folder.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
    pem = signer.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _encryption(passphrase))
    _write_secret(_private_file(folder, signer.key_id), pem)
    # The record comes last: a key without one was not finished, and is passed over.
    _public_file(folder, signer.key_id).write_bytes(written(signer.lineage[-1]))
    return signer


def _encryption(passphrase: str | None) -> KeySerializationEncryption:
    return BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()


def _write_secret(file: Path, content: bytes) -> None:
    """Never there with any other mode, not even for a moment."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as opened:
        opened.write(content)


def public_keys(folder: Path) -> list[PublicKey]:
    """The records of all keys of the folder, the oldest first."""
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return sorted((_record(file) for file in files), key=lambda key: moment_of(key.created_at))


def _record(file: Path) -> PublicKey:
    try:
        return read(PublicKey, file.read_bytes())
    except (OSError, Malformed) as problem:
        raise SigningKeyError(f"{file} is not the record of a signing key: {problem}") from problem


def newest_signer(folder: Path, passphrase: str | None) -> KeySigner | None:
    """The key that signs now; None if the folder has none."""
    records = public_keys(folder)
    if not records:
        return None
    lineage = _lineage({key.key_id: key for key in records}, records[-1])
    return KeySigner(_private_key(_private_file(folder, records[-1].key_id), passphrase), lineage)


def _lineage(records: dict[str, PublicKey], key: PublicKey) -> tuple[PublicKey, ...]:
    former = records.get(key.endorsed_by) if key.endorsed_by else None
    return (*(_lineage(records, former) if former else ()), key)


def _private_key(file: Path, passphrase: str | None) -> Ed25519PrivateKey:
    try:
        private = load_pem_private_key(file.read_bytes(), passphrase.encode() if passphrase else None)
    except (OSError, ValueError, TypeError) as problem:
        raise SigningKeyError(
            f"the signing key {file} cannot be read: {problem}. Is COUNTERSIGN_SIGNING_PASSPHRASE its passphrase?"
        ) from problem
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeyError(f"{file} is not an Ed25519 key")
    return private


def _private_file(folder: Path, key_id: str) -> Path:
    return folder / f"{key_id}.pem"


def _public_file(folder: Path, key_id: str) -> Path:
    return folder / f"{key_id}.json"
