"""Lists of learners as CSV, read a page at a time: memory stays flat, and one recorded time is pinned for all pages.

What can be refused is refused by `prepare`, before the first byte. Then `learner_rows` gives the rows, and `csv_of` the
text of the file: what it answers, its header, its rows, and a last line that says that it is complete, or not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TextIO, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import NotFound
from models.interval import BEGINNING_US, BillingCalendar, from_microseconds, instant_unless_lost
from models.organizations import ScopeKind
from resolvers.activity import ActivityQuestion
from resolvers.database import Reading, Writing
from resolvers.lists import Listed, NamedScope, as_known_at, learner_list
from resolvers.loaders.counts import Count, Question, counts
from resolvers.loaders.learner_lists import (
    LearnerOrder,
    LearnersPage,
    ListPart,
    certainties,
    learner_totals,
    learners_of,
)
from resolvers.loaders.learners import LearnerRow
from resolvers.loaders.places import OrganizationRow, ScopeKey, organization_by_slug, scopes_by_id
from resolvers.loaders.windows import WindowRow, WindowsPage, windows_of_learners
from resolvers.principal import Principal
from resolvers.spreadsheets import BYTE_ORDER_MARK, as_csv

PAGE_ROWS = 1_000
HEADER = (
    *("name", "email", "external_id", "department"),
    *("activated_on", "deactivated_on", "last_active_on", "certain", "window_quality"),
)
ABOUT_DATES = (
    "of the latest window that answers the question (of a team while a member, of a library while having access); "
    "local days of the zone; empty while a window is open, or if the date was lost"
)
INCOMPLETE = "INCOMPLETE: this file is not whole. Download it again."

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLearners:
    """A list of learners, as somebody asks for it; without a question, all who ever belonged there."""

    # The slug.
    organization: str
    question: ActivityQuestion | None = None
    team: ScopeKey | None = None
    library: ScopeKey | None = None
    known_at: dt.datetime | None = None
    search: str | None = None
    departments: tuple[str, ...] = ()
    order: LearnerOrder = LearnerOrder.NAME
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnersExport:
    """A list that was checked, may be seen, and is pinned to one recorded time."""

    asked: AskedLearners
    organization: OrganizationRow
    listed: Listed
    generated_at: dt.datetime
    # How many answer the question, whatever is searched for; None without a question, and of two scopes at once.
    count: Count | None
    # How many rows there are.
    total: int


@dataclass(frozen=True, slots=True)
class ExportedLearner:
    """A row: the learner, and the dates of the window that answers the question."""

    name: str
    email: str
    external_id: str
    department: str
    activated_on: dt.date | None
    deactivated_on: dt.date | None
    last_active_on: dt.date | None
    certain: bool
    window_quality: str

    def cells(self) -> list[str]:
        dates = (self.activated_on, self.deactivated_on, self.last_active_on)
        return [
            *(self.name, self.email, self.external_id, self.department),
            *(day.isoformat() if day else "" for day in dates),
            "yes" if self.certain else "possible",
            self.window_quality,
        ]


class ExportNotWhole(Exception):
    """Rows changed places while they were read: somebody was renamed or erased. The file says that it is not whole."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"{found} rows were read where there were {expected} at first")


# ------------------------------------------------------------------------------------------- before reading


async def prepare(
    reading: Reading, run: Writing, principal: Principal, now: dt.datetime, asked: AskedLearners
) -> LearnersExport:
    """Checks a list and pins it. Raises the same errors as the API, in the same words."""
    async with reading() as connection:
        organization = await _seen(connection, principal, asked.organization)
        within = [
            await _scope(connection, organization, key, kind)
            for kind, key in ((ScopeKind.TEAM, asked.team), (ScopeKind.LIBRARY, asked.library))
            if key
        ]
    known = await as_known_at(run, organization, asked.known_at, now)
    listed = learner_list(organization, within, asked.question, known, asked.search, asked.departments)
    async with reading() as connection:
        total = (await learner_totals(connection, [listed.key], listed.who))[0]
        count = await _count(connection, listed)
    return LearnersExport(
        asked=asked, organization=organization, listed=listed, generated_at=now, count=count, total=total
    )


async def _seen(connection: AsyncConnection, principal: Principal, slug: str) -> OrganizationRow:
    organization = await organization_by_slug(connection, slug)
    if organization is None:
        raise NotFound("organization", "organization")
    principal.must_see(organization.organization_id, "organization", "organization")
    return organization


async def _scope(
    connection: AsyncConnection, organization: OrganizationRow, key: ScopeKey, kind: ScopeKind
) -> NamedScope:
    rows = await scopes_by_id(connection, [key])
    if key.organization_id != organization.organization_id or not rows or rows[0].kind != kind.name:
        raise NotFound(kind.name.lower(), kind.name.lower())
    return NamedScope(key.scope_id, rows[0].name)


async def _count(connection: AsyncConnection, listed: Listed) -> Count | None:
    if listed.who.predicate is None or listed.who.in_two_scopes:
        return None
    key = listed.key
    question = Question(key.organization_id, key.scope_id, key.a, key.b, key.known_at)
    return (await counts(connection, [question], listed.who.predicate))[0]


# ------------------------------------------------------------------------------------------------- reading


async def learner_rows(reading: Reading, export: LearnersExport) -> AsyncIterator[ExportedLearner]:
    """All rows in their order. Each page is a read of its own, so that a slow reader holds no snapshot open."""
    async for page in _pages(reading, export):
        for row in page:
            yield row


async def _pages(reading: Reading, export: LearnersExport) -> AsyncIterator[list[ExportedLearner]]:
    page = LearnersPage(PAGE_ROWS, export.asked.order, export.asked.descending)
    part, who, calendar = ListPart(export.listed.key), export.listed.who, export.organization.calendar
    while True:
        async with reading() as connection:
            (learners,) = await learners_of(connection, [part], who, page)
            ids = [learner.learner_id for learner in learners]
            certain = await certainties(connection, {part.listed: ids}, who)
            windows = await _answering_windows(connection, export, learners)
        if learners:
            yield [
                _exported(learner, windows.get(learner.learner_id), calendar, certain=surely)
                for learner, surely in zip(learners, certain[part.listed], strict=True)
            ]
        if len(learners) < PAGE_ROWS:
            return
        part = ListPart(part.listed, (learners[-1].position, learners[-1].learner_id))


async def _answering_windows(
    connection: AsyncConnection, export: LearnersExport, learners: Sequence[LearnerRow]
) -> dict[int, WindowRow]:
    """Of each learner the latest window that answers the question, where it is asked."""
    keys = [export.listed.key.windows.key(learner.learner_id) for learner in learners]
    rows = await windows_of_learners(connection, keys, WindowsPage(export.listed.who.predicate, 1, newest_first=True))
    return {row.learner_id: row for row in rows}


def _exported(
    learner: LearnerRow, window: WindowRow | None, calendar: BillingCalendar, *, certain: bool
) -> ExportedLearner:
    start = instant_unless_lost(window.from_earliest, window.from_latest) if window else None
    end = instant_unless_lost(window.to_earliest, window.to_latest) if window else None
    return ExportedLearner(
        name=learner.name,
        email=learner.email,
        external_id=learner.external_id,
        department=learner.department,
        activated_on=calendar.day_of(start) if start else None,
        deactivated_on=calendar.day_of(end) if end else None,
        last_active_on=calendar.last_day_before(end) if end else None,
        certain=certain,
        window_quality=window.quality if window else "",
    )


# ----------------------------------------------------------------------------------------------- as a file


async def write_learners(stream: TextIO, reading: Reading, export: LearnersExport) -> None:
    """Writes the whole file to a stream opened as UTF-8 with newline="", as csv ends its lines itself. What breaks on
    the way is raised once the file says that it is not whole.
    """
    async for text in csv_of(reading, export):
        stream.write(text)


async def csv_of(reading: Reading, export: LearnersExport) -> AsyncIterator[str]:
    """The text of the file, a page at a time. Its last line always says whether it is whole."""
    yield BYTE_ORDER_MARK + as_csv([*_preface(export), HEADER])
    written = 0
    try:
        async for page in _pages(reading, export):
            yield as_csv(row.cells() for row in page)
            written += len(page)
        if written != export.total:
            raise ExportNotWhole(export.total, written)
    except Exception:
        yield as_csv([[INCOMPLETE, f"{written} of {export.total} rows were written."]])
        raise
    yield as_csv([["END", f"{written} {'row' if written == 1 else 'rows'}; this file is complete."]])


def _preface(export: LearnersExport) -> list[tuple[str, str]]:
    """What the file answers, so that it means the same to whoever finds it."""
    asked = export.asked
    lines = [
        ("Question", export.listed.words),
        ("Organization", export.organization.name),
        ("As known at", _as_known(export.listed.key.known_at)),
        ("Generated at", f"{export.generated_at:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    if export.count:
        lines.append(("Answer", _in_words(export.count)))
    if export.listed.who.search:
        lines.append(("Search", export.listed.who.search))
    if asked.departments:
        lines.append(("Department", ", ".join(asked.departments)))
    return [*lines, ("Rows", str(export.total)), ("Dates", ABOUT_DATES)]


def _as_known(known_at: int) -> str:
    if known_at == BEGINNING_US:
        return "nothing has been recorded yet"
    return from_microseconds(known_at).isoformat(sep=" ").replace("+00:00", " UTC")


def _in_words(count: Count) -> str:
    if count.least == count.most:
        return f"{count.least} {'learner' if count.least == 1 else 'learners'}"
    return f"{count.least} to {count.most} learners: {count.most - count.least} only possibly, as dates were lost"
