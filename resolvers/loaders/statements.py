"""Reading statements: what organizations redeemed under agreements, month by month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Date, Select, and_, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.batches import as_keys, asked, first_rows_of_each
from models.errors import NotFound
from models.fee_refunds import RedemptionReversal
from models.money import Money
from models.statements import Statement, StatementLine, StatementState
from resolvers.loaders.kinds import rows_by_kind, values_by_kind
from resolvers.loaders.payments import PAYMENT, ShownPaymentRow
from resolvers.loaders.voucher_programs import InProgram, Reader, columns_of, rows_by_key

STATEMENT = Statement.__table__
LINE = StatementLine.__table__
REVERSAL = RedemptionReversal.__table__
OF_REVERSAL = and_(REVERSAL.c.program_id == LINE.c.program_id, REVERSAL.c.id == LINE.c.redemption_reversal_id)
TAKEN_BACK = (REVERSAL.c.redemption_id.label("reversed_redemption_id"), REVERSAL.c.reversed_at)

# None for all.
States = tuple[StatementState, ...] | None


class StatementRow(NamedTuple):
    place: int
    program_id: int
    id: int
    organization_id: int
    billing_agreement_id: int
    currency: str
    number: str
    month: dt.date
    state: StatementState
    total_minor: int
    purchase_order: str | None
    payment_reference: str | None
    closed_at: dt.datetime
    paid_at: dt.datetime | None

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)


class LineRow(NamedTuple):
    place: int
    program_id: int
    statement_id: int
    number: int
    redemption_id: int | None
    redemption_reversal_id: int | None
    brought_forward_id: int | None
    amount_minor: int
    # Of a reversal: of what it took back so much, and when that counts.
    reversed_redemption_id: int | None
    reversed_at: dt.datetime | None


async def statements_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[StatementRow]:
    rows = await rows_by_key(STATEMENT, StatementRow).rows(connection, as_keys(keys))
    return [StatementRow._make(row) for row in rows]


async def statement_of(connection: Reader, program_id: int, statement_id: int, *field: str) -> StatementRow:
    for row in await statements_by_key(connection, [InProgram(program_id, statement_id)]):
        return row
    raise NotFound("statement", *field)


class StatementsKey(NamedTuple):
    """The statements of a program with an organization; 0 stands for all of either, and of its agreements."""

    program_id: int
    organization_id: int
    agreement_id: int = 0


@dataclass(frozen=True, slots=True)
class StatementsPage:
    """The latest month first."""

    limit: int
    backward: bool
    # The month and the id after which the page begins.
    beyond: tuple[dt.date, int] | None = None


class Shape(NamedTuple):
    """What of a list the statement itself depends on: which parts of the key are named, and the states."""

    named: tuple[str, ...]
    states: States


def _shape(keys: Sequence[StatementsKey], states: States) -> Shape:
    """All keys of a list are of one kind."""
    named = {"program_id": keys[0].program_id, "organization_id": keys[0].organization_id}
    named |= {"agreement_id": keys[0].agreement_id}
    return Shape(tuple(name for name, key in named.items() if key), states)


@rows_by_kind
async def statements_of(
    connection: AsyncConnection, keys: Sequence[StatementsKey], page: StatementsPage, states: States = None
) -> list[StatementRow]:
    """A page of the statements of each key, in any of these states."""
    statement = _statements_of(connection.dialect.name, _shape(keys, states), page.backward, bool(page.beyond))
    beyond = dict(zip(("beyond_month", "beyond_id"), page.beyond, strict=True)) if page.beyond else {}
    rows = await connection.execute(statement, {**as_keys(keys), "most": page.limit, **beyond})
    return [StatementRow._make(row) for row in rows]


@values_by_kind
async def statement_totals(
    connection: AsyncConnection, keys: Sequence[StatementsKey], states: States = None
) -> list[int]:
    rows = await connection.execute(_totals(_shape(keys, states)), as_keys(keys))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _statements_of(dialect: str, shape: Shape, backward: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *StatementsKey._fields)
    by = (STATEMENT.c.month, STATEMENT.c.id)
    page = select(*columns_of(STATEMENT, StatementRow)).where(*_those(keys, shape))
    if resumed:
        beyond = tuple_(bindparam("beyond_month", type_=Date), bindparam("beyond_id", type_=BigInteger))
        page = page.where(tuple_(*by) > beyond if backward else tuple_(*by) < beyond)
    in_order = [column.asc() if backward else column.desc() for column in by]
    page = page.order_by(*in_order).limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _totals(shape: Shape) -> Select[Any]:
    keys = asked("keys", "place", *StatementsKey._fields)
    those = _those(keys, shape)
    total = select(func.count()).select_from(STATEMENT).where(*those).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _those(keys: CTE, shape: Shape) -> list[ColumnElement[bool]]:
    columns = {name: STATEMENT.c[name] for name in ("program_id", "organization_id")}
    columns |= {"agreement_id": STATEMENT.c.billing_agreement_id}
    those = [columns[name] == keys.c[name] for name in shape.named]
    return those if shape.states is None else [*those, STATEMENT.c.state.in_(shape.states)]


# ---------------------------------------------------------------------------------------------- payments


async def payments_of_statements(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[ShownPaymentRow]:
    """What gateways were asked to charge for each, the first first."""
    rows = await connection.execute(_payments(), as_keys(keys))
    return [ShownPaymentRow._make(row) for row in rows]


@lru_cache
def _payments() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    same = and_(PAYMENT.c.program_id == keys.c.program_id, PAYMENT.c.statement_id == keys.c.id)
    columns = [PAYMENT.c[name] for name in ShownPaymentRow._fields[1:]]
    paid = select(keys.c.place, *columns).select_from(keys).join(PAYMENT, same)
    return paid.order_by(PAYMENT.c.asked_at, PAYMENT.c.id)


# ------------------------------------------------------------------------------------------------- lines


@dataclass(frozen=True, slots=True)
class LinesPage:
    """In the order of their numbers."""

    limit: int
    backward: bool
    beyond: int | None = None


async def lines_of(connection: AsyncConnection, keys: Sequence[InProgram], page: LinesPage) -> list[LineRow]:
    statement = _lines_of(connection.dialect.name, page.backward, page.beyond is not None)
    beyond = {} if page.beyond is None else {"beyond": page.beyond}
    rows = await connection.execute(statement, {**as_keys(keys), "most": page.limit, **beyond})
    return [LineRow._make(row) for row in rows]


async def line_totals(connection: AsyncConnection, keys: Sequence[InProgram]) -> list[int]:
    rows = await connection.execute(_line_totals(), as_keys(keys))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _lines_of(dialect: str, backward: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    columns = [*(LINE.c[name] for name in LineRow._fields[1:8]), *TAKEN_BACK]
    page = select(*columns).select_from(LINE.outerjoin(REVERSAL, OF_REVERSAL)).where(_of_statement(keys))
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        page = page.where(LINE.c.number < beyond if backward else LINE.c.number > beyond)
    page = page.order_by(LINE.c.number.desc() if backward else LINE.c.number)
    return first_rows_of_each(dialect, keys, "place", page.limit(bindparam("most", type_=BigInteger)).correlate(keys))


@lru_cache
def _line_totals() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    total = select(func.count()).select_from(LINE).where(_of_statement(keys)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _of_statement(keys: CTE) -> ColumnElement[bool]:
    return and_(LINE.c.program_id == keys.c.program_id, LINE.c.statement_id == keys.c.id)
