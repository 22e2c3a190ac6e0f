"""Recording the demo's clients: each thing at the time at which it would have been learned, bills among them."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.history import Change, Held, Source, closed, opened
from models.interval import BEGINNING, DAY, FOREVER, MICROSECOND, BillingCalendar, Bounds, Interval, first_instant
from models.organizations import ScopeKind
from resolvers.contracts import NewTerm, set_term
from resolvers.evidence.sealing import seal
from resolvers.evidence.signing import Signer
from resolvers.history import PersonalData, make_learners
from resolvers.invoices.challenging import open_challenge
from resolvers.invoices.drafting import draft_invoices
from resolvers.invoices.issuing import issue_due
from resolvers.loaders.invoices import InvoiceKey
from resolvers.organizations import NewOrganization, calendars, create_organization, create_scope
from resolvers.principal import Principal
from resolvers.recording import begin_recording, end_recording, held_of, record_all
from resolvers.snapshots.taking import take_date
from server.demo.stories import SEED, Client, Spell, Story, day

OLD_SYSTEM = Principal(name="LMS nightly sync", role=Role.STAFF, origin="demo")
ACCOUNTING = Principal(name="Accounting", role=Role.STAFF, origin="demo")
BEFORE_ALL = dt.datetime(2015, 12, 1, tzinfo=dt.UTC)
EVENING = dt.timedelta(hours=-6)
"""What begins or ends with a day is recorded the evening before, so that each cutoff is known when it comes."""
AT_ONCE = dt.timedelta(minutes=1)
BILLED = [day(text) for text in ("2017-07-01", "2017-08-01", "2017-09-01", "2017-10-01")]
AN_HOUR = dt.timedelta(hours=1)
CHALLENGE_DAYS = 10

FIRST_NAMES = (
    "Ada Alma Amos Ana Bao Bela Carl Cleo Dana Dev Edda Eli Emil Enzo Esra Fay Finn Gia Glen Hana Hugo Ida Ines "
    "Ivan Jada Joel June Kai Kira Lars Lena Leo Lila Luca Mae Mara Milo Mina Nia Nils Nora Odin Olga Omar Otis "
    "Pia Quinn Rafa Rhea Rosa Ruth Sage Sara Seth Sofi Tara Theo Uma Vera Wade Will Xena Yara Yusuf Zara Zeno"
)
LAST_NAMES = (
    "Abbott Acosta Baker Banks Barr Beck Bell Boyd Brandt Burke Castro Chen Cole Conte Cruz Dahl Diaz Doyle "
    "Duarte Ellis Engel Falk Ferri Flynn Frost Garza Gill Gray Haas Hale Hart Hayes Holt Ito Jain Jensen Keller "
    "Kim Klein Lang Leal Lowe Lund Marsh Mata Meyer Mora Nash Novak Okafor Ortiz Park Patel Perez Quist Reed "
    "Reyes Roth Ruiz Sato Shah Silva Stone Tran Vega Voss Walsh Weber Wolf Wood Yang Young Zuniga"
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was learned of one learner at one time, and which beliefs it adds to those held."""

    recorded_at: dt.datetime
    learner: int
    decide: Callable[[Held], Sequence[Change]]


async def record_client(session: AsyncSession, client: Client, signer: Signer | None = None) -> None:
    """All of a client's history; without a signer its snapshots are not sealed yet."""
    new = NewOrganization(name=client.name, zone=client.zone)
    organization_id = await create_organization(session, OLD_SYSTEM, BEFORE_ALL, new)
    teams = {
        name: await create_scope(session, OLD_SYSTEM, BEFORE_ALL, organization_id, ScopeKind.TEAM, name)
        for name in client.teams
    }
    await set_term(session, OLD_SYSTEM, BEFORE_ALL, organization_id, _agreed(client, organization_id))
    learners = await _make_learners(session, organization_id, client)
    calendar = (await calendars(session, [organization_id]))[organization_id]
    at_times: dict[dt.datetime, Recorded] = {}
    at_times |= _learned(organization_id, client, learners, teams, calendar)
    at_times |= _billed(organization_id, calendar, signer)
    for recorded_at in sorted(at_times):
        await at_times[recorded_at](session, recorded_at)


# Something that is done at one time.
Recorded = Callable[[AsyncSession, dt.datetime], Awaitable[None]]


def _agreed(client: Client, organization_id: int) -> NewTerm:
    return NewTerm(
        product_id=organization_id,
        first=day("2016-01-01"),
        through=None,
        licensed=client.agreed.seats,
        unit_price=client.agreed.unit_price,
        measure=client.agreed.measure,
    )


def _learned(
    organization_id: int, client: Client, learners: Sequence[int], teams: dict[str, int], calendar: BillingCalendar
) -> dict[dt.datetime, Recorded]:
    by_time: dict[dt.datetime, list[Event]] = defaultdict(list)
    for learner_id, story in zip(learners, client.stories, strict=True):
        for event in _events(learner_id, story, organization_id, teams[story.team], calendar):
            by_time[event.recorded_at].append(event)
    return {time: partial(_record, organization_id=organization_id, events=events) for time, events in by_time.items()}


async def _make_learners(session: AsyncSession, organization_id: int, client: Client) -> list[int]:
    recording = await begin_recording(session, organization_id, BEFORE_ALL)
    dice = random.Random(f"{SEED} {client.name}")  # noqa: S311  # made-up names
    people: dict[str, PersonalData] = {}
    for number, story in enumerate(client.stories, start=1):
        first, last = dice.choice(FIRST_NAMES.split()), dice.choice(LAST_NAMES.split())
        email = f"{first}.{last}.{number}@{client.domain}".lower()
        personal = PersonalData(name=f"{first} {last}", email=email, department=story.team)
        people[f"{client.domain.split('.')[0].upper()}-{number:04}"] = personal
    made = await make_learners(recording, people)
    await end_recording(recording)
    return made


def _events(learner: int, story: Story, own: int, team: int, calendar: BillingCalendar) -> Iterator[Event]:
    for spell in story.spells:
        start = calendar.start_of(spell.first)
        if spell.began_at:
            start = first_instant(calendar.period_of(spell.first).zone, spell.first, spell.began_at)
        end = _end_of(spell, calendar)
        if story.lost_start and end:
            lost = Bounds(BEGINNING, end - MICROSECOND, end, end)
            yield Event(end + EVENING, learner, lambda _, lost=lost: [Change(own, lost), Change(team, lost)])  # type: ignore[misc]
            continue
        span = Interval(start, FOREVER)
        yield Event(
            start + (EVENING if not spell.began_at else AT_ONCE),
            learner,
            partial(_begun, own=own, team=team, span=span),
        )
        if end:
            recorded_at = end + (EVENING if not spell.ended_at else AT_ONCE)
            yield Event(recorded_at, learner, partial(closed, scope_id=own, at=end, now=recorded_at))


def _end_of(spell: Spell, calendar: BillingCalendar) -> dt.datetime | None:
    if spell.last is None:
        return None
    if spell.ended_at:
        return first_instant(calendar.period_of(spell.last).zone, spell.last, spell.ended_at)
    return calendar.start_of(spell.last + DAY)


def _begun(held: Held, own: int, team: int, span: Interval) -> Sequence[Change]:
    joins = [] if held.windows(team) else opened(held, team, span)
    return [*opened(held, own, span), *joins]


async def _record(
    session: AsyncSession, recorded_at: dt.datetime, *, organization_id: int, events: Sequence[Event]
) -> None:
    recording = await begin_recording(session, organization_id, recorded_at)
    held = await held_of(recording, {event.learner for event in events})
    changes: dict[int, list[Change]] = defaultdict(list)
    for event in events:
        changes[event.learner] += event.decide(held[event.learner])
    await record_all(recording, changes, OLD_SYSTEM.name, Source.API)


# ------------------------------------------------------------------------------------------------- bills


def _billed(organization_id: int, calendar: BillingCalendar, signer: Signer | None) -> dict[dt.datetime, Recorded]:
    """The bill of each date, an hour after its cutoff; it is issued when the challenge window is over."""
    bills: dict[dt.datetime, Recorded] = {}
    for date in BILLED:
        taken_at = calendar.cutoff_of(date) + AN_HOUR
        bills[taken_at] = partial(_bill, organization_id=organization_id, date=date, signer=signer)
        over_at = calendar.start_of(date + (CHALLENGE_DAYS + 1) * DAY) + AN_HOUR
        bills[over_at] = partial(_issue, organization_id=organization_id)
    return bills


async def _bill(
    session: AsyncSession, now: dt.datetime, *, organization_id: int, date: dt.date, signer: Signer | None
) -> None:
    taken = await take_date(session, ACCOUNTING, now, organization_id, date)
    recording = await begin_recording(session, organization_id, now)
    if signer:
        await seal(recording, signer, taken.snapshot_ids)
    drafted = await draft_invoices(recording, ACCOUNTING, date)
    await end_recording(recording)
    for invoice_id in drafted:
        await open_challenge(session, ACCOUNTING, now, InvoiceKey(organization_id, invoice_id), CHALLENGE_DAYS)


async def _issue(session: AsyncSession, now: dt.datetime, *, organization_id: int) -> None:
    recording = await begin_recording(session, organization_id, now)
    await issue_due(recording, ACCOUNTING, now)
    await end_recording(recording)
