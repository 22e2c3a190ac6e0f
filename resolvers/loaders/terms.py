"""Reading contract terms: what was held to be agreed, as known at a recorded time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.base import Instant
from models.batches import as_parameter, asked
from models.contracts import ContractTerm, Term

TERM = ContractTerm.__table__


async def held_terms(
    connection: AsyncConnection | AsyncSession, organization_ids: Sequence[int], known_at: dt.datetime
) -> dict[int, list[Term]]:
    """The terms of each organization that were held to be so at that time, by product and first day."""
    parameters = {"keys": as_parameter((i,) for i in organization_ids), "known_at": known_at}
    found: dict[int, list[Term]] = {organization_id: [] for organization_id in organization_ids}
    for row in await connection.execute(_held_terms(), parameters):
        own = {name: getattr(row, name) for name in Term.__dataclass_fields__}
        found[row.organization_id].append(Term(**own))
    return found


@cache
def _held_terms() -> Select[Any]:
    keys, known_at = asked("keys", "organization_id"), bindparam("known_at", type_=Instant)
    later = TERM.alias("later")
    superseded = exists().where(
        later.c.organization_id == TERM.c.organization_id,
        later.c.id == TERM.c.id,
        later.c.recorded_at > TERM.c.recorded_at,
        later.c.recorded_at <= known_at,
    )
    return (
        select(TERM)
        .where(TERM.c.organization_id.in_(select(keys.c.organization_id)))
        .where(TERM.c.recorded_at <= known_at, TERM.c.holds, ~superseded)
        .order_by(TERM.c.product_id, TERM.c.since)
    )
