"""Reading orders of vouchers: by their ids, and in pages of an organization's, of a program's, or of both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.base import Instant
from models.batches import as_keys, asked, first_rows_of_each
from models.money import Money
from models.voucher_orders import VoucherOrder, VoucherOrderState
from models.voucher_programs import VoucherFunding
from resolvers.loaders.kinds import rows_by_kind, values_by_kind

ORDER = VoucherOrder.__table__


class OrderKey(NamedTuple):
    program_id: int
    order_id: int


class OrderRow(NamedTuple):
    place: int
    program_id: int
    id: int
    organization_id: int
    number: str
    voucher_program_id: int | None
    promotion_id: int | None
    quantity: int
    unit_price_minor: int
    currency: str
    funding: VoucherFunding
    state: VoucherOrderState
    purchase_order: str | None
    payment_reference: str | None
    paid_minor: int
    refunded_minor: int
    ordered_by: str
    ordered_at: dt.datetime
    issued_at: dt.datetime | None
    closed_at: dt.datetime | None
    reason: str | None

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.program_id, self.id)

    @property
    def unit_price(self) -> Money:
        return Money(self.unit_price_minor, self.currency)

    @property
    def total(self) -> Money:
        return self.unit_price * self.quantity


COLUMNS = [ORDER.c[name] for name in OrderRow._fields[1:]]


async def orders_by_key(connection: AsyncConnection | AsyncSession, keys: Sequence[OrderKey]) -> list[OrderRow]:
    """Those of the orders that exist."""
    rows = await connection.execute(_orders_by_key(), as_keys(keys))
    return [OrderRow._make(row) for row in rows]


@lru_cache
def _orders_by_key() -> Select[Any]:
    keys = asked("keys", "place", *OrderKey._fields)
    same = and_(ORDER.c.program_id == keys.c.program_id, ORDER.c.id == keys.c.order_id)
    return select(keys.c.place, *COLUMNS).select_from(keys).join(ORDER, same)


# ------------------------------------------------------------------------------------------------- lists


class OrdersKey(NamedTuple):
    """The orders of an organization in a program; 0 stands for all of either, but not of both."""

    program_id: int
    organization_id: int


@dataclass(frozen=True, slots=True)
class OrdersPage:
    """The newest first."""

    limit: int
    backward: bool
    # The instant and the id after which the page begins.
    beyond: tuple[dt.datetime, int] | None = None


States = tuple[VoucherOrderState, ...] | None


@rows_by_kind
async def orders_of(
    connection: AsyncConnection, keys: Sequence[OrdersKey], states: States, page: OrdersPage
) -> list[OrderRow]:
    """A page of the orders of each key, of these states or of any."""
    whole, one = _given(keys)
    statement = _orders_of(connection.dialect.name, whole, one, states, page.backward, page.beyond is not None)
    beyond = dict(zip(("beyond_at", "beyond_id"), page.beyond, strict=True)) if page.beyond else {}
    rows = await connection.execute(statement, {**as_keys(keys), "most": page.limit, **beyond})
    return [OrderRow._make(row) for row in rows]


@values_by_kind
async def order_totals(connection: AsyncConnection, keys: Sequence[OrdersKey], states: States) -> list[int]:
    rows = await connection.execute(_order_totals(*_given(keys), states), as_keys(keys))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _given(keys: Sequence[OrdersKey]) -> tuple[bool, bool]:
    """Whether they name a program, and an organization: all keys of a list are of one kind."""
    return bool(keys[0].program_id), bool(keys[0].organization_id)


@lru_cache
def _orders_of(
    dialect: str, of_program: bool, of_organization: bool, states: States, backward: bool, resumed: bool
) -> Select[Any]:
    keys = asked("keys", "place", *OrdersKey._fields)
    by = (ORDER.c.ordered_at, ORDER.c.id)
    page = select(*COLUMNS).where(*_those(keys, of_program, of_organization, states))
    if resumed:
        beyond = tuple_(bindparam("beyond_at", type_=Instant), bindparam("beyond_id", type_=BigInteger))
        page = page.where(tuple_(*by) > beyond if backward else tuple_(*by) < beyond)
    in_order = [column.asc() if backward else column.desc() for column in by]
    page = page.order_by(*in_order).limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _order_totals(of_program: bool, of_organization: bool, states: States) -> Select[Any]:
    keys = asked("keys", "place", *OrdersKey._fields)
    those = _those(keys, of_program, of_organization, states)
    total = select(func.count()).select_from(ORDER).where(*those).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _those(keys: Any, of_program: bool, of_organization: bool, states: States) -> list[ColumnElement[bool]]:
    those: list[ColumnElement[bool]] = []
    if of_program:
        those.append(ORDER.c.program_id == keys.c.program_id)
    if of_organization:
        those.append(ORDER.c.organization_id == keys.c.organization_id)
    if states is not None:
        those.append(ORDER.c.state.in_(states))
    return those
