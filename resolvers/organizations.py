"""Organizations, their teams and libraries, and the calendars by which their days are counted."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.errors import OrganizationError, OrganizationErrorCode
from models.interval import BEGINNING, BillingCalendar, ZonePeriod
from models.keys import reference_key
from models.learners import sort_key
from models.organizations import BillingZone, Organization, OrganizationClock, Scope, ScopeKind
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrganization:
    name: str
    # An IANA name, such as America/Chicago.
    zone: str
    # The local time of day at which it is counted.
    cutoff: dt.time = dt.time()
    # The name's own slug if not given.
    slug: str | None = None


async def create_organization(
    session: AsyncSession, principal: Principal, now: dt.datetime, new: NewOrganization
) -> int:
    """A new client, with a clock and a scope of its own; the same again is refused by its slug."""
    principal.must_be_staff("add organizations")
    name, zone = named(new.name), known_zone(new.zone)
    slug = slug_of(new.slug or name)
    taken = await session.scalar(select(Organization.id).where(Organization.slug == slug))
    if taken is not None:
        raise OrganizationError(OrganizationErrorCode.SLUG_TAKEN, f"Another organization has the slug {slug}.", "slug")
    organization_id = reference_key(now)
    row = {"id": organization_id, "slug": slug, "name": name, "name_key": sort_key(name)}
    await session.execute(insert(Organization).values(row))
    await session.execute(insert(OrganizationClock).values(organization_id=organization_id, recorded_at=BEGINNING))
    await session.execute(
        insert(BillingZone).values(organization_id=organization_id, since=dt.date.min, zone=zone, cutoff=new.cutoff)
    )
    await session.execute(insert(Scope).values(_scope(organization_id, organization_id, ScopeKind.ORGANIZATION, name)))
    return organization_id


async def create_scope(
    session: AsyncSession, principal: Principal, now: dt.datetime, organization_id: int, kind: ScopeKind, name: str
) -> int:
    """A team or a library; if there is one of that name already, that one."""
    principal.must_see(organization_id, "organization", "organization")
    recording = await begin_recording(session, organization_id, now)
    existing = await session.scalar(
        select(Scope.id).where(Scope.organization_id == organization_id, Scope.kind == kind, Scope.name == named(name))
    )
    if existing is not None:
        return existing
    scope_id = await add_scope(recording, kind, named(name))
    await end_recording(recording)
    return scope_id


async def add_scope(recording: Recording, kind: ScopeKind, name: str) -> int:
    """Takes a key: `end_recording` comes after."""
    scope_id = recording.keys.take()
    await recording.session.execute(insert(Scope).values(_scope(recording.organization_id, scope_id, kind, name)))
    return scope_id


def _scope(organization_id: int, scope_id: int, kind: ScopeKind, name: str) -> dict[str, object]:
    return {
        "organization_id": organization_id,
        "id": scope_id,
        "kind": kind,
        "name": name,
        "name_key": sort_key(name),
    }


def named(name: str) -> str:
    """A name without surrounding space, 1 to 200 characters long."""
    stripped = name.strip()
    if not 1 <= len(stripped) <= 200 or not stripped.isprintable():
        raise OrganizationError(OrganizationErrorCode.BAD_NAME, "A name has 1 to 200 printable characters.", "name")
    return stripped


def known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as problem:
        raise OrganizationError(
            OrganizationErrorCode.UNKNOWN_ZONE,
            f"{zone!r} is not an IANA time zone, such as America/Chicago or UTC.",
            "billingZone",
        ) from problem
    return zone


def slug_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-") or "organization"


async def calendars(
    connection: AsyncConnection | AsyncSession, organization_ids: Iterable[int]
) -> Mapping[int, BillingCalendar]:
    """The calendar of each organization."""
    rows = await connection.execute(_zones(), {"keys": as_parameter((i,) for i in organization_ids)})
    periods: dict[int, tuple[ZonePeriod, ...]] = {}
    for row in rows:
        period = ZonePeriod(row.since, row.zone, row.cutoff)
        periods[row.organization_id] = (*periods.get(row.organization_id, ()), period)
    return {organization_id: BillingCalendar(of_one) for organization_id, of_one in periods.items()}


@lru_cache
def _zones() -> Select[Any]:
    keys, zones = asked("keys", "organization_id"), BillingZone.__table__
    return select(zones).where(zones.c.organization_id.in_(select(keys.c.organization_id))).order_by(zones.c.since)
