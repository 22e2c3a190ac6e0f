"""The chain of checkpoints of an organization, as it was signed."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.evidence import Checkpoint, SnapshotSeal
from models.ids import encode_id
from models.proofs.canonical import moment_text
from models.proofs.entries import snapshot_text
from models.proofs.statements import CHECKPOINT_FORM, Chain, CheckpointStatement, Sealed, SignedCheckpoint

CHECKPOINT = Checkpoint.__table__
SEAL = SnapshotSeal.__table__


async def chain_of(connection: AsyncConnection | AsyncSession, organization_id: int) -> Chain:
    """All checkpoints so far, from the first."""
    sealed = await _sealed(connection, organization_id)
    rows = await connection.execute(
        select(CHECKPOINT).where(CHECKPOINT.c.organization_id == organization_id).order_by(CHECKPOINT.c.number)
    )
    checkpoints = [
        SignedCheckpoint(
            statement=CheckpointStatement(
                form=CHECKPOINT_FORM,
                number=row.number,
                organization=encode_id("Organization", organization_id),
                recorded_at=moment_text(row.recorded_at),
                previous_digest=row.previous_digest,
                snapshots=tuple(sealed[row.number]),
            ),
            key_id=row.key_id,
            signature=row.signature,
        )
        for row in rows
    ]
    return Chain(checkpoints=tuple(checkpoints))


async def _sealed(connection: AsyncConnection | AsyncSession, organization_id: int) -> dict[int, list[Sealed]]:
    """What each checkpoint sealed, by its number, in the order of the snapshots."""
    rows = await connection.execute(
        select(SEAL)
        .where(SEAL.c.organization_id == organization_id)
        .order_by(SEAL.c.checkpoint_number, SEAL.c.snapshot_id)
    )
    found: dict[int, list[Sealed]] = defaultdict(list)
    for row in rows:
        found[row.checkpoint_number].append(
            Sealed(
                snapshot=snapshot_text(organization_id, row.snapshot_id),
                root=row.root,
                size=row.size,
                figures_digest=row.figures_digest,
            )
        )
    return found
