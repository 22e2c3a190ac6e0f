"""Loaders of a request: what is asked for at the same time is read once, and everybody is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from resolvers.loaders.registry import Loader, Rounds


class Shelf:
    """Read key by key as a test lets it."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.began, self.may_end = asyncio.Event(), asyncio.Event()

    async def read(self, groups: Mapping[None, list[str]]) -> Mapping[None, list[str]]:
        keys = groups[None]
        self.asked.append(keys)
        self.began.set()
        await self.may_end.wait()
        return {None: [key.upper() for key in keys]}


async def test_who_asks_for_what_is_on_its_way_and_for_more_is_told_both() -> None:
    shelf = Shelf()
    loader = Loader(shelf.read, Rounds())
    first = asyncio.ensure_future(loader.load_many(["a"]))
    await shelf.began.wait()
    others = [asyncio.ensure_future(loader.load_many(keys)) for keys in (["b", "a"], ["a", "b", "c"], ["c"])]
    await asyncio.sleep(0)
    shelf.may_end.set()
    async with asyncio.timeout(10):
        assert await first == ["A"]
        assert await asyncio.gather(*others) == [["B", "A"], ["A", "B", "C"], ["C"]]
    assert shelf.asked == [["a"], ["b", "c"]]
