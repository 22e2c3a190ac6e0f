"""Batches whose keys may leave a field out (0 stands for all): those that leave out the same are asked together.

A document may ask for the orders of a program and for those of an organization at once; each of these is a statement of
its own, with its own index.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")
K = TypeVar("K", bound=tuple[Any, ...])
Batch = Callable[Concatenate[AsyncConnection, Sequence[K], P], Awaitable[list[R]]]


def rows_by_kind(batch: Batch[K, P, R]) -> Batch[K, P, R]:
    """Of a batch that answers with flat rows, whose `place` is that of their key."""

    async def each(connection: AsyncConnection, keys: Sequence[K], /, *asked: P.args, **named: P.kwargs) -> list[R]:
        flat: list[Any] = []
        for places in _kinds(keys):
            rows: list[Any] = list(await batch(connection, [keys[place] for place in places], *asked, **named))
            flat += [row._replace(place=places[row.place]) for row in rows]
        return flat

    return each


def values_by_kind(batch: Batch[K, P, V]) -> Batch[K, P, V]:
    """Of a batch that answers with one value a key."""

    async def each(connection: AsyncConnection, keys: Sequence[K], /, *asked: P.args, **named: P.kwargs) -> list[V]:
        found: dict[int, V] = {}
        for places in _kinds(keys):
            values = await batch(connection, [keys[place] for place in places], *asked, **named)
            found |= dict(zip(places, values, strict=True))
        return [found[place] for place in range(len(keys))]

    return each


def _kinds(keys: Sequence[K]) -> Iterator[list[int]]:
    """The places of the keys that leave out the same."""
    kinds: dict[tuple[bool, ...], list[int]] = {}
    for place, key in enumerate(keys):
        kinds.setdefault(tuple(bool(part) for part in key), []).append(place)
    yield from kinds.values()
