"""Lists of fees that were paid: of a program, and of a person in all programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import Instant
from models.batches import as_keys, asked, first_rows_of_each
from resolvers.loaders.fee_orders import ORDER, FeeOrderRow
from resolvers.loaders.kinds import rows_by_kind, values_by_kind
from resolvers.loaders.voucher_lists import Between
from resolvers.loaders.voucher_programs import InProgram, Reader, columns_of


async def fee_orders_of_checkouts(connection: Reader, keys: Sequence[InProgram]) -> list[FeeOrderRow]:
    """The order that each checkout made; none of one that was not completed."""
    return [FeeOrderRow._make(row) for row in await connection.execute(_of_checkouts(), as_keys(keys))]


@lru_cache
def _of_checkouts() -> Select[Any]:
    keys = asked("keys", "place", *InProgram._fields)
    own = and_(ORDER.c.program_id == keys.c.program_id, ORDER.c.checkout_id == keys.c.id)
    return select(keys.c.place, *columns_of(ORDER, FeeOrderRow)).select_from(keys).join(ORDER, own)


class FeeOrdersKey(NamedTuple):
    """The orders of a person in a program; 0 stands for all of either, but not of both."""

    program_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class FeeOrdersPage:
    """The newest first."""

    limit: int
    backward: bool = False
    # The instant and the id after which the page begins.
    beyond: tuple[dt.datetime, int] | None = None


@dataclass(frozen=True, slots=True)
class ChosenOrders:
    """Completed in this time; only the one of this reference if one is named."""

    between: Between
    reference: str | None = None

    def parameters(self) -> dict[str, object]:
        return {**self.between.parameters(), "reference": self.reference or ""}


@rows_by_kind
async def fee_orders_of(
    connection: AsyncConnection, keys: Sequence[FeeOrdersKey], chosen: ChosenOrders, page: FeeOrdersPage
) -> list[FeeOrderRow]:
    """A page of the orders of each key."""
    statement = _page(
        connection.dialect.name, *_given(keys), chosen.reference is not None, page.backward, page.beyond is not None
    )
    beyond = dict(zip(("beyond_at", "beyond_id"), page.beyond, strict=True)) if page.beyond else {}
    parameters = {**as_keys(keys), **chosen.parameters(), "most": page.limit, **beyond}
    return [FeeOrderRow._make(row) for row in await connection.execute(statement, parameters)]


@values_by_kind
async def fee_order_totals(
    connection: AsyncConnection, keys: Sequence[FeeOrdersKey], chosen: ChosenOrders
) -> list[int]:
    parameters = {**as_keys(keys), **chosen.parameters()}
    rows = await connection.execute(_totals(*_given(keys), chosen.reference is not None), parameters)
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _given(keys: Sequence[FeeOrdersKey]) -> tuple[bool, bool]:
    """Whether they name a program, and a person: all keys of a list are of one kind."""
    return bool(keys[0].program_id), bool(keys[0].person_id)


@lru_cache
def _page(
    dialect: str, of_program: bool, of_person: bool, by_reference: bool, backward: bool, resumed: bool
) -> Select[Any]:
    keys = asked("keys", "place", *FeeOrdersKey._fields)
    by = (ORDER.c.completed_at, ORDER.c.id)
    page = select(*columns_of(ORDER, FeeOrderRow)).where(*_those(keys, of_program, of_person, by_reference))
    if resumed:
        beyond = tuple_(bindparam("beyond_at", type_=Instant), bindparam("beyond_id", type_=BigInteger))
        page = page.where(tuple_(*by) > beyond if backward else tuple_(*by) < beyond)
    in_order = [column.asc() if backward else column.desc() for column in by]
    page = page.order_by(*in_order).limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _totals(of_program: bool, of_person: bool, by_reference: bool) -> Select[Any]:
    keys = asked("keys", "place", *FeeOrdersKey._fields)
    those = _those(keys, of_program, of_person, by_reference)
    total = select(func.count()).select_from(ORDER).where(*those).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _those(keys: Any, of_program: bool, of_person: bool, by_reference: bool) -> list[ColumnElement[bool]]:
    since, until = bindparam("since", type_=Instant), bindparam("until", type_=Instant)
    those = [ORDER.c.completed_at >= since, ORDER.c.completed_at < until]
    if of_program:
        those.append(ORDER.c.program_id == keys.c.program_id)
    if of_person:
        those.append(ORDER.c.person_id == keys.c.person_id)
    if by_reference:
        those.append(ORDER.c.reference == bindparam("reference", type_=Text))
    return those
