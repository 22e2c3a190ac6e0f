"""Reading cohorts and what was assigned to them, and how far each assignment has come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked
from models.cohorts import BulkAssignment, BulkState, Cohort
from models.program_events import ProgramDeed, ProgramEvent, ProgramThing
from models.redemptions import Redemption
from resolvers.loaders.voucher_lists import ListKey, ListPage, Of, in_pages, in_programs
from resolvers.loaders.voucher_programs import InProgram, columns_of, rows_by_key
from resolvers.loaders.vouchers import ASSIGNMENT, VOUCHER

COHORT = Cohort.__table__
BULK = BulkAssignment.__table__
REDEMPTION = Redemption.__table__
EVENT = ProgramEvent.__table__


class CohortRow(NamedTuple):
    place: int
    program_id: int
    id: int
    organization_id: int
    name: str | None
    voucher_program_id: int
    purpose: str | None
    budget_minor: int | None
    spent_minor: int
    defined_by: str
    defined_at: dt.datetime
    standing_from: dt.datetime | None
    stopped_at: dt.datetime | None
    last_run_on: dt.date | None


class BulkRow(NamedTuple):
    place: int
    program_id: int
    id: int
    organization_id: int
    cohort_id: int
    state: BulkState
    digest: str
    as_of: dt.date
    eligible: int
    skipped: int
    in_stock: int
    previewed_by: str
    previewed_at: dt.datetime
    valid_until: dt.datetime
    assigned: int
    committed_at: dt.datetime | None
    taken_back: int
    undone_at: dt.datetime | None


class Progress(NamedTuple):
    """Of what was assigned at once: how many of them paid something, and how many a cart holds."""

    place: int
    redeemed: int
    held: int


async def cohorts_by_key(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[CohortRow]:
    rows = await rows_by_key(COHORT, CohortRow).rows(connection, as_keys(keys))
    return [CohortRow._make(row) for row in rows]


async def bulks_by_key(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[BulkRow]:
    return [BulkRow._make(row) for row in await rows_by_key(BULK, BulkRow).rows(connection, as_keys(keys))]


async def progress_of(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[Progress]:
    return [Progress._make(row) for row in await connection.execute(_progress(), as_keys(keys))]


@lru_cache
def _progress() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    of_bulk = and_(ASSIGNMENT.c.program_id == keys.c.program_id, ASSIGNMENT.c.bulk_assignment_id == keys.c.id)
    paid = exists().where(
        REDEMPTION.c.program_id == ASSIGNMENT.c.program_id,
        REDEMPTION.c.voucher_id == ASSIGNMENT.c.voucher_id,
        REDEMPTION.c.assignment_id == ASSIGNMENT.c.id,
        REDEMPTION.c.reversed_minor < REDEMPTION.c.amount_minor,
    )
    held = exists().where(
        VOUCHER.c.program_id == ASSIGNMENT.c.program_id,
        VOUCHER.c.id == ASSIGNMENT.c.voucher_id,
        VOUCHER.c.assignment_id == ASSIGNMENT.c.id,
        VOUCHER.c.held_minor > 0,
    )
    redeemed, holding = (
        select(func.count()).select_from(ASSIGNMENT).where(of_bulk, such).correlate(keys).scalar_subquery()
        for such in (paid, held)
    )
    return select(keys.c.place, redeemed, holding)


class Stop(NamedTuple):
    """That a cohort was stopped, and why if it stopped by itself."""

    place: int
    said: str | None


async def stops_of(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[Stop]:
    """Of each cohort, the last first."""
    return [Stop._make(row) for row in await connection.execute(_stops(), as_keys(keys))]


@lru_cache
def _stops() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    of_cohort = and_(
        EVENT.c.program_id == keys.c.program_id,
        EVENT.c.thing == ProgramThing.COHORT,
        EVENT.c.thing_id == keys.c.id,
        EVENT.c.deed == ProgramDeed.COHORT_STOPPED,
    )
    found = select(keys.c.place, EVENT.c.said).select_from(keys).join(EVENT, of_cohort)
    return found.order_by(keys.c.place, EVENT.c.recorded_at.desc(), EVENT.c.id.desc())


# ------------------------------------------------------------------------------------------------- lists


async def cohorts_of(connection: AsyncConnection, keys: Sequence[ListKey], page: ListPage) -> list[CohortRow]:
    """A page of the cohorts of each organization that were given a name, those defined last first."""
    statement = _listed(connection.dialect.name, COHORT, CohortRow, page.backward, page.beyond is not None)
    return [CohortRow._make(row) for row in await connection.execute(statement, as_keys(keys) | page.parameters())]


async def bulks_of(connection: AsyncConnection, keys: Sequence[ListKey], page: ListPage) -> list[BulkRow]:
    """A page of the previews and assignments of each organization, the latest first."""
    statement = _listed(connection.dialect.name, BULK, BulkRow, page.backward, page.beyond is not None)
    return [BulkRow._make(row) for row in await connection.execute(statement, as_keys(keys) | page.parameters())]


async def bulks_of_cohort(connection: AsyncConnection, keys: Sequence[InProgram], page: ListPage) -> list[BulkRow]:
    """The same of each cohort."""
    statement = _of_cohort(connection.dialect.name, page.backward, page.beyond is not None)
    return [BulkRow._make(row) for row in await connection.execute(statement, as_keys(keys) | page.parameters())]


async def list_totals(connection: AsyncConnection, keys: Sequence[ListKey], table: Table) -> list[int]:
    """How many cohorts, or assignments to them, each organization has."""
    found = {row[0]: row[1] for row in await connection.execute(_list_totals(table), as_keys(keys))}
    return [found[place] for place in range(len(keys))]


async def cohort_totals(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[int]:
    """How many previews and assignments each cohort has."""
    named = asked("keys", "place", *InProgram._fields)
    total = select(func.count()).select_from(BULK).where(_is_of_cohort(named)).correlate(named)
    rows = await connection.execute(select(named.c.place, total.scalar_subquery()), as_keys(keys))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _listed(dialect: str, table: Table, row: type[Any], backward: bool, resumed: bool) -> Select[Any]:
    keys = in_programs(Of.ORGANIZATION)
    page = select(*columns_of(table, row)).where(
        table.c.program_id == keys.c.program_id, table.c.organization_id == keys.c.thing_id, *_named(table)
    )
    return in_pages(dialect, keys, page, (table.c.id, table.c.program_id), backward, resumed)


@lru_cache
def _list_totals(table: Table) -> Select[Any]:
    keys = asked("keys", "place", *ListKey._fields)
    reached = or_(keys.c.program_id == 0, table.c.program_id == keys.c.program_id)
    own = and_(reached, table.c.organization_id == keys.c.thing_id, *_named(table))
    total = select(func.count()).select_from(table).where(own).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _named(table: Table) -> list[ColumnElement[bool]]:
    """A filter that was asked once is seen with what came of it."""
    return [COHORT.c.name.is_not(None)] if table is COHORT else []


@lru_cache
def _of_cohort(dialect: str, backward: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    page = select(*columns_of(BULK, BulkRow)).where(_is_of_cohort(keys))
    return in_pages(dialect, keys, page, (BULK.c.id, BULK.c.program_id), backward, resumed)


def _is_of_cohort(keys: Any) -> ColumnElement[bool]:
    return and_(BULK.c.program_id == keys.c.program_id, BULK.c.cohort_id == keys.c.id)
