"""Writing history: activate, deactivate, move, transfer, grant, revoke, correct. Each is one transaction.

All are idempotent by what they state: the same fact again changes nothing and says so (`changed`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import HistoryError, HistoryErrorCode, NotFound
from models.history import Change, Held, Source, closed, corrected, moved, opened
from models.interval import BEGINNING, DAY, FOREVER, MICROSECOND, BillingCalendar, Bounds, Interval
from models.learners import Learner, Profile, sort_key
from models.organizations import Scope, ScopeKind
from resolvers.activity import sane_day, sane_instant
from resolvers.erasure.recognising import refuse_erased, refuse_erased_id
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.places import ScopeKey
from resolvers.organizations import calendars
from resolvers.principal import Principal
from resolvers.recording import Recording, begin_recording, end_recording, held_of, record
from resolvers.snapshots.products import products_of


@dataclass(frozen=True, slots=True)
class On:
    """A local day; as a start it begins then, as an end it is the last day."""

    day: dt.date


@dataclass(frozen=True, slots=True)
class AtInstant:
    instant: dt.datetime


Edge = On | AtInstant


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A learner by key, or by the external id within an organization."""

    organization_id: int
    learner_id: int | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A team or a library of the organization in which it is said, by key or by its exact name."""

    key: ScopeKey | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """What is known of the person; None leaves it as it is."""

    name: str | None = None
    email: str | None = None
    department: str | None = None


BLANK = PersonalData(name="", email="", department="")


@dataclass(frozen=True, slots=True)
class Written:
    """Whose history it was, when it was recorded, and whether anything changed."""

    learner: LearnerKey
    recorded_at: dt.datetime
    changed: bool


Deciding = Callable[[Held, BillingCalendar], Sequence[Change]]


# ------------------------------------------------------------------------------------- activity


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    who: Who
    start: Edge
    end: Edge | None = None
    team: Place | None = None
    personal: PersonalData = PersonalData()


async def activate(session: AsyncSession, principal: Principal, now: dt.datetime, given: Activation) -> Written:
    """The learner is active from the start on; one not yet known by the external id is made."""
    principal.must_see(given.who.organization_id, "organization", "learner")
    recording = await begin_recording(session, given.who.organization_id, now)
    learner_id = await _find_or_make(recording, given.who, given.personal)
    team = await _scope_if_any(recording, given.team, ScopeKind.TEAM, "team")

    def decide(held: Held, calendar: BillingCalendar) -> Sequence[Change]:
        span = _span(calendar, given.start, given.end)
        changes = opened(held, held.organization_id, span)
        return [*changes, *_joined(held, team, span)]

    return await write_facts(recording, learner_id, decide, principal.name, Source.API)


def _joined(held: Held, team: int | None, span: Interval) -> list[Change]:
    """Membership from the same start on, unless there is one then."""
    if team is None or any(window.covers(span.start) for window in held.windows(team)):
        return []
    return opened(held, team, span)


async def deactivate(session: AsyncSession, principal: Principal, now: dt.datetime, who: Who, end: Edge) -> Written:
    """The learner is no longer active; since when they had been stays known."""
    recording, learner_id = await _begin(session, principal, now, who)
    return await write_facts(
        recording,
        learner_id,
        lambda held, calendar: closed(held, held.organization_id, end_of(calendar, end), now),
        principal.name,
        Source.API,
    )


# ------------------------------------------------------------------------------ teams and libraries


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    who: Who
    to_team: Place
    start: Edge
    # Needed only of somebody who is in several teams.
    from_team: Place | None = None


async def move_team(session: AsyncSession, principal: Principal, now: dt.datetime, given: Move) -> Written:
    """Leaves one team and joins another at one instant; activity is untouched."""
    recording, learner_id = await _begin(session, principal, now, given.who)
    to_team = await _scope(recording, given.to_team, ScopeKind.TEAM, "toTeam")
    from_team = await _scope_if_any(recording, given.from_team, ScopeKind.TEAM, "fromTeam")
    teams = await _scope_ids(session, recording.organization_id, ScopeKind.TEAM)

    def decide(held: Held, calendar: BillingCalendar) -> Sequence[Change]:
        at = start_of(calendar, given.start)
        left = from_team if from_team is not None else _the_team_left(held, teams, to_team, at)
        return moved(held, left, to_team, at, now)

    return await write_facts(recording, learner_id, decide, principal.name, Source.API)


def _the_team_left(held: Held, teams: Sequence[int], to_team: int, at: dt.datetime) -> int:
    """The one team of which the learner is a member just before; several are for the caller to choose from."""
    inside = [team for team in held.scopes_at(at, teams) if team != to_team]
    left = inside or [
        team for team in teams if team != to_team and any(window.end == at for window in held.windows(team))
    ]
    if len(left) > 1:
        raise HistoryError(
            HistoryErrorCode.WHICH_TEAM, f"The learner is in {len(left)} teams then: say which is left.", "fromTeam"
        )
    if not left:
        raise HistoryError(HistoryErrorCode.NOT_A_MEMBER, "The learner is in no team then that could be left.", "at")
    return left[0]


async def grant_access(
    session: AsyncSession, principal: Principal, now: dt.datetime, who: Who, library: Place, start: Edge
) -> Written:
    """Access to a library from the start on."""
    recording, learner_id = await _begin(session, principal, now, who)
    scope_id = await _scope(recording, library, ScopeKind.LIBRARY, "library")
    return await write_facts(
        recording,
        learner_id,
        lambda held, calendar: opened(held, scope_id, Interval(start_of(calendar, start), FOREVER)),
        principal.name,
        Source.API,
    )


async def revoke_access(
    session: AsyncSession, principal: Principal, now: dt.datetime, who: Who, library: Place, end: Edge
) -> Written:
    """Access to a library ends."""
    recording, learner_id = await _begin(session, principal, now, who)
    scope_id = await _scope(recording, library, ScopeKind.LIBRARY, "library")
    return await write_facts(
        recording,
        learner_id,
        lambda held, calendar: closed(held, scope_id, end_of(calendar, end), now),
        principal.name,
        Source.API,
    )


# -------------------------------------------------------------------------------------- corrections


@dataclass(frozen=True, slots=True)
class Between:
    """A lost date that lies in these local days, both included."""

    first: dt.date
    last: dt.date


@dataclass(frozen=True, slots=True)
class Lost:
    """A lost date of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Open:
    """No end."""


CorrectedEdge = On | AtInstant | Between | Lost | Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Of a window in a scope, as it was seen: what it was really, or that it never was (`start` and `end` None)."""

    who: Who
    scope_id: int
    window: Bounds
    reason: str
    start: CorrectedEdge | None = None
    end: CorrectedEdge | None = None
    never_was: bool = False


async def correct_window(session: AsyncSession, principal: Principal, now: dt.datetime, given: Correction) -> Written:
    """Says what a window really was; what was believed before stays, and so does every answer as known then."""
    if not given.reason.strip():
        raise HistoryError(HistoryErrorCode.REASON_REQUIRED, "Say why, in words an auditor will understand.", "reason")
    recording, learner_id = await _begin(session, principal, now, given.who)
    excluded_id = (await products_of(session, recording.organization_id)).excluded_id

    def decide(held: Held, calendar: BillingCalendar) -> Sequence[Change]:
        to = None if given.never_was else _corrected_bounds(calendar, given, now)
        # What is not billed was not learned with the activity: it does not move along, and is changed by staff alone.
        return corrected(held.without(excluded_id), given.scope_id, given.window.exact or given.window, to)

    return await write_facts(recording, learner_id, decide, principal.name, Source.CORRECTION, given.reason.strip())


def _corrected_bounds(calendar: BillingCalendar, given: Correction, now: dt.datetime) -> Bounds:
    was = given.window
    start = _start_bounds(calendar, given.start, (was.from_earliest, was.from_latest), now)
    end = _end_bounds(calendar, given.end, (was.to_earliest, was.to_latest))
    if start[0] >= end[1] or start[0] > start[1] or end[0] > end[1]:
        raise HistoryError(
            HistoryErrorCode.EMPTY_INTERVAL, "The corrected window ends before or where it starts.", "to"
        )
    bounds = Bounds.possible(*start, *end)
    assert bounds is not None  # noqa: S101  # just checked
    return bounds


Pair = tuple[dt.datetime, dt.datetime]


def _start_bounds(calendar: BillingCalendar, edge: CorrectedEdge | None, was: Pair, now: dt.datetime) -> Pair:
    match edge:
        case None:
            return was
        case On() | AtInstant():
            return start_of(calendar, edge), start_of(calendar, edge)
        case Between(first, last):
            return start_of(calendar, On(first)), end_of(calendar, On(last)) - MICROSECOND
        case Lost() | Open():
            return BEGINNING, now


def _end_bounds(calendar: BillingCalendar, edge: CorrectedEdge | None, was: Pair) -> Pair:
    match edge:
        case None:
            return was
        case On() | AtInstant():
            return end_of(calendar, edge), end_of(calendar, edge)
        case Between(first, last):
            return end_of(calendar, On(first)), end_of(calendar, On(last))
        case Lost():
            return BEGINNING + MICROSECOND, FOREVER
        case Open():
            return FOREVER, FOREVER


# ---------------------------------------------------------------------------------------- transfers


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    who: Who
    to_organization_id: int
    start: Edge
    team: Place | None = None
    reason: str | None = None


async def transfer(
    session: AsyncSession, principal: Principal, now: dt.datetime, given: Transfer
) -> tuple[Written, Written]:
    """Leaves one organization and is active in another from the same instant on.

    The one act that records in two organizations in one transaction; their clocks are taken in the order of their
    ids, so that two opposite transfers cannot wait for each other.
    """
    principal.must_be_staff("transfer learners between organizations")
    if given.to_organization_id == given.who.organization_id:
        raise HistoryError(
            HistoryErrorCode.SAME_ORGANIZATION, "A transfer goes to another organization.", "toOrganization"
        )
    ids = sorted((given.who.organization_id, given.to_organization_id))
    clocks = {i: await begin_recording(session, i, now) for i in ids}
    leaving, joining = clocks[given.who.organization_id], clocks[given.to_organization_id]
    learner_id = await find_learner(leaving, given.who)
    at = start_of((await calendars(session, [given.who.organization_id]))[given.who.organization_id], given.start)
    left = await _leave(leaving, learner_id, at, now, principal.name, given.reason)
    joined = await _join(joining, await _copied(leaving, learner_id, joining), at, given, principal.name)
    return left, joined


async def _leave(
    recording: Recording, learner_id: int, at: dt.datetime, now: dt.datetime, actor: str, reason: str | None
) -> Written:
    excluded_id = (await products_of(recording.session, recording.organization_id)).excluded_id

    def decide(held: Held, _: BillingCalendar) -> Sequence[Change]:
        changes = closed(held, held.organization_id, at, now)
        # Who is not billed here is not, should they come back.
        others = sorted({fact.scope_id for fact in held.facts} - {held.organization_id, excluded_id})
        return [*changes, *(c for scope in others if _reaches(held, scope, at) for c in closed(held, scope, at, now))]

    return await write_facts(recording, learner_id, decide, actor, Source.TRANSFER, reason)


def _reaches(held: Held, scope_id: int, at: dt.datetime) -> bool:
    return any(window.start < at < window.end for window in held.windows(scope_id))


async def _join(recording: Recording, learner_id: int, at: dt.datetime, given: Transfer, actor: str) -> Written:
    team = await _scope_if_any(recording, given.team, ScopeKind.TEAM, "team")
    span = Interval(at, FOREVER)

    def decide(held: Held, _: BillingCalendar) -> Sequence[Change]:
        return [*opened(held, held.organization_id, span), *_joined(held, team, span)]

    return await write_facts(recording, learner_id, decide, actor, Source.TRANSFER, given.reason)


async def _copied(leaving: Recording, learner_id: int, joining: Recording) -> int:
    """The learner of the other organization: the same external id and, if tied, the same person."""
    await refuse_erased(leaving.session, leaving.organization_id, learner_id)
    profile = (
        await leaving.session.execute(
            select(Profile.__table__, Learner.person_id)
            .join(Learner, (Learner.organization_id == Profile.organization_id) & (Learner.id == Profile.learner_id))
            .where(Profile.organization_id == leaving.organization_id, Profile.learner_id == learner_id)
        )
    ).one()
    who = Who(organization_id=joining.organization_id, external_id=profile.external_id)
    personal = PersonalData(name=profile.name, email=profile.email, department=profile.department)
    copied = await _find_or_make(joining, who, personal)
    if profile.person_id is not None:
        same = (Learner.organization_id == joining.organization_id) & (Learner.id == copied)
        await joining.session.execute(update(Learner).where(same).values(person_id=profile.person_id))
    return copied


# ------------------------------------------------------------------------------------------- steps


async def _begin(session: AsyncSession, principal: Principal, now: dt.datetime, who: Who) -> tuple[Recording, int]:
    principal.must_see(who.organization_id, "learner", "learner")
    recording = await begin_recording(session, who.organization_id, now)
    return recording, await find_learner(recording, who)


async def write_facts(
    recording: Recording, learner_id: int, decide: Deciding, actor: str, source: Source, reason: str | None = None
) -> Written:
    """Load, decide, write."""
    organization_id = recording.organization_id
    calendar = (await calendars(recording.session, [organization_id]))[organization_id]
    held = (await held_of(recording, [learner_id]))[learner_id]
    changes = decide(held, calendar)
    await record(recording, learner_id, changes, actor, source, reason)
    await end_recording(recording)
    return Written(LearnerKey(organization_id, learner_id), recording.recorded_at, bool(changes))


async def find_learner(recording: Recording, who: Who) -> int:
    found = await _find_if_any(recording, who)
    if found is None:
        raise NotFound("learner", "learner")
    return found


async def _find_if_any(recording: Recording, who: Who) -> int | None:
    same = (
        Profile.learner_id == who.learner_id if who.learner_id is not None else Profile.external_id == who.external_id
    )
    found: int | None = await recording.session.scalar(
        select(Profile.learner_id).where(Profile.organization_id == recording.organization_id, same)
    )
    if found is None and who.external_id:
        await refuse_erased_id(recording.session, recording.organization_id, who.external_id)
    return found


async def _find_or_make(recording: Recording, who: Who, personal: PersonalData) -> int:
    found = await _find_if_any(recording, who)
    if found is not None:
        await _update_profile(recording, found, personal)
        return found
    if not who.external_id or not who.external_id.strip():
        raise NotFound("learner", "learner")
    return (await make_learners(recording, {who.external_id.strip(): personal}))[0]


async def make_learners(recording: Recording, people: Mapping[str, PersonalData]) -> list[int]:
    """Learners of whom nothing is held yet, by their external ids; in their order."""
    first = recording.keys.take(len(people))
    made = list(range(first, first + len(people)))
    key = {"organization_id": recording.organization_id}
    await recording.session.execute(insert(Learner), [key | {"id": learner_id} for learner_id in made])
    profiles = [
        key
        | {"learner_id": learner_id, "external_id": external_id}
        | _profile_values(replace(BLANK, **_given(personal)))
        for learner_id, (external_id, personal) in zip(made, people.items(), strict=True)
    ]
    await recording.session.execute(insert(Profile), profiles)
    return made


async def _update_profile(recording: Recording, learner_id: int, personal: PersonalData) -> None:
    if values := _profile_values(personal):
        await refuse_erased(recording.session, recording.organization_id, learner_id)
        same = (Profile.organization_id == recording.organization_id) & (Profile.learner_id == learner_id)
        await recording.session.execute(update(Profile).where(same).values(values))


def _given(personal: PersonalData) -> dict[str, str]:
    named = {"name": personal.name, "email": personal.email, "department": personal.department}
    return {name: text.strip() for name, text in named.items() if text is not None}


def _profile_values(personal: PersonalData) -> dict[str, str]:
    given = _given(personal)
    return given | {f"{name}_key": sort_key(text) for name, text in given.items()}


async def _scope(recording: Recording, place: Place, kind: ScopeKind, field: str) -> int:
    """The team or library of the organization that is meant; there is no other way to reach one."""
    key = place.key or ScopeKey(recording.organization_id, 0)
    same = Scope.id == key.scope_id if place.key else Scope.name == (place.name or "").strip()
    found = await recording.session.scalar(
        select(Scope.id).where(Scope.organization_id == recording.organization_id, Scope.kind == kind, same)
    )
    if found is None or key.organization_id != recording.organization_id:
        raise NotFound(kind.name.lower(), field)
    return found


async def _scope_if_any(recording: Recording, place: Place | None, kind: ScopeKind, field: str) -> int | None:
    return await _scope(recording, place, kind, field) if place else None


async def _scope_ids(session: AsyncSession, organization_id: int, kind: ScopeKind) -> Sequence[int]:
    found = await session.scalars(select(Scope.id).where(Scope.organization_id == organization_id, Scope.kind == kind))
    return found.all()


def _span(calendar: BillingCalendar, start: Edge, end: Edge | None) -> Interval:
    starts = start_of(calendar, start)
    ends = FOREVER if end is None else end_of(calendar, end)
    if starts >= ends:
        raise HistoryError(HistoryErrorCode.EMPTY_INTERVAL, "What was given ends before or where it starts.", "until")
    return Interval(starts, ends)


def start_of(calendar: BillingCalendar, edge: Edge) -> dt.datetime:
    return calendar.start_of(sane_day(edge.day)) if isinstance(edge, On) else sane_instant(edge.instant)


def end_of(calendar: BillingCalendar, edge: Edge) -> dt.datetime:
    """The first instant after a last day."""
    return calendar.start_of(sane_day(edge.day) + DAY) if isinstance(edge, On) else sane_instant(edge.instant)
