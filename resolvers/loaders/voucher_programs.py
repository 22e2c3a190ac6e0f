"""Reading programs, their products and their voucher programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, Table, Text, and_, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_keys, asked, first_rows_of_each
from models.errors import NotFound
from models.money import Money
from models.products import Product, ProductRule
from models.programs import Program
from models.voucher_programs import (
    IssueOn,
    Leftovers,
    ProductRuling,
    RefundPolicy,
    Transferability,
    VoucherFunding,
    VoucherProgram,
    VoucherProgramProduct,
    expires_at,
)
from resolvers.prepared import Prepared, prepared

PROGRAM = Program.__table__
PRODUCT = Product.__table__
VOUCHER_PROGRAM = VoucherProgram.__table__
RULING = VoucherProgramProduct.__table__

Reader = AsyncConnection | AsyncSession


class InProgram(NamedTuple):
    """The key of a thing of a program."""

    program_id: int
    id: int


class ProgramRow(NamedTuple):
    place: int
    id: int
    slug: str
    name: str
    name_key: str
    zone: str
    hold_seconds: int
    reopen_days: int
    created_at: dt.datetime


class ProductRow(NamedTuple):
    place: int
    program_id: int
    id: int
    code: str
    name: str
    name_key: str
    price_minor: int
    currency: str
    retired_at: dt.datetime | None

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)


class VoucherProgramRow(NamedTuple):
    place: int
    program_id: int
    id: int
    name: str
    name_key: str
    face_value_minor: int
    currency: str
    by_card: bool
    by_purchase_order: bool
    billed_later: bool
    issue_on: IssueOn
    leftovers: Leftovers
    transferability: Transferability
    refund_policy: RefundPolicy
    refund_days: int | None
    valid_days: int | None
    valid_through: dt.date | None
    created_at: dt.datetime
    stopped_at: dt.datetime | None
    included: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()

    @property
    def face_value(self) -> Money:
        """Which is also the price of a voucher that is prepaid."""
        return Money(self.face_value_minor, self.currency)

    @property
    def funding(self) -> tuple[VoucherFunding, ...]:
        taken = (self.by_card, self.by_purchase_order, self.billed_later)
        return tuple(way for way, is_taken in zip(VoucherFunding, taken, strict=True) if is_taken)

    @property
    def rule(self) -> ProductRule:
        return ProductRule(self.included, self.excluded)

    def expires_at(self, issued_at: dt.datetime, zone: str) -> dt.datetime:
        return expires_at(issued_at, zone, self.valid_days, self.valid_through)


# ------------------------------------------------------------------------------------------------ by key


async def programs_by_id(connection: Reader, program_ids: Sequence[int]) -> list[ProgramRow]:
    """Those of the programs that exist; `place` says of which key."""
    rows = await _programs_by_id.rows(connection, as_keys((i,) for i in program_ids))
    return [ProgramRow._make(row) for row in rows]


async def program_by_slug(connection: Reader, slug: str) -> ProgramRow | None:
    row = (
        await connection.execute(select(*columns_of(PROGRAM, ProgramRow)).where(PROGRAM.c.slug == slug))
    ).one_or_none()
    return None if row is None else ProgramRow(0, *row)


async def products_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[ProductRow]:
    rows = await rows_by_key(PRODUCT, ProductRow).rows(connection, as_keys(keys))
    return [ProductRow._make(row) for row in rows]


async def voucher_programs_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[VoucherProgramRow]:
    rows = await rows_by_key(VOUCHER_PROGRAM, VoucherProgramRow).rows(connection, as_keys(keys))
    return await _ruled(connection, [VoucherProgramRow._make((*row, (), ())) for row in rows])


async def program_of(connection: Reader, program_id: int, *field: str) -> ProgramRow:
    for row in await programs_by_id(connection, [program_id]):
        return row
    raise NotFound("program", *field)


async def product_of(connection: Reader, program_id: int, product_id: int, *field: str) -> ProductRow:
    for row in await products_by_key(connection, [InProgram(program_id, product_id)]):
        return row
    raise NotFound("product", *field)


async def voucher_program_of(
    connection: Reader, program_id: int, voucher_program_id: int, *field: str
) -> VoucherProgramRow:
    for row in await voucher_programs_by_key(connection, [InProgram(program_id, voucher_program_id)]):
        return row
    raise NotFound("voucher program", *field)


async def _ruled(connection: Reader, rows: Sequence[VoucherProgramRow]) -> list[VoucherProgramRow]:
    """The same with the products that each may pay for, or never."""
    found = await _rulings.rows(connection, as_keys((row.program_id, row.id) for row in rows)) if rows else ()
    products: dict[tuple[int, ProductRuling], list[int]] = {}
    for place, product_id, ruling in found:
        products.setdefault((place, ruling), []).append(product_id)

    def ruled(place: int, ruling: ProductRuling) -> tuple[int, ...]:
        return tuple(products.get((place, ruling), ()))

    return [
        row._replace(included=ruled(n, ProductRuling.INCLUDED), excluded=ruled(n, ProductRuling.EXCLUDED))
        for n, row in enumerate(rows)
    ]


@prepared
def _programs_by_id() -> Select[Any]:
    keys = asked("keys", "place", "id")
    columns = columns_of(PROGRAM, ProgramRow)
    return select(keys.c.place, *columns).select_from(keys).join(PROGRAM, PROGRAM.c.id == keys.c.id)


@lru_cache
def rows_by_key(table: Table, row: type[Any]) -> Prepared:
    keys = asked("keys", "place", *InProgram._fields)
    same = and_(table.c.program_id == keys.c.program_id, table.c.id == keys.c.id)
    columns = (keys.c.place, *columns_of(table, row))
    return Prepared(lambda: select(*columns).select_from(keys).join(table, same))


@prepared
def _rulings() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    same = and_(RULING.c.program_id == keys.c.program_id, RULING.c.voucher_program_id == keys.c.id)
    columns = (keys.c.place, RULING.c.product_id, RULING.c.ruling)
    return select(*columns).select_from(keys).join(RULING, same).order_by(keys.c.place, RULING.c.product_id)


def columns_of(table: Table, row: type[Any]) -> list[ColumnElement[Any]]:
    """The columns of the table in the order of the row, which may have more of its own."""
    return [table.c[name] for name in row._fields if name in table.c]


# ------------------------------------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class NamePage:
    """By name."""

    limit: int
    descending: bool = False
    # The name key and the id after which the page begins.
    beyond: tuple[str, int] | None = None


async def programs_page(connection: Reader, page: NamePage) -> list[ProgramRow]:
    statement = _in_name_order(PROGRAM, select(*columns_of(PROGRAM, ProgramRow)), page.descending, bool(page.beyond))
    return [ProgramRow(0, *row) for row in await connection.execute(statement, _beyond(page))]


async def programs_total(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.count()).select_from(PROGRAM)) or 0


async def products_of(connection: AsyncConnection, program_ids: Sequence[int], page: NamePage) -> list[ProductRow]:
    """A page of the products of each program, flat and in order."""
    rows = await connection.execute(
        _named_of(connection.dialect.name, PRODUCT, ProductRow, page.descending, bool(page.beyond)),
        as_keys((i,) for i in program_ids) | _beyond(page),
    )
    return [ProductRow._make(row) for row in rows]


async def voucher_programs_of(
    connection: AsyncConnection, program_ids: Sequence[int], page: NamePage
) -> list[VoucherProgramRow]:
    """A page of the voucher programs of each program, flat and in order."""
    rows = await connection.execute(
        _named_of(connection.dialect.name, VOUCHER_PROGRAM, VoucherProgramRow, page.descending, bool(page.beyond)),
        as_keys((i,) for i in program_ids) | _beyond(page),
    )
    return await _ruled(connection, [VoucherProgramRow._make((*row, (), ())) for row in rows])


async def product_totals(connection: AsyncConnection, program_ids: Sequence[int]) -> list[int]:
    return await _totals(connection, PRODUCT, program_ids)


async def voucher_program_totals(connection: AsyncConnection, program_ids: Sequence[int]) -> list[int]:
    return await _totals(connection, VOUCHER_PROGRAM, program_ids)


async def _totals(connection: AsyncConnection, table: Table, program_ids: Sequence[int]) -> list[int]:
    rows = await connection.execute(_totals_of(table), as_keys((i,) for i in program_ids))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(program_ids))]


def _beyond(page: NamePage) -> dict[str, object]:
    name_key, key = page.beyond or ("", 0)
    return {"most": page.limit, "name_key": name_key, "beyond_id": key}


@lru_cache
def _totals_of(table: Table) -> Select[Any]:
    keys = asked("keys", "place", "program_id")
    total = select(func.count()).select_from(table).where(table.c.program_id == keys.c.program_id).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


@lru_cache
def _named_of(dialect: str, table: Table, row: type[Any], descending: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", "program_id")
    own = select(*columns_of(table, row)).where(table.c.program_id == keys.c.program_id)
    page = _in_name_order(table, own, descending, resumed).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


def _in_name_order(table: Table, rows: Select[Any], descending: bool, resumed: bool) -> Select[Any]:
    by = (table.c.name_key, table.c.id)
    if resumed:
        beyond = tuple_(bindparam("name_key", type_=Text), bindparam("beyond_id", type_=BigInteger))
        rows = rows.where(tuple_(*by) < beyond if descending else tuple_(*by) > beyond)
    in_order = (column.desc() if descending else column.asc() for column in by)
    return rows.order_by(*in_order).limit(bindparam("most", type_=BigInteger))
