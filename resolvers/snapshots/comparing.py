"""Snapshots laid beside what is known at a time: for one or for all of an organization, with as few statements."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from models.activity import Predicate
from models.billing import counted_by
from models.contracts import Measure
from models.interval import FOREVER, MICROSECOND, to_microseconds
from resolvers.loaders.comparisons import ComparisonKey, OtherwiseRow, otherwise
from resolvers.loaders.snapshots import SnapshotRow
from resolvers.organizations import calendars
from resolvers.snapshots.counting import Counted, ToCount, counted
from resolvers.snapshots.products import products_of_each


@dataclass(frozen=True, slots=True)
class Wanted:
    """A snapshot, and as known when. Ends after the time that was counted only matter if `exactly`."""

    snapshot: SnapshotRow
    known_at: dt.datetime
    exactly: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a snapshot would count as known then, by which key, and who differs from its entries."""

    snapshot: SnapshotRow
    counting: ToCount
    now: Counted
    otherwise: tuple[OtherwiseRow, ...]


async def compare(connection: AsyncConnection, wanted: Sequence[Wanted]) -> list[Comparison]:
    """Each in their order."""
    countings = await to_count(connection, [(one.snapshot, one.known_at) for one in wanted])
    now = await counted(connection, countings)
    apart: dict[int, list[OtherwiseRow]] = defaultdict(list)
    for predicate in sorted({one.predicate for one in countings}, key=lambda predicate: predicate.name):
        places = [place for place, one in enumerate(countings) if one.predicate is predicate]
        keys = [_key(wanted[place], countings[place], now[place]) for place in places]
        for row in await otherwise(connection, keys, predicate):
            apart[places[row.place]].append(row)
    return [
        Comparison(one.snapshot, countings[place], now[place], tuple(apart[place])) for place, one in enumerate(wanted)
    ]


async def to_count(connection: AsyncConnection, wanted: Sequence[tuple[SnapshotRow, dt.datetime]]) -> list[ToCount]:
    """What each snapshot counted, to be counted again as known at another time."""
    organization_ids = sorted({snapshot.organization_id for snapshot, _ in wanted})
    products = await products_of_each(connection, organization_ids)
    of_calendars = await calendars(connection, organization_ids)
    return [
        ToCount(
            organization_id=snapshot.organization_id,
            product_id=snapshot.product_id,
            excluded_id=products[snapshot.organization_id].excluded_id,
            predicate=predicate_of(snapshot),
            # Of a peak other days may be the highest now; any other measure counts the span that it counted.
            spans=counted_by(snapshot.measure, snapshot.date, of_calendars[snapshot.organization_id]).spans
            if snapshot.measure is Measure.PEAK_DAY
            else ((snapshot.counted_from, snapshot.counted_until),),
            known_at=known_at,
        )
        for snapshot, known_at in wanted
    ]


def predicate_of(snapshot: SnapshotRow) -> Predicate:
    at_an_instant = snapshot.counted_from == snapshot.counted_until
    return Predicate.ACTIVE_AT if at_an_instant else Predicate.ACTIVE_DURING


def end_of_counting(now: Counted) -> dt.datetime:
    """The first instant that the count does not depend on."""
    first, last = now.span
    return last + MICROSECOND if first == last else last


def _key(wanted: Wanted, counting: ToCount, now: Counted) -> ComparisonKey:
    until = FOREVER if wanted.exactly else end_of_counting(now)
    return ComparisonKey(*counting.key(now.span), wanted.snapshot.id, to_microseconds(until))
