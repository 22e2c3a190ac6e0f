"""Two years of monthly bills of the real roster, against plain Python that shares no code with the product.

It reads the file itself, in whole days since 1970 (the file's organizations are in UTC), and says of each bill who is
counted, by which window, and whether for certain. COUNTERSIGN_ROSTER names the file.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rich.console import Console
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.activity import Predicate
from models.contracts import Measure
from models.interval import BEGINNING_US
from models.money import Money
from resolvers.contracts import NewTerm, set_term
from resolvers.loaders.places import OrganizationRow, organizations_page
from resolvers.loaders.snapshots import SnapshotRow, billing_snapshots_of
from resolvers.snapshots.drift import reproduce, snapshots_that_differ
from resolvers.snapshots.standing import EVERYBODY
from server.database import Database
from server.import_roster import ImportOptions, import_file
from tests.builders import STAFF
from tests.months import LATER, whole_month
from tests.test_oulad_questions import CERTAIN, KNOWN, NEVER, POSSIBLE, ROSTER, people, pytestmark

__all__ = ["pytestmark"]

MONTHS = [dt.date(2013 + n // 12, n % 12 + 1, 1) for n in range(1, 24)]
IMPORTED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
AGREED = {
    "Module AAA": (Measure.PEAK_DAY, 250),
    "Module BBB": (Measure.DISTINCT_IN_PERIOD, 2_000),
    "Module CCC": (Measure.ANY_ON_DAY, 1_500),
    "Module DDD": (Measure.AT_CUTOFF, 1_000),
}
DAY_US = 86_400_000_000
Window = tuple[int, int, bool]
Spans = list[tuple[int, int]]
# Of each external id the known times, and the lost ones.
People = dict[str, tuple[Spans, Spans]]


async def test_every_month_of_the_real_roster_is_what_plain_python_counts_and_reproduces(database: Database) -> None:
    options = ImportOptions(new_organizations_in_zone="UTC")
    await import_file(database, Path(str(ROSTER)), STAFF, IMPORTED, options, Console(quiet=True))
    async with database.reading() as connection:
        rows = await organizations_page(connection, EVERYBODY, None)
    for row in rows:
        await agree(database, row)
    for date in MONTHS:
        steps = await whole_month(database, date=date, now=LATER, signed_by=None, invoices=False)
        assert [step.made for step in steps] == [1] * len(rows)
    kinds = Counter[str]()
    everybody = {name: {who: (p.times(None), p.unsure(None)) for who, p in of.items()} for name, of in people().items()}
    async with database.reading() as connection:
        for row in rows:
            snapshots = await billing_snapshots_of(connection, row.organization_id)
            assert [snapshot.date for snapshot in snapshots] == MONTHS
            assert all(await reproduce(connection, snapshots))
            assert await snapshots_that_differ(connection, row.organization_id, LATER) == []
            for snapshot in snapshots:
                kinds.update(await compare(connection, row, snapshot, everybody[row.name]))
    assert kinds["entries"] > 100_000
    assert kinds["uncertain"] > 100
    assert kinds["over"] > 20


async def agree(database: Database, row: OrganizationRow) -> None:
    """A term of another measure for each of four; the others have none and are counted at the cutoff."""
    if row.name not in AGREED:
        return
    measure, licensed = AGREED[row.name]
    new = NewTerm(
        product_id=row.organization_id,
        first=dt.date(2013, 1, 1),
        through=None,
        licensed=licensed,
        unit_price=Money(1_000, "GBP"),
        measure=measure,
    )
    await database.run(
        partial(
            set_term, principal=STAFF, now=IMPORTED + dt.timedelta(days=1), organization_id=row.organization_id, new=new
        )
    )


async def compare(connection: AsyncConnection, row: OrganizationRow, snapshot: SnapshotRow, of: People) -> Counter[str]:
    expected = bill(row.name, snapshot.date, of)
    assert await entries(connection, snapshot) == expected, (row.name, snapshot.date)
    certain = sum(sure for _, _, sure in expected.values())
    counts = (snapshot.count_least, snapshot.count_most)
    assert counts[0] == certain
    # Of a peak the most may be reached on another day than the provable one.
    assert counts[1] == len(expected) or (snapshot.measure is Measure.PEAK_DAY and counts[1] > len(expected))
    found = Counter(entries=len(expected), uncertain=len(expected) - certain)
    if row.name in AGREED:
        licensed = AGREED[row.name][1]
        assert snapshot.overage_least == max(0, counts[0] - licensed)
        assert snapshot.overage_most == max(0, counts[1] - licensed)
        found["over"] = counts[0] > licensed
    return found


async def entries(connection: AsyncConnection, snapshot: SnapshotRow) -> dict[str, Window]:
    """Of each external id who was counted: the first and last bounds of their window in days, and whether for sure."""
    statement = """SELECT p.external_id, e.from_earliest, e.to_latest, e.certain FROM snapshot_entry e
        JOIN profile p ON p.organization_id = e.organization_id AND p.learner_id = e.learner_id
        WHERE e.organization_id = :o AND e.snapshot_id = :s"""
    found = await connection.execute(text(statement), {"o": snapshot.organization_id, "s": snapshot.id})
    return {who: (days_of(start), days_of(end), bool(sure)) for who, start, end, sure in found}


def days_of(microseconds: int) -> int:
    return NEVER if microseconds == BEGINNING_US else microseconds // DAY_US


# ------------------------------------------------------------------------------------- the long way


def number(date: dt.date) -> int:
    return (date - dt.date(1970, 1, 1)).days


def bill(name: str, date: dt.date, of: People) -> dict[str, Window]:
    """Who is counted for a date, by what the organization has agreed."""
    measure = AGREED[name][0].name if name in AGREED else "AT_CUTOFF"
    today = number(date)
    month_ago = number((date - dt.timedelta(days=1)).replace(day=1))
    if measure == "AT_CUTOFF":
        return counted(Predicate.ACTIVE_AT, today, today, of)
    if measure == "ANY_ON_DAY":
        return counted(Predicate.ACTIVE_DURING, today, today + 1, of)
    if measure == "DISTINCT_IN_PERIOD":
        return counted(Predicate.ACTIVE_DURING, month_ago, today, of)
    days = [counted(Predicate.ACTIVE_AT, day, day, of) for day in range(month_ago, today)]
    return max(days, key=lambda found: sum(sure for _, _, sure in found.values()))


def counted(predicate: Predicate, a: int, b: int, of: People) -> dict[str, Window]:
    answers = ((who, next(windows(predicate, a, b, *spans), None)) for who, spans in of.items())
    return {who: window for who, window in answers if window}


def windows(predicate: Predicate, a: int, b: int, times: Spans, lost: Spans) -> Iterator[Window]:
    """Those by which the person counts: known ones first, then those that surely count; of each the latest first."""
    known = [(start, end) for start, end in times if KNOWN[predicate](start, end, a, b)]
    yield from ((start, end, True) for start, end in sorted(known, key=lambda span: span[1], reverse=True))
    unsure = [(low, end) for low, end in lost if POSSIBLE[predicate](low, end, a, b)]
    graded = [(CERTAIN[predicate](low, end, a, b), end, low) for low, end in unsure]
    yield from ((low, end, sure) for sure, end, low in sorted(graded, reverse=True))
