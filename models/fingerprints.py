"""What people of a cohort were chosen by, as digests: one of all, and a short one of each, to tell what changed."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

BYTES_OF_ONE = 16
"""Eight of whom it is of, eight of what they were chosen by."""


@dataclass(slots=True)
class Fingerprints:
    """Of people added in the order of their keys. Of each no more than sixteen bytes are kept."""

    _all: bytearray = field(default_factory=bytearray)

    def add(self, learner_id: int, attributes: Sequence[object]) -> None:
        own = hashlib.blake2b("\0".join(map(str, attributes)).encode(), digest_size=8)
        self._all += learner_id.to_bytes(8, "big", signed=True) + own.digest()

    @property
    def packed(self) -> bytes:
        return bytes(self._all)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self._all).hexdigest()


@dataclass(frozen=True, slots=True)
class Difference:
    """Who came, who went, and of whom something else is known now; by their keys, in order."""

    came: Sequence[int]
    went: Sequence[int]
    changed: Sequence[int]


def difference(before: bytes, after: bytes) -> Difference:
    """What changed between two lists, each in the order of its keys; they are walked together."""
    came, went, changed = array("q"), array("q"), array("q")
    one = other = 0
    while one < len(before) or other < len(after):
        left, right = _key(before, one), _key(after, other)
        if right is None or (left is not None and left < right):
            went.append(left or 0)
            one += BYTES_OF_ONE
            continue
        if left is None or right < left:
            came.append(right)
            other += BYTES_OF_ONE
            continue
        if before[one : one + BYTES_OF_ONE] != after[other : other + BYTES_OF_ONE]:
            changed.append(left)
        one, other = one + BYTES_OF_ONE, other + BYTES_OF_ONE
    return Difference(came, went, changed)


def _key(packed: bytes, place: int) -> int | None:
    return int.from_bytes(packed[place : place + 8], "big", signed=True) if place < len(packed) else None
