"""Signing: the server gives what fits this, so that no step knows where the private key is."""

from __future__ import annotations

from typing import Protocol

from models.proofs.statements import PublicKey


class Signer(Protocol):
    """An Ed25519 key. All is in lower-case hexadecimal digits."""

    @property
    def key_id(self) -> str:
        """SHA-256 of the public key: its fingerprint."""

    @property
    def public_key(self) -> str: ...

    @property
    def lineage(self) -> tuple[PublicKey, ...]:
        """This key and those before it, each endorsed by the one before; the first one first."""

    def sign(self, message: bytes) -> str: ...
