"""Taking snapshots: a count is frozen with everybody who was counted, under the organization's lock.

clock -> terms in force -> what the measure counts -> entries, in one statement -> the snapshots with their counts
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.billing import BillingSnapshot, SnapshotEntry, SnapshotKind, countable_from, counted_by, overage_of
from models.contracts import Measure, Term, term_on
from models.errors import BillingError, BillingErrorCode
from models.interval import BillingCalendar
from resolvers.activity import must_be_past, sane_day
from resolvers.loaders.billable import Present, freeze_entries
from resolvers.loaders.counts import Count
from resolvers.loaders.places import organizations_by_id
from resolvers.loaders.terms import held_terms
from resolvers.organizations import calendars
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, begin_recording_unchanged, end_recording
from resolvers.snapshots.counting import Span, ToCount, counted
from resolvers.snapshots.products import products_of
from resolvers.snapshots.standing import Standing, measure_of, standings_of

ADD_SNAPSHOT = insert(BillingSnapshot.__table__)
ENTRY = SnapshotEntry.__table__


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A count that somebody wants frozen, and that is never billed."""

    product_id: int
    date: dt.date
    # As known then; as known now if None.
    known_at: dt.datetime | None = None
    # Counted in this way; as the term says if None.
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """Of one organization and date: the snapshots that were taken, and how many had been taken before."""

    snapshot_ids: tuple[int, ...]
    before: int


async def take_date(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    organization_id: int,
    date: dt.date,
    product_ids: Sequence[int] | None = None,
) -> Taken:
    """The BILLING snapshots of a date: of these products, or of all. What was taken before stays as it is."""
    principal.must_be_staff("take billing snapshots")
    recording = await begin_recording(session, organization_id, now)
    standing = await _standing(recording, now, sane_day(date, "date"))
    return await _take_standing(recording, principal, now, standing, date, product_ids)


async def take_prepared(
    session: AsyncSession, principal: Principal, now: dt.datetime, standing: Standing, date: dt.date
) -> Taken:
    """All that is due of a date, where the standing was read before: it holds if nothing was recorded since."""
    principal.must_be_staff("take billing snapshots")
    organization = standing.organization
    recording = await begin_recording_unchanged(
        session, organization.organization_id, now, organization.recorded_through
    )
    if recording is None:
        recording = await begin_recording(session, organization.organization_id, now)
        standing = await _standing(recording, now, date)
    return await _take_standing(recording, principal, now, standing, date, standing.due(now))


async def inquire(
    session: AsyncSession, principal: Principal, now: dt.datetime, organization_id: int, inquiry: Inquiry
) -> int:
    """The same form of answer to any question of the kind: another date, another measure, as known at another time."""
    principal.must_see(organization_id, "organization", "organization")
    known_at = inquiry.known_at and must_be_past(inquiry.known_at, now, "knownAt")
    date = sane_day(inquiry.date, "date")
    recording = await begin_recording(session, organization_id, now)
    products = await products_of(session, organization_id)
    if inquiry.product_id not in products.ids:
        raise BillingError(BillingErrorCode.NOT_A_PRODUCT, "This is neither the seats nor a library.", "product")
    as_known = known_at or recording.recorded_at
    term = term_on((await held_terms(session, [organization_id], as_known))[organization_id], inquiry.product_id, date)
    calendar = (await calendars(session, [organization_id]))[organization_id]
    taking = _Taking(recording, principal, now, date, as_known, calendar, products.excluded_id)
    plan = _plan(taking, inquiry.product_id, term, inquiry.measure or measure_of(term), has_lost_dates=True)
    await _take(taking, SnapshotKind.INQUIRY, [plan])
    await end_recording(recording)
    return plan.snapshot_id


async def _standing(recording: Recording, now: dt.datetime, date: dt.date) -> Standing:
    connection = await recording.session.connection()
    rows = await organizations_by_id(connection, [recording.organization_id])
    return (await standings_of(connection, now, date, rows))[0]


async def _take_standing(
    recording: Recording,
    principal: Principal,
    now: dt.datetime,
    standing: Standing,
    date: dt.date,
    product_ids: Sequence[int] | None,
) -> Taken:
    if standing.problem:
        raise standing.problem
    wanted = [one for one in standing.products if product_ids is None or one.product_id in product_ids]
    calendar, excluded_id = standing.organization.calendar, standing.excluded_id
    taking = _Taking(recording, principal, now, date, recording.recorded_at, calendar, excluded_id)
    plans = [
        _plan(taking, one.product_id, one.term, one.measure, has_lost_dates=one.has_lost_dates)
        for one in wanted
        if not one.is_taken
    ]
    await _take(taking, SnapshotKind.BILLING, plans)
    await end_recording(recording)
    return Taken(tuple(plan.snapshot_id for plan in plans), len(wanted) - len(plans))


# ---------------------------------------------------------------------------------------- several at once


@dataclass(frozen=True, slots=True)
class _Taking:
    """What all snapshots that are taken in one transaction share."""

    recording: Recording
    principal: Principal
    now: dt.datetime
    date: dt.date
    known_at: dt.datetime
    calendar: BillingCalendar
    excluded_id: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """A snapshot to be taken: what it counts, and by which term."""

    snapshot_id: int
    term: Term | None
    measure: Measure
    to_count: ToCount
    has_lost_dates: bool
    # Of a peak the count of its first day; of others it is known once the entries are written.
    peak: Count | None = None

    @property
    def span(self) -> Span:
        return self.to_count.spans[0]


def _plan(taking: _Taking, product_id: int, term: Term | None, measure: Measure, *, has_lost_dates: bool) -> _Plan:
    _refuse_the_future(taking, measure)
    by_measure = counted_by(measure, taking.date, taking.calendar)
    to_count = ToCount(
        organization_id=taking.recording.organization_id,
        product_id=product_id,
        excluded_id=taking.excluded_id,
        predicate=by_measure.predicate,
        spans=by_measure.spans,
        known_at=taking.known_at,
    )
    return _Plan(taking.recording.keys.take(), term, measure, to_count, has_lost_dates)


def _refuse_the_future(taking: _Taking, measure: Measure) -> None:
    countable = countable_from(measure, taking.date, taking.calendar)
    if taking.now < countable:
        raise BillingError(
            BillingErrorCode.NOT_YET,
            f"What is counted for {taking.date} has not all happened before {countable:%Y-%m-%d %H:%M} UTC.",
            "date",
        )


async def _take(taking: _Taking, kind: SnapshotKind, plans: Sequence[_Plan]) -> None:
    if not plans:
        return
    settled = await _settle_peaks(taking, plans)
    connection = await taking.recording.session.connection()
    counts = [await _freeze(connection, taking, plan) for plan in settled]
    excluded = await _excluded(taking, settled)
    rows = [_row(taking, kind, plan, counts[n], excluded[n]) for n, plan in enumerate(settled)]
    await connection.execute(ADD_SNAPSHOT, rows)


async def _freeze(connection: AsyncConnection, taking: _Taking, plan: _Plan) -> Count:
    as_known_now = taking.known_at == taking.recording.recorded_at
    present = Present(as_known_now=as_known_now, has_lost_dates=plan.has_lost_dates)
    key = plan.to_count.key(plan.span)
    return await freeze_entries(connection, plan.snapshot_id, key, plan.to_count.predicate, present)


async def _settle_peaks(taking: _Taking, plans: Sequence[_Plan]) -> list[_Plan]:
    """Which day a peak was on is found by counting; then its entries are those of that day."""
    peaks = [plan for plan in plans if len(plan.to_count.spans) > 1]
    if not peaks:
        return list(plans)
    found = await counted(taking.recording.session, [plan.to_count for plan in peaks])
    settled = {
        plan.snapshot_id: replace(plan, to_count=replace(plan.to_count, spans=(day.span,)), peak=day.count)
        for plan, day in zip(peaks, found, strict=True)
    }
    return [settled.get(plan.snapshot_id, plan) for plan in plans]


async def _excluded(taking: _Taking, plans: Sequence[_Plan]) -> list[int]:
    """How many more were active than count, of each."""
    if not taking.excluded_id:
        return [0] * len(plans)
    active = [replace(plan.to_count, excluded_id=0) for plan in plans]
    found = await counted(taking.recording.session, [*active, *(plan.to_count for plan in plans)])
    return [one.count.most - less.count.most for one, less in zip(found, found[len(plans) :], strict=False)]


def _row(taking: _Taking, kind: SnapshotKind, plan: _Plan, entries: Count, excluded: int) -> dict[str, object]:
    count = plan.peak or entries
    return {
        "organization_id": taking.recording.organization_id,
        "id": plan.snapshot_id,
        "product_id": plan.to_count.product_id,
        "date": taking.date,
        "kind": kind,
        "recorded_at": taking.recording.recorded_at,
        "actor": taking.principal.name,
        "known_at": taking.known_at,
        "cutoff": taking.calendar.cutoff_of(taking.date),
        "measure": plan.measure,
        "counted_from": plan.span[0],
        "counted_until": plan.span[1],
        "excluded": excluded,
        "count_least": count.least,
        "count_most": count.most,
        **_as_agreed(plan.term, count),
    }


def _as_agreed(term: Term | None, count: Count) -> dict[str, object]:
    """What the term makes of the count; nothing without one."""
    return {
        "term_id": term and term.id,
        "licensed": term and term.licensed,
        "unit_price_minor": term and term.unit_price_minor,
        "currency": term and term.currency,
        "overage_least": term and overage_of(count.least, term.licensed),
        "overage_most": term and overage_of(count.most, term.licensed),
    }
