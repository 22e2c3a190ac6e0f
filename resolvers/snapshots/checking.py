"""The nightly check: which billed snapshots history no longer gives, and of which others are counted as known now.

An internal case is opened for each, before a client opens one. What was decided or adjusted stays so until something
more is learned.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.disputes import Dispute
from models.invoices import Adjustment
from resolvers.database import Reading, Writing
from resolvers.disputes.opening import open_drift_case
from resolvers.evidence.signing import Signer
from resolvers.loaders.counts import Count
from resolvers.loaders.snapshots import SnapshotRow, billing_snapshots_of
from resolvers.principal import Principal
from resolvers.recording import begin_recording
from resolvers.snapshots.drift import Difference, differences, reproduce, snapshots_that_differ

DISPUTE = Dispute.__table__
ADJUSTMENT = Adjustment.__table__


@dataclass(frozen=True, slots=True)
class Finding:
    """A billed snapshot that is not, or would not be, counted so again."""

    snapshot: SnapshotRow
    # As known now.
    count: Count
    # Whether history as known then still gives the snapshot. If not, something was changed behind our back.
    reproduces: bool

    @property
    def in_words(self) -> str:
        billed = _words(Count(self.snapshot.count_least, self.snapshot.count_most))
        told = f"Billed for {self.snapshot.date}: {billed}; known now: {_words(self.count)}."
        return told if self.reproduces else f"History as known then no longer gives what was billed. {told}"


def _words(count: Count) -> str:
    return str(count.least) if count.least == count.most else f"{count.least} to {count.most}"


async def findings(connection: AsyncConnection, organization_id: int, now: dt.datetime) -> list[Finding]:
    """All of an organization, oldest first."""
    snapshots = await billing_snapshots_of(connection, organization_id)
    if not snapshots:
        return []
    of_each = dict(zip([one.id for one in snapshots], await reproduce(connection, snapshots), strict=True))
    differing = {one.id: count for one, count in await snapshots_that_differ(connection, organization_id, now)}
    return [
        Finding(one, differing.get(one.id, Count(one.count_least, one.count_most)), of_each[one.id])
        for one in snapshots
        if one.id in differing or not of_each[one.id]
    ]


async def open_cases(
    reading: Reading, run: Writing, principal: Principal, signer: Signer | None, now: dt.datetime, organization_id: int
) -> list[int]:
    """A case for each finding that nobody has dealt with, each in a transaction of its own; the ids of new ones."""
    async with reading() as connection:
        found = await findings(connection, organization_id, now)
        settled = await _settled(connection, organization_id)
        news = [one for one in found if await _is_news(connection, one, settled.get(one.snapshot.id), now)]
    opened = [await run(partial(_open, principal=principal, signer=signer, now=now, finding=one)) for one in news]
    return [case for case in opened if case is not None]


async def _open(
    session: AsyncSession, principal: Principal, signer: Signer | None, now: dt.datetime, finding: Finding
) -> int | None:
    recording = await begin_recording(session, finding.snapshot.organization_id, now)
    return await open_drift_case(recording, principal, signer, finding.snapshot.id, finding.in_words)


async def _settled(connection: AsyncConnection, organization_id: int) -> Mapping[int, dt.datetime]:
    """When what is known of a snapshot was last decided upon, by a case or an adjustment."""
    decided = select(DISPUTE.c.snapshot_id, func.max(DISPUTE.c.resolved_at)).where(
        DISPUTE.c.organization_id == organization_id, DISPUTE.c.resolved_at.is_not(None)
    )
    adjusted = select(ADJUSTMENT.c.snapshot_id, func.max(ADJUSTMENT.c.recorded_at)).where(
        ADJUSTMENT.c.organization_id == organization_id
    )
    found: dict[int, dt.datetime] = {}
    for statement in (decided.group_by(DISPUTE.c.snapshot_id), adjusted.group_by(ADJUSTMENT.c.snapshot_id)):
        for snapshot_id, at in await connection.execute(statement):
            found[snapshot_id] = max(at, found.get(snapshot_id, at))
    return found


async def _is_news(
    connection: AsyncConnection, finding: Finding, settled_at: dt.datetime | None, now: dt.datetime
) -> bool:
    if settled_at is None:
        return True
    then, today = [await differences(connection, finding.snapshot, at) for at in (settled_at, now)]
    return _who(then) != _who(today)


def _who(found: Sequence[Difference]) -> set[tuple[object, ...]]:
    return {(one.learner_id, one.kind, one.now) for one in found}
