"""How long one document takes against another, asked as HTTP would, without HTTP: by turns, a few times a round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.database import Database
from tests.asking import Answer, ask

WARM_UP = 3
TIMES = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A document with its variables, and whom it is asked of."""

    database: Database
    document: str
    variables: Mapping[str, Any]

    async def seconds(self) -> float:
        began = time.perf_counter()
        answer = await self.answer()
        took = time.perf_counter() - began
        assert not answer.errors, answer.messages
        return took

    async def answer(self) -> Answer:
        return await ask(self.database, self.document, **self.variables)


@dataclass(frozen=True, slots=True)
class Compared:
    """The medians of each round."""

    large: list[float] = field(default_factory=list)
    small: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.median(one / other for one, other in zip(self.large, self.small, strict=True))

    def __str__(self) -> str:
        large, small = (statistics.median(of_one) * 1_000 for of_one in (self.large, self.small))
        return f"{large:.2f} ms against {small:.2f} ms: {self.ratio:.2f}×"


async def compared(large: Asked, small: Asked, rounds: int, times: int = TIMES) -> Compared:
    for _ in range(WARM_UP):
        await large.seconds()
        await small.seconds()
    found = Compared()
    for _ in range(rounds):
        both = [(await large.seconds(), await small.seconds()) for _ in range(times)]
        found.large.append(statistics.median(one for one, _ in both))
        found.small.append(statistics.median(other for _, other in both))
    return found
