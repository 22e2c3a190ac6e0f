"""A small client with a sealed snapshot and its evidence pack, for whoever tests proofs."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.ext.asyncio import AsyncSession

from models.interval import Bounds, from_microseconds
from resolvers.evidence.bundles import bundle
from resolvers.evidence.contents import PackContents
from resolvers.evidence.packs import build_pack
from resolvers.evidence.reading import load_contents
from resolvers.evidence.sealing import seal
from resolvers.history import Correction, On, correct_window
from resolvers.loaders.windows import WindowRow
from resolvers.recording import begin_recording, end_recording
from resolvers.snapshots.taking import take_date
from server.database import Database
from server.signing import KeySigner
from tests.builders import STAFF, Tenant, organization
from tests.signers import signer

SEPTEMBER, OCTOBER = dt.date(2017, 9, 1), dt.date(2017, 10, 1)


@dataclass
class Proven:
    """An organization whose snapshots are sealed with a key."""

    tenant: Tenant
    signer: KeySigner
    # Of whom it is learned later that they were not active.
    mistaken: int

    async def take(self, date: dt.date = SEPTEMBER) -> int:
        tenant, now = self.tenant, self.tenant.tick()
        taken = await tenant.database.run(lambda s: take_date(s, STAFF, now, tenant.id, date, [tenant.id]))
        return taken.snapshot_ids[0]

    async def seal(self, *snapshot_ids: int) -> None:
        now = self.tenant.tick()

        async def write(session: AsyncSession) -> None:
            recording = await begin_recording(session, self.tenant.id, now)
            await seal(recording, self.signer, snapshot_ids)
            await end_recording(recording)

        await self.tenant.database.run(write)

    async def build(self, snapshot_id: int) -> int:
        now = self.tenant.tick()

        async def write(session: AsyncSession) -> int:
            recording = await begin_recording(session, self.tenant.id, now)
            pack_id = await build_pack(recording, STAFF, self.signer, snapshot_id)
            await end_recording(recording)
            return pack_id

        return await self.tenant.database.run(write)

    async def bundle(self, pack_id: int) -> bytes:
        async with self.tenant.database.reading() as connection:
            await bundle(connection, self.tenant.id, pack_id, target := io.BytesIO())
        return target.getvalue()

    @asynccontextmanager
    async def contents(self, pack_id: int) -> AsyncIterator[PackContents]:
        with TemporaryDirectory() as folder:
            async with self.tenant.database.reading() as connection:
                contents = await load_contents(connection, self.tenant.id, pack_id, Path(folder))
            yield contents

    def rotated(self) -> Proven:
        return replace(self, signer=signer(after=self.signer))

    async def corrected(self) -> None:
        """Somebody who was counted turns out to have left before."""
        tenant, now = self.tenant, self.tenant.tick()
        (row,) = await tenant.window_rows(self.mistaken)
        given = Correction(
            who=tenant.who(self.mistaken),
            scope_id=tenant.id,
            window=bounds_of(row),
            reason="the last day was mistyped",
            end=On(dt.date(2017, 8, 20)),
        )
        await tenant.database.run(lambda session: correct_window(session, STAFF, now, given))


def bounds_of(row: WindowRow) -> Bounds:
    edges = (row.from_earliest, row.from_latest, row.to_earliest, row.to_latest)
    from_earliest, from_latest, to_earliest, to_latest = map(from_microseconds, edges)
    return Bounds(from_earliest, from_latest, to_earliest, to_latest)


async def proven(database: Database, *, key: KeySigner | None = None) -> Proven:
    """Six who count in September; one of them has left since, and two have names that a spreadsheet would misread."""
    tenant = await organization(database, name="Xtra Lease")
    for number, active in enumerate(("2017-08-01..", "2017-08-01..2017-09-15", "2017-08-07T05:00Z..")):
        await tenant.learner(active, name=f"Learner {number}")
    mistaken = await tenant.learner("2017-01-01..", name="Learner 3")
    await tenant.learner("2017-08-15..", name="=HYPERLINK(1)")
    await tenant.learner("2017-08-15..", name="'tHooft, Änne")
    await tenant.learner("2017-09-20..", name="Came since")
    return Proven(tenant, key or signer(), mistaken)
