"""Reading adjustments, and what has become of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked, first_rows_of_each
from models.invoices import SHOWN, Adjustment, AdjustmentState, Invoice, InvoiceLine, InvoiceState

ADJUSTMENT = Adjustment.__table__
LINE = InvoiceLine.__table__
INVOICE = Invoice.__table__


class AdjustmentKey(NamedTuple):
    organization_id: int
    adjustment_id: int


class AdjustmentRow(NamedTuple):
    """An adjustment; `invoice_id` is that which bills it upward, and it is `superseded` if another was found later."""

    place: int
    organization_id: int
    id: int
    snapshot_id: int
    recount_id: int
    overage_billed: int
    overage_now: int
    quantity: int
    recorded_at: dt.datetime
    actor: str
    reason: str
    invoice_id: int | None
    invoice_state: InvoiceState | None
    superseded: bool

    @property
    def state(self) -> AdjustmentState:
        if self.quantity < 0:
            return AdjustmentState.CREDITED
        if self.invoice_id is not None and self.invoice_state is not InvoiceState.CANCELLED:
            return AdjustmentState.BILLED
        if self.superseded or self.invoice_id is not None:
            return AdjustmentState.SUPERSEDED
        return AdjustmentState.AWAITING_APPROVAL

    @property
    def is_shown(self) -> bool:
        """Whether the client sees it: what is not billed yet may never be."""
        return self.quantity < 0 or self.invoice_state in SHOWN


@dataclass(frozen=True, slots=True)
class AdjustmentsPage:
    """Newest first; of those that the client sees, or of all."""

    limit: int
    shown_only: bool
    oldest_first: bool = False
    beyond: int | None = None


async def adjustments_by_id(
    connection: AsyncConnection | AsyncSession, keys: Sequence[AdjustmentKey]
) -> list[AdjustmentRow]:
    """Those of the adjustments that exist."""
    parameters = {"keys": as_parameter((place, *key) for place, key in enumerate(keys))}
    return [AdjustmentRow._make(row) for row in await connection.execute(_adjustments_by_id(), parameters)]


async def adjustments_of(
    connection: AsyncConnection, organization_ids: Sequence[int], page: AdjustmentsPage
) -> list[AdjustmentRow]:
    """A page of each organization's adjustments, flat and in order."""
    statement = _adjustments_of(connection.dialect.name, page.shown_only, page.oldest_first, page.beyond is not None)
    parameters = {
        "keys": as_parameter(enumerate(organization_ids)),
        "most": page.limit,
        "beyond": page.beyond or 0,
    }
    return [AdjustmentRow._make(row) for row in await connection.execute(statement, parameters)]


async def adjustment_totals(
    connection: AsyncConnection, organization_ids: Sequence[int], shown_only: bool
) -> list[int]:
    """How many adjustments each organization has."""
    keys = asked("keys", "place", "organization_id")
    total = _joined(select(func.count())).where(_of(keys, shown_only)).correlate(keys).scalar_subquery()
    rows = await connection.execute(select(keys.c.place, total), {"keys": as_parameter(enumerate(organization_ids))})
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(organization_ids))]


def _joined(selected: Select[Any]) -> Select[Any]:
    billing = and_(LINE.c.organization_id == ADJUSTMENT.c.organization_id, LINE.c.adjustment_id == ADJUSTMENT.c.id)
    its_invoice = and_(INVOICE.c.organization_id == LINE.c.organization_id, INVOICE.c.id == LINE.c.invoice_id)
    return selected.select_from(ADJUSTMENT).outerjoin(LINE, billing).outerjoin(INVOICE, its_invoice)


def _columns() -> list[ColumnElement[Any]]:
    later = ADJUSTMENT.alias("later")
    superseded = exists().where(
        later.c.organization_id == ADJUSTMENT.c.organization_id,
        later.c.snapshot_id == ADJUSTMENT.c.snapshot_id,
        later.c.id > ADJUSTMENT.c.id,
    )
    own = [ADJUSTMENT.c[name] for name in AdjustmentRow._fields[1:11]]
    return [*own, INVOICE.c.id.label("invoice_id"), INVOICE.c.state, superseded.label("superseded")]


def _of(keys: Any, shown_only: bool) -> ColumnElement[bool]:
    own = ADJUSTMENT.c.organization_id == keys.c.organization_id
    return and_(own, or_(ADJUSTMENT.c.quantity < 0, INVOICE.c.state.in_(SHOWN))) if shown_only else own


@lru_cache
def _adjustments_by_id() -> Select[Any]:
    keys = asked("keys", "place", *AdjustmentKey._fields)
    same = and_(ADJUSTMENT.c.organization_id == keys.c.organization_id, ADJUSTMENT.c.id == keys.c.adjustment_id)
    return _joined(select(keys.c.place, *_columns())).join(keys, same)


@lru_cache
def _adjustments_of(dialect: str, shown_only: bool, oldest_first: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", "organization_id")
    page = _joined(select(*_columns())).where(_of(keys, shown_only))
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        page = page.where(ADJUSTMENT.c.id > beyond if oldest_first else ADJUSTMENT.c.id < beyond)
    page = page.order_by(ADJUSTMENT.c.id.asc() if oldest_first else ADJUSTMENT.c.id.desc())
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)
