"""A small client with a sealed snapshot and its evidence pack, for whoever tests proofs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from models.proofs.bundles import unzipped, zipped
from resolvers.evidence.bundles import bundle
from resolvers.evidence.packs import build_pack
from resolvers.evidence.sealing import seal
from resolvers.recording import begin_recording, end_recording
from resolvers.snapshots.taking import take_date
from server.database import Database
from server.signing import KeySigner
from tests.builders import STAFF, Tenant, organization
from tests.signers import signer

SEPTEMBER, OCTOBER = dt.date(2017, 9, 1), dt.date(2017, 10, 1)
Change = Callable[[bytes], bytes]


@dataclass
class Proven:
    """An organization whose snapshots are sealed with a key."""

    tenant: Tenant
    signer: KeySigner

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
            return await bundle(connection, self.tenant.id, pack_id)

    def rotated(self) -> Proven:
        return replace(self, signer=signer(after=self.signer))


async def proven(database: Database, *, key: KeySigner | None = None) -> Proven:
    """Six who count in September: one has left since, one whose name is a formula, one of whom the start is lost."""
    tenant = await organization(database, name="Xtra Lease")
    for number, active in enumerate(("2017-08-01..", "2017-08-01..2017-09-15", "2017-08-07T05:00Z..", "2017-01-01..")):
        await tenant.learner(active, name=f"Learner {number}")
    await tenant.learner("2017-08-15..", name="=HYPERLINK(1)")
    await tenant.learner("2017-08-15..", name="'tHooft, Änne")
    await tenant.learner("2017-09-20..", name="Came since")
    return Proven(tenant, key or signer())


def changed(whole: bytes, **changes: Change) -> bytes:
    """The bundle with files changed; their names with _ for . and -."""
    files = unzipped(whole)
    for spelled, change in changes.items():
        name = next(name for name in files if name.replace(".", "_").replace("-", "_") == spelled)
        files[name] = change(files[name])
    return zipped(files)
