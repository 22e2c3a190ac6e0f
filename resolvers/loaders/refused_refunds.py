"""Refunds that a gateway refused and that nobody has seen to since, a program's page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked, first_rows_of_each
from models.payments import RefundState
from resolvers.loaders.payments import PAYMENT, REFUND, ShownRefundRow

AGAIN = REFUND.alias("again")
OF_PAYMENT = and_(PAYMENT.c.program_id == REFUND.c.program_id, PAYMENT.c.id == REFUND.c.payment_id)


class ProgramRefunds(NamedTuple):
    program_id: int


@dataclass(frozen=True, slots=True)
class RefusedPage:
    """The newest first: ids grow with time."""

    limit: int
    backward: bool
    # The id after which the page begins.
    beyond: int | None = None


async def refused_refunds_of(
    connection: AsyncConnection, keys: Sequence[ProgramRefunds], page: RefusedPage
) -> list[ShownRefundRow]:
    statement = _refused(connection.dialect.name, page.backward, page.beyond is not None)
    beyond = {} if page.beyond is None else {"beyond": page.beyond}
    rows = await connection.execute(statement, {**as_keys(keys), "most": page.limit, **beyond})
    return [ShownRefundRow._make(row) for row in rows]


async def refused_refund_totals(connection: AsyncConnection, keys: Sequence[ProgramRefunds]) -> list[int]:
    found = {row[0]: row[1] for row in await connection.execute(_totals(), as_keys(keys))}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _refused(dialect: str, backward: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *ProgramRefunds._fields)
    columns = [PAYMENT.c.currency if name == "currency" else REFUND.c[name] for name in ShownRefundRow._fields[1:]]
    page = select(*columns).join_from(REFUND, PAYMENT, OF_PAYMENT).where(*_owed(keys))
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        page = page.where(REFUND.c.id > beyond if backward else REFUND.c.id < beyond)
    page = page.order_by(REFUND.c.id.asc() if backward else REFUND.c.id.desc())
    return first_rows_of_each(dialect, keys, "place", page.limit(bindparam("most", type_=BigInteger)).correlate(keys))


@lru_cache
def _totals() -> Select[Any]:
    keys = asked("keys", "place", *ProgramRefunds._fields)
    total = select(func.count()).select_from(REFUND).where(*_owed(keys)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _owed(keys: Any) -> list[ColumnElement[bool]]:
    again = select(AGAIN.c.id).where(AGAIN.c.program_id == REFUND.c.program_id, AGAIN.c.retries_id == REFUND.c.id)
    return [REFUND.c.program_id == keys.c.program_id, REFUND.c.state == RefundState.FAILED, ~again.exists()]
