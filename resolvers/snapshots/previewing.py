"""The dry run of the month: what it would take and bill, counted now. Nothing is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from models.billing import counted_by, overage_of
from models.contracts import Measure
from resolvers.activity import sane_day
from resolvers.loaders.counts import Count
from resolvers.loaders.snapshots import SnapshotRow
from resolvers.snapshots.counting import ToCount, counted
from resolvers.snapshots.standing import ProductStanding, Standing, billed_on

COUNTS_A_STATEMENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPreview:
    """What is, or would be, frozen of one product. What depends on a term is None without one."""

    product_id: int
    measure: Measure
    countable_from: dt.datetime
    is_taken: bool
    # None if what it counts has not all happened.
    count: Count | None
    licensed: int | None
    overage: Count | None

    @property
    def over(self) -> int:
        """The provable overage, by which lists begin with who is over."""
        return self.overage.least if self.overage else 0


@dataclass(frozen=True, slots=True)
class Preview:
    standing: Standing
    products: tuple[ProductPreview, ...]

    @property
    def over(self) -> int:
        return sum(one.over for one in self.products)


async def preview(
    connection: AsyncConnection, now: dt.datetime, date: dt.date, found: Sequence[Standing]
) -> list[Preview]:
    """Of each organization in their order: figures that are frozen as they are, and the others as they count now."""
    sane_day(date, "date")
    frozen = {
        (row.organization_id, row.product_id): row
        for row in await billed_on(connection, date, [one.organization.organization_id for one in found])
    }
    counts = await _counts(connection, now, date, found)
    return [
        Preview(one, tuple(_previewed(one.organization.organization_id, p, frozen, counts) for p in one.products))
        for one in found
    ]


def _previewed(
    organization_id: int,
    product: ProductStanding,
    frozen: Mapping[tuple[int, int], SnapshotRow],
    counts: Mapping[tuple[int, int], Count],
) -> ProductPreview:
    key = (organization_id, product.product_id)
    return _frozen(product, frozen[key]) if key in frozen else _as_counted(product, counts.get(key))


def _frozen(product: ProductStanding, row: SnapshotRow) -> ProductPreview:
    overage = None
    if row.overage_least is not None and row.overage_most is not None:
        overage = Count(row.overage_least, row.overage_most)
    return ProductPreview(
        product_id=row.product_id,
        measure=row.measure,
        countable_from=product.countable_from,
        is_taken=True,
        count=Count(row.count_least, row.count_most),
        licensed=row.licensed,
        overage=overage,
    )


def _as_counted(product: ProductStanding, count: Count | None) -> ProductPreview:
    overage, licensed = None, product.term.licensed if product.term else None
    if count is not None and licensed is not None:
        overage = Count(overage_of(count.least, licensed), overage_of(count.most, licensed))
    return ProductPreview(
        product_id=product.product_id,
        measure=product.measure,
        countable_from=product.countable_from,
        is_taken=False,
        count=count,
        licensed=licensed,
        overage=overage,
    )


async def _counts(
    connection: AsyncConnection, now: dt.datetime, date: dt.date, found: Sequence[Standing]
) -> Mapping[tuple[int, int], Count]:
    """Of each product that could be taken now; so many a statement that none of them takes long."""
    due = [(one, product) for one in found for product in one.products if product.product_id in one.due(now)]
    counts: dict[tuple[int, int], Count] = {}
    for first in range(0, len(due), COUNTS_A_STATEMENT):
        some = due[first : first + COUNTS_A_STATEMENT]
        found_counts = await counted(connection, [_to_count(now, date, *one) for one in some])
        for (standing, product), one in zip(some, found_counts, strict=True):
            counts[standing.organization.organization_id, product.product_id] = one.count
    return counts


def _to_count(now: dt.datetime, date: dt.date, standing: Standing, product: ProductStanding) -> ToCount:
    by = counted_by(product.measure, date, standing.organization.calendar)
    return ToCount(
        organization_id=standing.organization.organization_id,
        product_id=product.product_id,
        excluded_id=standing.excluded_id,
        predicate=by.predicate,
        spans=by.spans,
        known_at=now,
    )
