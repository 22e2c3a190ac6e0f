"""The bridge from one count to another, made of sets of people: opening + joined − left = closing, exactly.

Both counts are provable ones, each as known at its own time: from 403 as billed then to 391 as known now.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from models.activity import Predicate
from models.history import Quality
from models.interval import BEGINNING, Interval, from_microseconds, remainder, to_microseconds
from resolvers.loaders.billable import BillableKey
from resolvers.loaders.counts import Count
from resolvers.loaders.learned import Learned
from resolvers.loaders.movers import (
    BETWEEN,
    CLOSING,
    NOT_COUNTED,
    OPENING,
    POSSIBLY,
    SURELY,
    MoverRow,
    movers,
    movers_in_pages,
)
from resolvers.loaders.snapshots import SnapshotRow
from resolvers.loaders.windows import WindowsKey, WindowsPage, windows_of_learners
from resolvers.snapshots.causes import BridgeAsked, Cause, End, Movement, Told, told_of, why
from resolvers.snapshots.comparing import predicate_of
from resolvers.snapshots.counting import ToCount, counted

MOST_WINDOWS = 1_000
MOVERS_A_PAGE = 1_000


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
    return (await bridges(connection, [asked]))[0]


async def bridges(connection: AsyncConnection, wanted: Sequence[BridgeAsked]) -> list[Bridge]:
    """The same of many, in their order, with as many statements."""
    countings = [_counting(asked, end) for asked in wanted for end in (asked.opening, asked.closing)]
    counts = [one.count for one in await counted(connection, countings)]
    rows = await movers(connection, [_questions(asked) for asked in wanted])
    of_each: list[list[Mover]] = [[] for _ in wanted]
    for row, mover in zip(rows, await _movers_of(connection, wanted, rows), strict=True):
        of_each[row.place].append(mover)
    return [_bridge(a, b, moved) for a, b, moved in zip(counts[::2], counts[1::2], of_each, strict=True)]


async def movers_by_pages(connection: AsyncConnection, asked: BridgeAsked) -> AsyncIterator[list[Mover]]:
    """Everybody on a bridge, in no order, for whoever must not hold all of them: they may be a million."""
    async for rows in movers_in_pages(connection, _questions(asked), MOVERS_A_PAGE):
        yield await _movers_of(connection, [asked], rows)


async def closing_count(connection: AsyncConnection, asked: BridgeAsked) -> Count:
    return (await counted(connection, [_counting(asked, asked.closing)]))[0].count


async def _movers_of(
    connection: AsyncConnection, wanted: Sequence[BridgeAsked], rows: Sequence[MoverRow]
) -> list[Mover]:
    whose = [(wanted[row.place], row.learner_id) for row in rows]
    told, spells = await told_of(connection, whose), await _billed_spells(connection, whose)
    return [_mover(wanted[row.place], row, acts, billed) for row, acts, billed in zip(rows, told, spells, strict=True)]


def _bridge(opening: Count, closing: Count, moved: Sequence[Mover]) -> Bridge:
    joined, left, passed, uncertain = (
        tuple(sorted((mover for mover in moved if mover.movement is movement), key=when_moved)) for movement in Movement
    )
    return Bridge(opening=opening, closing=closing, joined=joined, left=left, passed=passed, uncertain=uncertain)


def _counting(asked: BridgeAsked, end: End) -> ToCount:
    return ToCount(
        organization_id=asked.organization_id,
        product_id=asked.product_id,
        excluded_id=asked.excluded_id,
        predicate=end.predicate,
        spans=((end.a, end.b),),
        known_at=end.known_at,
    )


def _questions(asked: BridgeAsked) -> dict[int, tuple[BillableKey, Predicate]]:
    ends = {OPENING: asked.opening, CLOSING: asked.closing, BETWEEN: asked.between}
    return {
        part: (_counting(asked, end).key((end.a, end.b)), end.predicate)
        for part, end in ends.items()
        if end is not None
    }


def _mover(asked: BridgeAsked, row: MoverRow, told: Told, spells: Sequence[Interval]) -> Mover:
    movement = _movement(row)
    cause, learned = why(asked, movement, told)
    came, went = _when_billed(movement, spells, asked.closing.a)
    return Mover(
        learner_id=row.learner_id,
        movement=movement,
        cause=cause,
        certain=_is_certain(movement, row),
        at=went if movement is Movement.LEFT else came,
        until=went if movement is Movement.PASSED else None,
        learned=learned,
    )


def _movement(row: MoverRow) -> Movement:
    if SURELY in (row.opening, row.closing):
        return Movement.JOINED if row.closing == SURELY else Movement.LEFT
    return Movement.UNCERTAIN if POSSIBLY in (row.opening, row.closing) else Movement.PASSED


def _is_certain(movement: Movement, row: MoverRow) -> bool:
    return {
        Movement.JOINED: row.opening == NOT_COUNTED,
        Movement.LEFT: row.closing == NOT_COUNTED,
        Movement.PASSED: row.between == SURELY,
        Movement.UNCERTAIN: False,
    }[movement]


async def _billed_spells(connection: AsyncConnection, whose: Sequence[tuple[BridgeAsked, int]]) -> list[list[Interval]]:
    """When each was active and not excluded, as known at closing, so far as the dates are known."""
    keys = [
        WindowsKey(asked.organization_id, scope_id, learner_id, 0, 0, to_microseconds(asked.closing.known_at))
        for asked, learner_id in whose
        for scope_id in (asked.product_id, asked.excluded_id)
    ]
    exact: list[list[Interval]] = [[] for _ in keys]
    for row in await windows_of_learners(connection, keys, WindowsPage(None, MOST_WINDOWS)):
        if row.quality == Quality.EXACT.name and not row.may_be_empty:
            exact[row.place].append(Interval(from_microseconds(row.from_earliest), from_microseconds(row.to_latest)))
    return [remainder(active, excluded) for active, excluded in zip(exact[::2], exact[1::2], strict=True)]


def _when_billed(
    movement: Movement, spells: Sequence[Interval], closing: dt.datetime
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """From when until when somebody counted: at closing if they joined, else the last time before it."""
    if movement is Movement.UNCERTAIN:
        return None, None
    if movement is Movement.JOINED:
        found = [spell for spell in spells if spell.covers(closing)]
    else:
        found = [spell for spell in spells if spell.end <= closing]
    return (found[-1].start, found[-1].end) if found else (None, None)


def when_moved(mover: Mover) -> tuple[dt.datetime, int]:
    return mover.at or BEGINNING, mover.learner_id
