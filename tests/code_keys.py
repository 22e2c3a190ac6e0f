"""Keys of codes for tests: in memory, and the same in every run."""

from __future__ import annotations

import hashlib

from server.code_keys import CodeKeyRing


def code_keys(*names: str) -> CodeKeyRing:
    """Keys of these names; the one that sorts last makes new codes."""
    return CodeKeyRing({name: hashlib.sha256(name.encode()).digest() for name in names or ("test",)})


CODE_KEYS = code_keys()
