"""The dataloaders of one request: one for each batch function and its arguments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from resolvers.database import Reading

# How many turns of the event loop lie between the end of one read and whatever asks for the next, at most.
MOMENT = 4

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Placed(Protocol):
    """A row of a flat batch; it says of which key it is."""

    @property
    def place(self) -> int: ...


R = TypeVar("R", bound=Placed)


@dataclass(slots=True)
class Batch(Generic[K]):
    """Keys that are read together, and who waits for which of them."""

    keys: dict[K, None] = field(default_factory=dict)
    # Whoever waits for many keys looks them up, and is told none.
    waiting: list[tuple[asyncio.Future[Any], K | None]] = field(default_factory=list)

    def awaited(self) -> asyncio.Future[None]:
        """Done when all of its keys were read."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((future, None))
        return future

    def still_waiting(self) -> list[tuple[asyncio.Future[Any], K | None]]:
        return [(future, key) for future, key in self.waiting if not future.cancelled()]


async def _all_done(futures: Sequence[asyncio.Future[None]]) -> None:
    if len(futures) == 1:
        await futures[0]
    else:
        await asyncio.gather(*futures)


class Rounds:
    """When the batches of a request begin: together, once nothing that the request reads is on its way.

    So what fields side by side ask for is read at once however long each of them took to get there, and how many
    statements an operation takes is no matter of chance.
    """

    def __init__(self) -> None:
        self._on_their_way = 0
        self._waiting: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, bring: Callable[[], Awaitable[None]]) -> None:
        self._waiting.append(bring)
        if len(self._waiting) == 1 and not self._on_their_way:
            self._begin_soon()

    def _begin_soon(self, turns: int = MOMENT) -> None:
        """Whoever is about to run gets in: each step towards the next read is a turn of the event loop."""
        if turns:
            asyncio.get_running_loop().call_soon(self._begin_soon, turns - 1)
        else:
            self._begin()

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for bring in waiting:
            self._on_their_way += 1
            task = asyncio.create_task(self._run(bring))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, bring: Callable[[], Awaitable[None]]) -> None:
        try:
            await bring()
        finally:
            self._on_their_way -= 1
            if self._waiting and not self._on_their_way:
                self._begin_soon()


class Loader(Generic[K, V]):
    """Reads what is asked for until its round begins as one batch, and remembers what it found.

    Strawberry's own loader makes a future for each key. Who asks for many at once waits here for one.
    """

    def __init__(self, read: Callable[[list[K]], Awaitable[Sequence[V]]], rounds: Rounds) -> None:
        self._read = read
        self._rounds = rounds
        self._found: dict[K, V] = {}
        self._on_its_way: dict[K, Batch[K]] = {}
        self._next: Batch[K] | None = None

    def load(self, key: K) -> asyncio.Future[V]:
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        if key in self._found:
            future.set_result(self._found[key])
        else:
            self._batch_of(key).waiting.append((future, key))
        return future

    async def load_many(self, keys: Sequence[K]) -> list[V]:
        """In the order of the keys."""
        found, on_its_way = self._found, self._on_its_way
        while missing := [key for key in keys if key not in found]:
            if new := [key for key in missing if key not in on_its_way]:
                batch = self._gathering()
                batch.keys.update(dict.fromkeys(new))
                on_its_way.update(dict.fromkeys(new, batch))
            # Most often one batch; another one may have been on its way with some of the keys.
            batches = {id(batch): batch for batch in map(on_its_way.__getitem__, missing)}
            await _all_done([batch.awaited() for batch in batches.values()])
        return [found[key] for key in keys]

    def _batch_of(self, key: K) -> Batch[K]:
        """The batch that brings the key."""
        batch = self._on_its_way.get(key) or self._gathering()
        batch.keys[key] = None
        self._on_its_way[key] = batch
        return batch

    def _gathering(self) -> Batch[K]:
        if self._next is None:
            self._next = Batch()
            self._rounds.take(partial(self._bring, self._next))
        return self._next

    async def _bring(self, batch: Batch[K]) -> None:
        self._next = None
        keys = list(batch.keys)
        try:
            if batch.still_waiting():
                self._found.update(zip(keys, await self._read(keys), strict=True))
        except Exception as problem:  # each who waits is told
            for future, _ in batch.still_waiting():
                future.set_exception(problem)
        else:
            for future, key in batch.still_waiting():
                future.set_result(None if key is None else self._found[key])
        finally:
            for key in keys:
                del self._on_its_way[key]


class Loaders:
    """Fresh for each request, and again after a write. Each batch reads on a connection of its own."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._rounds = Rounds()
        self._made: dict[Hashable, Loader[Any, Any]] = {}

    def rows(self, batch: Callable[..., Awaitable[list[R]]], *arguments: Hashable) -> Loader[Any, list[R]]:
        """Of a batch function that answers with flat rows: the rows of each key, in their order."""

        reading = self._reading  # and not self: nobody who is done is held by those who read for them

        async def load(keys: list[Any]) -> list[list[R]]:
            async with reading() as connection:
                flat = await batch(connection, keys, *arguments)
            return grouped(flat, len(keys))

        return self._once(batch, arguments, load)

    def values(self, batch: Callable[..., Awaitable[list[V]]], *arguments: Hashable) -> Loader[Any, V]:
        """Of a batch function that answers with one value a key, in the order of the keys."""

        reading = self._reading

        async def load(keys: list[Any]) -> Sequence[V]:
            async with reading() as connection:
                return await batch(connection, keys, *arguments)

        return self._once(batch, arguments, load)

    def _once(
        self, batch: Hashable, arguments: tuple[Hashable, ...], load: Callable[[list[Any]], Awaitable[Sequence[V]]]
    ) -> Loader[Any, V]:
        key = (batch, arguments)
        if key not in self._made:
            self._made[key] = Loader(load, self._rounds)
        return self._made[key]


def grouped(flat: Sequence[R], keys: int) -> list[list[R]]:
    """Flat rows as a list for each key."""
    found: list[list[R]] = [[] for _ in range(keys)]
    for row in flat:
        found[row.place].append(row)
    return found
