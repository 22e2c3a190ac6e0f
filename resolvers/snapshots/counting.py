"""Counting as a snapshot does: of a date and a measure, as known at any time. A peak is the count of several days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.activity import Predicate
from models.interval import to_microseconds
from resolvers.activity import peak_of
from resolvers.loaders.billable import BillableKey, billable_counts
from resolvers.loaders.counts import Count

Span = tuple[dt.datetime, dt.datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCount:
    """Who answers the predicate in one of several spans, less whom the excluded scope covers (0 if there is none)."""

    organization_id: int
    product_id: int
    excluded_id: int
    predicate: Predicate
    spans: tuple[Span, ...]
    known_at: dt.datetime

    def key(self, span: Span) -> BillableKey:
        a, b, known_at = map(to_microseconds, (*span, self.known_at))
        return BillableKey(self.organization_id, self.product_id, self.excluded_id, a, b, known_at)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many, and the span in which they were counted: of several the first that reached the peak."""

    span: Span
    count: Count


async def counted(connection: AsyncConnection | AsyncSession, wanted: Sequence[ToCount]) -> list[Counted]:
    """Each in their order; one statement for each predicate among them."""
    found: dict[int, Counted] = {}
    for predicate in sorted({one.predicate for one in wanted}, key=lambda predicate: predicate.name):
        of_it = [(place, one) for place, one in enumerate(wanted) if one.predicate is predicate]
        keys = [one.key(span) for _, one in of_it for span in one.spans]
        counts = iter(await billable_counts(connection, keys, predicate))
        found |= {place: _the_peak(one.spans, counts) for place, one in of_it}
    return [found[place] for place in range(len(wanted))]


def _the_peak(spans: Sequence[Span], counts: Iterator[Count]) -> Counted:
    peak = peak_of(list(spans), [next(counts) for _ in spans])
    return Counted(peak.first, peak.count)
