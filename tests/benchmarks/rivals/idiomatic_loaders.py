"""The dataloaders of the idiomatic Strawberry rival: ORM entities, each batch in a session of its own."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from strawberry.dataloader import DataLoader

from models.activity import UncertainWindow, Window
from models.interval import FOREVER
from models.learners import Profile

Sessions = async_sessionmaker[AsyncSession]
ByTeam = dict[int, list[Profile]]
# The least and the most that are counted.
Bounds = tuple[int, int]


class PageKey(NamedTuple):
    organization_id: int
    team_id: int
    since: dt.datetime
    until: dt.datetime
    first: int
    after: tuple[str, int] | None


class CountKey(NamedTuple):
    organization_id: int
    team_id: int
    at: dt.datetime


class LearnerKey(NamedTuple):
    organization_id: int
    learner_id: int


class Loaders:
    """Of one request; each batch in a session of its own."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.pages = DataLoader[PageKey, list[Profile]](load_fn=self._load_pages)
        self.counts = DataLoader[CountKey, Bounds](load_fn=self._load_counts)
        self.windows = DataLoader[LearnerKey, list[Window | UncertainWindow]](load_fn=self._load_windows)

    async def _load_pages(self, keys: list[PageKey]) -> list[list[Profile]]:
        alike = defaultdict[tuple[object, ...], list[PageKey]](list)
        for key in keys:
            alike[key._replace(team_id=0)].append(key)
        found: dict[PageKey, list[Profile]] = {}
        for same in alike.values():
            by_team = await self._load_alike(same[0], [key.team_id for key in same])
            found |= {key: by_team.get(key.team_id, []) for key in same}
        return [found[key] for key in keys]

    async def _load_alike(self, key: PageKey, teams: Sequence[int]) -> ByTeam:
        """The same page of several teams, ranked within each."""
        members = (
            select(model.scope_id, model.learner_id).where(
                model.organization_id == key.organization_id,
                model.scope_id.in_(teams),
                start < key.until,
                end > key.since,
            )
            for model, start, end in (
                (Window, Window.from_at, Window.to_at),
                (UncertainWindow, UncertainWindow.from_earliest, UncertainWindow.to_latest),
            )
        )
        exact, uncertain = members
        who = exact.union(uncertain.where(UncertainWindow.known_until == FOREVER)).subquery()
        order = (Profile.name_key, Profile.learner_id)
        rank = func.row_number().over(partition_by=who.c.scope_id, order_by=order).label("rank")
        joined = and_(Profile.organization_id == key.organization_id, Profile.learner_id == who.c.learner_id)
        ranked = select(who.c.scope_id, Profile.learner_id, rank).join(Profile, joined)
        if key.after:
            ranked = ranked.where(tuple_(*order) > key.after)
        listed = ranked.subquery()
        same = and_(Profile.organization_id == key.organization_id, Profile.learner_id == listed.c.learner_id)
        statement = select(listed.c.scope_id, Profile).join(Profile, same).where(listed.c.rank <= key.first + 1)
        by_team: ByTeam = defaultdict(list)
        async with self.sessions() as session:
            for team_id, profile in await session.execute(statement.order_by(listed.c.scope_id, listed.c.rank)):
                by_team[team_id].append(profile)
        return by_team

    async def _load_windows(self, keys: list[LearnerKey]) -> list[list[Window | UncertainWindow]]:
        organization_id, learners = keys[0].organization_id, [key.learner_id for key in keys]
        found: dict[int, list[Window | UncertainWindow]] = defaultdict(list)
        now = UncertainWindow.known_until == FOREVER
        async with self.sessions() as session:
            exact = select(Window).where(*_of(Window, organization_id, learners))
            uncertain = select(UncertainWindow).where(*_of(UncertainWindow, organization_id, learners), now)
            for window in (*await session.scalars(exact), *await session.scalars(uncertain)):
                found[window.learner_id].append(window)
        return [sorted(found[learner_id], key=_end_and_start) for learner_id in learners]

    async def _load_counts(self, keys: list[CountKey]) -> list[Bounds]:
        organization_id, at = keys[0].organization_id, keys[0].at
        teams = [key.team_id for key in keys]
        now = (Window.organization_id == organization_id, Window.from_at <= at, Window.to_at > at)
        exact = select(Window.scope_id, func.count()).where(*now, Window.scope_id.in_(teams)).group_by(Window.scope_id)
        uncertain = select(UncertainWindow).where(
            UncertainWindow.organization_id == organization_id,
            UncertainWindow.scope_id.in_(teams),
            UncertainWindow.known_until == FOREVER,
            UncertainWindow.from_earliest <= at,
            UncertainWindow.to_latest > at,
            ~select(Window.learner_id)
            .where(*now, Window.scope_id == UncertainWindow.scope_id, Window.learner_id == UncertainWindow.learner_id)
            .exists(),
        )
        async with self.sessions() as session:
            counted = dict((await session.execute(exact)).tuples().all())
            windows = list(await session.scalars(uncertain))
        perhaps, surely = defaultdict[int, set[int]](set), defaultdict[int, set[int]](set)
        for window in windows:
            perhaps[window.scope_id].add(window.learner_id)
            if window.from_latest <= at < window.to_earliest and not window.may_be_empty:
                surely[window.scope_id].add(window.learner_id)
        return [(counted.get(one, 0) + len(surely[one]), counted.get(one, 0) + len(perhaps[one])) for one in teams]


def _of(
    model: type[Window | UncertainWindow], organization_id: int, learners: Sequence[int]
) -> tuple[ColumnElement[bool], ...]:
    """Windows of the whole organization."""
    return model.organization_id == organization_id, model.scope_id == organization_id, model.learner_id.in_(learners)


def _end_and_start(window: Window | UncertainWindow) -> tuple[dt.datetime, dt.datetime]:
    if isinstance(window, Window):
        return window.to_at, window.from_at
    return window.to_latest, window.from_earliest
