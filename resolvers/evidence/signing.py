"""Signing: the server gives what fits this, so that no step knows where the private key is."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """An Ed25519 key. All is in lower-case hexadecimal digits."""

    @property
    def key_id(self) -> str:
        """SHA-256 of the public key: its fingerprint."""

    @property
    def public_key(self) -> str: ...

    def sign(self, message: bytes) -> str: ...
