"""Strawberry as everybody writes it: ORM models through an async session, dataloaders, connections of objects."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path
from typing import Any

import orjson
import strawberry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig

from models.activity import UncertainWindow, Window
from models.interval import FOREVER
from models.learners import Profile
from models.organizations import BillingZone, Organization, Scope, ScopeKind
from tests.benchmarks.rivals.days import DAY, zone_named
from tests.benchmarks.rivals.idiomatic_loaders import CountKey, LearnerKey, Loaders, PageKey, Sessions
from tests.benchmarks.rivals.serving import serve


def encoded(*parts: object) -> strawberry.ID:
    text = ":".join(str(part) for part in parts)
    return strawberry.ID(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


def decoded(given: str) -> str:
    return base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)).decode()


Info = strawberry.Info[Any, Any]


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.input
class DateRange:
    from_: dt.date = strawberry.field(name="from")
    through: dt.date


@strawberry.input
class ActivitySpan:
    dates: DateRange | None = None


@strawberry.input
class ActivityMoment:
    cutoff_of: dt.date | None = None


@strawberry.input
class ActivityFilter:
    active_at: ActivityMoment | None = None
    active_during: ActivitySpan | None = None


@strawberry.input
class OrganizationKey:
    id: strawberry.ID | None = None


@strawberry.type
class PageInfo:
    has_next_page: bool


@strawberry.type
class ActivityCount:
    exact: int | None
    min: int
    max: int

    @classmethod
    def between(cls, least: int, most: int) -> ActivityCount:
        return cls(exact=least if least == most else None, min=least, max=most)


@strawberry.type
class ActivityWindow:
    from_: dt.datetime | None = strawberry.field(name="from")
    to: dt.datetime | None

    @classmethod
    def of(cls, window: Window | UncertainWindow) -> ActivityWindow:
        return cls(from_=_start(window), to=_end(window))


def _start(window: Window | UncertainWindow) -> dt.datetime | None:
    if isinstance(window, Window):
        return window.from_at
    return window.from_latest if window.from_earliest == window.from_latest else None


def _end(window: Window | UncertainWindow) -> dt.datetime | None:
    earliest, latest = (
        (window.to_at, window.to_at) if isinstance(window, Window) else (window.to_earliest, window.to_latest)
    )
    return latest if earliest == latest != FOREVER else None


@strawberry.type
class ActivityWindowConnection:
    nodes: list[ActivityWindow]


@strawberry.type(name="Learner")
class LearnerType(Node):
    name: str | None
    email: str | None
    external_id: str | None
    department: str | None
    key: strawberry.Private[LearnerKey]
    zone: strawberry.Private[str]

    @classmethod
    def of(cls, profile: Profile, zone: str) -> LearnerType:
        return cls(
            id=encoded("Learner", profile.organization_id, profile.learner_id),
            name=profile.name or None,
            email=profile.email or None,
            external_id=profile.external_id or None,
            department=profile.department or None,
            key=LearnerKey(profile.organization_id, profile.learner_id),
            zone=zone,
        )

    @strawberry.field
    async def activated_on(self, info: Info) -> dt.date | None:
        windows = await info.context["loaders"].windows.load(self.key)
        started = _start(windows[-1]) if windows else None
        return started.astimezone(zone_named(self.zone)).date() if started else None

    @strawberry.field
    async def windows(self, info: Info, first: int = 50) -> ActivityWindowConnection:
        windows = await info.context["loaders"].windows.load(self.key)
        return ActivityWindowConnection(nodes=[ActivityWindow.of(window) for window in windows[:first]])


@strawberry.type
class LearnerConnection:
    nodes: list[LearnerType]
    page_info: PageInfo


@strawberry.type
class Team(Node):
    name: str
    organization_id: strawberry.Private[int]
    key: strawberry.Private[int]
    zone: strawberry.Private[str]

    @classmethod
    def of(cls, scope: Scope, zone: str) -> Team:
        return cls(
            id=encoded("Team", scope.organization_id, scope.id),
            name=scope.name,
            organization_id=scope.organization_id,
            key=scope.id,
            zone=zone,
        )

    @strawberry.field
    async def learners(
        self, info: Info, activity: ActivityFilter, first: int = 50, after: str | None = None
    ) -> LearnerConnection:
        assert activity.active_during
        assert activity.active_during.dates
        dates = activity.active_during.dates
        since, until = _start_of(dates.from_, self.zone), _start_of(dates.through + DAY, self.zone)
        beyond = orjson.loads(decoded(after))[1:] if after else None
        key = PageKey(self.organization_id, self.key, since, until, first, beyond and tuple(beyond))
        profiles = await info.context["loaders"].pages.load(key)
        nodes = [LearnerType.of(profile, self.zone) for profile in profiles[:first]]
        return LearnerConnection(nodes=nodes, page_info=PageInfo(has_next_page=len(profiles) > first))

    @strawberry.field
    async def active_count(self, info: Info, activity: ActivityFilter) -> ActivityCount:
        assert activity.active_at
        assert activity.active_at.cutoff_of
        at = _start_of(activity.active_at.cutoff_of, self.zone)
        return ActivityCount.between(
            *await info.context["loaders"].counts.load(CountKey(self.organization_id, self.key, at))
        )


def _start_of(day: dt.date, zone: str) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone_named(zone)).astimezone(dt.UTC)


@strawberry.type
class TeamConnection:
    nodes: list[Team]


@strawberry.type(name="Organization")
class OrganizationType(Node):
    name: str
    key: strawberry.Private[int]
    zone: strawberry.Private[str]

    @strawberry.field
    async def teams(self, info: Info, first: int = 50) -> TeamConnection:
        teams = select(Scope).where(Scope.organization_id == self.key, Scope.kind == ScopeKind.TEAM)
        async with info.context["loaders"].sessions() as session:
            scopes = list(await session.scalars(teams.order_by(Scope.name_key, Scope.id).limit(first)))
        return TeamConnection(nodes=[Team.of(scope, self.zone) for scope in scopes])


@strawberry.type
class Query:
    @strawberry.field
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002
        kind, organization_id, key = decoded(id).split(":")
        async with info.context["loaders"].sessions() as session:
            if kind == "Learner":
                profile = await session.get(Profile, (int(organization_id), int(key)))
                return LearnerType.of(profile, "UTC") if profile else None
            scope = await session.get(Scope, (int(organization_id), int(key)))
            return Team.of(scope, await _zone(session, int(organization_id))) if scope else None

    @strawberry.field
    async def organization(self, info: Info, by: OrganizationKey) -> OrganizationType | None:
        _, key = decoded(by.id or "").split(":")
        async with info.context["loaders"].sessions() as session:
            found = await session.get(Organization, int(key))
            zone = await _zone(session, int(key))
        return (
            OrganizationType(id=by.id or strawberry.ID(""), name=found.name, key=found.id, zone=zone) if found else None
        )


async def _zone(session: AsyncSession, organization_id: int) -> str:
    of_it = BillingZone.organization_id == organization_id
    zone: str | None = await session.scalar(select(BillingZone.zone).where(of_it).order_by(BillingZone.since.desc()))
    return zone or "UTC"


def told_instant(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


# As Strawberry's own, which writes +00:00, so that the answers are the same.
INSTANT = strawberry.scalar(name="DateTime", serialize=told_instant, parse_value=dt.datetime.fromisoformat)
CONFIG = StrawberryConfig(scalar_map={dt.datetime: INSTANT})
schema = strawberry.Schema(Query, types=[LearnerType, Team, OrganizationType], config=CONFIG)


class Endpoint(GraphQL[dict[str, Loaders], None]):
    sessions: Sessions

    async def get_context(self, request: Request, response: object) -> dict[str, Loaders]:  # type: ignore[override]
        return {"loaders": Loaders(self.sessions)}


def make(database: Path) -> Starlette:
    engine = create_async_engine(f"sqlite+aiosqlite:///file:{database}?mode=ro&uri=true")
    endpoint = Endpoint(schema, graphql_ide=None)
    endpoint.sessions = async_sessionmaker(engine, expire_on_commit=False)
    return Starlette(routes=[Route("/graphql", endpoint)])


if __name__ == "__main__":
    serve(make)
