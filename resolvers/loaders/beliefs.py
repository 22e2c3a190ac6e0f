"""Reading what was believed of learners: memberships, accesses, and every belief ever recorded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Select, Text, and_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import Instant
from models.batches import as_parameter, asked
from models.history import Act, Belief
from models.organizations import Scope

BELIEF = Belief.__table__
ACT = Act.__table__
SCOPE = Scope.__table__


class BeliefsKey(NamedTuple):
    """Whose beliefs, recorded until when."""

    organization_id: int
    learner_id: int
    known_at: int


class BeliefRow(NamedTuple):
    """One belief with the act that recorded it and the name of what it is about; instants in microseconds."""

    place: int
    organization_id: int
    learner_id: int
    fact_id: int
    recorded_at: int
    scope_id: int
    scope_kind: str
    scope_name: str
    from_earliest: int
    from_latest: int
    to_earliest: int
    to_latest: int
    quality: str
    holds: bool
    actor: str
    source: str
    reason: str | None


async def beliefs_of_learners(connection: AsyncConnection, keys: Sequence[BeliefsKey]) -> list[BeliefRow]:
    """Every belief recorded of each learner by a time, oldest first, flat; `place` says of which key."""
    parameters = {"keys": as_parameter((place, *key) for place, key in enumerate(keys))}
    return [BeliefRow._make(row) for row in await connection.execute(_beliefs(), parameters)]


@lru_cache
def _beliefs() -> Select[Any]:
    keys = asked("keys", "place", *BeliefsKey._fields)
    of_learner = and_(
        BELIEF.c.organization_id == keys.c.organization_id,
        BELIEF.c.learner_id == keys.c.learner_id,
        BELIEF.c.recorded_at <= keys.c.known_at,
    )
    act = and_(ACT.c.organization_id == BELIEF.c.organization_id, ACT.c.recorded_at == BELIEF.c.recorded_at)
    scope = and_(SCOPE.c.organization_id == BELIEF.c.organization_id, SCOPE.c.id == BELIEF.c.scope_id)
    raw = {c.name: type_coerce(c, BigInteger) if isinstance(c.type, Instant) else c for c in BELIEF.c}
    return (
        select(
            keys.c.place,
            *(raw[name] for name in ("organization_id", "learner_id", "fact_id", "recorded_at", "scope_id")),
            type_coerce(SCOPE.c.kind, Text),
            SCOPE.c.name,
            *(raw[name] for name in ("from_earliest", "from_latest", "to_earliest", "to_latest")),
            type_coerce(BELIEF.c.quality, Text),
            BELIEF.c.holds,
            ACT.c.actor,
            type_coerce(ACT.c.source, Text),
            ACT.c.reason,
        )
        .select_from(keys)
        .join(BELIEF, of_learner)
        .join(ACT, act)
        .join(SCOPE, scope)
        .order_by(keys.c.place, BELIEF.c.recorded_at, BELIEF.c.fact_id)
    )


def held_at_the_last(beliefs: Sequence[BeliefRow]) -> list[BeliefRow]:
    """Of each fact the last belief, if it holds: what was held when the last of these was recorded."""
    last = {belief.fact_id: belief for belief in beliefs}
    return [belief for belief in last.values() if belief.holds]


class ActKey(NamedTuple):
    organization_id: int
    recorded_at: int


class ActRow(NamedTuple):
    place: int
    actor: str
    source: str
    reason: str | None


async def acts_by_time(connection: AsyncConnection, keys: Sequence[ActKey]) -> list[ActRow]:
    """Who recorded what was learned at these times, from where and why; `place` says of which key."""
    parameters = {"keys": as_parameter((place, *key) for place, key in enumerate(keys))}
    return [ActRow._make(row) for row in await connection.execute(_acts(), parameters)]


@lru_cache
def _acts() -> Select[Any]:
    named = asked("keys", "place", *ActKey._fields)
    same = and_(ACT.c.organization_id == named.c.organization_id, ACT.c.recorded_at == named.c.recorded_at)
    columns = (named.c.place, ACT.c.actor, type_coerce(ACT.c.source, Text), ACT.c.reason)
    return select(*columns).select_from(named).join(ACT, same)
