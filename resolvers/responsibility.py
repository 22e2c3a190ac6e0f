"""Responsible parties: an organization may pay for somebody who is none of its learners, from when to when.

Who they are is told by their account, whose address was verified: by its id, or by the address itself.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.attempts import AskedBy
from models.errors import DomainError, HistoryError, HistoryErrorCode, NotFound, VoucherError, VoucherErrorCode
from models.events import Deed, Thing
from models.interval import FOREVER, BillingCalendar, Interval
from resolvers.accounts import account_of_address, account_of_person
from resolvers.activity import sane_day
from resolvers.address_limits import AskedTooOften, Asking, count_asking, forgive
from resolvers.database import Outrun, Writing
from resolvers.events import Noted, note
from resolvers.history import On, end_of, start_of
from resolvers.loaders.responsibility import PARTY, PartyKey, PartyRow, parties_by_key
from resolvers.organizations import calendars
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Responsibility:
    """For whom, and from when to when. The person is named by one of the two."""

    organization_id: int
    person_id: int | None = None
    email: str | None = None
    # The first local day; None keeps since when it is held to be so.
    first: dt.date | None = None
    # The last local day; None while no end is known.
    through: dt.date | None = None


@dataclass(frozen=True, slots=True)
class ResponsibilitySet:
    """Of whom it was said; `changed` is false if that was held already."""

    key: PartyKey
    recorded_at: dt.datetime
    changed: bool


async def say_responsible(
    run: Writing, principal: Principal, now: dt.datetime, given: Responsibility
) -> ResponsibilitySet:
    """As `set_responsibility`, which tells whether somebody has an account: an organization that names people who have
    none can do so only so often. Staff may know.
    """
    principal.must_see(given.organization_id, "organization", "organization")
    step = partial(set_responsibility, principal=principal, now=now, given=given)
    if principal.is_staff:
        return await run(step)
    asked = Asking(AskedBy.ORGANIZATION, str(given.organization_id))
    await _count(run, now, asked)
    try:
        said = await run(step)
    except DomainError as refusal:
        if not isinstance(refusal, NotFound):
            await run(partial(forgive, now=now, asked=asked))
        raise
    await run(partial(forgive, now=now, asked=asked))
    return said


async def _count(run: Writing, now: dt.datetime, asked: Asking) -> None:
    try:
        await run(partial(count_asking, now=now, asked=[asked]))
    except AskedTooOften as refusal:
        raise HistoryError(HistoryErrorCode.ASKED_TOO_OFTEN, str(refusal), "person") from refusal


async def set_responsibility(
    session: AsyncSession, principal: Principal, now: dt.datetime, given: Responsibility
) -> ResponsibilitySet:
    """The organization is responsible for the person in that time, and in no other. What was held before is kept."""
    principal.must_see(given.organization_id, "organization", "organization")
    recording = await begin_recording(session, given.organization_id, now)
    key = PartyKey(given.organization_id, await _person_of(session, given))
    held = await _held(session, key)
    calendar = await _calendar(session, given.organization_id)
    window = _window(calendar, given, held)
    if held and held.window == window:
        return ResponsibilitySet(key, recording.recorded_at, changed=False)
    await _supersede(recording, held)
    await _write(recording, principal, key, window)
    await note(recording, principal, _noted(key, calendar, held, window))
    await end_recording(recording)
    return ResponsibilitySet(key, recording.recorded_at, changed=True)


async def must_be_responsible(session: AsyncSession, key: PartyKey, now: dt.datetime, *field: str) -> None:
    """Refuses to pay for somebody for whom the organization is not responsible now."""
    held = await _held(session, key)
    if held is not None and held.window.covers(now):
        return
    said = VoucherErrorCode.NOT_ENTITLED.value
    if held is not None:
        calendar = await _calendar(session, key.organization_id)
        said = f"The organization is responsible for this person {in_words(calendar, held.window)}, and not now."
    raise VoucherError(VoucherErrorCode.NOT_ENTITLED, said, *field)


def in_words(calendar: BillingCalendar, window: Interval) -> str:
    first = calendar.day_of(window.start)
    return f"from {first} on" if window.end == FOREVER else f"from {first} through {last_day(calendar, window)}"


def last_day(calendar: BillingCalendar, window: Interval) -> dt.date | None:
    return None if window.end == FOREVER else calendar.last_day_before(window.end)


async def _calendar(session: AsyncSession, organization_id: int) -> BillingCalendar:
    return (await calendars(session, [organization_id]))[organization_id]


async def _person_of(session: AsyncSession, given: Responsibility) -> int:
    """Whose account it is. One address belongs to one account."""
    if given.email is not None:
        found = await account_of_address(session, given.email.strip())
    else:
        found = await account_of_person(session, given.person_id or 0)
    if found is None:
        raise NotFound("person", "person")
    return found.person_id


async def _held(session: AsyncSession, key: PartyKey) -> PartyRow | None:
    rows = await parties_by_key(session, [key])
    return rows[0] if rows else None


def _window(calendar: BillingCalendar, given: Responsibility, held: PartyRow | None) -> Interval:
    if given.first is not None:
        start = start_of(calendar, On(sane_day(given.first, "from")))
    elif held is not None:
        start = held.from_at
    else:
        raise HistoryError(HistoryErrorCode.START_REQUIRED, HistoryErrorCode.START_REQUIRED.value, "from")
    end = end_of(calendar, On(sane_day(given.through, "through"))) if given.through else FOREVER
    if start >= end:
        raise HistoryError(HistoryErrorCode.EMPTY_INTERVAL, HistoryErrorCode.EMPTY_INTERVAL.value, "through")
    return Interval(start, end)


async def _supersede(recording: Recording, held: PartyRow | None) -> None:
    if held is None:
        return
    superseded = await recording.session.execute(
        update(PARTY)
        .where(PARTY.c.organization_id == held.organization_id, PARTY.c.id == held.id)
        .where(PARTY.c.superseded_at.is_(None))
        .values(superseded_at=recording.recorded_at)
        .returning(PARTY.c.id)
    )
    if superseded.one_or_none() is None:
        raise Outrun


async def _write(recording: Recording, principal: Principal, key: PartyKey, window: Interval) -> None:
    row = {"id": recording.keys.take(), "from_at": window.start, "to_at": window.end}
    about = {"recorded_at": recording.recorded_at, "recorded_by": principal.name}
    await recording.session.execute(insert(PARTY), {**key._asdict(), **row, **about})


def _noted(key: PartyKey, calendar: BillingCalendar, held: PartyRow | None, window: Interval) -> Noted:
    """It does not name the person: events outlast an erasure."""
    return Noted(
        thing=Thing.PERSON,
        thing_id=key.person_id,
        deed=Deed.RESPONSIBILITY_SET,
        before=in_words(calendar, held.window) if held else None,
        after=in_words(calendar, window),
    )
