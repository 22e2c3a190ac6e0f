"""How steps reach the database: the server gives what fits these, so that no step knows which database it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

T = TypeVar("T")

# A connection that cannot write, for one batch.
Reading = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class Outrun(Exception):
    """Another writer was first, with what this step was about to write: run again, the step will find it."""


@dataclass(frozen=True, slots=True)
class First(Generic[T]):
    """A step that goes before others who wait to write: it lets go of what they wait for."""

    step: Callable[[AsyncSession], Awaitable[T]]

    async def __call__(self, session: AsyncSession) -> T:
        return await self.step(session)


class Writing(Protocol):
    """Runs one step in one transaction, again as a whole if another writer was in its way."""

    async def __call__(self, step: Callable[[AsyncSession], Awaitable[T]]) -> T: ...
