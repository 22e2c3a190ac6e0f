"""What must always hold, and whether it does."""

from __future__ import annotations

import strawberry

from resolvers import invariants
from resolvers.invariants import Finding
from schema.context import Info
from schema.fields import field


@strawberry.type(description="Something that must always hold of what is recorded.")
class Invariant:
    name: str = strawberry.field(description="Its short name.")
    meaning: str = strawberry.field(description="What must hold, in words.")
    holds: bool = strawberry.field(description="Whether it does.")
    offending: list[str] = strawberry.field(
        description="The keys of what offends, the organization's first; the first 100 of them."
    )

    @classmethod
    def of(cls, found: Finding) -> Invariant:
        about = found.invariant
        return cls(name=about.name, meaning=about.meaning, holds=found.holds, offending=list(found.offending))


@strawberry.type
class InvariantQuery:
    @field("Whether all that must hold of billing does. Staff only.")
    async def invariants(self, info: Info) -> list[Invariant]:
        info.context.principal.must_be_staff("run the invariants")
        async with info.context.reading() as connection:
            return [Invariant.of(found) for found in await invariants.findings(connection)]
