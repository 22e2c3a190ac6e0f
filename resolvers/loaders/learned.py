"""What was learned of people, act by act: when, from whom, from where and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_parameter, asked
from models.history import Act, Belief, Source

BELIEF = Belief.__table__
ACT = Act.__table__
S = TypeVar("S")


class ActsKey(NamedTuple):
    """Acts about a learner's activity or either of two scopes, recorded after one time and until another."""

    organization_id: int
    learner_id: int
    scope_id: int
    other_scope_id: int
    after: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """An act by which something was learned."""

    recorded_at: dt.datetime
    actor: str
    source: Source
    reason: str | None


async def acts_about(connection: AsyncConnection, keys: Sequence[ActsKey]) -> list[tuple[Learned, ...]]:
    """The acts of each key, oldest first, in the order of the keys."""
    rows = await connection.execute(_acts_about(), {"keys": as_parameter((n, *key) for n, key in enumerate(keys))})
    found: list[list[Learned]] = [[] for _ in keys]
    for place, recorded_at, actor, source, reason in rows:
        found[place].append(Learned(recorded_at=recorded_at, actor=actor, source=source, reason=reason))
    return [tuple(acts) for acts in found]


@lru_cache
def _acts_about() -> Select[Any]:
    keys = asked("keys", "place", *ActsKey._fields)
    about = and_(
        BELIEF.c.organization_id == keys.c.organization_id,
        BELIEF.c.learner_id == keys.c.learner_id,
        BELIEF.c.scope_id.in_([keys.c.organization_id, keys.c.scope_id, keys.c.other_scope_id]),
        BELIEF.c.recorded_at > keys.c.after,
        BELIEF.c.recorded_at <= keys.c.until,
    )
    # An act may hold several beliefs of one person. Told apart from acts, so that SQLite begins with the beliefs.
    beliefs = select(keys.c.place, BELIEF.c.organization_id, BELIEF.c.recorded_at).select_from(keys).join(BELIEF, about)
    told = beliefs.distinct().subquery("told")
    act = and_(ACT.c.organization_id == told.c.organization_id, ACT.c.recorded_at == told.c.recorded_at)
    columns = (told.c.place, ACT.c.recorded_at, ACT.c.actor, ACT.c.source, ACT.c.reason)
    return select(*columns).join_from(told, ACT, act).order_by(told.c.place, told.c.recorded_at)


def last_turn(acts: Sequence[Learned], answers: Sequence[S]) -> Learned | None:
    """The act by which an answer last became another one; of the answers the first is the one before any act."""
    turns = [act for act, (before, after) in zip(acts, pairwise(answers), strict=True) if before != after]
    return turns[-1] if turns else None
