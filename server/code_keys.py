"""The keys of voucher codes, in files outside the database: a secret each, readable by their owner alone.

New codes take the newest key. Older ones stay, or the codes that were made with them are found no more.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from models.interval import to_microseconds
from server.signing import OWNER_ONLY, OWNER_ONLY_FOLDER

SECRET_BYTES = 32
NONCE_BYTES = 12
HASHING, SEALING = b"countersign: hash of a voucher code", b"countersign: seal of a voucher code"
FILE_NAME = re.compile(r"([0-9a-f]{16})\.key")


class CodeKeyError(Exception):
    """A key file that cannot be used; the message says which, and what to do."""


class CodeKeyRing:
    """All keys of an installation, by their ids, which sort by when they were made."""

    def __init__(self, secrets_by_id: Mapping[str, bytes]) -> None:
        self._ids = sorted(secrets_by_id, reverse=True)
        self._hashing = {key_id: _derived(secret, HASHING) for key_id, secret in secrets_by_id.items()}
        self._sealing = {key_id: AESGCM(_derived(secret, SEALING)) for key_id, secret in secrets_by_id.items()}

    @property
    def newest(self) -> str:
        return self._ids[0]

    def digest(self, program_id: int, code: str, key_id: str | None = None) -> str:
        return hmac.new(
            self._hashing[key_id or self.newest], f"{program_id}:{code}".encode(), hashlib.sha256
        ).hexdigest()

    def digests(self, program_id: int, code: str) -> Sequence[str]:
        return [self.digest(program_id, code, key_id) for key_id in self._ids]

    def seal(self, program_id: int, code_id: int, code: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._sealing[self.newest].encrypt(nonce, code.encode(), _place(program_id, code_id))

    def open(self, program_id: int, code_id: int, key_id: str, sealed: bytes) -> str:
        key, nonce = self._sealing.get(key_id), sealed[:NONCE_BYTES]
        if key is None:
            raise CodeKeyError(f"the key {key_id} of some codes is missing: put its file back into the folder of keys")
        try:
            return key.decrypt(nonce, sealed[NONCE_BYTES:], _place(program_id, code_id)).decode()
        except InvalidTag as problem:
            raise CodeKeyError(f"code {code_id} was not sealed by the key {key_id}, or not for its place") from problem


def _place(program_id: int, code_id: int) -> bytes:
    return f"{program_id}:{code_id}".encode()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """One secret, two keys: what finds a code says nothing about what opens it."""
    return HKDF(SHA256(), SECRET_BYTES, salt=None, info=purpose).derive(secret)


def fresh_key(now: dt.datetime) -> tuple[str, bytes]:
    """An id of 16 characters, the later the greater, and a secret."""
    return f"{to_microseconds(now):013x}{secrets.randbelow(4096):03x}", secrets.token_bytes(SECRET_BYTES)


# ------------------------------------------------------------------------------------------------------ files


def make_code_key(folder: Path, now: dt.datetime) -> str:
    """A new key in the folder; gives its id. Written aside first, so that a key that is there is a whole one."""
    key_id, secret = fresh_key(now)
    folder.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
    unfinished = folder / f"{key_id}.part"
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as opened:
        opened.write(secret.hex().encode() + b"\n")
    unfinished.rename(folder / f"{key_id}.key")
    return key_id


def load_code_keys(folder: Path) -> CodeKeyRing | None:
    """All keys of the folder; None if it has none."""
    files = {found[1]: file for file in _files(folder) if (found := FILE_NAME.fullmatch(file.name))}
    return CodeKeyRing({key_id: _secret(file) for key_id, file in files.items()}) if files else None


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _secret(file: Path) -> bytes:
    try:
        secret = bytes.fromhex(file.read_text().strip())
    except (OSError, ValueError) as problem:
        raise CodeKeyError(f"the key of codes {file} cannot be read: {problem}") from problem
    if len(secret) != SECRET_BYTES:
        raise CodeKeyError(f"{file} is not a key of codes: it must hold {SECRET_BYTES} bytes as hexadecimal digits")
    return secret
