"""Reading checkpoints and evidence packs, many at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Select, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked, first_rows_of_each
from models.evidence import Checkpoint, EvidencePack, SnapshotSeal
from resolvers.loaders.snapshots import SnapshotKey

CHECKPOINT = Checkpoint.__table__
SEAL = SnapshotSeal.__table__
PACK = EvidencePack.__table__


class CheckpointRow(NamedTuple):
    """The checkpoint that sealed a snapshot, with the snapshot's own root."""

    place: int
    root: str
    size: int
    number: int
    recorded_at: dt.datetime
    previous_digest: str | None
    digest: str
    key_id: str
    signature: str


class PackKey(NamedTuple):
    organization_id: int
    pack_id: int


class PackRow(NamedTuple):
    place: int
    organization_id: int
    id: int
    snapshot_id: int
    recorded_at: dt.datetime
    actor: str
    checkpoint_number: int
    key_id: str


@dataclass(frozen=True, slots=True)
class PacksPage:
    """Newest first."""

    limit: int
    oldest_first: bool = False
    beyond: int | None = None


async def checkpoints_of_snapshots(connection: AsyncConnection, keys: Sequence[SnapshotKey]) -> list[CheckpointRow]:
    """Of each snapshot the checkpoint that sealed it, if one did."""
    rows = await connection.execute(_checkpoints_of_snapshots(), as_keys(keys))
    return [CheckpointRow._make(row) for row in rows]


async def packs_by_id(connection: AsyncConnection, keys: Sequence[PackKey]) -> list[PackRow]:
    """Those of the packs that exist."""
    return [PackRow._make(row) for row in await connection.execute(_packs_by_id(), as_keys(keys))]


async def packs_of_snapshots(
    connection: AsyncConnection, keys: Sequence[SnapshotKey], page: PacksPage
) -> list[PackRow]:
    """A page of the packs of each snapshot, flat and in order."""
    statement = _packs_of_snapshots(connection.dialect.name, page.oldest_first, page.beyond is not None)
    parameters = {**as_keys(keys), "most": page.limit, "beyond": page.beyond or 0}
    return [PackRow._make(row) for row in await connection.execute(statement, parameters)]


async def pack_totals(connection: AsyncConnection, keys: Sequence[SnapshotKey]) -> list[int]:
    """How many packs each snapshot has."""
    found = {row[0]: row[1] for row in await connection.execute(_pack_totals(), as_keys(keys))}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _checkpoints_of_snapshots() -> Select[Any]:
    keys = asked("keys", "place", *SnapshotKey._fields)
    sealed = and_(SEAL.c.organization_id == keys.c.organization_id, SEAL.c.snapshot_id == keys.c.snapshot_id)
    within = and_(
        CHECKPOINT.c.organization_id == SEAL.c.organization_id, CHECKPOINT.c.number == SEAL.c.checkpoint_number
    )
    columns = (CHECKPOINT.c[name] for name in CheckpointRow._fields[3:])
    return (
        select(keys.c.place, SEAL.c.root, SEAL.c.size, *columns)
        .select_from(keys)
        .join(SEAL, sealed)
        .join(CHECKPOINT, within)
    )


@lru_cache
def _packs_by_id() -> Select[Any]:
    keys = asked("keys", "place", *PackKey._fields)
    same = and_(PACK.c.organization_id == keys.c.organization_id, PACK.c.id == keys.c.pack_id)
    return select(keys.c.place, *(PACK.c[name] for name in PackRow._fields[1:])).select_from(keys).join(PACK, same)


@lru_cache
def _packs_of_snapshots(dialect: str, oldest_first: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *SnapshotKey._fields)
    of_one = and_(PACK.c.organization_id == keys.c.organization_id, PACK.c.snapshot_id == keys.c.snapshot_id)
    page = select(*(PACK.c[name] for name in PackRow._fields[1:])).where(of_one)
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        page = page.where(PACK.c.id > beyond if oldest_first else PACK.c.id < beyond)
    page = page.order_by(PACK.c.id.asc() if oldest_first else PACK.c.id.desc())
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _pack_totals() -> Select[Any]:
    keys = asked("keys", "place", *SnapshotKey._fields)
    of_one = and_(PACK.c.organization_id == keys.c.organization_id, PACK.c.snapshot_id == keys.c.snapshot_id)
    total = select(func.count()).select_from(PACK).where(of_one).correlate(keys).scalar_subquery()
    return select(keys.c.place, total)
