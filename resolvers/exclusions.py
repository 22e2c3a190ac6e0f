"""Excluding people from billing: test and staff accounts, from when until when, and why.

An exclusion is a belief of a scope of its own, so that it is known from when it was recorded on, and changes no count
as known earlier. Who and why are the act's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from models.activity import Predicate
from models.errors import BillingError, BillingErrorCode
from models.history import Change, Held, Source, excluded, no_longer_excluded
from models.interval import DAY, FOREVER, BillingCalendar, Interval
from models.organizations import ScopeKind
from resolvers.history import Deciding, Edge, Who, Written, end_of, find_learner, start_of, write_facts
from resolvers.loaders.counts import Count
from resolvers.loaders.snapshots import SnapshotRow, billing_snapshots_of
from resolvers.organizations import add_scope, calendars
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording
from resolvers.snapshots.counting import ToCount, counted
from resolvers.snapshots.drift import counts_known
from resolvers.snapshots.products import products_of

NAME = "Excluded from billing"
# So many that no statement takes long: of a peak each day of a month is counted.
SNAPSHOTS_A_STATEMENT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Who is not billed, from when on; `until` None if no end is known."""

    who: Who
    start: Edge
    until: Edge | None = None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionEnd:
    """From when on somebody is billed again."""

    who: Who
    end: Edge
    reason: str


async def exclude(session: AsyncSession, principal: Principal, now: dt.datetime, given: Exclusion) -> Written:
    """The learner is not billed."""
    recording = await _begin(session, principal, now, given.who, given.reason)
    return await _exclude(recording, principal, given)


async def end_exclusion(session: AsyncSession, principal: Principal, now: dt.datetime, given: ExclusionEnd) -> Written:
    """The learner is billed again; if the exclusion would begin only then, it never was."""
    recording = await _begin(session, principal, now, given.who, given.reason)
    return await _end(recording, principal, given)


async def _begin(session: AsyncSession, principal: Principal, now: dt.datetime, who: Who, reason: str) -> Recording:
    principal.must_see(who.organization_id, "learner", "learner")
    principal.must_be_staff("exclude people from billing")
    if not reason.strip():
        raise BillingError(BillingErrorCode.REASON_REQUIRED, BillingErrorCode.REASON_REQUIRED.value, "reason")
    return await begin_recording(session, who.organization_id, now)


async def _exclude(recording: Recording, principal: Principal, given: Exclusion) -> Written:
    learner_id = await find_learner(recording, given.who)
    products = await products_of(recording.session, recording.organization_id)
    scope_id = products.excluded_id or await add_scope(recording, ScopeKind.EXCLUSION, NAME)

    def decide(held: Held, calendar: BillingCalendar) -> Sequence[Change]:
        return excluded(held, scope_id, _span(calendar, given))

    return await _write(recording, learner_id, decide, principal, given.reason)


async def _end(recording: Recording, principal: Principal, given: ExclusionEnd) -> Written:
    learner_id = await find_learner(recording, given.who)
    scope_id = (await products_of(recording.session, recording.organization_id)).excluded_id

    def decide(held: Held, calendar: BillingCalendar) -> Sequence[Change]:
        return no_longer_excluded(held, scope_id, end_of(calendar, given.end))

    return await _write(recording, learner_id, decide, principal, given.reason)


async def _write(recording: Recording, learner_id: int, decide: Deciding, principal: Principal, reason: str) -> Written:
    return await write_facts(recording, learner_id, decide, principal.name, Source.CORRECTION, reason.strip())


def _span(calendar: BillingCalendar, given: Exclusion) -> Interval:
    start = start_of(calendar, given.start)
    end = FOREVER if given.until is None else end_of(calendar, given.until)
    if start >= end:
        raise BillingError(BillingErrorCode.EMPTY_INTERVAL, "The exclusion ends before or where it starts.", "until")
    return Interval(start, end)


# ------------------------------------------------------------------------------------------- what it would change


@dataclass(frozen=True, slots=True)
class SnapshotEffect:
    """A snapshot that was billed, and what it would count if it were taken again: now, and with the change."""

    snapshot: SnapshotRow
    before: Count
    after: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change would do: to the seats counted at the latest cutoff, and to what was billed, had it been known.
    No snapshot ever changes."""

    written: Written
    cutoff_of: dt.date
    before: Count
    after: Count
    # Only those that would count otherwise, oldest first.
    snapshots: tuple[SnapshotEffect, ...]


async def preview(
    session: AsyncSession, principal: Principal, now: dt.datetime, given: Exclusion | ExclusionEnd
) -> Effect:
    """The change is made, counted and taken back, so that it is counted just as anything else is."""
    tried = await session.begin_nested()
    recording = await _begin(session, principal, now, given.who, given.reason)
    snapshots = await billing_snapshots_of(session, recording.organization_id)
    before = await _counts(recording, now, snapshots)
    step = _exclude(recording, principal, given) if isinstance(given, Exclusion) else _end(recording, principal, given)
    written = await step
    after = await _counts(recording, now, snapshots)
    await tried.rollback()
    effects = map(SnapshotEffect, snapshots, before[1:], after[1:])
    return Effect(
        written=written,
        cutoff_of=await _latest_cutoff(recording, now),
        before=before[0],
        after=after[0],
        snapshots=tuple(one for one in effects if one.before != one.after),
    )


async def _counts(recording: Recording, now: dt.datetime, snapshots: Sequence[SnapshotRow]) -> list[Count]:
    """The seats at the latest cutoff, and each snapshot, as this act knows them."""
    organization_id = recording.organization_id
    calendar = (await calendars(recording.session, [organization_id]))[organization_id]
    cutoff = calendar.cutoff_of(await _latest_cutoff(recording, now))
    seats = ToCount(
        organization_id=organization_id,
        product_id=organization_id,
        excluded_id=(await products_of(recording.session, organization_id)).excluded_id,
        predicate=Predicate.ACTIVE_AT,
        spans=((cutoff, cutoff),),
        known_at=recording.recorded_at,
    )
    connection = await recording.session.connection()
    found = [(await counted(connection, [seats]))[0].count]
    for first in range(0, len(snapshots), SNAPSHOTS_A_STATEMENT):
        some = snapshots[first : first + SNAPSHOTS_A_STATEMENT]
        found += await counts_known(connection, [(snapshot, recording.recorded_at) for snapshot in some])
    return found


async def _latest_cutoff(recording: Recording, now: dt.datetime) -> dt.date:
    """The last local day whose cutoff has come."""
    calendar = (await calendars(recording.session, [recording.organization_id]))[recording.organization_id]
    today = calendar.day_of(now)
    return today if calendar.cutoff_of(today) <= now else today - DAY
