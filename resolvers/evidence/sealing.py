"""Sealing: the entries of snapshots become the leaves of Merkle trees, their roots stand in a signed checkpoint, and
each checkpoint names the one before it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Integer, Select, bindparam, exists, insert, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.billing import BillingSnapshot, SnapshotEntry
from models.evidence import Checkpoint, SnapshotSeal
from models.ids import encode_id
from models.proofs.canonical import digest_of, moment_text, written
from models.proofs.entries import CountedRow, leaves_of, snapshot_text
from models.proofs.merkle import GrowingTree
from models.proofs.statements import CHECKPOINT_FORM, CheckpointStatement, Figures, Sealed
from resolvers.evidence.keys import ensure_key
from resolvers.evidence.signing import Signer
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, snapshots_by_id
from resolvers.recording import Recording

SNAPSHOT = BillingSnapshot.__table__
ENTRY = SnapshotEntry.__table__
SEAL = SnapshotSeal.__table__
CHECKPOINT = Checkpoint.__table__
# So many entries are hashed between two reads: a few hundredths of a second, in which nothing else runs.
PAGE_ENTRIES = 10_000
BEFORE_ANY_LEARNER = -(1 << 63)


async def seal(recording: Recording, signer: Signer, snapshot_ids: Sequence[int]) -> None:
    """Seals those of the snapshots that are not sealed yet, all in one checkpoint; if there are none, nothing."""
    snapshots = await _not_sealed(recording, snapshot_ids)
    if not snapshots:
        return
    await ensure_key(recording.session, signer)
    seals = [await _seal_of(recording.session, snapshot) for snapshot in snapshots]
    statement = await _next_checkpoint(recording, [one.sealed for one in seals])
    text = written(statement)
    await recording.session.execute(
        insert(CHECKPOINT).values(
            organization_id=recording.organization_id,
            number=statement.number,
            recorded_at=recording.recorded_at,
            previous_digest=statement.previous_digest,
            digest=digest_of(text),
            key_id=signer.key_id,
            signature=signer.sign(text),
        )
    )
    await recording.session.execute(insert(SEAL), [one.row(recording, statement.number) for one in seals])


async def unsealed(connection: AsyncConnection | AsyncSession, organization_id: int) -> list[int]:
    """The snapshots of an organization that are not sealed yet, oldest first."""
    sealed = exists().where(SEAL.c.organization_id == SNAPSHOT.c.organization_id, SEAL.c.snapshot_id == SNAPSHOT.c.id)
    rows = await connection.execute(
        select(SNAPSHOT.c.id).where(SNAPSHOT.c.organization_id == organization_id, ~sealed).order_by(SNAPSHOT.c.id)
    )
    return list(rows.scalars())


async def _not_sealed(recording: Recording, snapshot_ids: Sequence[int]) -> list[SnapshotRow]:
    keys = asked("keys", "snapshot_id")
    sealed = await recording.session.scalars(
        select(SEAL.c.snapshot_id).where(
            SEAL.c.organization_id == recording.organization_id, SEAL.c.snapshot_id.in_(select(keys.c.snapshot_id))
        ),
        {"keys": as_parameter((i,) for i in snapshot_ids)},
    )
    wanted = sorted(set(snapshot_ids) - set(sealed))
    rows = await snapshots_by_id(
        recording.session, [SnapshotKey(recording.organization_id, snapshot_id) for snapshot_id in wanted]
    )
    return sorted(rows, key=lambda row: row.id)


# ------------------------------------------------------------------------------------------------- one snapshot


@dataclass(frozen=True, slots=True)
class _Seal:
    snapshot_id: int
    sealed: Sealed
    seed: bytes

    def row(self, recording: Recording, checkpoint_number: int) -> dict[str, object]:
        return {
            "organization_id": recording.organization_id,
            "snapshot_id": self.snapshot_id,
            "checkpoint_number": checkpoint_number,
            "size": self.sealed.size,
            "root": self.sealed.root,
            "figures_digest": self.sealed.figures_digest,
            "salt_seed": self.seed.hex(),
        }


async def _seal_of(session: AsyncSession, snapshot: SnapshotRow) -> _Seal:
    seed, tree = secrets.token_bytes(32), GrowingTree()
    async for rows in counted_pages(session, snapshot.organization_id, snapshot.id):
        for leaf in leaves_of(snapshot.organization_id, snapshot.id, seed, rows):
            tree.add(leaf)
    sealed = Sealed(
        snapshot=snapshot_text(snapshot.organization_id, snapshot.id),
        root=tree.root().hex(),
        size=tree.size,
        figures_digest=digest_of(written(figures_of(snapshot))),
    )
    return _Seal(snapshot.id, sealed, seed)


async def counted_pages(
    connection: AsyncConnection | AsyncSession, organization_id: int, snapshot_id: int
) -> AsyncIterator[Sequence[CountedRow]]:
    """Everybody who was counted, in the order in which they are sealed, a page at a time."""
    parameters = {"organization_id": organization_id, "snapshot_id": snapshot_id, "after": BEFORE_ANY_LEARNER}
    parameters["most"] = PAGE_ENTRIES
    while True:
        page = (await connection.execute(_page_of_entries(), parameters)).all()
        if page:
            yield page
            parameters["after"] = page[-1][0]
        if len(page) < PAGE_ENTRIES:
            return


@cache
def _page_of_entries() -> Select[Any]:
    learner_id, *bounds, certain = (ENTRY.c[name] for name in CountedRow._fields)
    names = ("organization_id", "snapshot_id", "after", "most")
    organization_id, snapshot_id, after, most = (bindparam(name, type_=BigInteger) for name in names)
    return (
        select(learner_id, *(type_coerce(bound, BigInteger) for bound in bounds), type_coerce(certain, Integer))
        .where(ENTRY.c.organization_id == organization_id, ENTRY.c.snapshot_id == snapshot_id, learner_id > after)
        .order_by(learner_id)
        .limit(most)
    )


def figures_of(snapshot: SnapshotRow) -> Figures:
    return Figures(
        organization=encode_id("Organization", snapshot.organization_id),
        product=product_text(snapshot.organization_id, snapshot.product_id),
        date=snapshot.date.isoformat(),
        kind=snapshot.kind.name,
        cutoff=moment_text(snapshot.cutoff),
        known_at=moment_text(snapshot.known_at),
        measure=snapshot.measure.name,
        counted_from=moment_text(snapshot.counted_from),
        counted_until=moment_text(snapshot.counted_until),
        count_least=snapshot.count_least,
        count_most=snapshot.count_most,
        excluded=snapshot.excluded,
        licensed=snapshot.licensed,
        unit_price_minor=snapshot.unit_price_minor,
        currency=snapshot.currency,
        overage_least=snapshot.overage_least,
        overage_most=snapshot.overage_most,
    )


def product_text(organization_id: int, product_id: int) -> str:
    return "seats" if product_id == organization_id else encode_id("Library", organization_id, product_id)


# -------------------------------------------------------------------------------------------------- the chain


async def _next_checkpoint(recording: Recording, sealed: Sequence[Sealed]) -> CheckpointStatement:
    """Nobody else adds one meanwhile: whoever records holds the organization's lock."""
    newest = await recording.session.execute(
        select(CHECKPOINT.c.number, CHECKPOINT.c.digest)
        .where(CHECKPOINT.c.organization_id == recording.organization_id)
        .order_by(CHECKPOINT.c.number.desc())
        .limit(1)
    )
    former = newest.first()
    return CheckpointStatement(
        form=CHECKPOINT_FORM,
        number=former.number + 1 if former else 1,
        organization=encode_id("Organization", recording.organization_id),
        recorded_at=moment_text(recording.recorded_at),
        previous_digest=former.digest if former else None,
        snapshots=tuple(sealed),
    )
