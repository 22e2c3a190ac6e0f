"""Lists of vouchers and of what they paid: of an organization, of a voucher program, of an order, of a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.base import Instant
from models.batches import as_keys, asked, first_rows_of_each
from models.interval import BEGINNING, FOREVER
from models.programs import Program
from models.voucher_states import VoucherState, is_in_state
from models.vouchers import AssignmentState
from resolvers.loaders.vouchers import (
    ASSIGNMENT,
    COLUMNS,
    FEE,
    FEE_LINE,
    IS_LEARNER,
    IS_THEIRS,
    LEARNER,
    OF_FEE,
    OF_LINE,
    OF_VOUCHER,
    REDEMPTION,
    REDEMPTION_COLUMNS,
    VOUCHER,
    RedemptionRow,
    VoucherRow,
)

PROGRAM = Program.__table__


class Of(Enum):
    """Whose vouchers or redemptions a list holds; the columns are those of the voucher, and of the redemption."""

    ORGANIZATION = "organization_id"
    PROGRAM = "program_id"
    VOUCHER_PROGRAM = "voucher_program_id"
    ORDER = "voucher_order_id"


class ListKey(NamedTuple):
    """The thing whose list it is, in one program; in all programs if `program_id` is 0."""

    program_id: int
    thing_id: int
    # Only of this organization; of any if 0.
    organization_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which vouchers a list holds; None for all. What a state is depends on the moment."""

    now: dt.datetime
    states: tuple[VoucherState, ...] | None = None
    purpose: str | None = None
    # Of the list's organizations.
    learner: tuple[int, int] | None = None
    expires_before: dt.datetime | None = None
    flagged: bool | None = None
    last_four: str | None = None
    # Of the assignment in force.
    assignments: tuple[AssignmentState, ...] | None = None

    @property
    def shape(self) -> Shape:
        given = (name for name in ("purpose", "learner", "expires_before", "last_four") if getattr(self, name))
        return Shape(self.states, self.flagged, frozenset(given), self.assignments)

    def parameters(self) -> dict[str, object]:
        organization_id, learner_id = self.learner or (0, 0)
        own = {"learner": learner_id, "learner_organization": organization_id}
        text = {"purpose": self.purpose or "", "last_four": self.last_four or ""}
        return own | text | {"now": self.now, "expires_before": self.expires_before or FOREVER}


class Shape(NamedTuple):
    """What of a choice the statement itself depends on."""

    states: tuple[VoucherState, ...] | None
    flagged: bool | None
    given: frozenset[str]
    assignments: tuple[AssignmentState, ...] | None


@dataclass(frozen=True, slots=True)
class ListPage:
    """The newest first. `beyond` is where a row stands: its moment, where that matters, and its keys."""

    limit: int
    backward: bool = False
    beyond: tuple[dt.datetime, int, int] | None = None

    def parameters(self) -> dict[str, object]:
        moment, key, program_id = self.beyond or (BEGINNING, 0, 0)
        return {"most": self.limit, "moment": moment, "beyond": key, "beyond_program": program_id}


async def vouchers_of(
    connection: AsyncConnection, keys: Sequence[ListKey], of: Of, chosen: Chosen, page: ListPage
) -> list[VoucherRow]:
    """A page of the vouchers of each thing, those issued last first: keys grow with time."""
    statement = _vouchers_of(connection.dialect.name, of, chosen.shape, page.backward, page.beyond is not None)
    parameters = as_keys(keys) | chosen.parameters() | page.parameters()
    return [VoucherRow._make(row) for row in await connection.execute(statement, parameters)]


async def voucher_totals(connection: AsyncConnection, keys: Sequence[ListKey], of: Of, chosen: Chosen) -> list[int]:
    """How many vouchers each list holds."""
    rows = await connection.execute(_voucher_totals(of, chosen.shape), as_keys(keys) | chosen.parameters())
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _vouchers_of(dialect: str, of: Of, shape: Shape, backward: bool, resumed: bool) -> Select[Any]:
    keys = in_programs(of)
    page = select(*COLUMNS).where(_belongs(VOUCHER, of, keys), *_is_chosen(shape))
    by = (VOUCHER.c.id, VOUCHER.c.program_id)
    return in_pages(dialect, keys, page, by, backward, resumed)


@lru_cache
def _voucher_totals(of: Of, shape: Shape) -> Select[Any]:
    keys = asked("keys", "place", *ListKey._fields)
    own = _belongs_to_any(VOUCHER, of, keys)
    total = select(func.count()).select_from(VOUCHER).where(own, *_is_chosen(shape)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def in_programs(of: Of) -> CTE:
    """The keys, one for each program that a list reaches into, so that each is read along an index."""
    keys = asked("keys", "place", *ListKey._fields)
    reached = or_(PROGRAM.c.id == keys.c.program_id, keys.c.program_id == 0)
    columns = (keys.c.place, PROGRAM.c.id.label("program_id"), keys.c.thing_id, keys.c.organization_id)
    return select(*columns).join(PROGRAM, reached).cte(f"keys_in_programs_{of.name.lower()}")


def in_pages(
    dialect: str, keys: CTE, rows: Select[Any], by: Sequence[ColumnElement[Any]], backward: bool, resumed: bool
) -> Select[Any]:
    """The first rows of each list: those of each program, then the first of them all."""
    if resumed:
        parts = (("moment", Instant), ("beyond", BigInteger), ("beyond_program", BigInteger))
        beyond = tuple_(*(bindparam(name, type_=kind) for name, kind in parts[-len(by) :]))
        rows = rows.where(tuple_(*by) > beyond if backward else tuple_(*by) < beyond)
    rows = rows.order_by(*(column.asc() if backward else column.desc() for column in by))
    rows = rows.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    found = first_rows_of_each(dialect, keys, "place", rows).subquery("found")
    order = [found.c[column.key].asc() if backward else found.c[column.key].desc() for column in by if column.key]
    number = func.row_number().over(partition_by=found.c.place, order_by=order).label("row_in_list")
    ranked = select(*found.c, number).subquery("ranked")
    shown = [column for column in ranked.c if column.key != "row_in_list"]
    most = bindparam("most", type_=BigInteger)
    return select(*shown).where(ranked.c.row_in_list <= most).order_by(ranked.c.place, ranked.c.row_in_list)


def _belongs(table: Table, of: Of, keys: CTE) -> ColumnElement[bool]:
    own = table.c[of.value] == keys.c.thing_id
    within = or_(keys.c.organization_id == 0, table.c.organization_id == keys.c.organization_id)
    return and_(table.c.program_id == keys.c.program_id, own, within)


def _belongs_to_any(table: Table, of: Of, keys: CTE) -> ColumnElement[bool]:
    own = table.c[of.value] == keys.c.thing_id
    within = or_(keys.c.organization_id == 0, table.c.organization_id == keys.c.organization_id)
    reached = or_(keys.c.program_id == 0, table.c.program_id == keys.c.program_id)
    return and_(own, within, reached)


def _is_chosen(shape: Shape) -> Iterator[ColumnElement[bool]]:
    now = bindparam("now", type_=Instant)
    if shape.states is not None:
        yield or_(*(is_in_state(state, now) for state in shape.states)) if shape.states else VOUCHER.c.id.is_(None)
    if shape.flagged is not None:
        yield VOUCHER.c.flagged_at.is_not(None) if shape.flagged else VOUCHER.c.flagged_at.is_(None)
    if "purpose" in shape.given:
        yield VOUCHER.c.purpose == bindparam("purpose", type_=Text)
    if "last_four" in shape.given:
        yield VOUCHER.c.last_four == bindparam("last_four", type_=Text)
    if "expires_before" in shape.given:
        yield VOUCHER.c.expires_at < bindparam("expires_before", type_=Instant)
    if "learner" in shape.given:
        yield _is_assigned_to_learner()
    if shape.assignments is not None:
        yield exists().where(
            ASSIGNMENT.c.program_id == VOUCHER.c.program_id,
            ASSIGNMENT.c.id == VOUCHER.c.assignment_id,
            ASSIGNMENT.c.state.in_(shape.assignments),
        )


def _is_assigned_to_learner() -> ColumnElement[bool]:
    return exists().where(
        ASSIGNMENT.c.program_id == VOUCHER.c.program_id,
        ASSIGNMENT.c.id == VOUCHER.c.assignment_id,
        ASSIGNMENT.c.organization_id == bindparam("learner_organization", type_=BigInteger),
        ASSIGNMENT.c.learner_id == bindparam("learner", type_=BigInteger),
    )


# ------------------------------------------------------------------------------------------- of a person


async def vouchers_of_person(
    connection: AsyncConnection, person_id: int, chosen: Chosen, page: ListPage
) -> list[VoucherRow]:
    """A page of what a person may see as theirs, in all programs."""
    by = (VOUCHER.c.id, VOUCHER.c.program_id)
    rows = _of_person(chosen).with_only_columns(bindparam("place", 0, BigInteger), *COLUMNS)
    if page.beyond:
        at, beyond = tuple_(*by), tuple_(*page.beyond[1:])
        rows = rows.where(at > beyond if page.backward else at < beyond)
    rows = rows.order_by(*(column.asc() if page.backward else column.desc() for column in by)).limit(page.limit)
    found = await connection.execute(rows, chosen.parameters() | {"person": person_id})
    return [VoucherRow._make(row) for row in found]


async def vouchers_of_person_total(connection: AsyncConnection, person_id: int, chosen: Chosen) -> int:
    total = _of_person(chosen).with_only_columns(func.count())
    return await connection.scalar(total, chosen.parameters() | {"person": person_id}) or 0


def _of_person(chosen: Chosen) -> Select[Any]:
    same = select(ASSIGNMENT.c.id).select_from(ASSIGNMENT.outerjoin(LEARNER, IS_LEARNER))
    return select(VOUCHER.c.id).where(exists(same.where(OF_VOUCHER, IS_THEIRS)), *_is_chosen(chosen.shape))


# ------------------------------------------------------------------------------------------- redemptions


@dataclass(frozen=True, slots=True)
class Between:
    """From when to when, half-open."""

    since: dt.datetime = BEGINNING
    until: dt.datetime = FOREVER

    def parameters(self) -> dict[str, object]:
        return {"since": self.since, "until": self.until}


async def redemptions_of(
    connection: AsyncConnection, keys: Sequence[ListKey], of: Of, between: Between, page: ListPage
) -> list[RedemptionRow]:
    """A page of what the vouchers of each thing paid, the last first."""
    statement = _redemptions_of(connection.dialect.name, of, page.backward, page.beyond is not None)
    parameters = as_keys(keys) | between.parameters() | page.parameters()
    return [RedemptionRow._make(row) for row in await connection.execute(statement, parameters)]


async def redemption_totals(
    connection: AsyncConnection, keys: Sequence[ListKey], of: Of, between: Between
) -> list[int]:
    """How many redemptions each list holds."""
    rows = await connection.execute(_redemption_totals(of), as_keys(keys) | between.parameters())
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _redemptions_of(dialect: str, of: Of, backward: bool, resumed: bool) -> Select[Any]:
    keys = in_programs(of)
    joined = REDEMPTION.join(FEE_LINE, OF_LINE).join(FEE, OF_FEE)
    page = select(*REDEMPTION_COLUMNS).select_from(joined).where(_belongs(REDEMPTION, of, keys), *_in_time())
    by = (REDEMPTION.c.redeemed_at, REDEMPTION.c.id, REDEMPTION.c.program_id)
    return in_pages(dialect, keys, page, by, backward, resumed)


@lru_cache
def _redemption_totals(of: Of) -> Select[Any]:
    keys = asked("keys", "place", *ListKey._fields)
    own = _belongs_to_any(REDEMPTION, of, keys)
    total = select(func.count()).select_from(REDEMPTION).where(own, *_in_time()).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _in_time() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    since, until = bindparam("since", type_=Instant), bindparam("until", type_=Instant)
    return REDEMPTION.c.redeemed_at >= since, REDEMPTION.c.redeemed_at < until
