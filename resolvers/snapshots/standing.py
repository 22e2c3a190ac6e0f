"""How far the month is: of each organization what is taken, what can be counted by now, and what has to wait.

Asked of all organizations at once: the run, its dry run, the worker and the progress that clients see all read it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Date, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.billing import countable_from
from models.contracts import Measure, Term, term_on
from models.interval import FOREVER
from resolvers.loaders.as_known import UNCERTAIN
from resolvers.loaders.places import OrganizationRow, OrganizationsPage, organizations_by_id, organizations_page
from resolvers.loaders.snapshots import COLUMNS, IS_BILLED, SNAPSHOT, SnapshotRow
from resolvers.loaders.terms import held_terms
from resolvers.snapshots.products import Products, products_of_each

EVERYBODY = OrganizationsPage(limit=2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductStanding:
    """A product on a date: the term in force, what it is counted by, and from when on it can be."""

    product_id: int
    term: Term | None
    measure: Measure
    countable_from: dt.datetime
    is_taken: bool
    # Whether anybody has, or had, a window there that lost a date.
    has_lost_dates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    organization: OrganizationRow
    # The scope of what is excluded from billing; 0 if nothing is.
    excluded_id: int
    products: tuple[ProductStanding, ...]
    # Why the organization's days cannot be counted; such data stops nobody else.
    problem: Exception | None = None

    def due(self, now: dt.datetime) -> list[int]:
        """The products that can be taken now and are not."""
        return [one.product_id for one in self.products if not one.is_taken and one.countable_from <= now]

    @property
    def taken(self) -> int:
        return sum(one.is_taken for one in self.products)

    def waits_until(self, now: dt.datetime) -> dt.datetime | None:
        """The next instant at which something more can be taken; None if nothing has to wait."""
        waiting = (one.countable_from for one in self.products if not one.is_taken and one.countable_from > now)
        return min(waiting, default=None)


async def standings(
    connection: AsyncConnection, now: dt.datetime, date: dt.date, organization_ids: Sequence[int] | None = None
) -> list[Standing]:
    """Of each organization, or of these, by name; as known now."""
    if organization_ids is None:
        rows = await organizations_page(connection, EVERYBODY, None)
    else:
        rows = sorted(await organizations_by_id(connection, organization_ids), key=_by_name)
    return await standings_of(connection, now, date, rows)


def _by_name(row: OrganizationRow) -> tuple[str, int]:
    return row.name_key, row.organization_id


async def standings_of(
    connection: AsyncConnection, now: dt.datetime, date: dt.date, rows: Sequence[OrganizationRow]
) -> list[Standing]:
    ids = [row.organization_id for row in rows]
    products = await products_of_each(connection, ids)
    terms = await held_terms(connection, ids, FOREVER)
    taken = await taken_products(connection, date, ids)
    lost = await _scopes_with_lost_dates(connection, ids)
    return [_standing(row, date, products[row.organization_id], terms, taken, lost) for row in rows]


def _standing(
    row: OrganizationRow,
    date: dt.date,
    products: Products,
    terms: Mapping[int, Sequence[Term]],
    taken: Mapping[int, set[int]],
    lost: Mapping[int, set[int]],
) -> Standing:
    own = row.organization_id
    try:
        of_each = tuple(
            _product(
                row, date, term_on(terms[own], i, date), i, is_taken=i in taken[own], has_lost_dates=i in lost[own]
            )
            for i in products.ids
        )
    except Exception as problem:  # bad data of one organization, told with its name
        return Standing(organization=row, excluded_id=products.excluded_id, products=(), problem=problem)
    return Standing(organization=row, excluded_id=products.excluded_id, products=of_each)


def _product(
    row: OrganizationRow, date: dt.date, term: Term | None, product_id: int, *, is_taken: bool, has_lost_dates: bool
) -> ProductStanding:
    measure = measure_of(term)
    return ProductStanding(
        product_id=product_id,
        term=term,
        measure=measure,
        countable_from=countable_from(measure, date, row.calendar),
        is_taken=is_taken,
        has_lost_dates=has_lost_dates,
    )


async def _scopes_with_lost_dates(
    connection: AsyncConnection, organization_ids: Sequence[int]
) -> Mapping[int, set[int]]:
    found: dict[int, set[int]] = {organization_id: set() for organization_id in organization_ids}
    parameters = {"keys": as_parameter((i,) for i in organization_ids)}
    for organization_id, scope_id in await connection.execute(_uncertain_scopes(), parameters):
        found[organization_id].add(scope_id)
    return found


@lru_cache
def _uncertain_scopes() -> Select[Any]:
    keys = asked("keys", "organization_id")
    own = UNCERTAIN.c.organization_id.in_(select(keys.c.organization_id))
    return select(UNCERTAIN.c.organization_id, UNCERTAIN.c.scope_id).where(own).distinct()


def measure_of(term: Term | None) -> Measure:
    """What is not licensed is counted at the cutoff."""
    return term.measure if term else Measure.AT_CUTOFF


async def billed_on(connection: AsyncConnection, date: dt.date, organization_ids: Sequence[int]) -> list[SnapshotRow]:
    """The BILLING snapshots of a date, of these organizations."""
    parameters = {"keys": as_parameter((i,) for i in organization_ids), "date": date}
    return [SnapshotRow(0, *row) for row in await connection.execute(_billed_on(*COLUMNS), parameters)]


async def taken_products(
    connection: AsyncConnection | AsyncSession, date: dt.date, organization_ids: Sequence[int]
) -> Mapping[int, set[int]]:
    found: dict[int, set[int]] = {organization_id: set() for organization_id in organization_ids}
    parameters = {"keys": as_parameter((i,) for i in organization_ids), "date": date}
    statement = _billed_on(SNAPSHOT.c.organization_id, SNAPSHOT.c.product_id)
    for organization_id, product_id in await connection.execute(statement, parameters):
        found[organization_id].add(product_id)
    return found


@lru_cache
def _billed_on(*columns: Column[Any]) -> Select[Any]:
    keys = asked("keys", "organization_id")
    return (
        select(*columns)
        .join(keys, keys.c.organization_id == SNAPSHOT.c.organization_id)
        .where(SNAPSHOT.c.date == bindparam("date", type_=Date), IS_BILLED)
    )
