"""What every field of one operation may use: who asks, when, and how to read and write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from strawberry.types import Info as StrawberryInfo

from resolvers.database import Reading, Writing
from resolvers.evidence.signing import Signer
from resolvers.gateways.gateway import Gateways
from resolvers.loaders.registry import Loaders
from resolvers.principal import Principal
from resolvers.vouchers.codes import CodeKeys

T = TypeVar("T")


@dataclass
class Context:
    """Made anew for each operation. `now` is read once, by the server, so that one operation has one clock."""

    principal: Principal
    now: dt.datetime
    reading: Reading
    run: Writing
    request_id: str = ""
    # None where the server has no signing key.
    signer: Signer | None = None
    # None where it has no key for codes.
    code_keys: CodeKeys | None = None
    # By name; without any no card can be charged.
    gateways: Gateways = field(default_factory=dict)
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.reading)

    async def write(self, step: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """One transaction; what was read before it may no longer be so, so the loaders start afresh."""
        try:
            return await self.run(step)
        finally:
            self.loaders = Loaders(self.reading)


Info: TypeAlias = StrawberryInfo[Context, Any]
