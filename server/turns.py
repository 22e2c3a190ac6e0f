"""Who writes next. Many write at once, unless they are in each other's way: then one after the other for a while."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# After a conflict.
CALM_SECONDS = 1.0
# Who takes longer, such as a large import, keeps others waiting no more.
LONGEST_TURN_SECONDS = 2.0


class Turns:
    """So many at once, in the order in which they came; but what others wait for goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._writing = 0
        self._calm_at = 0.0
        self._first: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def taken(self, *, first: bool) -> AsyncIterator[None]:
        await self._come(first)
        has_left = False

        def leave() -> None:
            nonlocal has_left
            if not has_left:
                has_left = True
                self._leave()

        late = asyncio.get_running_loop().call_later(LONGEST_TURN_SECONDS, leave)
        try:
            yield
        finally:
            late.cancel()
            leave()

    def narrow(self) -> None:
        """Two were in each other's way: of a crowd at one row each is then tried twice, and not each against all."""
        self._calm_at = asyncio.get_running_loop().time() + CALM_SECONDS

    async def _come(self, first: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._first if first else self._others).append(turn)
        self._call()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._writing -= 1
        self._call()

    def _call(self) -> None:
        while self._writing < self._at_once() and (turn := self._next()):
            self._writing += 1
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        for waiting in (self._first, self._others):
            while waiting:
                if not (turn := waiting.popleft()).cancelled():
                    return turn
        return None

    def _at_once(self) -> int:
        return 1 if asyncio.get_running_loop().time() < self._calm_at else self._most
