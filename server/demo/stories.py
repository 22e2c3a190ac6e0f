"""Who comes and goes in the demo, and what its clients agreed: always the same, to the last date."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field

from models.contracts import Measure
from models.interval import DAY
from models.money import Money

SEED = 2017
MONDAY, FRIDAY = 0, 4


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a client licenses, from the beginning of 2016 on."""

    seats: int
    unit_price: Money
    measure: Measure = Measure.AT_CUTOFF


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
    agreed: Agreed
    stories: list[Story] = field(default_factory=list)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def clients() -> list[Client]:
    """Always the same three, to the last date."""
    dice = random.Random(SEED)  # noqa: S311  # the same data on every machine, not a secret
    return [xtra_lease(dice), baptist_health_plan(dice), glovis_america(dice)]


def xtra_lease(dice: random.Random) -> Client:
    """375 who stayed and 28 who left in September and October make 403; with 16 who came since then it is 391."""
    teams, agreed = ("Branch Operations", "Fleet", "Sales"), Agreed(400, Money(1_250, "USD"))
    client = Client("Xtra Lease", "America/Chicago", "xtralease.example", teams, agreed)
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
    teams, agreed = ("Claims", "Nursing"), Agreed(240, Money(1_500, "USD"))
    client = Client("Baptist Health Plan", "America/New_York", "baptisthealthplan.example", teams, agreed)
    for _ in range(244):
        client.stories.append(Story(dice.choice(client.teams), (Spell(_monday(dice, "2016-03-01", "2017-08-28")),)))
    for _ in range(9):
        client.stories.append(Story("Nursing", (Spell(day("2017-09-20"), day("2017-09-20")),), lost_start=True))
    return client


def glovis_america(dice: random.Random) -> Client:
    """118 active on 2017-09-05, one of whom was deactivated at 10:12 and returned at 15:40 that day."""
    teams, agreed = ("Port", "Yard"), Agreed(120, Money(1_100, "USD"), Measure.PEAK_DAY)
    client = Client("GLOVIS America", "America/Los_Angeles", "glovis.example", teams, agreed)
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
