"""How much memory it takes to import or export so many rows, and ten times as many: each in a process of its own.

python -m tests.benchmarks.goals.memory WHAT URL
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.billing import BillingSnapshot
from models.evidence import EvidencePack
from models.organizations import Organization
from resolvers.evidence.bundles import bundle
from resolvers.evidence.packs import build_pack
from resolvers.evidence.reading import load_contents
from resolvers.exports import AskedLearners, csv_of, prepare
from resolvers.loaders.snapshots import SnapshotKey
from resolvers.papers import entries_csv
from resolvers.recording import begin_recording, end_recording
from resolvers.snapshots.taking import Inquiry, inquire
from server.database import Database
from server.packs import WRITERS
from server.signing import fresh_signer
from tests.benchmarks.goals.portals import portal_of
from tests.benchmarks.goals.roster import roster
from tests.benchmarks.measured import Goal, Kind, Measured, Setting
from tests.benchmarks.portal_data import BIG
from tests.benchmarks.roster_import import Databases, imported_apart, peak_kibibytes
from tests.builders import STAFF

LEARNERS, QUICK_LEARNERS = 10_000, 300
# SQLite's cache of 16 MiB, and as much for each sort of a statement, are full only from some 60,000 lines on, of which
# these have 56,000: what fewer take tells how full they are.
IMPORTED = 25_000
TIMES = 10
# Some of what is measured is the program itself, which is why flat is not one: a cache may fill, and a list may not.
GOAL = Goal("memory", "Memory of an import or export of ten times the rows", "at most", 1.25)
NOW = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
DATE = dt.date(2021, 9, 1)


async def measure(setting: Setting) -> list[Measured]:
    """Held against the goal is whatever grows most."""
    found = []
    for kind in setting.kinds:
        peaks = {"importing a roster": await _importing(setting, kind)}
        few = QUICK_LEARNERS if setting.quick else LEARNERS
        async with portal_of(setting, kind, few) as (one, _), portal_of(setting, kind, few * TIMES) as (other, _):
            for what in EXPORTS:
                peaks[what] = (await _apart(what, one.url), await _apart(what, other.url))
        beside = tuple((what, f"{one} MiB, then {other}: {other / one:.2f}×") for what, (one, other) in peaks.items())
        worst = max(other / one for one, other in peaks.values())
        found.append(Measured(goal=GOAL, kind=kind, ratio=worst, beside=beside))
    return found


async def _importing(setting: Setting, kind: Kind) -> tuple[int, int]:
    databases = Databases(kind, setting.folder, setting.server)
    await databases.prepare()
    few = QUICK_LEARNERS if setting.quick else IMPORTED
    one, other = [(await imported_apart(databases, roster(setting.folder, n)))[1] for n in (few, few * TIMES)]
    return one, other


async def _apart(what: str, url: str) -> int:
    """The peak of a process of its own, in MiB."""
    command = [sys.executable, "-m", "tests.benchmarks.goals.memory", what, url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    told, _ = await process.communicate()
    assert process.returncode == 0, what
    return int(told)


# ------------------------------------------------------------------------------------------- in that process


async def learners_as_csv(database: Database, organization_id: int) -> None:
    async with database.reading() as connection:
        slug = await connection.scalar(select(Organization.slug).where(Organization.id == organization_id))
    asked = AskedLearners(organization=slug or "")
    async for _ in csv_of(database.reading, await prepare(database.reading, database.run, STAFF, NOW, asked)):
        pass


async def taking_a_snapshot(database: Database, organization_id: int) -> None:
    asked = Inquiry(organization_id, DATE, None, None)
    await database.run(lambda session: inquire(session, STAFF, NOW, organization_id, asked))


async def counted_as_csv(database: Database, organization_id: int) -> None:
    key = SnapshotKey(organization_id, await _newest(database, BillingSnapshot, organization_id))
    export = await entries_csv.prepare(database.reading, STAFF, key)
    async for _ in entries_csv.csv_of(database.reading, export):
        pass


async def building_a_pack(database: Database, organization_id: int) -> None:
    snapshot_id = await _newest(database, BillingSnapshot, organization_id)

    async def build(session: AsyncSession) -> None:
        recording = await begin_recording(session, organization_id, NOW)
        await build_pack(recording, STAFF, fresh_signer(NOW), snapshot_id)
        await end_recording(recording)

    await database.run(build)


async def pack_as(ending: str, database: Database, organization_id: int) -> None:
    pack_id = await _newest(database, EvidencePack, organization_id)
    with TemporaryDirectory() as folder, TemporaryFile() as target:
        async with database.reading() as connection:
            if ending == "zip":
                await bundle(connection, organization_id, pack_id, target)
                return
            contents = await load_contents(connection, organization_id, pack_id, Path(folder))
        WRITERS[ending](contents, target)


async def _newest(database: Database, table: type[BillingSnapshot | EvidencePack], organization_id: int) -> int:
    newest = select(table.id).where(table.organization_id == organization_id).order_by(table.id.desc()).limit(1)
    async with database.reading() as connection:
        return (await connection.execute(newest)).scalar_one()


EXPORTS: dict[str, Callable[[Database, int], Awaitable[None]]] = {
    "all learners as CSV": learners_as_csv,
    "taking a snapshot": taking_a_snapshot,
    "who was counted as CSV": counted_as_csv,
    "building an evidence pack": building_a_pack,
    "an evidence pack as CSV": partial(pack_as, "csv"),
    "an evidence pack as XLSX": partial(pack_as, "xlsx"),
    "an evidence pack as ZIP": partial(pack_as, "zip"),
}


async def export(what: str, url: str) -> None:
    database = Database.open(url, statement_timeout_seconds=600)
    async with database.reading() as connection:
        big = (await connection.execute(select(Organization.id).where(Organization.name == BIG))).scalar_one()
    await EXPORTS[what](database, big)
    await database.close()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=EXPORTS)
    options.add_argument("url")
    given = options.parse_args()
    asyncio.run(export(given.what, given.url))
    print(peak_kibibytes() // 1024)
