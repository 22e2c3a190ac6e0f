"""The dataloaders of one request: one for each batch function and its arguments."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

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
# Keys by their group, and their values in the order of the keys; None is the group of those that have none.
Read: TypeAlias = Callable[[Mapping[Any, list[K]]], Awaitable[Mapping[Any, Sequence[V]]]]


@dataclass(slots=True, eq=False)
class Batch(Generic[K]):
    """Keys that are read together, in their groups, and who waits for which of them."""

    keys: dict[Hashable, list[K]] = field(default_factory=dict)
    # Whoever waits for many keys looks them up, and is told none.
    waiting: list[tuple[asyncio.Future[Any], Hashable, K | None]] = field(default_factory=list)

    def add(self, group: Hashable, keys: Iterable[K]) -> None:
        """Keys that are not among them yet."""
        self.keys.setdefault(group, []).extend(keys)

    def awaited(self) -> asyncio.Future[None]:
        """Done when all of its keys were read."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((future, None, None))
        return future

    def still_waiting(self) -> list[tuple[asyncio.Future[Any], Hashable, K | None]]:
        return [one for one in self.waiting if not one[0].cancelled()]


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

    Strawberry's own loader makes a future for each key. Who asks for many at once waits here for one. Keys may come in
    groups that share what is the same for each: numbers are looked up in half the time that whole keys take.
    """

    def __init__(self, read: Read[K, V], rounds: Rounds) -> None:
        self._read = read
        self._rounds = rounds
        self._found: dict[Hashable, dict[K, V]] = defaultdict(dict)
        self._on_its_way: dict[Hashable, dict[K, Batch[K]]] = defaultdict(dict)
        self._next: Batch[K] | None = None

    def load(self, key: K) -> asyncio.Future[V]:
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        if key in self._found[None]:
            future.set_result(self._found[None][key])
        else:
            (batch,) = self._bringing(None, [key])
            batch.waiting.append((future, None, key))
        return future

    async def load_many(self, keys: Sequence[K]) -> list[V]:
        """In the order of the keys."""
        (found,) = await self.load_groups([(None, keys)])
        return found

    async def load_groups(self, groups: Sequence[tuple[Hashable, Sequence[K]]]) -> list[list[V]]:
        """Of each group, in the order of its keys. A group may be asked for more than once."""
        # Most often one batch; another one may have been on its way with some of the keys.
        while batches := {batch for group, keys in groups for batch in self._bringing(group, keys)}:
            await _all_done([batch.awaited() for batch in batches])
        return [list(map(self._found[group].__getitem__, keys)) for group, keys in groups]

    def _bringing(self, group: Hashable, keys: Sequence[K]) -> set[Batch[K]]:
        """The batches that bring what is missing of the keys."""
        found, on_its_way = self._found[group], self._on_its_way[group]
        missing = [key for key in keys if key not in found]
        if new := [key for key in missing if key not in on_its_way]:
            batch = self._gathering()
            each_once = dict.fromkeys(new, batch)
            batch.add(group, each_once)
            on_its_way.update(each_once)
        return set(map(on_its_way.__getitem__, missing))

    def _gathering(self) -> Batch[K]:
        if self._next is None:
            self._next = Batch()
            self._rounds.take(partial(self._bring, self._next))
        return self._next

    async def _bring(self, batch: Batch[K]) -> None:
        self._next = None
        groups = batch.keys
        try:
            if batch.still_waiting():
                read = await self._read(groups)
                for group, keys in groups.items():
                    self._found[group].update(zip(keys, read[group], strict=True))
        except Exception as problem:  # each who waits is told
            for future, _, _ in batch.still_waiting():
                future.set_exception(problem)
        else:
            for future, group, key in batch.still_waiting():
                future.set_result(None if key is None else self._found[group][key])
        finally:
            for group, keys in groups.items():
                on_its_way = self._on_its_way[group]
                for key in keys:
                    del on_its_way[key]


class Loaders:
    """Fresh for each request, and again after a write. Each batch reads on a connection of its own."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._rounds = Rounds()
        self._made: dict[Hashable, Loader[Any, Any]] = {}

    def rows(self, batch: Callable[..., Awaitable[list[R]]], *arguments: Hashable) -> Loader[Any, list[R]]:
        """Of a batch function that answers with flat rows: the rows of each key, in their order."""

        async def read(connection: AsyncConnection, keys: list[Any]) -> list[list[R]]:
            return grouped(await batch(connection, keys, *arguments), len(keys))

        return self._once(batch, arguments, self._ungrouped(read))

    def values(self, batch: Callable[..., Awaitable[Sequence[V]]], *arguments: Hashable) -> Loader[Any, V]:
        """Of a batch function that answers with one value a key, in the order of the keys."""

        async def read(connection: AsyncConnection, keys: list[Any]) -> Sequence[V]:
            return await batch(connection, keys, *arguments)

        return self._once(batch, arguments, self._ungrouped(read))

    def groups(
        self, batch: Callable[..., Awaitable[Mapping[Any, Sequence[V]]]], *arguments: Hashable
    ) -> Loader[Any, V]:
        """Of a batch function that is given keys in groups, and answers with one value a key of each group."""

        reading = self._reading  # and not self: nobody who is done is held by those who read for them

        async def load(groups: Mapping[Any, list[Any]]) -> Mapping[Any, Sequence[V]]:
            async with reading() as connection:
                return await batch(connection, groups, *arguments)

        return self._once(batch, arguments, load)

    def _ungrouped(self, read: Callable[[AsyncConnection, list[Any]], Awaitable[Sequence[V]]]) -> Read[Any, V]:
        reading = self._reading

        async def load(groups: Mapping[Hashable, list[Any]]) -> Mapping[Hashable, Sequence[V]]:
            async with reading() as connection:
                return {None: await read(connection, groups[None])}

        return load

    def _once(self, batch: Hashable, arguments: tuple[Hashable, ...], load: Read[Any, V]) -> Loader[Any, V]:
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
