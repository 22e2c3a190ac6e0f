"""A process that is killed at one of its commits, as SIGKILL does it: nothing of ours catches that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from resolvers.database import Writing

T = TypeVar("T")


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Dying:
    """Runs steps until the one of that number, and is killed before or after its commit; whoever is dead does nothing
    more, whatever it was doing at the same time. Without a number it lives, and counts."""

    run: Writing
    number: int = 0
    after_commit: bool = False
    steps: int = 0

    async def __call__(self, step: Callable[[AsyncSession], Awaitable[T]]) -> T:
        self.steps += 1
        place = self.steps
        if self.number and place >= self.number + self.after_commit:
            raise Killed
        made = await self.run(step)
        if place == self.number:
            raise Killed
        return made
