"""Reading statements: what organizations redeemed under agreements, month by month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Date, Select, and_, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked, first_rows_of_each
from models.errors import NotFound
from models.money import Money
from models.statements import Statement, StatementLine, StatementState
from resolvers.loaders.voucher_programs import InProgram, Reader, columns_of, rows_by_key

STATEMENT = Statement.__table__
LINE = StatementLine.__table__


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


async def statements_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[StatementRow]:
    rows = await connection.execute(rows_by_key(STATEMENT, StatementRow), as_keys(keys))
    return [StatementRow._make(row) for row in rows]


async def statement_of(connection: Reader, program_id: int, statement_id: int, *field: str) -> StatementRow:
    for row in await statements_by_key(connection, [InProgram(program_id, statement_id)]):
        return row
    raise NotFound("statement", *field)


class StatementsKey(NamedTuple):
    """The statements of a program with an organization; 0 stands for all of either."""

    program_id: int
    organization_id: int


@dataclass(frozen=True, slots=True)
class StatementsPage:
    """The latest month first."""

    limit: int
    backward: bool
    # The month and the id after which the page begins.
    beyond: tuple[dt.date, int] | None = None


async def statements_of(
    connection: AsyncConnection, keys: Sequence[StatementsKey], page: StatementsPage
) -> list[StatementRow]:
    """A page of the statements of each key; all keys of a list are of one kind."""
    one = keys[0]
    statement = _statements_of(
        connection.dialect.name, bool(one.program_id), bool(one.organization_id), page.backward, bool(page.beyond)
    )
    beyond = dict(zip(("beyond_month", "beyond_id"), page.beyond, strict=True)) if page.beyond else {}
    rows = await connection.execute(statement, {**as_keys(keys), "most": page.limit, **beyond})
    return [StatementRow._make(row) for row in rows]


async def statement_totals(connection: AsyncConnection, keys: Sequence[StatementsKey]) -> list[int]:
    one = keys[0]
    rows = await connection.execute(_totals(bool(one.program_id), bool(one.organization_id)), as_keys(keys))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _statements_of(dialect: str, of_program: bool, of_organization: bool, backward: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *StatementsKey._fields)
    by = (STATEMENT.c.month, STATEMENT.c.id)
    page = select(*columns_of(STATEMENT, StatementRow)).where(*_those(keys, of_program, of_organization))
    if resumed:
        beyond = tuple_(bindparam("beyond_month", type_=Date), bindparam("beyond_id", type_=BigInteger))
        page = page.where(tuple_(*by) > beyond if backward else tuple_(*by) < beyond)
    in_order = [column.asc() if backward else column.desc() for column in by]
    page = page.order_by(*in_order).limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _totals(of_program: bool, of_organization: bool) -> Select[Any]:
    keys = asked("keys", "place", *StatementsKey._fields)
    those = _those(keys, of_program, of_organization)
    total = select(func.count()).select_from(STATEMENT).where(*those).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _those(keys: Any, of_program: bool, of_organization: bool) -> list[ColumnElement[bool]]:
    named = {"program_id": of_program, "organization_id": of_organization}
    return [STATEMENT.c[name] == keys.c[name] for name, is_named in named.items() if is_named]


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
    page = select(*columns_of(LINE, LineRow)).where(_of_statement(keys))
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


def _of_statement(keys: Any) -> ColumnElement[bool]:
    return and_(LINE.c.program_id == keys.c.program_id, LINE.c.statement_id == keys.c.id)
