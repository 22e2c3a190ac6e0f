"""The demo's data, made from a fixed seed and recorded as it would have happened: day by day, in 2016 and 2017.

Three clients, each with a dispute of its own kind:

- Xtra Lease is licensed for 400. At the cutoff of 2017-09-01 exactly 403 were active; weeks later it is 391.
- Baptist Health Plan lost the activation dates of nine learners when they were deactivated in the old system.
- GLOVIS America deactivated a learner by mistake and let them return on the same day.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.history import Change, Held, Source, closed, opened
from models.interval import (
    BEGINNING,
    DAY,
    FOREVER,
    MICROSECOND,
    BillingCalendar,
    Bounds,
    Interval,
    first_instant,
)
from models.organizations import Organization, ScopeKind
from resolvers.history import PersonalData, make_learners
from resolvers.organizations import NewOrganization, calendars, create_organization, create_scope
from resolvers.principal import Principal
from resolvers.recording import begin_recording, end_recording, held_of, record_all
from resolvers.tokens import issue_sign_in_link
from server.database import Database, migrate

T = TypeVar("T")
LINK_VALID = dt.timedelta(days=1)

OLD_SYSTEM = Principal(name="LMS nightly sync", role=Role.STAFF)
SEED = 2017
MONDAY, FRIDAY = 0, 4
BEFORE_ALL = dt.datetime(2015, 12, 1, tzinfo=dt.UTC)
EVENING = dt.timedelta(hours=-6)
"""What begins or ends with a day is recorded the evening before, so that each cutoff is known when it comes."""
AT_ONCE = dt.timedelta(minutes=1)

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
class Spell:
    """A time of activity, from the start of one day through the end of another, or between times of those days."""

    first: dt.date
    last: dt.date | None = None
    ended_at: dt.time | None = None
    began_at: dt.time | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A learner and their times of activity. `lost_start` came without the date at which they were activated."""

    team: str
    spells: tuple[Spell, ...]
    lost_start: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    name: str
    zone: str
    domain: str
    teams: tuple[str, ...]
    stories: list[Story] = field(default_factory=list)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def clients() -> list[Client]:
    """Always the same three, to the last date."""
    dice = random.Random(SEED)  # noqa: S311  # the same data on every machine, not a secret
    return [xtra_lease(dice), baptist_health_plan(dice), glovis_america(dice)]


def xtra_lease(dice: random.Random) -> Client:
    """375 who stayed and 28 who left in September and October make 403; with 16 who came since then it is 391."""
    client = Client("Xtra Lease", "America/Chicago", "xtralease.example", ("Branch Operations", "Fleet", "Sales"))
    stayed = [Spell(_monday(dice, "2016-02-01", "2017-08-28")) for _ in range(367)]
    joined_that_day = [Spell(day("2017-09-01"))] * 2
    left = [
        Spell(_monday(dice, "2016-02-01", "2017-07-31"), _friday(dice, "2017-09-05", "2017-10-13")) for _ in range(26)
    ]
    left_on_the_last_day = [Spell(_monday(dice, "2016-02-01", "2017-07-31"), day("2017-09-30"))] * 2
    came_since = [Spell(_monday(dice, "2017-09-05", "2017-10-10")) for _ in range(16)]
    gone_before = [
        Spell(_monday(dice, "2016-02-01", "2016-12-31"), _friday(dice, "2017-01-31", "2017-08-25")) for _ in range(41)
    ]
    gone_at_the_cutoff = [Spell(_monday(dice, "2016-02-01", "2016-12-31"), day("2017-08-31"))] * 3
    for spell in (
        *stayed,
        *joined_that_day,
        *left,
        *left_on_the_last_day,
        *came_since,
        *gone_before,
        *gone_at_the_cutoff,
    ):
        client.stories.append(Story(dice.choice(client.teams), (spell,)))
    for _ in range(6):
        returned = (Spell(_monday(dice, "2016-02-01", "2016-06-30"), _friday(dice, "2016-09-01", "2016-12-20")),)
        client.stories.append(
            Story(dice.choice(client.teams), (*returned, Spell(_monday(dice, "2017-02-01", "2017-06-30"))))
        )
    return client


def baptist_health_plan(dice: random.Random) -> Client:
    """244 are certain at the cutoff of 2017-09-01; nine more left on 2017-09-20, nobody knows since when they came."""
    client = Client("Baptist Health Plan", "America/New_York", "baptisthealthplan.example", ("Claims", "Nursing"))
    for _ in range(244):
        client.stories.append(Story(dice.choice(client.teams), (Spell(_monday(dice, "2016-03-01", "2017-08-28")),)))
    for _ in range(9):
        client.stories.append(Story("Nursing", (Spell(day("2017-09-20"), day("2017-09-20")),), lost_start=True))
    return client


def glovis_america(dice: random.Random) -> Client:
    """118 active on 2017-09-05, one of whom was deactivated at 10:12 and returned at 15:40 that day."""
    client = Client("GLOVIS America", "America/Los_Angeles", "glovis.example", ("Port", "Yard"))
    for _ in range(117):
        client.stories.append(Story(dice.choice(client.teams), (Spell(_monday(dice, "2016-03-01", "2017-08-28")),)))
    mistake = Spell(day("2016-05-02"), day("2017-09-05"), ended_at=dt.time(10, 12))
    client.stories.append(Story("Port", (mistake, Spell(day("2017-09-05"), began_at=dt.time(15, 40)))))
    return client


def _monday(dice: random.Random, first: str, last: str) -> dt.date:
    return _weekday(dice, MONDAY, day(first), day(last))


def _friday(dice: random.Random, first: str, last: str) -> dt.date:
    return _weekday(dice, FRIDAY, day(first), day(last))


def _weekday(dice: random.Random, weekday: int, first: dt.date, last: dt.date) -> dt.date:
    """People come on Mondays and leave on Fridays, which also keeps the days on which something is learned few."""
    earliest = first + (weekday - first.weekday()) % 7 * DAY
    return earliest + 7 * DAY * dice.randrange((last - earliest).days // 7 + 1)


# -------------------------------------------------------------------------------------------- recording


def prepare_demo(url: str, console: Console) -> dict[str, str]:
    """The demo's database, made if it is not there; and for each who may look round a link that signs them in once.

    It is made beside its place and moved there when it is whole: what was interrupted is made again.
    """
    place = Path(make_url(url).database or "")
    if not place.exists():
        unfinished = place.with_suffix(".unfinished")
        _forget(unfinished)
        asyncio.run(_make(str(make_url(url).set(database=str(unfinished))), console))
        unfinished.rename(place)
    return asyncio.run(_ready(url))


async def _ready(url: str) -> dict[str, str]:
    await migrate(url)
    return await _with_database(url, _sign_in_links)


def _forget(file: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


async def _make(url: str, console: Console) -> None:
    await migrate(url)

    async def record(database: Database) -> None:
        for client in clients():
            console.print(f"Recording {client.name}: {len(client.stories)} learners, day by day …")
            await database.run(partial(record_client, client=client))

    await _with_database(url, record)


async def _with_database(url: str, use: Callable[[Database], Awaitable[T]]) -> T:
    database = Database.open(url)
    try:
        return await use(database)
    finally:
        await database.close()


async def _sign_in_links(database: Database) -> dict[str, str]:
    """The secrets of links for a support manager and for the client's own administrator."""
    now = dt.datetime.now(dt.UTC)

    async def issue(session: AsyncSession) -> dict[str, str]:
        own = await session.scalar(select(Organization.id).where(Organization.slug == "xtra-lease"))
        people = (
            Principal(name="Support", role=Role.STAFF),
            Principal(name="Xtra Lease's administrator", role=Role.ORGANIZATION, organization_id=own),
        )
        return {who.name: (await issue_sign_in_link(session, now, who, LINK_VALID)).secret for who in people}

    return await database.run(issue)


def welcome(address: str, secrets: dict[str, str]) -> list[str]:
    """What the demo says before it serves."""
    links = [f"  {name}: {address}sign-in/{secret}" for name, secret in secrets.items()]
    return [
        "",
        "Sign in with one of these links; each works once, within a day. Another start of the demo makes new ones.",
        *links,
        "",
        f"Then: pages at {address}admin, the explorer at {address}explorer, GraphQL at {address}graphql",
        "",
    ]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was learned of one learner at one time, and which beliefs it adds to those held."""

    recorded_at: dt.datetime
    learner: int
    decide: Callable[[Held], Sequence[Change]]


async def record_client(session: AsyncSession, client: Client) -> None:
    new = NewOrganization(name=client.name, zone=client.zone)
    organization_id = await create_organization(session, OLD_SYSTEM, BEFORE_ALL, new)
    teams = {
        name: await create_scope(session, OLD_SYSTEM, BEFORE_ALL, organization_id, ScopeKind.TEAM, name)
        for name in client.teams
    }
    learners = await _make_learners(session, organization_id, client)
    calendar = (await calendars(session, [organization_id]))[organization_id]
    by_time: dict[dt.datetime, list[Event]] = defaultdict(list)
    for learner_id, story in zip(learners, client.stories, strict=True):
        for event in _events(learner_id, story, organization_id, teams[story.team], calendar):
            by_time[event.recorded_at].append(event)
    for recorded_at in sorted(by_time):
        await _record(session, organization_id, recorded_at, by_time[recorded_at])


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
    session: AsyncSession, organization_id: int, recorded_at: dt.datetime, events: Sequence[Event]
) -> None:
    recording = await begin_recording(session, organization_id, recorded_at)
    held = await held_of(recording, {event.learner for event in events})
    changes: dict[int, list[Change]] = defaultdict(list)
    for event in events:
        changes[event.learner] += event.decide(held[event.learner])
    await record_all(recording, changes, OLD_SYSTEM.name, Source.API)
