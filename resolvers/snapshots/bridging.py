"""The bridge from one count to another, made of sets of people: opening + joined − left = closing, exactly.

Both counts are provable ones, each as known at its own time: from 403 as billed then to 391 as known now.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum

from sqlalchemy.ext.asyncio import AsyncConnection

from models.activity import Predicate
from resolvers.loaders.learned import Learned
from resolvers.loaders.snapshots import SnapshotRow
from resolvers.loaders.windows import Count
from resolvers.snapshots.comparing import predicate_of


class Movement(Enum):
    JOINED = "counted at closing and not at opening"
    LEFT = "counted at opening and not at closing"
    PASSED = "came and went in between: counted at neither end"
    UNCERTAIN = "dates are lost, so that they may be counted at one end or both; they moved for neither provable count"


class Cause(Enum):
    ACTIVATION = "became active, or was given access"
    DEACTIVATION = "was deactivated, or lost access"
    TRANSFER = "was transferred from or to another organization"
    EXCLUSION = "began or ceased to be excluded from billing"
    CORRECTION = "what was known of them was corrected"


@dataclass(frozen=True, slots=True)
class End:
    """An end of the bridge: who answers a question, as known then. For a count at an instant `a` and `b` are it."""

    a: dt.datetime
    b: dt.datetime
    known_at: dt.datetime
    predicate: Predicate = Predicate.ACTIVE_AT

    @classmethod
    def at(cls, instant: dt.datetime, known_at: dt.datetime) -> End:
        return cls(instant, instant, known_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeAsked:
    """The closing is a count at an instant; `excluded_id` is the scope of what is excluded, 0 if there is none."""

    organization_id: int
    product_id: int
    excluded_id: int
    opening: End
    closing: End


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Somebody on the bridge. `at` is when they came or went, None if that is lost or never was; `until` is when
    somebody who passed went again. The act is the one that made it so."""

    learner_id: int
    movement: Movement
    # None of who is uncertain.
    cause: Cause | None
    # False if lost dates leave open whether they were counted at an end at which they are not provably.
    certain: bool
    at: dt.datetime | None
    until: dt.datetime | None
    learned: Learned | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    opening: Count
    closing: Count
    # Each in the order of when, then of learners.
    joined: tuple[Mover, ...]
    left: tuple[Mover, ...]
    passed: tuple[Mover, ...]
    uncertain: tuple[Mover, ...]


def from_snapshot(snapshot: SnapshotRow, excluded_id: int, until: dt.datetime, known_at: dt.datetime) -> BridgeAsked:
    """From the snapshot's own entries, whatever its measure, to who is active at an instant."""
    opening = End(snapshot.counted_from, snapshot.counted_until, snapshot.known_at, predicate_of(snapshot))
    return BridgeAsked(
        organization_id=snapshot.organization_id,
        product_id=snapshot.product_id,
        excluded_id=excluded_id,
        opening=opening,
        closing=End.at(until, known_at),
    )


async def bridge(connection: AsyncConnection, asked: BridgeAsked) -> Bridge:
    """Who joined, left and passed between the two ends, each with cause, instant and act."""
    raise NotImplementedError
