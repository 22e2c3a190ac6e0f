"""Reading organizations, and their teams and libraries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, bindparam, func, select, true, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, as_parameter, asked, packed_rows_of_each, position_in, unpacked
from models.interval import BillingCalendar, ZonePeriod
from models.organizations import BillingZone, Organization, OrganizationClock, Scope, ScopeKind
from resolvers.prepared import FEW_KEYS, Prepared, prepared

ORGANIZATION = Organization.__table__
CLOCK = OrganizationClock.__table__
ZONE = BillingZone.__table__
SCOPE = Scope.__table__


class OrganizationRow(NamedTuple):
    """An organization with its days, and the last time anything was recorded of it: what is known now."""

    place: int
    organization_id: int
    slug: str
    name: str
    name_key: str
    recorded_through: int
    calendar: BillingCalendar


@dataclass(frozen=True, slots=True)
class OrganizationsPage:
    limit: int
    search: str | None = None
    descending: bool = False
    beyond: tuple[str, int] | None = None


async def organizations_by_id(connection: AsyncConnection, organization_ids: Sequence[int]) -> list[OrganizationRow]:
    """Those of the organizations that exist, in any order; `place` says of which key."""
    given = {"keys": as_parameter((i,) for i in organization_ids)}
    rows = await _named_organizations.rows(connection, given, is_short=len(organization_ids) <= FEW_KEYS)
    places = {organization_id: place for place, organization_id in enumerate(organization_ids)}
    return [row._replace(place=places[row.organization_id]) for row in _with_calendars(rows)]


async def organization_by_slug(connection: AsyncConnection, slug: str) -> OrganizationRow | None:
    rows = await connection.execute(_organizations().where(ORGANIZATION.c.slug == slug))
    return next(iter(_with_calendars(rows.all())), None)


async def organizations_page(
    connection: AsyncConnection, page: OrganizationsPage, only: int | None
) -> list[OrganizationRow]:
    """A page of all organizations by name; of `only` one if that is all that may be seen."""
    chosen = _chosen(page.search, only)
    position = tuple_(ORGANIZATION.c.name_key, ORGANIZATION.c.id)
    if page.beyond:
        chosen = and_(chosen, position < tuple_(*page.beyond) if page.descending else position > tuple_(*page.beyond))
    by = (ORGANIZATION.c.name_key, ORGANIZATION.c.id)
    in_order = [column.desc() if page.descending else column.asc() for column in by]
    first = select(ORGANIZATION.c.id).where(chosen).order_by(*in_order).limit(page.limit).subquery()
    rows = await connection.execute(
        _organizations().where(ORGANIZATION.c.id.in_(select(first.c.id))).order_by(*in_order, ZONE.c.since)
    )
    return _with_calendars(rows.all())


async def organizations_total(connection: AsyncConnection, search: str | None, only: int | None) -> int:
    total = await connection.scalar(select(func.count()).select_from(ORGANIZATION).where(_chosen(search, only)))
    return total or 0


def _chosen(search: str | None, only: int | None) -> ColumnElement[bool]:
    chosen = true() if only is None else ORGANIZATION.c.id == only
    if search:
        chosen = and_(chosen, position_in(ORGANIZATION.c.name_key, bindparam("search", search.casefold(), Text)) > 0)
    return chosen


@prepared
def _named_organizations() -> Select[Any]:
    named = asked("keys", "organization_id")
    return _organizations().where(ORGANIZATION.c.id.in_(select(named.c.organization_id)))


@lru_cache
def _organizations() -> Select[Any]:
    """A row for each period of each organization's calendar."""
    c = ORGANIZATION.c
    return (
        select(c.id, c.slug, c.name, c.name_key, type_coerce(CLOCK.c.recorded_at, BigInteger), *ZONE.c)
        .join(CLOCK, CLOCK.c.organization_id == c.id)
        .join(ZONE, ZONE.c.organization_id == c.id)
    )


def _with_calendars(rows: Sequence[Any]) -> list[OrganizationRow]:
    found: dict[int, OrganizationRow] = {}
    for organization_id, slug, name, name_key, recorded_through, _, since, zone, cutoff in rows:
        earlier = found[organization_id].calendar.periods if organization_id in found else ()
        calendar = BillingCalendar(tuple(sorted((*earlier, ZonePeriod(since, zone, cutoff)), key=_since)))
        found[organization_id] = OrganizationRow(0, organization_id, slug, name, name_key, recorded_through, calendar)
    return list(found.values())


def _since(period: ZonePeriod) -> dt.date:
    return period.since


# ------------------------------------------------------------------------------------ teams and libraries


class ScopeKey(NamedTuple):
    organization_id: int
    scope_id: int


class ScopeRow(NamedTuple):
    """A team or a library."""

    place: int
    organization_id: int
    scope_id: int
    kind: str
    name: str
    name_key: str


@dataclass(frozen=True, slots=True)
class ScopesPage:
    kind: ScopeKind
    limit: int
    search: str | None = None
    descending: bool = False
    beyond: tuple[str, int] | None = None


async def scopes_by_id(connection: AsyncConnection, keys: Sequence[ScopeKey]) -> list[ScopeRow]:
    """Those of the teams and libraries that exist; `place` says of which key."""
    rows = await _scopes_by_id.rows(connection, as_keys(keys), is_short=len(keys) <= FEW_KEYS)
    return [ScopeRow._make(row) for row in rows]


@prepared
def _scopes_by_id() -> Select[Any]:
    named = asked("keys", "place", *ScopeKey._fields)
    same = and_(SCOPE.c.organization_id == named.c.organization_id, SCOPE.c.id == named.c.scope_id)
    return select(named.c.place, *_scope_columns()).select_from(named).join(SCOPE, same)


async def scopes_of(connection: AsyncConnection, organization_ids: Sequence[int], page: ScopesPage) -> list[ScopeRow]:
    """A page of the teams, or of the libraries, of each organization, flat and in order."""
    statement = _scopes(connection.dialect.name, page.kind, bool(page.search), page.descending, page.beyond is not None)
    name_key, scope_id = page.beyond or ("", 0)
    parameters = _scope_parameters(organization_ids, page.search)
    parameters |= {"most": page.limit, "name_key": name_key, "scope_id": scope_id}
    found = await statement.rows(connection, parameters)
    return [ScopeRow._make(row) for row in unpacked(connection.dialect.name, found)]


async def scope_totals(
    connection: AsyncConnection, organization_ids: Sequence[int], kind: ScopeKind, search: str | None
) -> list[int]:
    """How many teams, or libraries, each organization has."""
    keys = asked("keys", "place", "organization_id")
    total = select(func.count()).select_from(SCOPE).where(_of_kind(keys, kind, bool(search))).correlate(keys)
    rows = await connection.execute(
        select(keys.c.place, total.scalar_subquery()), _scope_parameters(organization_ids, search)
    )
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(organization_ids))]


def _scope_parameters(organization_ids: Sequence[int], search: str | None) -> dict[str, object]:
    return {"keys": as_parameter(enumerate(organization_ids)), "search": search and search.casefold()}


def _scope_columns() -> list[ColumnElement[Any]]:
    kind = type_coerce(SCOPE.c.kind, Text).label("kind")
    return [SCOPE.c.organization_id, SCOPE.c.id.label("scope_id"), kind, SCOPE.c.name, SCOPE.c.name_key]


def _of_kind(keys: Any, kind: ScopeKind, searched: bool) -> ColumnElement[bool]:
    of_kind = and_(SCOPE.c.organization_id == keys.c.organization_id, SCOPE.c.kind == kind)
    if searched:
        of_kind = and_(of_kind, position_in(SCOPE.c.name_key, bindparam("search", type_=Text)) > 0)
    return of_kind


@lru_cache
def _scopes(dialect: str, kind: ScopeKind, searched: bool, descending: bool, resumed: bool) -> Prepared:
    keys = asked("keys", "place", "organization_id")
    page = select(*_scope_columns()).where(_of_kind(keys, kind, searched))
    by = (SCOPE.c.name_key, SCOPE.c.id)
    if resumed:
        beyond = tuple_(bindparam("name_key", type_=Text), bindparam("scope_id", type_=BigInteger))
        page = page.where(tuple_(*by) < beyond if descending else tuple_(*by) > beyond)
    page = page.order_by(*(column.desc() if descending else column.asc() for column in by))
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return prepared(lambda: packed_rows_of_each(dialect, keys, "place", page))
