"""The dataloaders of one request: one for each batch function and its arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar

from strawberry.dataloader import DataLoader

from resolvers.database import Reading

V = TypeVar("V")


class Placed(Protocol):
    """A row of a flat batch; it says of which key it is."""

    @property
    def place(self) -> int: ...


R = TypeVar("R", bound=Placed)


class Loaders:
    """Fresh for each request, and again after a write. Each batch reads on a connection of its own."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._made: dict[Hashable, DataLoader[Any, Any]] = {}

    def rows(self, batch: Callable[..., Awaitable[list[R]]], *arguments: Hashable) -> DataLoader[Any, list[R]]:
        """Of a batch function that answers with flat rows: the rows of each key, in their order."""

        async def load(keys: list[Any]) -> list[list[R]]:
            async with self._reading() as connection:
                flat = await batch(connection, keys, *arguments)
            return grouped(flat, len(keys))

        return self._once(batch, arguments, load)

    def values(self, batch: Callable[..., Awaitable[list[V]]], *arguments: Hashable) -> DataLoader[Any, V]:
        """Of a batch function that answers with one value a key, in the order of the keys."""

        async def load(keys: list[Any]) -> Sequence[V]:
            async with self._reading() as connection:
                return await batch(connection, keys, *arguments)

        return self._once(batch, arguments, load)

    def _once(
        self, batch: Hashable, arguments: tuple[Hashable, ...], load: Callable[[list[Any]], Awaitable[Sequence[V]]]
    ) -> DataLoader[Any, V]:
        key = (batch, arguments)
        if key not in self._made:
            self._made[key] = DataLoader(load_fn=load)
        return self._made[key]


def grouped(flat: Sequence[R], keys: int) -> list[list[R]]:
    """Flat rows as a list for each key."""
    found: list[list[R]] = [[] for _ in range(keys)]
    for row in flat:
        found[row.place].append(row)
    return found
