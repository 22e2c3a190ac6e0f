"""As of when an operation answers: as known now, or as it was known at a past instant."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from models.interval import to_microseconds
from resolvers.activity import must_be_past, settle
from resolvers.loaders.places import OrganizationRow
from schema.context import Info


@dataclass(frozen=True, slots=True)
class AsKnown:
    """Until when what was recorded counts; `asked` if the client named it."""

    at_us: int
    asked: dt.datetime | None = None


async def as_known_at(info: Info, organization: OrganizationRow, known_at: dt.datetime | None) -> AsKnown:
    """What is known now is what was recorded when this operation first looked; a past time is settled first."""
    if not known_at:
        return AsKnown(organization.recorded_through)
    must_be_past(known_at, info.context.now, "knownAt")
    if organization.recorded_through < to_microseconds(known_at):
        await info.context.run(lambda session: settle(session, organization.organization_id, known_at))
    return AsKnown(to_microseconds(known_at), known_at)
