"""Runs actors one transaction at a time, in the order that a schedule says.

SQLite commits one transaction after the other, and on PostgreSQL a serializable one that overlaps another comes out as
if one had been first, or is run again: so orders of commits are all that can be told apart, and each is one schedule.
What a gateway answers is in the hands of whoever committed last, until their next turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from models.errors import DomainError
from resolvers.database import Writing

T = TypeVar("T")
Actor = Callable[[Any], Awaitable[object]]
"""Is given how to run its steps."""


@dataclass
class Conductor:
    """Gives each transaction its turn, and writes down whose it was."""

    run: Writing
    told: list[str] = field(default_factory=list)
    _waiting: dict[str, asyncio.Event] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def play(self, actors: Mapping[str, Actor], schedule: Sequence[int]) -> None:
        """Of those that wait for a turn the schedule picks the next; when it is at its end, the first."""
        tasks = [asyncio.create_task(self._act(name, actor)) for name, actor in actors.items()]
        picks = iter(schedule)
        try:
            while waiting := await self._all_waiting(actors):
                name = waiting[next(picks, 0) % len(waiting)]
                self._waiting.pop(name).set()
            await asyncio.gather(*tasks)
        finally:
            await _ended(tasks)

    async def _act(self, name: str, actor: Actor) -> None:
        async def in_turn(step: Callable[[Any], Awaitable[T]]) -> T:
            turn = self._waiting[name] = asyncio.Event()
            self._changed.set()
            await turn.wait()
            self.told.append(name)
            return await self.run(step)

        try:
            await actor(in_turn)
        except DomainError as refusal:
            self.told.append(f"({name}: {refusal.code.name})")
        finally:
            self._done.add(name)
            self._changed.set()

    async def _all_waiting(self, names: Collection[str]) -> list[str]:
        """Those that are not done, as soon as each of them waits for its turn."""
        while not all(name in self._done or name in self._waiting for name in names):
            self._changed.clear()
            await self._changed.wait()
        return [name for name in names if name in self._waiting]


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """What failed leaves others waiting for a turn that never comes."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
