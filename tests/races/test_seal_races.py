"""Many organizations sign for the first time at once: the key that all share is written once, and nobody fails."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from server.database import Database
from tests.builders import organization
from tests.proving import SEPTEMBER, Proven
from tests.signers import signer

CALLERS = 20


async def test_first_signatures_of_many_organizations_at_once_share_one_key(database: Database) -> None:
    key = signer()
    provens = [Proven(await organization(database), key, mistaken=0) for _ in range(CALLERS)]
    taken = [await proven.take(SEPTEMBER) for proven in provens]
    await asyncio.gather(*(proven.seal(snapshot) for proven, snapshot in zip(provens, taken, strict=True)))
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM signing_key")) == 1
        assert await connection.scalar(text("SELECT count(*) FROM snapshot_seal")) == CALLERS
