"""The five questions on real windows, against a count in plain Python that shares no code with the product.

It reads the file itself, in whole days since 1970 (the file's organizations are in UTC), and asks with ranges of days.
COUNTERSIGN_ROSTER names the file; see `python3 -m server settings`.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from models.access import Role
from models.activity import Predicate
from models.organizations import ScopeKind
from resolvers.activity import ActivityQuestion, CutoffOf, Days, answerable
from resolvers.loaders.counts import Count, Question, counts
from resolvers.loaders.places import OrganizationRow, ScopesPage, organization_by_slug, scopes_of
from resolvers.principal import Principal
from server.database import Database
from server.import_roster import ImportOptions, import_file

ROSTER = os.environ.get("COUNTERSIGN_ROSTER")
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
STAFF = Principal(name="Importer", role=Role.STAFF)
NEVER = -(10**6)

pytestmark = pytest.mark.skipif(
    not ROSTER, reason="COUNTERSIGN_ROSTER names no roster: set it to the path of a roster.csv of the OULAD data"
)

ORGANIZATIONS = ("Module AAA", "Module BBB", "Module FFF", "Module GGG")
RANGES = (
    ("2013-09-30", "2013-10-31"),
    ("2014-02-01", "2014-02-01"),
    ("2013-02-01", "2014-12-31"),
    ("2014-06-01", "2014-09-30"),
    ("2012-01-01", "2012-12-31"),
)


def day(text: str) -> int:
    return (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days


@dataclass
class Person:
    """Their known times by team, as [first active day, first day no longer active), and the ends of lost ones."""

    known: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    lost: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def times(self, team: str | None) -> list[tuple[int, int]]:
        spans = sorted(span for name, of_one in self.known.items() if team in (None, name) for span in of_one)
        joined: list[tuple[int, int]] = []
        for start, end in spans:
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined

    def unsure(self, team: str | None) -> list[tuple[int, int]]:
        """(earliest possible start, end) of each lost time: it began after the last known leaving before its end."""
        ends = [end for name, of_one in self.lost.items() if team in (None, name) for end in of_one]
        everywhere = self.times(None)
        found = [(max([NEVER, *(left for _, left in everywhere if left < end)]), end) for end in ends]
        return [(low, end) for low, end in found if not any(s <= low and end <= e for s, e in self.times(team))]


def people() -> dict[str, dict[str, Person]]:
    found: dict[str, dict[str, Person]] = defaultdict(lambda: defaultdict(Person))
    with Path(str(ROSTER)).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            person = found[row["organization"]][row["external_id"]]
            end = day(row["deactivated_on"])
            if not row["activated_on"]:
                person.lost[row["team"]].append(end)
            elif day(row["activated_on"]) < end:
                person.known[row["team"]].append((day(row["activated_on"]), end))
    return found


# Of a known time [s, e) and the days a through b-1; of a lost one, whose start is any instant from `low` until `e`.
Known = Callable[[int, int, int, int], bool]
KNOWN: dict[Predicate, Known] = {
    Predicate.ACTIVE_AT: lambda s, e, a, b: s <= a < e,
    Predicate.ACTIVE_DURING: lambda s, e, a, b: s < b and e > a,
    Predicate.ACTIVE_THROUGHOUT: lambda s, e, a, b: s <= a and e >= b,
    Predicate.ACTIVATED_WITHIN: lambda s, e, a, b: a <= s < b,
    Predicate.DEACTIVATED_WITHIN: lambda s, e, a, b: a < e <= b,
}
POSSIBLE: dict[Predicate, Known] = {
    Predicate.ACTIVE_AT: lambda low, e, a, b: low <= a < e,
    Predicate.ACTIVE_DURING: lambda low, e, a, b: low < b and e > a,
    Predicate.ACTIVE_THROUGHOUT: lambda low, e, a, b: low <= a and e >= b,
    Predicate.ACTIVATED_WITHIN: lambda low, e, a, b: low < b and e > a,
    Predicate.DEACTIVATED_WITHIN: lambda low, e, a, b: a < e <= b,
}
CERTAIN: dict[Predicate, Known] = {
    Predicate.ACTIVE_AT: lambda low, e, a, b: False,
    Predicate.ACTIVE_DURING: lambda low, e, a, b: a < e <= b,
    Predicate.ACTIVE_THROUGHOUT: lambda low, e, a, b: False,
    Predicate.ACTIVATED_WITHIN: lambda low, e, a, b: a <= low and e <= b,
    Predicate.DEACTIVATED_WITHIN: lambda low, e, a, b: a < e <= b,
}


Times = list[tuple[list[tuple[int, int]], list[tuple[int, int]]]]


def counted(times: Times, predicate: Predicate, a: int, b: int) -> Count:
    least = most = 0
    for known, unsure in times:
        exactly = any(KNOWN[predicate](s, e, a, b) for s, e in known)
        least += exactly or any(CERTAIN[predicate](low, e, a, b) for low, e in unsure)
        most += exactly or any(POSSIBLE[predicate](low, e, a, b) for low, e in unsure)
    return Count(least, most)


async def test_each_question_counts_what_plain_python_counts(database: Database) -> None:
    options = ImportOptions(new_organizations_in_zone="UTC")
    await import_file(database, Path(str(ROSTER)), STAFF, NOW, options, Console(quiet=True))
    everybody = people()
    not_trivial = 0
    for name in ORGANIZATIONS:
        organization, scopes = await _scopes(database, name)
        for team, scope in scopes.items():
            times = [(person.times(team), person.unsure(team)) for person in everybody[name].values()]
            for predicate in Predicate:
                expected = [counted(times, predicate, day(first), day(last) + 1) for first, last in RANGES]
                assert await _asked(database, organization, scope, predicate) == expected, (name, team, predicate)
                not_trivial += sum(count.most > 0 for count in expected)
    assert not_trivial > 200


async def _scopes(database: Database, name: str) -> tuple[OrganizationRow, dict[str | None, int]]:
    """The organization, and its scope, as None, and those of its teams."""
    async with database.reading() as connection:
        organization = await organization_by_slug(connection, name.lower().replace(" ", "-"))
        assert organization is not None
        rows = await scopes_of(connection, [organization.organization_id], ScopesPage(ScopeKind.TEAM, 100))
    return organization, {None: organization.organization_id} | {row.name: row.scope_id for row in rows}


async def _asked(database: Database, organization: OrganizationRow, scope: int, predicate: Predicate) -> list[Count]:
    keys = []
    for first, last in RANGES:
        days = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
        span = CutoffOf(days[0]) if predicate is Predicate.ACTIVE_AT else Days(*days)
        one = answerable(ActivityQuestion(predicate, span), organization.calendar)
        keys.append(Question(organization.organization_id, scope, one.a, one.b, organization.recorded_through))
    async with database.reading() as connection:
        return await counts(connection, keys, predicate)
