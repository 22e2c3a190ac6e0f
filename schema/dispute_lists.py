"""Lists of disputes: of an organization, and across organizations for the staff who work on them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Collection
from typing import Annotated, TypeVar

import strawberry

from models.cases import WITH_LINES
from models.disputes import DisputeOrigin, DisputeState
from models.errors import BadCursor
from resolvers.loaders.dispute_lists import (
    Chosen,
    DisputesPage,
    OnDay,
    WorkPage,
    deadline_of,
    dispute_totals,
    disputes_of,
    disputes_page,
    disputes_total,
    organizations_with_disputes,
)
from resolvers.loaders.disputes import DisputeRow
from resolvers.loaders.places import OrganizationRow
from resolvers.principal import Principal
from schema.context import Info
from schema.disputes import Dispute
from schema.fields import given
from schema.nodes import organization_by_id
from schema.pagination import Connection, Paging, connection_of, paging


@strawberry.input(description="Which cases a list holds; what is left out does not narrow it.")
class DisputeFilter:
    states: list[DisputeState] | None = strawberry.field(
        default=strawberry.UNSET, description="Only those in one of these states."
    )
    origins: list[DisputeOrigin] | None = strawberry.field(
        default=strawberry.UNSET, description="Only those opened so."
    )
    assignee: str | None = strawberry.field(
        default=strawberry.UNSET, description="Only those on which this person works. Staff only."
    )
    overdue: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Only those overdue, or only those not. Staff only."
    )


E = TypeVar("E", DisputeState, DisputeOrigin)
Filter = Annotated[DisputeFilter | None, strawberry.argument(description="Only those.")]


def chosen_by(principal: Principal, asked: DisputeFilter | None) -> Chosen:
    """What the client may not see, it may not ask for either."""
    one = asked or DisputeFilter()
    assignee, overdue = given(one.assignee), given(one.overdue)
    if assignee is not None or overdue is not None:
        principal.must_be_staff("ask who works on disputes, and by when")
    return Chosen(
        states=_in_order(given(one.states)),
        origins=_in_order(_visible(principal, given(one.origins))),
        assignee=assignee,
        overdue=overdue,
    )


def _visible(principal: Principal, origins: list[DisputeOrigin] | None) -> list[DisputeOrigin] | None:
    if principal.is_staff:
        return origins
    return [origin for origin in WITH_LINES if origins is None or origin in origins]


def _in_order(members: Collection[E] | None) -> tuple[E, ...] | None:
    return None if members is None else tuple(sorted(set(members), key=lambda member: member.name))


async def organization_disputes(
    info: Info,
    organization: OrganizationRow,
    asked: DisputeFilter | None,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> Connection[Dispute]:
    """The cases of one organization, the newest first."""
    info.context.principal.must_see(organization.organization_id, "organization")
    chosen = chosen_by(info.context.principal, asked)
    page = paging((organization.organization_id, "disputes", chosen), first, after, last, before, int)
    loaders, key = info.context.loaders, _on_day(info, organization)
    asked_page = DisputesPage(page.limit, page.backward, page.beyond[0] if page.beyond else None)
    rows: list[DisputeRow] = await loaders.rows(disputes_of, chosen, asked_page).load(key)

    async def total() -> int:
        return await loaders.values(dispute_totals, chosen).load(key)

    return connection_of([(Dispute(row=row, organization_row=organization), (row.id,)) for row in rows], page, total)


async def all_disputes(
    info: Info,
    asked: DisputeFilter | None,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> Connection[Dispute]:
    """For staff the cases of all organizations by their deadlines; for anybody else those of their own, newest first,
    since an order by what they may not see would tell it."""
    principal = info.context.principal
    if principal.is_staff:
        page = paging(("disputes", chosen_by(principal, asked)), first, after, last, before, int, int, int)
        return await _work(info, chosen_by(principal, asked), page)
    own = principal.organization_id if principal.acts_for_an_organization else None
    organization = None if own is None else await organization_by_id(info, own)
    if organization is None:
        return connection_of([], paging(("disputes",), first, after, last, before, int), _none)
    return await organization_disputes(info, organization, asked, first, after, last, before)


async def _work(info: Info, chosen: Chosen, page: Paging) -> Connection[Dispute]:
    reading = info.context.reading
    async with reading() as connection:
        ids = await organizations_with_disputes(connection)
    found = await asyncio.gather(*(organization_by_id(info, one) for one in ids))
    organizations = {row.organization_id: row for row in found if row}
    today = [_on_day(info, row) for row in organizations.values()]
    async with reading() as connection:
        rows = await disputes_page(connection, today, chosen, WorkPage(page.limit, page.backward, _beyond(page)))

    async def total() -> int:
        async with reading() as connection:
            return await disputes_total(connection, today, chosen)

    nodes = [
        (
            Dispute(row=row, organization_row=organizations[row.organization_id]),
            (deadline_of(row).toordinal(), *row.key),
        )
        for row in rows
    ]
    return connection_of(nodes, page, total)


def _beyond(page: Paging) -> tuple[dt.date, int, int] | None:
    if page.beyond is None:
        return None
    deadline, organization_id, dispute_id = page.beyond
    try:
        return dt.date.fromordinal(deadline), organization_id, dispute_id
    except (ValueError, OverflowError) as problem:
        raise BadCursor("before" if page.backward else "after") from problem


def _on_day(info: Info, organization: OrganizationRow) -> OnDay:
    return OnDay(organization.organization_id, organization.calendar.day_of(info.context.now).isoformat())


async def _none() -> int:
    return 0
