"""The month of all organizations: snapshots are taken, then sealed, then invoices drafted.

A stage asks once what is left for it, then does it in a transaction for each organization. What was done stays, so that
a run which was killed is mended by the next, and the same run again changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from typing import Any

from sqlalchemy import Date, Select, bindparam, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.evidence import SnapshotSeal
from models.invoices import InvoiceLine, LineKind
from resolvers.activity import sane_day
from resolvers.database import Reading, Writing
from resolvers.evidence.sealing import seal
from resolvers.evidence.signing import Signer
from resolvers.invoices.drafting import draft_invoices
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.snapshots import IS_BILLED, SNAPSHOT
from resolvers.principal import Principal
from resolvers.recording import begin_recording, end_recording
from resolvers.snapshots.standing import Standing, standings, taken_products
from resolvers.snapshots.taking import take_prepared

SEAL = SnapshotSeal.__table__
LINE = InvoiceLine.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """Whose snapshots of which date, and what follows them."""

    date: dt.date
    # All if None.
    organization_ids: Sequence[int] | None = None
    # Without one nothing is sealed yet.
    signer: Signer | None = None
    invoices: bool = True


class Stage(Enum):
    TAKE = "Taking snapshots"
    SEAL = "Sealing them"
    DRAFT = "Drafting invoices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One organization's part of a stage: the `number`th `of` so many."""

    stage: Stage
    number: int
    of: int
    organization: OrganizationRow
    # The snapshots taken or sealed, or the invoices drafted, by this step.
    made: int = 0
    # The snapshots that had been taken.
    before: int = 0
    # When the next of those can be counted that cannot be yet.
    waits_until: dt.datetime | None = None
    failure: Exception | None = None


async def run_month(
    reading: Reading, run: Writing, principal: Principal, now: dt.datetime, month: Month
) -> AsyncIterator[Step]:
    """Does what is left to do, telling each step. Who fails is told as well, and stops nobody else.

    A product is taken when all that it counts has happened; an invoice is drafted when no product has to wait.
    """
    principal.must_be_staff("take billing snapshots")
    sane_day(month.date, "date")
    async with reading() as connection:
        found = await standings(connection, now, month.date, month.organization_ids)
    whole = {one.organization.organization_id: one.organization for one in found}
    async for step in _take(run, principal, now, month.date, found):
        if step.failure or step.waits_until:
            del whole[step.organization.organization_id]
        yield step
    if month.signer:
        sealing = partial(_seal, now=now, signer=month.signer)
        everybody = {one.organization.organization_id: one.organization for one in found}
        async for step in _stage(reading, run, Stage.SEAL, month.date, everybody, _unsealed(), sealing):
            yield step
    if month.invoices:
        drafting = partial(_draft, principal=principal, now=now, date=month.date)
        async for step in _stage(reading, run, Stage.DRAFT, month.date, whole, _unbilled(), drafting):
            yield step


async def left_to_do(connection: AsyncConnection, now: dt.datetime, month: Month) -> list[OrganizationRow]:
    """The organizations of which a run would now take, seal or draft anything, or fail to."""
    found = await standings(connection, now, month.date, month.organization_ids)
    rows = {one.organization.organization_id: one.organization for one in found}
    whole = {one.organization.organization_id: one.organization for one in found if not one.waits_until(now)}
    left = {one.organization.organization_id for one in found if one.problem or one.due(now)}
    if month.signer:
        left |= (await _left(connection, _unsealed(), month.date, rows)).keys()
    if month.invoices:
        left |= (await _left(connection, _unbilled(), month.date, whole)).keys()
    return [row for i, row in rows.items() if i in left]


# ------------------------------------------------------------------------------------------------- taking


async def _take(
    run: Writing, principal: Principal, now: dt.datetime, date: dt.date, found: Sequence[Standing]
) -> AsyncIterator[Step]:
    for number, standing in enumerate(found, 1):
        made, failure = 0, standing.problem
        if standing.due(now):
            made, failure = await _attempt(run, _Taking(principal, now, standing, date))
        yield Step(
            stage=Stage.TAKE,
            number=number,
            of=len(found),
            organization=standing.organization,
            made=made,
            before=standing.taken,
            waits_until=standing.waits_until(now),
            failure=failure,
        )


@dataclass
class _Taking:
    """One organization's snapshots, as a step that may be run again."""

    principal: Principal
    now: dt.datetime
    standing: Standing
    date: dt.date
    attempts: int = 0

    async def __call__(self, session: AsyncSession) -> int:
        """Once somebody was in the way, whether they did it is found before asking for the organization's lock: many
        at once would only queue for it."""
        self.attempts += 1
        if self.attempts > 1 and await self._is_taken(session):
            return 0
        return len((await take_prepared(session, self.principal, self.now, self.standing, self.date)).snapshot_ids)

    async def _is_taken(self, session: AsyncSession) -> bool:
        organization_id = self.standing.organization.organization_id
        taken = await taken_products(session, self.date, [organization_id])
        return taken[organization_id].issuperset(self.standing.due(self.now))


async def _attempt(run: Writing, step: Callable[[AsyncSession], Awaitable[int]]) -> tuple[int, Exception | None]:
    """What a step made, or why it failed: nothing of it is kept then."""
    try:
        return await run(step), None
    except Exception as failure:  # whatever it is, the other organizations go on, and it is told at the end
        return 0, failure


# ----------------------------------------------------------------------------------------- what follows them

Follow = Callable[[AsyncSession, int, Sequence[int]], Awaitable[int]]


async def _stage(
    reading: Reading,
    run: Writing,
    stage: Stage,
    date: dt.date,
    organizations: Mapping[int, OrganizationRow],
    left: Select[Any],
    follow: Follow,
) -> AsyncIterator[Step]:
    async with reading() as connection:
        snapshots = await _left(connection, left, date, organizations)
    for number, organization_id in enumerate(snapshots, 1):
        made, failure = await _attempt(
            run, partial(_follow, organization_id=organization_id, date=date, left=left, follow=follow)
        )
        organization = organizations[organization_id]
        yield Step(stage=stage, number=number, of=len(snapshots), organization=organization, made=made, failure=failure)


async def _follow(session: AsyncSession, organization_id: int, date: dt.date, left: Select[Any], follow: Follow) -> int:
    """Asked again in the transaction, before the organization's lock: somebody else may have been quicker."""
    found = await _left(session, left, date, [organization_id])
    return await follow(session, organization_id, found[organization_id]) if found else 0


async def _left(
    connection: AsyncConnection | AsyncSession, left: Select[Any], date: dt.date, organizations: Iterable[int]
) -> Mapping[int, list[int]]:
    """The snapshots of each organization for which a stage is still to be done, in the order of organizations."""
    ids = list(organizations)
    parameters = {"keys": as_parameter((i,) for i in ids), "date": date}
    found: dict[int, list[int]] = {}
    for organization_id, snapshot_id in await connection.execute(left, parameters):
        found.setdefault(organization_id, []).append(snapshot_id)
    return {i: found[i] for i in ids if i in found}


@cache
def _billed() -> Select[Any]:
    keys = asked("keys", "organization_id")
    return (
        select(SNAPSHOT.c.organization_id, SNAPSHOT.c.id)
        .join(keys, keys.c.organization_id == SNAPSHOT.c.organization_id)
        .where(SNAPSHOT.c.date == bindparam("date", type_=Date), IS_BILLED)
        .order_by(SNAPSHOT.c.id)
    )


@cache
def _unsealed() -> Select[Any]:
    sealed = exists().where(SEAL.c.organization_id == SNAPSHOT.c.organization_id, SEAL.c.snapshot_id == SNAPSHOT.c.id)
    return _billed().where(~sealed)


@cache
def _unbilled() -> Select[Any]:
    """What was on a draft that somebody dropped is not drafted again by itself."""
    billed = exists().where(
        LINE.c.organization_id == SNAPSHOT.c.organization_id,
        LINE.c.snapshot_id == SNAPSHOT.c.id,
        LINE.c.kind == LineKind.OVERAGE,
    )
    return _billed().where(SNAPSHOT.c.overage_least > 0, SNAPSHOT.c.unit_price_minor > 0, ~billed)


async def _seal(
    session: AsyncSession, organization_id: int, snapshot_ids: Sequence[int], *, now: dt.datetime, signer: Signer
) -> int:
    recording = await begin_recording(session, organization_id, now)
    await seal(recording, signer, snapshot_ids)
    await end_recording(recording)
    return len(snapshot_ids)


async def _draft(
    session: AsyncSession,
    organization_id: int,
    _: Sequence[int],
    *,
    principal: Principal,
    now: dt.datetime,
    date: dt.date,
) -> int:
    recording = await begin_recording(session, organization_id, now)
    drafted = await draft_invoices(recording, principal, date)
    await end_recording(recording)
    return len(drafted)
