"""Remembering what a function gave, for values that come again and again: the instants and days of a list."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

MOST = 16_384

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Remembered(dict[K, V]):
    """Forgets everything when it is full. An lru_cache moves its entries at each look, which takes longer than that."""

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        if len(self) >= MOST:
            self.clear()
        value = self[key] = self._make(key)
        return value


def remembered(make: Callable[[K], V]) -> Callable[[K], V]:
    """The same function of one value, which may be asked by several threads."""
    return _Remembered(make).__getitem__
