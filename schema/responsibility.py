"""For whom an organization may pay besides its learners, and from when to when."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.errors import HistoryErrorCode
from models.events import Thing
from resolvers.loaders.events import EventsKey
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.responsibility import (
    PartiesPage,
    PartyKey,
    PartyRow,
    WhichParties,
    parties_by_key,
    parties_of,
    party_totals,
    recorded_of_parties,
)
from resolvers.responsibility import Responsibility, ResponsibilitySet, last_day, say_responsible
from schema.context import Info
from schema.events import Event, events_of_thing, events_paging
from schema.fields import INPUT, field, given, mutation
from schema.history import HistoryUserError
from schema.ids import Node, decode_id, encode_id
from schema.nodes import OrganizationKey, keyed_organization, organization_by_id
from schema.pagination import After, Before, Connection, First, Last, Paging, connection_of
from schema.payloads import Refusals

if TYPE_CHECKING:
    from schema.organizations import Organization


@strawberry.type(description="What was held of a responsibility, from when it was recorded until it was superseded.")
class ResponsibilityRecord:
    row: strawberry.Private[PartyRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("The first local day.", name="from")
    def from_(self) -> dt.date:
        return self.organization_row.calendar.day_of(self.row.from_at)

    @field("The last local day; null while no end is known.")
    def through(self) -> dt.date | None:
        return last_day(self.organization_row.calendar, self.row.window)

    @field("When it was recorded.")
    def recorded_at(self) -> dt.datetime:
        return self.row.recorded_at

    @field("Who recorded it.")
    def recorded_by(self) -> str:
        return self.row.recorded_by

    @field("When something else was recorded instead; null while this is held.")
    def superseded_at(self) -> dt.datetime | None:
        return self.row.superseded_at


@strawberry.type(
    description="Somebody for whom an organization is responsible party: it may pay for them in that time, as it may "
    "for its learners at any."
)
class ResponsibleParty(Node):
    row: strawberry.Private[PartyRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("ResponsibleParty", *self._key))

    @field("The organization that may pay.")
    def organization(self) -> Annotated[Organization, strawberry.lazy("schema.organizations")]:
        from schema.organizations import Organization

        return Organization.of(self.organization_row)

    @field("The id of the person for whom it may pay.")
    def person_id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Person", self.row.person_id))

    @field("The name with which they registered; null once their account is gone.")
    def name(self) -> str | None:
        return self.row.name

    @field("The address that they verified; null once their account is gone.")
    def email(self) -> str | None:
        return self.row.email

    @field("The first local day of the organization.", name="from")
    def from_(self) -> dt.date:
        return self._record.from_()

    @field("The last local day; null while no end is known.")
    def through(self) -> dt.date | None:
        return self._record.through()

    @field("Whether it is so at this moment.")
    def is_current(self, info: Info) -> bool:
        return self.row.window.covers(info.context.now)

    @field("When this was recorded.")
    def recorded_at(self) -> dt.datetime:
        return self.row.recorded_at

    @field("Who recorded it.")
    def recorded_by(self) -> str:
        return self.row.recorded_by

    @field("All that was ever recorded of it, the first first.")
    async def history(self, info: Info) -> list[ResponsibilityRecord]:
        rows: list[PartyRow] = await info.context.loaders.rows(recorded_of_parties).load(self._key)
        return [ResponsibilityRecord(row=row, organization_row=self.organization_row) for row in rows]

    @field("Who said so and when, oldest first.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Event]:
        page = events_paging(self.id(), first, after, last, before)
        return await events_of_thing(info, Thing.PERSON, EventsKey(*self._key), page)

    @property
    def _key(self) -> PartyKey:
        return PartyKey(self.row.organization_id, self.row.person_id)

    @property
    def _record(self) -> ResponsibilityRecord:
        return ResponsibilityRecord(row=self.row, organization_row=self.organization_row)


async def responsible_party_by_key(info: Info, key: PartyKey) -> ResponsibleParty | None:
    """As it is held now, for whoever may see all of the organization."""
    organization = await organization_by_id(info, key.organization_id)
    if organization is None:
        return None
    rows: list[PartyRow] = await info.context.loaders.rows(parties_by_key).load(key)
    return ResponsibleParty(row=rows[0], organization_row=organization) if rows else None


async def responsible_parties(
    info: Info, organization: OrganizationRow, which: WhichParties, page: Paging
) -> Connection[ResponsibleParty]:
    info.context.principal.must_see(organization.organization_id, "organization")
    loaders, own = info.context.loaders, organization.organization_id
    asked = PartiesPage(page.limit, page.backward, page.beyond[0] if page.beyond else None)
    rows: list[PartyRow] = await loaders.rows(parties_of, which, asked).load(own)

    async def total() -> int:
        return await loaders.values(party_totals, which).load(own)

    nodes = [(ResponsibleParty(row=row, organization_row=organization), (row.id,)) for row in rows]
    return connection_of(nodes, page, total)


# ------------------------------------------------------------------------------------------------- saying so


@strawberry.input(description="Somebody who has an account: give exactly one.", one_of=True)
class PersonKey:
    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="The person's id.")
    email: str | None = strawberry.field(default=strawberry.UNSET, description="The address that they verified.")


@strawberry.input
class ResponsiblePartySetInput:
    organization: OrganizationKey = strawberry.field(description="Which organization may pay.")
    person: PersonKey = strawberry.field(description="For whom.")
    from_: dt.date | None = strawberry.field(
        default=strawberry.UNSET,
        name="from",
        description="The first local day of the organization; left out to keep since when it is so.",
    )
    through: dt.date | None = strawberry.field(
        default=strawberry.UNSET,
        description="The last local day, with which it ends; left out while no end is known.",
    )


@strawberry.type
class ResponsiblePartySetPayload:
    written: strawberry.Private[ResponsibilitySet | None] = None
    user_errors: list[HistoryUserError] = strawberry.field(
        default_factory=list, description="Why nothing was recorded; empty if it was."
    )

    @field("As it is held now; null if nothing was recorded.")
    async def responsible_party(self, info: Info) -> ResponsibleParty | None:
        return await responsible_party_by_key(info, self.written.key) if self.written else None

    @field("Whether anything new was learned: the same again changes nothing.")
    def changed(self) -> bool:
        return self.written is not None and self.written.changed


@strawberry.type
class ResponsibilityMutation:
    @mutation(
        "Say from when to when an organization may pay for somebody who is none of its learners. It is so in that "
        "time and in no other; what was held before stays in the history. By the organization's administrators and "
        "its partner, or by staff for them.",
        [Refusals(ResponsiblePartySetPayload, HistoryUserError, HistoryErrorCode)],
    )
    async def responsible_party_set(
        self, info: Info, input: Annotated[ResponsiblePartySetInput, INPUT]
    ) -> ResponsiblePartySetPayload:
        organization = await keyed_organization(info, input.organization, "organization")
        person = given(input.person.id)
        asked = Responsibility(
            organization_id=organization.organization_id,
            person_id=decode_id(person, "Person", 1, "person", "id")[0] if person else None,
            email=given(input.person.email),
            first=given(input.from_),
            through=given(input.through),
        )
        context = info.context
        written = await say_responsible(context.write, context.principal, context.now, asked)
        return ResponsiblePartySetPayload(written=written)
