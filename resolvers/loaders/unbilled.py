"""What an organization redeemed under an agreement, and what of that was taken back, that is on no statement yet.

What a close writes, what its preview counts and what the list shows are the same rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE, Subquery

from models.base import Instant
from models.batches import as_keys, asked, first_rows_of_each
from models.fee_refunds import RedemptionReversal
from models.statements import Statement, StatementLine
from resolvers.loaders.voucher_programs import InProgram, Reader
from resolvers.loaders.vouchers import (
    FEE,
    FEE_LINE,
    OF_FEE,
    OF_LINE,
    REDEMPTION,
    REDEMPTION_COLUMNS,
    RedemptionRow,
)

REVERSAL = RedemptionReversal.__table__
STATEMENT = Statement.__table__
LINE = StatementLine.__table__


class LineKind(IntEnum):
    """What a line is about, in the order in which a statement has them."""

    REDEMPTION = 1
    REVERSAL = 2
    BROUGHT_FORWARD = 3


class BillKey(NamedTuple):
    """An agreement, and up to when (in microseconds) what counts is billed."""

    program_id: int
    agreement_id: int
    until: int


class UnbilledRow(NamedTuple):
    place: int
    kind: int
    id: int
    # Negative for what was taken back, and for a credit.
    amount_minor: int


class UnbilledSum(NamedTuple):
    place: int
    kind: int
    lines: int
    amount_minor: int


async def unbilled_lines(connection: Reader, keys: Sequence[BillKey]) -> list[UnbilledRow]:
    """In the order of a statement's lines."""
    return [UnbilledRow._make(row) for row in await connection.execute(_lines(), as_keys(keys))]


async def unbilled_sums(connection: Reader, keys: Sequence[BillKey]) -> list[UnbilledSum]:
    """How many lines of each kind there are, and what they come to."""
    return [UnbilledSum._make(row) for row in await connection.execute(_sums(), as_keys(keys))]


@lru_cache
def _lines() -> Select[Any]:
    each = _each()
    return select(*(each.c[name] for name in UnbilledRow._fields)).order_by(
        each.c.place, each.c.kind, each.c.counts_at, each.c.id
    )


@lru_cache
def _sums() -> Select[Any]:
    each = _each()
    of_kind = (each.c.place, each.c.kind)
    total = func.sum(each.c.amount_minor).cast(BigInteger)
    return select(*of_kind, func.count(), total).group_by(*of_kind).order_by(*of_kind)


def _each() -> Subquery:
    keys = asked("keys", "place", *BillKey._fields)
    return union_all(_redeemed(keys), _reversed(keys), _credits(keys)).subquery("each_line")


def _redeemed(keys: CTE) -> Select[Any]:
    own = and_(_under(keys), REDEMPTION.c.redeemed_at < keys.c.until)
    return _part(keys, LineKind.REDEMPTION, REDEMPTION.c.redeemed_at, REDEMPTION.c.id, REDEMPTION.c.amount_minor).join(
        REDEMPTION, and_(own, IS_UNBILLED)
    )


def _reversed(keys: CTE) -> Select[Any]:
    of_it = and_(REVERSAL.c.program_id == REDEMPTION.c.program_id, REVERSAL.c.redemption_id == REDEMPTION.c.id)
    part = _part(keys, LineKind.REVERSAL, REVERSAL.c.reversed_at, REVERSAL.c.id, -REVERSAL.c.amount_minor)
    unbilled = ~_is_on_a_statement("redemption_reversal_id", REVERSAL.c.program_id, REVERSAL.c.id)
    return (
        part.join(REDEMPTION, _under(keys)).join(REVERSAL, of_it).where(REVERSAL.c.reversed_at < keys.c.until, unbilled)
    )


def _credits(keys: CTE) -> Select[Any]:
    """Of statements on which more was reversed than redeemed."""
    own = and_(
        STATEMENT.c.program_id == keys.c.program_id,
        STATEMENT.c.billing_agreement_id == keys.c.agreement_id,
        STATEMENT.c.total_minor < 0,
    )
    unbilled = ~_is_on_a_statement("brought_forward_id", STATEMENT.c.program_id, STATEMENT.c.id)
    return _part(keys, LineKind.BROUGHT_FORWARD, STATEMENT.c.closed_at, STATEMENT.c.id, STATEMENT.c.total_minor).join(
        STATEMENT, and_(own, unbilled)
    )


def _part(
    keys: CTE, kind: LineKind, counts_at: ColumnElement[Any], key: ColumnElement[int], minor: ColumnElement[int]
) -> Select[Any]:
    columns = (literal(int(kind), Integer).label("kind"), counts_at.label("counts_at"), key.label("id"))
    return select(keys.c.place, *columns, minor.label("amount_minor")).select_from(keys)


def _under(keys: CTE) -> ColumnElement[bool]:
    return and_(REDEMPTION.c.program_id == keys.c.program_id, REDEMPTION.c.billing_agreement_id == keys.c.agreement_id)


def _is_on_a_statement(column: str, program_id: ColumnElement[int], key: ColumnElement[int]) -> ColumnElement[bool]:
    return exists().where(LINE.c.program_id == program_id, LINE.c[column] == key)


IS_UNBILLED: ColumnElement[bool] = ~_is_on_a_statement("redemption_id", REDEMPTION.c.program_id, REDEMPTION.c.id)


# ------------------------------------------------------------------------------------------- of an agreement


@dataclass(frozen=True, slots=True)
class UnbilledPage:
    """The first first. `beyond` is the moment and the key after which the page begins."""

    limit: int
    backward: bool
    beyond: tuple[dt.datetime, int] | None = None


async def unbilled_redemptions(
    connection: AsyncConnection, keys: Sequence[InProgram], page: UnbilledPage
) -> list[RedemptionRow]:
    """A page of what was redeemed under each agreement and is on no statement."""
    statement = _redemptions(connection.dialect.name, page.backward, page.beyond is not None)
    beyond = dict(zip(("moment", "beyond"), page.beyond, strict=True)) if page.beyond else {}
    rows = await connection.execute(statement, {**as_keys(keys), "most": page.limit, **beyond})
    return [RedemptionRow._make(row) for row in rows]


async def unbilled_totals(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[int]:
    rows = await connection.execute(_redemption_totals(), as_keys(keys))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _redemptions(dialect: str, backward: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", "program_id", "agreement_id")
    joined = REDEMPTION.join(FEE_LINE, OF_LINE).join(FEE, OF_FEE)
    page = select(*REDEMPTION_COLUMNS).select_from(joined).where(_under(keys), IS_UNBILLED)
    by = (REDEMPTION.c.redeemed_at, REDEMPTION.c.id)
    if resumed:
        beyond = tuple_(bindparam("moment", type_=Instant), bindparam("beyond", type_=BigInteger))
        page = page.where(tuple_(*by) < beyond if backward else tuple_(*by) > beyond)
    page = page.order_by(*(column.desc() if backward else column.asc() for column in by))
    return first_rows_of_each(dialect, keys, "place", page.limit(bindparam("most", type_=BigInteger)).correlate(keys))


@lru_cache
def _redemption_totals() -> Select[Any]:
    keys = asked("keys", "place", "program_id", "agreement_id")
    total = select(func.count()).select_from(REDEMPTION).where(_under(keys), IS_UNBILLED).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())
