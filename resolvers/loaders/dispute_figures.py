"""Reading what the report on disputes is made of."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, cast, func, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import Instant
from models.disputes import DisputeOrigin, DisputeState
from models.events import Thing
from resolvers.loaders.disputes import DISPUTE, DISPUTED, EVENT, INVOICE, LINE, same_line


class CaseFigures(NamedTuple):
    """What the report needs of a case; without lines it has no currency and nothing at stake."""

    organization_id: int
    origin: DisputeOrigin
    resolution: DisputeState | None
    opened_at: dt.datetime
    resolved_at: dt.datetime | None
    currency: str | None
    at_stake_minor: int
    credited_minor: int
    minutes: int


async def case_figures(connection: AsyncConnection, since: dt.datetime, until: dt.datetime) -> list[CaseFigures]:
    """Of the cases that were opened or resolved in `[since, until)`."""
    rows = await connection.execute(_case_figures(), {"since": since, "until": until})
    return [CaseFigures._make(row) for row in rows]


@lru_cache
def _case_figures() -> Select[Any]:
    since, until = bindparam("since", type_=Instant), bindparam("until", type_=Instant)
    of_case = and_(DISPUTED.c.organization_id == DISPUTE.c.organization_id, DISPUTED.c.dispute_id == DISPUTE.c.id)
    of_line = (
        select(LINE.c.unit_price_minor, INVOICE.c.currency, DISPUTED.c.quantity, DISPUTED.c.credited)
        .select_from(DISPUTED)
        .join(LINE, same_line(DISPUTED.c.line_number))
        .join(INVOICE, and_(INVOICE.c.organization_id == LINE.c.organization_id, INVOICE.c.id == LINE.c.invoice_id))
        .where(of_case)
        .correlate(DISPUTE)
    )

    def of_lines(value: Any) -> ColumnElement[Any]:
        return of_line.with_only_columns(value).scalar_subquery()

    minutes = select(func.coalesce(func.sum(EVENT.c.minutes), 0)).where(
        EVENT.c.organization_id == DISPUTE.c.organization_id,
        EVENT.c.thing == Thing.DISPUTE,
        EVENT.c.thing_id == DISPUTE.c.id,
    )
    return select(
        *(DISPUTE.c[name] for name in CaseFigures._fields[:5]),
        of_lines(func.min(INVOICE.c.currency)),
        cast(of_lines(func.coalesce(func.sum(DISPUTED.c.quantity * LINE.c.unit_price_minor), 0)), BigInteger),
        cast(of_lines(func.coalesce(func.sum(DISPUTED.c.credited * LINE.c.unit_price_minor), 0)), BigInteger),
        type_coerce(minutes.correlate(DISPUTE).scalar_subquery(), BigInteger),
    ).where(
        or_(
            and_(DISPUTE.c.opened_at >= since, DISPUTE.c.opened_at < until),
            and_(DISPUTE.c.resolved_at >= since, DISPUTE.c.resolved_at < until),
        )
    )
