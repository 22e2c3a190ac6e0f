"""The public keys that have signed: kept beside what they signed, so that proofs can be checked without the server."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.evidence import SigningKey
from models.proofs.canonical import moment_of, moment_text
from models.proofs.statements import PublicKey
from resolvers.database import Outrun
from resolvers.evidence.signing import Signer

KEY = SigningKey.__table__


async def ensure_key(session: AsyncSession, signer: Signer) -> None:
    """Before anything is signed: a signature of a key that nobody knows would prove nothing."""
    wanted = {key.key_id: key for key in signer.lineage}
    known = set(await session.scalars(select(KEY.c.id).where(KEY.c.id.in_(wanted))))
    new = [_row(key) for key_id, key in wanted.items() if key_id not in known]
    if not new:
        return
    try:
        await session.execute(insert(KEY), new)
    except IntegrityError as problem:
        # All organizations share these rows, so that no organization's lock keeps two first signatures apart.
        raise Outrun from problem


def _row(key: PublicKey) -> dict[str, object]:
    return {
        "id": key.key_id,
        "public_key": key.public_key,
        "created_at": moment_of(key.created_at),
        "endorsed_by": key.endorsed_by,
        "endorsement": key.endorsement,
    }


async def signing_keys(connection: AsyncConnection | AsyncSession) -> list[PublicKey]:
    """All keys that ever signed, the oldest first."""
    rows = await connection.execute(select(KEY).order_by(KEY.c.created_at, KEY.c.id))
    return [
        PublicKey(
            key_id=row.id,
            public_key=row.public_key,
            created_at=moment_text(row.created_at),
            endorsed_by=row.endorsed_by,
            endorsement=row.endorsement,
        )
        for row in rows
    ]
