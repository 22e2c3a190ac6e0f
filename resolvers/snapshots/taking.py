"""Taking snapshots: a count is frozen with everybody who was counted, under the organization's lock.

clock -> terms in force -> what the measure counts -> entries, in one statement -> the snapshot with their count
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, case, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.activity import Predicate
from models.billing import BillingSnapshot, SnapshotEntry, SnapshotKind, countable_from, counted_by, overage_of
from models.contracts import Measure, Term, term_on
from models.errors import BillingError, BillingErrorCode
from models.interval import BillingCalendar, to_microseconds
from resolvers.activity import must_be_past, peak_of, sane_day
from resolvers.loaders.billable import BillableKey, as_keys, billable_counts, freeze_entries
from resolvers.loaders.terms import held_terms
from resolvers.loaders.windows import Count
from resolvers.organizations import calendars
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording
from resolvers.snapshots.products import Products, products_of

SNAPSHOT = BillingSnapshot.__table__
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
    taking = await _begin(session, principal, now, organization_id, date)
    before = await _taken_before(session, organization_id, date)
    wanted = [i for i in taking.products.ids if product_ids is None or i in product_ids]
    taken = [await _take(taking, i, SnapshotKind.BILLING, None) for i in wanted if i not in before]
    await end_recording(taking.recording)
    return Taken(tuple(taken), len([i for i in wanted if i in before]))


async def inquire(
    session: AsyncSession, principal: Principal, now: dt.datetime, organization_id: int, inquiry: Inquiry
) -> int:
    """The same form of answer to any question of the kind: another date, another measure, as known at another time."""
    principal.must_see(organization_id, "organization", "organization")
    known_at = inquiry.known_at and must_be_past(inquiry.known_at, now, "knownAt")
    taking = await _begin(session, principal, now, organization_id, inquiry.date, known_at)
    if inquiry.product_id not in taking.products.ids:
        raise BillingError(BillingErrorCode.NOT_A_PRODUCT, "This is neither the seats nor a library.", "product")
    snapshot_id = await _take(taking, inquiry.product_id, SnapshotKind.INQUIRY, inquiry.measure)
    await end_recording(taking.recording)
    return snapshot_id


# ------------------------------------------------------------------------------------------------- one snapshot


@dataclass(frozen=True, slots=True)
class _Taking:
    """What all snapshots that are taken in one transaction share."""

    recording: Recording
    principal: Principal
    now: dt.datetime
    date: dt.date
    known_at: dt.datetime
    calendar: BillingCalendar
    products: Products
    terms: Sequence[Term]


@dataclass(frozen=True, slots=True)
class _Frozen:
    """Who was counted: the instants between which, and how many."""

    span: tuple[dt.datetime, dt.datetime]
    count: Count


async def _begin(
    session: AsyncSession,
    principal: Principal,
    now: dt.datetime,
    organization_id: int,
    date: dt.date,
    known_at: dt.datetime | None = None,
) -> _Taking:
    recording = await begin_recording(session, organization_id, now)
    as_known = known_at or recording.recorded_at
    return _Taking(
        recording,
        principal,
        now,
        sane_day(date, "date"),
        as_known,
        (await calendars(session, [organization_id]))[organization_id],
        await products_of(session, organization_id),
        (await held_terms(session, [organization_id], as_known))[organization_id],
    )


async def _taken_before(session: AsyncSession, organization_id: int, date: dt.date) -> set[int]:
    rows = await session.scalars(
        select(SNAPSHOT.c.product_id).where(
            SNAPSHOT.c.organization_id == organization_id,
            SNAPSHOT.c.date == date,
            SNAPSHOT.c.kind == SnapshotKind.BILLING,
        )
    )
    return set(rows)


async def _take(taking: _Taking, product_id: int, kind: SnapshotKind, measure: Measure | None) -> int:
    term = term_on(taking.terms, product_id, taking.date)
    chosen = measure or (term.measure if term else Measure.AT_CUTOFF)
    _refuse_the_future(taking, chosen)
    snapshot_id = taking.recording.keys.take()
    frozen = await _freeze_entries(taking, snapshot_id, product_id, chosen)
    await taking.recording.session.execute(
        insert(SNAPSHOT).values(
            organization_id=taking.recording.organization_id,
            id=snapshot_id,
            product_id=product_id,
            date=taking.date,
            kind=kind,
            recorded_at=taking.recording.recorded_at,
            actor=taking.principal.name,
            known_at=taking.known_at,
            cutoff=taking.calendar.cutoff_of(taking.date),
            measure=chosen,
            counted_from=frozen.span[0],
            counted_until=frozen.span[1],
            excluded=await _excluded(taking, product_id, chosen, frozen),
            **_as_agreed(term, frozen.count),
        )
    )
    return snapshot_id


def _refuse_the_future(taking: _Taking, measure: Measure) -> None:
    countable = countable_from(measure, taking.date, taking.calendar)
    if taking.now < countable:
        raise BillingError(
            BillingErrorCode.NOT_YET,
            f"What is counted for {taking.date} has not all happened before {countable:%Y-%m-%d %H:%M} UTC.",
            "date",
        )


def _as_agreed(term: Term | None, count: Count) -> dict[str, object]:
    """The count, and what the term makes of it."""
    counted: dict[str, object] = {"count_least": count.least, "count_most": count.most}
    if term is None:
        return counted
    return counted | {
        "term_id": term.id,
        "licensed": term.licensed,
        "unit_price_minor": term.unit_price_minor,
        "currency": term.currency,
        "overage_least": overage_of(count.least, term.licensed),
        "overage_most": overage_of(count.most, term.licensed),
    }


# ------------------------------------------------------------------------------------------------- who counts


async def _freeze_entries(taking: _Taking, snapshot_id: int, product_id: int, measure: Measure) -> _Frozen:
    counted = counted_by(measure, taking.date, taking.calendar)
    if len(counted.spans) == 1:
        span = counted.spans[0]
        return _Frozen(span, await _write_entries(taking, snapshot_id, product_id, counted.predicate, span))
    keys = [_key(taking, product_id, span) for span in counted.spans]
    of_days = await billable_counts(taking.recording.session, keys, counted.predicate)
    peak = peak_of(list(counted.spans), of_days)
    await _write_entries(taking, snapshot_id, product_id, counted.predicate, peak.first)
    return _Frozen(peak.first, peak.count)


async def _write_entries(
    taking: _Taking, snapshot_id: int, product_id: int, predicate: Predicate, span: tuple[dt.datetime, dt.datetime]
) -> Count:
    session, organization_id = taking.recording.session, taking.recording.organization_id
    parameters = {
        "organization_id": organization_id,
        "snapshot_id": snapshot_id,
        "keys": as_keys(_key(taking, product_id, span)),
    }
    await session.execute(freeze_entries(predicate), parameters)
    counted = await session.execute(_count_entries(), parameters)
    return Count(*counted.one())


@cache
def _count_entries() -> Select[Any]:
    organization_id, snapshot_id = (bindparam(name, type_=BigInteger) for name in ("organization_id", "snapshot_id"))
    certain = func.coalesce(func.sum(case((ENTRY.c.certain, 1), else_=0)), 0)
    return select(certain, func.count()).where(
        ENTRY.c.organization_id == organization_id, ENTRY.c.snapshot_id == snapshot_id
    )


def _key(taking: _Taking, product_id: int, span: tuple[dt.datetime, dt.datetime]) -> BillableKey:
    a, b = map(to_microseconds, span)
    known_at = to_microseconds(taking.known_at)
    return BillableKey(taking.recording.organization_id, product_id, taking.products.excluded_id, a, b, known_at)


async def _excluded(taking: _Taking, product_id: int, measure: Measure, frozen: _Frozen) -> int:
    """How many more were active than count."""
    if not taking.products.excluded_id:
        return 0
    predicate = counted_by(measure, taking.date, taking.calendar).predicate
    everybody = await billable_counts(
        taking.recording.session,
        [
            _key(taking, product_id, frozen.span)._replace(excluded_id=excluded)
            for excluded in (0, taking.products.excluded_id)
        ],
        predicate,
    )
    return everybody[0].most - everybody[1].most
