"""Merkle trees as RFC 6962 hashes them: one root over any number of leaves, and proofs that a leaf is among them.

A leaf is hashed after a zero byte and a node after a one byte, so that neither can be taken for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256().digest()


# To copy a begun hash is faster than to begin one, and there may be millions.
LEAF, NODE = hashlib.sha256(b"\0"), hashlib.sha256(b"\1")


def leaf_hash(content: bytes) -> bytes:
    begun = LEAF.copy()
    begun.update(content)
    return begun.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    begun = NODE.copy()
    begun.update(left + right)
    return begun.digest()


class GrowingTree:
    """The root of leaves that come one after another: keeps one hash a level, and not the leaves."""

    def __init__(self) -> None:
        self.size = 0
        # The roots of full subtrees, the largest first: those of the binary digits of the size.
        self._full: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        self.size += 1
        merged, size = leaf, self.size
        while not size & 1:
            merged = node_hash(self._full.pop(), merged)
            size >>= 1
        self._full.append(merged)

    def root(self) -> bytes:
        if not self._full:
            return EMPTY_ROOT
        *others, merged = self._full
        for larger in reversed(others):
            merged = node_hash(larger, merged)
        return merged


def root_of(leaves: Sequence[bytes]) -> bytes:
    tree = GrowingTree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes beside the way from a leaf to the root, the leaf's own neighbour first."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} of {len(leaves)}")
    path: list[bytes] = []
    level, place = list(leaves), index
    while len(level) > 1:
        neighbour = place ^ 1
        if neighbour < len(level):
            path.append(level[neighbour])
        level, place = _level_above(level), place // 2
    return path


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    """The last of an odd number goes up as it is."""
    pairs = [node_hash(level[n], level[n + 1]) for n in range(0, len(level) - 1, 2)]
    return pairs + list(level[len(level) - 1 :]) if len(level) % 2 else pairs


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root to which a path leads from a leaf; None if no tree of this size has such a path."""
    if not 0 <= index < size:
        return None
    merged, place, last, left = leaf, index, size - 1, list(path)
    while last:
        if place % 2 or place < last:
            if not left:
                return None
            beside = left.pop(0)
            merged = node_hash(beside, merged) if place % 2 else node_hash(merged, beside)
        place, last = place // 2, last // 2
    return None if left else merged
