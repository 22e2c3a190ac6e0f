"""Proving that one person was counted, without telling of any other."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import EvidenceError, EvidenceErrorCode, NotFound
from models.evidence import SnapshotSeal
from models.proofs.disclosing import disclosure
from models.proofs.entries import CountedRow, entry_of, leaves_of, salt_of
from models.proofs.packing import SaltedEntry
from models.proofs.statements import Disclosure, KeyRing
from resolvers.evidence.chain import chain_of
from resolvers.evidence.gathering import snapshot_to_prove
from resolvers.evidence.keys import signing_keys
from resolvers.evidence.sealing import counted_pages, figures_of

SEAL = SnapshotSeal.__table__


async def disclose(connection: AsyncConnection, organization_id: int, snapshot_id: int, learner_id: int) -> Disclosure:
    """The proof of one entry. Raises NotFound if there is no such snapshot or the learner was not counted, and
    EvidenceError if it is not sealed yet."""
    snapshot = await snapshot_to_prove(connection, organization_id, snapshot_id)
    seed = await _seed_of(connection, organization_id, snapshot_id)
    leaves: list[bytes] = []
    found: tuple[int, CountedRow] | None = None
    async for page in counted_pages(connection, organization_id, snapshot_id):
        own = next(((len(leaves) + n, row) for n, row in enumerate(page) if row[0] == learner_id), None)
        found = found or (own and (own[0], CountedRow._make(own[1])))
        leaves += leaves_of(organization_id, snapshot_id, seed, page)
    if found is None:
        raise NotFound("learner that was counted", "learner")
    told = SaltedEntry(entry_of(organization_id, snapshot_id, found[1]), salt_of(seed, learner_id))
    chain = await chain_of(connection, organization_id)
    keys = KeyRing(keys=tuple(await signing_keys(connection)))
    return disclosure(told, found[0], leaves, figures_of(snapshot), chain, keys)


async def _seed_of(connection: AsyncConnection, organization_id: int, snapshot_id: int) -> bytes:
    rows = await connection.execute(
        select(SEAL.c.salt_seed).where(SEAL.c.organization_id == organization_id, SEAL.c.snapshot_id == snapshot_id)
    )
    seed = rows.scalar()
    if seed is None:
        raise EvidenceError(EvidenceErrorCode.NOT_SEALED, EvidenceErrorCode.NOT_SEALED.value, "snapshot")
    return bytes.fromhex(seed)
