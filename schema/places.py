"""Adding organizations, and teams and libraries to them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from models.errors import OrganizationErrorCode
from models.organizations import ScopeKind
from resolvers.organizations import NewOrganization, create_organization, create_scope
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.nodes import OrganizationKey, keyed_organization, organization_by_id
from schema.organizations import Library, Organization, P, Team
from schema.payloads import Refusals, UserError
from schema.scalars import described

described(OrganizationErrorCode, "Why an organization, a team or a library was not added.")


@strawberry.type(description="A refusal: what was wrong with the input, and what to do.")
class OrganizationUserError(UserError):
    code: OrganizationErrorCode = strawberry.field(description="The reason, for programs.")


@strawberry.input
class OrganizationCreateInput:
    name: str = strawberry.field(description="Its name.")
    billing_zone: str = strawberry.field(description="The IANA zone of its days, such as America/Chicago.")
    billing_cutoff: dt.time = strawberry.field(
        default=dt.time(), description="The local time of day at which it is counted; midnight if left out."
    )
    slug: str | None = strawberry.field(
        default=strawberry.UNSET, description="Its name in addresses; made of the name if left out."
    )


@strawberry.input
class TeamCreateInput:
    organization: OrganizationKey = strawberry.field(description="The organization.")
    name: str = strawberry.field(description="The team's name; one of that name that is there already is answered.")


@strawberry.input
class LibraryCreateInput:
    organization: OrganizationKey = strawberry.field(description="The organization.")
    name: str = strawberry.field(description="The library's name; one of that name that is there already is answered.")


@strawberry.type
class OrganizationCreatePayload:
    organization: Organization | None = strawberry.field(default=None, description="The organization; null if refused.")
    user_errors: list[OrganizationUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class TeamCreatePayload:
    team: Team | None = strawberry.field(default=None, description="The team; null if refused.")
    user_errors: list[OrganizationUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class LibraryCreatePayload:
    library: Library | None = strawberry.field(default=None, description="The library; null if refused.")
    user_errors: list[OrganizationUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


def _refusals(payload: type) -> list[Refusals]:
    return [Refusals(payload, OrganizationUserError, OrganizationErrorCode)]


@strawberry.type
class PlaceMutation:
    @mutation("Add an organization. Staff only.", _refusals(OrganizationCreatePayload))
    async def organization_create(
        self,
        info: Info,
        input: Annotated[OrganizationCreateInput, INPUT],
    ) -> OrganizationCreatePayload:
        new = NewOrganization(
            name=input.name, zone=input.billing_zone, cutoff=input.billing_cutoff, slug=given(input.slug)
        )
        context = info.context
        made = await context.write(lambda s: create_organization(s, context.principal, context.now, new))
        row = await organization_by_id(info, made)
        return OrganizationCreatePayload(organization=row and Organization.of(row))

    @mutation("Add a team to an organization.", _refusals(TeamCreatePayload))
    async def team_create(self, info: Info, input: Annotated[TeamCreateInput, INPUT]) -> TeamCreatePayload:
        return TeamCreatePayload(team=await _add(info, input.organization, input.name, Team))

    @mutation("Add a library to an organization.", _refusals(LibraryCreatePayload))
    async def library_create(self, info: Info, input: Annotated[LibraryCreateInput, INPUT]) -> LibraryCreatePayload:
        return LibraryCreatePayload(library=await _add(info, input.organization, input.name, Library))


async def _add(info: Info, key: OrganizationKey, name: str, of: type[P]) -> P:
    organization = await keyed_organization(info, key, "organization")
    context, kind = info.context, ScopeKind[of.__name__.upper()]
    made = await context.write(
        lambda s: create_scope(s, context.principal, context.now, organization.organization_id, kind, name)
    )
    return of.of(organization, made, name.strip())
