"""What was recorded of a learner: access to libraries, certifications, exclusions from billing, and every belief."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.history import Quality, Source
from models.interval import from_microseconds, instant_or_none, instant_unless_lost
from models.organizations import ScopeKind
from resolvers.loaders.beliefs import BeliefRow
from resolvers.loaders.places import OrganizationRow
from schema.fields import field

if TYPE_CHECKING:
    from schema.organizations import Library


@strawberry.type(description="Having access to a library, from when until when.")
class LibraryAccess:
    row: strawberry.Private[BeliefRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("The library.")
    def library(self) -> Annotated[Library, strawberry.lazy("schema.organizations")]:
        from schema.organizations import Library

        return Library.of(self.organization_row, self.row.scope_id, self.row.scope_name)

    @field("Since when; null if that was lost.", name="from")
    def from_(self) -> dt.datetime | None:
        return instant_unless_lost(self.row.from_earliest, self.row.from_latest)

    @field("Until when, not included; null while it lasts, and if that was lost.")
    def to(self) -> dt.datetime | None:
        return instant_unless_lost(self.row.to_earliest, self.row.to_latest)

    @field("When this was learned.")
    def recorded_at(self) -> dt.datetime:
        return from_microseconds(self.row.recorded_at)


@strawberry.type(description="Something that a learner is certified in, until a day or for good.")
class Certification:
    name: str = strawberry.field(description="Its name.")
    expires_on: dt.date | None = strawberry.field(
        description="The last day on which it is valid; null if it never expires."
    )
    recorded_at: dt.datetime = strawberry.field(description="When this was learned.")


@strawberry.type(description="Not being billed though active, from when until when: a test or a staff account.")
class BillingExclusion:
    row: strawberry.Private[BeliefRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Since when.", name="from")
    def from_(self) -> dt.datetime:
        return from_microseconds(self.row.from_earliest)

    @field("Until when, not included; null if for good.")
    def to(self) -> dt.datetime | None:
        return instant_or_none(self.row.to_latest)

    @field("The first local day.")
    def first_day(self) -> dt.date:
        return self.organization_row.calendar.day_of(self.from_())

    @field("The last local day; null if for good.")
    def last_day(self) -> dt.date | None:
        end = self.to()
        return self.organization_row.calendar.last_day_before(end) if end else None

    @field("When this was learned.")
    def recorded_at(self) -> dt.datetime:
        return from_microseconds(self.row.recorded_at)

    @field("Who recorded it.")
    def recorded_by(self) -> str:
        return self.row.actor

    @field("Why.")
    def reason(self) -> str | None:
        return self.row.reason


@strawberry.type(description="Something learned of a learner: what was then believed, by whom, from where and why.")
class Belief:
    row: strawberry.Private[BeliefRow]

    @field(
        "What it is about: ORGANIZATION for activity, TEAM for a membership, LIBRARY for access, EXCLUSION for not "
        "being billed."
    )
    def about(self) -> ScopeKind:
        return ScopeKind[self.row.scope_kind]

    @field("The name of the organization, team or library.")
    def name(self) -> str:
        return self.row.scope_name

    @field("The earliest that it can have started; null if nothing bounds it.")
    def from_earliest(self) -> dt.datetime | None:
        return instant_or_none(self.row.from_earliest)

    @field("The latest that it can have started; the same as fromEarliest if that is known.")
    def from_latest(self) -> dt.datetime:
        return from_microseconds(self.row.from_latest)

    @field("The earliest that it can have ended; null if it is open.")
    def to_earliest(self) -> dt.datetime | None:
        return instant_or_none(self.row.to_earliest)

    @field("The latest that it can have ended; null if it is open or nothing bounds it.")
    def to_latest(self) -> dt.datetime | None:
        return instant_or_none(self.row.to_latest)

    @field("How well its dates were known.")
    def quality(self) -> Quality:
        return Quality[self.row.quality]

    @field("False if it was then believed that this never was.")
    def holds(self) -> bool:
        return bool(self.row.holds)

    @field("When it was learned.")
    def recorded_at(self) -> dt.datetime:
        return from_microseconds(self.row.recorded_at)

    @field("Who recorded it.")
    def recorded_by(self) -> str:
        return self.row.actor

    @field("Where it came from.")
    def source(self) -> Source:
        return Source[self.row.source]

    @field("Why, if it was a correction.")
    def reason(self) -> str | None:
        return self.row.reason
