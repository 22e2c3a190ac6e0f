"""What a snapshot would say of any date and product, as known at any time: the same form, and nothing is written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from models.billing import SnapshotKind, counted_by, overage_of
from models.contracts import Measure, Term, term_on
from resolvers.activity import sane_day
from resolvers.loaders.counts import Count
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.snapshots import SnapshotRow
from resolvers.loaders.terms import held_terms
from resolvers.snapshots.counting import Counted, Span, ToCount, counted
from resolvers.snapshots.products import products_of

NOBODY = ""
NOT_TAKEN = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """Of a date that has not come yet the answer is as far as is known."""

    product_id: int
    date: dt.date
    known_at: dt.datetime
    # As the term says if None.
    measure: Measure | None = None


async def as_if_taken(connection: AsyncConnection, organization: OrganizationRow, asked: Asked) -> SnapshotRow:
    """A snapshot that nobody took: its key is 0."""
    organization_id, date = organization.organization_id, sane_day(asked.date, "date")
    terms = (await held_terms(connection, [organization_id], asked.known_at))[organization_id]
    term = term_on(terms, asked.product_id, date)
    measure = asked.measure or (term.measure if term else Measure.AT_CUTOFF)
    by = counted_by(measure, date, organization.calendar)
    wanted = ToCount(
        organization_id=organization_id,
        product_id=asked.product_id,
        excluded_id=(await products_of(connection, organization_id)).excluded_id,
        predicate=by.predicate,
        spans=by.spans,
        known_at=asked.known_at,
    )
    (found,) = await counted(connection, [wanted])
    return _row(organization, asked, measure, term, found, await _excluded(connection, wanted, found.span))


async def _excluded(connection: AsyncConnection, wanted: ToCount, span: Span) -> int:
    """How many more were active in the span that was counted."""
    billed = replace(wanted, spans=(span,))
    active, less = await counted(connection, [replace(billed, excluded_id=0), billed])
    return active.count.most - less.count.most


def _row(
    organization: OrganizationRow, asked: Asked, measure: Measure, term: Term | None, billed: Counted, excluded: int
) -> SnapshotRow:
    overage = _overage(term, billed.count)
    return SnapshotRow(
        place=0,
        organization_id=organization.organization_id,
        id=NOT_TAKEN,
        product_id=asked.product_id,
        date=asked.date,
        kind=SnapshotKind.INQUIRY,
        recorded_at=asked.known_at,
        actor=NOBODY,
        known_at=asked.known_at,
        cutoff=organization.calendar.cutoff_of(asked.date),
        measure=measure,
        counted_from=billed.span[0],
        counted_until=billed.span[1],
        term_id=term.id if term else None,
        licensed=term.licensed if term else None,
        unit_price_minor=term.unit_price_minor if term else None,
        currency=term.currency if term else None,
        count_least=billed.count.least,
        count_most=billed.count.most,
        excluded=excluded,
        overage_least=overage.least if overage else None,
        overage_most=overage.most if overage else None,
    )


def _overage(term: Term | None, count: Count) -> Count | None:
    if term is None:
        return None
    return Count(overage_of(count.least, term.licensed), overage_of(count.most, term.licensed))
