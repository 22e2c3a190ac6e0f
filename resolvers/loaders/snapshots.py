"""Reading snapshots and their entries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.billing import BillingSnapshot, SnapshotKind
from models.contracts import Measure

SNAPSHOT = BillingSnapshot.__table__
# Written out, so that the index of what is billed serves the statement.
IS_BILLED = SNAPSHOT.c.kind == literal_column(f"'{SnapshotKind.BILLING.name}'")


class SnapshotKey(NamedTuple):
    organization_id: int
    snapshot_id: int


class SnapshotRow(NamedTuple):
    """A frozen count; what depends on a term is None without one."""

    place: int
    organization_id: int
    id: int
    product_id: int
    date: dt.date
    kind: SnapshotKind
    recorded_at: dt.datetime
    actor: str
    known_at: dt.datetime
    cutoff: dt.datetime
    measure: Measure
    counted_from: dt.datetime
    counted_until: dt.datetime
    term_id: int | None
    licensed: int | None
    unit_price_minor: int | None
    currency: str | None
    count_least: int
    count_most: int
    excluded: int
    overage_least: int | None
    overage_most: int | None


COLUMNS = [SNAPSHOT.c[name] for name in SnapshotRow._fields[1:]]


async def snapshots_by_id(connection: AsyncConnection | AsyncSession, keys: Sequence[SnapshotKey]) -> list[SnapshotRow]:
    """Those of the snapshots that exist."""
    rows = await connection.execute(_snapshots_by_id(), {"keys": as_parameter((n, *key) for n, key in enumerate(keys))})
    return [SnapshotRow._make(row) for row in rows]


async def billing_snapshots_of(connection: AsyncConnection | AsyncSession, organization_id: int) -> list[SnapshotRow]:
    """All that was ever billed of an organization, oldest first."""
    billed = select(literal(0), *COLUMNS).where(SNAPSHOT.c.organization_id == organization_id, IS_BILLED)
    rows = await connection.execute(billed.order_by(SNAPSHOT.c.date, SNAPSHOT.c.id))
    return [SnapshotRow._make(row) for row in rows]


@lru_cache
def _snapshots_by_id() -> Select[Any]:
    keys = asked("keys", "place", *SnapshotKey._fields)
    same = (SNAPSHOT.c.organization_id == keys.c.organization_id) & (SNAPSHOT.c.id == keys.c.snapshot_id)
    return select(keys.c.place, *COLUMNS).join(SNAPSHOT, same)
