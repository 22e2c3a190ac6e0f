"""Who writes next: in the order in which they came, what others wait for first, one at a time while in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from server import turns
from server.turns import Turns


@dataclass
class Desk:
    """Where writers come, and stay until they are told to go."""

    turns: Turns
    writing: list[str] = field(default_factory=list)
    going: dict[str, asyncio.Event] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def comes(self, name: str, *, first: bool = False) -> None:
        self.going[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._writes(name, first))
        await asyncio.sleep(0)

    async def goes(self, name: str) -> None:
        self.going[name].set()
        await self.tasks[name]
        await asyncio.sleep(0)

    async def _writes(self, name: str, first: bool) -> None:
        async with self.turns.taken(first=first):
            self.writing.append(name)
            try:
                await self.going[name].wait()
            finally:
                self.writing.remove(name)

    async def closes(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


@pytest.fixture
async def desk_of() -> AsyncIterator[Callable[[int], Desk]]:
    """A desk with so many places; whoever is still there at the end is sent home."""
    made: list[Desk] = []

    def opened(most: int) -> Desk:
        made.append(Desk(Turns(most)))
        return made[-1]

    yield opened
    for desk in made:
        await desk.closes()


async def test_so_many_write_at_once_and_the_others_in_the_order_in_which_they_came(
    desk_of: Callable[[int], Desk],
) -> None:
    desk = desk_of(2)
    for name in "abcd":
        await desk.comes(name)
    assert desk.writing == ["a", "b"]
    await desk.goes("b")
    assert desk.writing == ["a", "c"]
    await desk.goes("a")
    assert desk.writing == ["c", "d"]


async def test_what_others_wait_for_goes_before_them(desk_of: Callable[[int], Desk]) -> None:
    desk = desk_of(1)
    for name in "abc":
        await desk.comes(name)
    await desk.comes("completes", first=True)
    await desk.goes("a")
    assert desk.writing == ["completes"]
    await desk.goes("completes")
    assert desk.writing == ["b"]


async def test_who_were_in_each_others_way_write_one_after_the_other(desk_of: Callable[[int], Desk]) -> None:
    desk = desk_of(3)
    await desk.comes("a")
    desk.turns.narrow()
    await desk.comes("b")
    await desk.comes("c")
    assert desk.writing == ["a"]
    await desk.goes("a")
    assert desk.writing == ["b"]


async def test_they_write_at_once_again_after_a_while(
    desk_of: Callable[[int], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "CALM_SECONDS", 0)
    desk = desk_of(3)
    desk.turns.narrow()
    for name in "ab":
        await desk.comes(name)
    assert desk.writing == ["a", "b"]


async def test_who_takes_long_keeps_nobody_waiting_and_frees_no_second_place(
    desk_of: Callable[[int], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONGEST_TURN_SECONDS", 0)
    desk = desk_of(1)
    await desk.comes("import")
    monkeypatch.setattr(turns, "LONGEST_TURN_SECONDS", 60)
    for name in "bcd":
        await desk.comes(name)
    await asyncio.sleep(0)
    assert desk.writing == ["import", "b"]
    await desk.goes("import")
    assert desk.writing == ["b"]
    await desk.goes("b")
    assert desk.writing == ["c"]


async def test_who_waits_no_more_keeps_nobody_waiting(desk_of: Callable[[int], Desk]) -> None:
    desk = desk_of(1)
    for name in "abc":
        await desk.comes(name)
    desk.tasks["b"].cancel()
    await desk.goes("a")
    assert desk.writing == ["c"]


async def test_who_leaves_in_the_moment_in_which_they_are_called_passes_it_on(desk_of: Callable[[int], Desk]) -> None:
    desk = desk_of(1)
    for name in "abc":
        await desk.comes(name)
    desk.going["a"].set()
    await asyncio.sleep(0)
    assert desk.writing == []
    desk.tasks["b"].cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert desk.writing == ["c"]
