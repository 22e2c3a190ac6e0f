"""Whether a snapshot can be recomputed from history as known then, and what was learned since that counts otherwise.

An end that came after the time that was counted is news and no difference: somebody billed for September who left in
October was counted rightly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sqlalchemy.ext.asyncio import AsyncConnection

from models.interval import BEGINNING, Bounds, from_microseconds, to_microseconds
from resolvers.loaders.billable import BillableOneKey, BillableRow, billable_of
from resolvers.loaders.comparisons import OtherwiseRow
from resolvers.loaders.counts import Count
from resolvers.loaders.learned import ActsKey, Learned, acts_about, last_turn
from resolvers.loaders.snapshots import SnapshotRow, billing_snapshots_of
from resolvers.snapshots.comparing import Comparison, Wanted, compare, end_of_counting, to_count
from resolvers.snapshots.counting import Counted, counted


class DifferenceKind(Enum):
    ADDED = "not in the snapshot, and counted as now known"
    REMOVED = "in the snapshot, and not counted as now known"
    CHANGED = "counted then and now, with other dates or another certainty"


@dataclass(frozen=True, slots=True)
class Dates:
    """The window that made somebody count, and whether they did for certain."""

    bounds: Bounds
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Somebody who counts otherwise, and the act that made it so: None where only the day of the peak is another."""

    kind: DifferenceKind
    learner_id: int
    then: Dates | None
    now: Dates | None
    learned: Learned | None


async def reproduces(connection: AsyncConnection, snapshot: SnapshotRow) -> bool:
    """Whether history as known then gives this very snapshot: the count and every entry."""
    return (await reproduce(connection, [snapshot]))[0]


async def reproduce(connection: AsyncConnection, snapshots: Sequence[SnapshotRow]) -> list[bool]:
    """The same of many, in their order, with as many statements."""
    wanted = [Wanted(snapshot, snapshot.known_at, exactly=True) for snapshot in snapshots]
    return [_is_the_same(one) for one in await compare(connection, wanted)]


def _is_the_same(found: Comparison) -> bool:
    snapshot, now = found.snapshot, found.now
    same_span = now.span == (snapshot.counted_from, snapshot.counted_until)
    return same_span and now.count == (snapshot.count_least, snapshot.count_most) and not found.otherwise


async def snapshots_that_differ(
    connection: AsyncConnection, organization_id: int, known_at: dt.datetime
) -> list[tuple[SnapshotRow, Count]]:
    """The billed snapshots of an organization of which others are counted as known at this time, with that count."""
    snapshots = await billing_snapshots_of(connection, organization_id)
    found = await compare(connection, [Wanted(snapshot, known_at) for snapshot in snapshots])
    return [(one.snapshot, one.now.count) for one in found if _counts_others(one)]


def _counts_others(found: Comparison) -> bool:
    snapshot = found.snapshot
    moved = any(row.then_certain != row.now_certain for row in found.otherwise)
    return moved or found.now.count != (snapshot.count_least, snapshot.count_most)


async def counts_known(connection: AsyncConnection, wanted: Sequence[tuple[SnapshotRow, dt.datetime]]) -> list[Count]:
    """How many each snapshot would count as known at a time, in their order."""
    return [one.count for one in await counted(connection, await to_count(connection, wanted))]


# ------------------------------------------------------------------------------------------- person by person


async def differences(connection: AsyncConnection, snapshot: SnapshotRow, known_at: dt.datetime) -> list[Difference]:
    """Person by person what is known at a time otherwise than the snapshot says, by when that was learned; empty if
    nothing is."""
    return (await differences_of_each(connection, [(snapshot, known_at)]))[0]


async def differences_of_each(
    connection: AsyncConnection, wanted: Sequence[tuple[SnapshotRow, dt.datetime]]
) -> list[list[Difference]]:
    """The same of many, in their order, with as many statements."""
    found = await compare(connection, [Wanted(snapshot, known_at) for snapshot, known_at in wanted])
    told = iter(await _told(connection, found))
    return [
        sorted((_difference(row, *next(told), one.now) for row in one.otherwise), key=_when_learned) for one in found
    ]


Answers = Sequence[BillableRow | None]


async def _told(connection: AsyncConnection, found: Sequence[Comparison]) -> list[tuple[Sequence[Learned], Answers]]:
    """Of everybody who differs what was learned since the snapshot, and how they counted before it and after each."""
    differing = [(one, row.learner_id) for one in found for row in one.otherwise]
    acts = await acts_about(connection, [_acts_key(one, learner_id) for one, learner_id in differing])
    keys = {
        predicate: [
            key
            for (one, learner_id), of_one in zip(differing, acts, strict=True)
            if one.counting.predicate is predicate
            for key in _keys(one, learner_id, of_one)
        ]
        for predicate in sorted({one.counting.predicate for one in found}, key=lambda predicate: predicate.name)
    }
    answers = {predicate: iter(await billable_of(connection, of_it, predicate)) for predicate, of_it in keys.items()}
    return [
        (of_one, [next(answers[one.counting.predicate]) for _ in (None, *of_one)])
        for (one, _), of_one in zip(differing, acts, strict=True)
    ]


def _acts_key(found: Comparison, learner_id: int) -> ActsKey:
    key, since = found.counting.key(found.now.span), to_microseconds(found.snapshot.known_at)
    return ActsKey(key.organization_id, learner_id, key.scope_id, key.excluded_id, since, key.known_at)


def _keys(found: Comparison, learner_id: int, acts: Sequence[Learned]) -> list[BillableOneKey]:
    """The question about a learner as known by the snapshot, and after each act."""
    key, times = found.counting.key(found.now.span), [found.snapshot.known_at, *(act.recorded_at for act in acts)]
    return [BillableOneKey(*key._replace(known_at=to_microseconds(time)), learner_id) for time in times]


def _difference(row: OtherwiseRow, acts: Sequence[Learned], answers: Answers, now: Counted) -> Difference:
    then, known = _dates(row[2:7]), _dates(row[7:12])
    kind = DifferenceKind.ADDED if then is None else DifferenceKind.REMOVED if known is None else DifferenceKind.CHANGED
    until = to_microseconds(end_of_counting(now))
    told = [_as_compared(answer, until) if kind is DifferenceKind.CHANGED else answer is not None for answer in answers]
    return Difference(kind=kind, learner_id=row.learner_id, then=then, now=known, learned=last_turn(acts, told))


def _dates(shown: Sequence[int | None]) -> Dates | None:
    """Four edges in microseconds and certainty, all or none."""
    told = [value for value in shown if value is not None]
    if not told:
        return None
    start, latest_start, end, latest_end = map(from_microseconds, told[:4])
    return Dates(Bounds(start, latest_start, end, latest_end), bool(told[4]))


def _as_compared(answer: BillableRow | None, until: int) -> tuple[int, ...] | None:
    """What a comparison looks at: an end beyond what was counted is one like another."""
    if answer is None:
        return None
    ends = (min(answer.to_earliest, until), min(answer.to_latest, until))
    return (answer.from_earliest, answer.from_latest, *ends, bool(answer.certain))


def _when_learned(difference: Difference) -> tuple[dt.datetime, int]:
    learned = difference.learned
    return (learned.recorded_at if learned else BEGINNING, difference.learner_id)
