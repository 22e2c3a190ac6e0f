"""One row of a roster: what it says, or why it is refused. Pure; runs once a row, so it is made to be quick."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from models.interval import BEGINNING, DAY, FOREVER, BillingCalendar, to_microseconds
from resolvers.roster.reading import COLUMNS, Cells, Layout, Reading

BEGINNING_US = to_microseconds(BEGINNING)
FOREVER_US = to_microseconds(FOREVER)
CERTIFICATIONS = "certifications"
AS_IN = "Write it as in: CPR 2026-05-31; First aid"
LOOKS_LIKE_A_DATE = re.compile(r"\d+([-/.])\d+\1\d+\.?")
FIRST_DAY, LAST_DAY = dt.date(1900, 1, 1), dt.date(2199, 12, 31)
LONGEST = {"team": 200, "external_id": 200, "name": 200, "email": 320, "department": 200, "organization": 200}
LONGEST |= {"certifications": 4_000}
SPREADSHEET_ERRORS = ("#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "####")
# Control characters, lone surrogates, line and paragraph separators.
FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")
MOST_DATES_KEPT = 150_000


class Refusal(NamedTuple):
    """Why a row is refused. Never holds what stood in a cell that may be personal."""

    line: int
    column: str
    problem: str
    mend: str


class LineRefused(Exception):
    def __init__(self, column: str, problem: str, mend: str) -> None:
        super().__init__(problem)
        self.column, self.problem, self.mend = column, problem, mend

    def on(self, line: int) -> Refusal:
        return Refusal(line, self.column, self.problem, self.mend)


# A row of `staged_line` as the driver takes it, in the order of these columns. Instants are microseconds.
Staged: TypeAlias = tuple[int, int, int, str, str, str, str, str, str, str, str, int, int, int]
STAGED_COLUMNS = (
    *("organization_id", "import_id", "line"),
    *("team", "external_id", "name", "email", "department"),
    *("name_key", "email_key", "department_key"),
    *("from_earliest", "from_latest", "to_at"),
)
# A row of `staged_certification`, in the order of these columns.
StagedName: TypeAlias = tuple[int, int, int, str, str, dt.date | None]
NAME_COLUMNS = ("organization_id", "import_id", "line", "name_key", "name", "expires_on")


def day_of(text: str, column: str, date_format: str | None) -> dt.date:
    """The day that a cell names, in the form of the import's dates."""
    day = _day_of(text, column, date_format)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise LineRefused(column, "The date is outside 1900-01-01 through 2199-12-31.", "Check its year.")
    return day


def _day_of(text: str, column: str, date_format: str | None) -> dt.date:
    try:
        if date_format is not None:
            return dt.datetime.strptime(text, date_format).date()  # noqa: DTZ007 (a date has no zone)
        if len(text) == 10 and text[4] == text[7] == "-" and text.isascii():
            return dt.date.fromisoformat(text)
    except ValueError as problem:
        raise LineRefused(column, f"{_shown(text)} does not exist, or is no date.", _form(date_format)) from problem
    raise LineRefused(column, f"{_shown(text)} is not a date of the expected form.", _form(date_format))


def _form(date_format: str | None) -> str:
    if date_format is not None:
        return f"Write dates as the date format {date_format} says."
    return "Write dates as YYYY-MM-DD, or name their form with --date-format."


class Days:
    """The first instants of an organization's days, by the text of a date; each text is worked out once."""

    def __init__(self, calendar: BillingCalendar, date_format: str | None) -> None:
        self._calendar = calendar
        self._date_format = date_format
        self._starts: dict[str, int] = {}

    def start_of(self, text: str, column: str) -> int:
        start = self._starts.get(text)
        if start is None:
            start = self._worked_out(text, column)
            if len(self._starts) < MOST_DATES_KEPT:
                self._starts[text] = start
        return start

    def _worked_out(self, text: str, column: str) -> int:
        day = day_of(text, column, self._date_format)
        start = self._calendar.start_of(day)
        if start == self._calendar.start_of(day + DAY):
            raise LineRefused(
                column, "The clocks of the organization's zone skipped this whole day.", "Use the day before or after."
            )
        return to_microseconds(start)


class Rows:
    """Reads rows for one import."""

    def __init__(self, import_id: int, layout: Layout, reading: Reading, now: dt.datetime) -> None:
        self._import_id = import_id
        self._width = layout.width
        self._pick = itemgetter(*layout.places)
        self._padding = [""]
        self._date_format = reading.date_format
        self._now_us = to_microseconds(now)
        self._days: dict[int, Days] = {}
        self._certified: list[StagedName] = []
        self._organizations: Mapping[str, int | LineRefused] = {}
        self._calendars: Mapping[int, BillingCalendar] = {}
        if reading.organization is not None:
            # The one organization of the whole file stands in a cell of its own behind the others.
            self._padding = ["", reading.organization]
            self._pick = itemgetter(layout.width + 1, *layout.places[1:])

    def know(self, organizations: Mapping[str, int | LineRefused], calendars: Mapping[int, BillingCalendar]) -> None:
        """Which organization a cell means, or why it means none; `read` is only given rows of these."""
        self._organizations, self._calendars = organizations, calendars

    def organization_of(self, cells: Cells) -> str:
        """What stands for the organization; empty where the row has too few cells to say."""
        if len(cells) != self._width:
            return ""
        named: str = self._pick(cells + self._padding)[0]
        return named.strip()

    def read(self, line: int, cells: Cells) -> Staged:
        """What the row says, or LineRefused."""
        if len(cells) != self._width:
            raise self._wrong_width(cells)
        text = "".join(cells)
        picked = self._pick(cells + self._padding)
        # One look at the whole row finds nearly all of them clean; only the others are looked at cell by cell.
        if len(text) > 200 or "#" in text or not text.isprintable():
            _refuse_odd_cells(dict(zip(COLUMNS, picked, strict=True)))
        named, team, external_id, name, email, department, activated, deactivated, held = map(str.strip, picked)
        organization_id = self._organization(named)
        if not team or not external_id:
            raise _missing("external_id" if team else "team")
        # The casefolded texts are `models.learners.sort_key`'s, without three calls a row.
        staged = (
            *(organization_id, self._import_id, line),
            *(team, external_id, name, email, department),
            *(name.casefold(), email.casefold(), department.casefold()),
            *self._interval(organization_id, activated, deactivated),
        )
        if held:
            certified = certifications_in(held, self._date_format).items()
            self._certified += [(organization_id, self._import_id, line, key, *one) for key, one in certified]
        return staged

    def take_certifications(self) -> list[StagedName]:
        """What the rows read since the last time say of certifications."""
        taken, self._certified = self._certified, []
        return taken

    def _wrong_width(self, cells: Cells) -> LineRefused:
        problem = f"The row has {len(cells)} cells, the header line {self._width}."
        mend = "Give each column a cell, and put a cell that holds a comma in quotation marks."
        swallowed = sum(cell.count("\n") for cell in cells)
        if swallowed:
            problem += (
                f" {swallowed} line ends stand inside quotation marks, so {swallowed + 1} lines were read as one."
            )
            mend = "Close the quotation mark that this line opens."
        return LineRefused("", problem, mend)

    def _organization(self, named: str) -> int:
        if not named:
            raise _missing("organization")
        found = self._organizations[named]
        if isinstance(found, LineRefused):
            raise found
        return found

    def _interval(self, organization_id: int, activated: str, deactivated: str) -> tuple[int, int, int]:
        """The earliest and latest start, and the end. A lost start lies anywhere before the end, or before now."""
        days = self._days.get(organization_id)
        if days is None:
            days = self._days[organization_id] = Days(self._calendars[organization_id], self._date_format)
        to_at = days.start_of(deactivated, "deactivated_on") if deactivated else FOREVER_US
        if not activated:
            left_at = self._now_us if to_at == FOREVER_US else to_at
            return BEGINNING_US, left_at - 1, to_at
        from_at = days.start_of(activated, "activated_on")
        if from_at >= to_at:
            raise _not_forward(from_at == to_at)
        return from_at, from_at, to_at


def certifications_in(cell: str, date_format: str | None) -> dict[str, tuple[str, dt.date | None]]:
    """What a cell such as `CPR 2026-05-31; First aid` says: by its sort key each name, and its last day unless it never
    expires. Semicolons separate several; dates are of the form of the import's dates.
    """
    found: dict[str, tuple[str, dt.date | None]] = {}
    for part in filter(None, map(str.strip, cell.split(";"))):
        name, expires_on = _certification(part, date_format)
        if found.setdefault(name.casefold(), (name, expires_on))[1] != expires_on:
            problem = "The same certification stands there twice, with different last days."
            raise LineRefused(CERTIFICATIONS, problem, "Keep the one that is right.")
    return found


def _certification(part: str, date_format: str | None) -> tuple[str, dt.date | None]:
    """The last words of a part are a date if they can be read as one; what only looks like one is refused, and is no
    part of the name."""
    name, date = _parted(part, date_format)
    if not name or LOOKS_LIKE_A_DATE.fullmatch(name):
        raise LineRefused(CERTIFICATIONS, "A last day stands there without the name of what expires then.", AS_IN)
    if len(name) > 200:
        raise LineRefused(CERTIFICATIONS, "The name of a certification is longer than 200 characters.", "Shorten it.")
    return name, day_of(date, CERTIFICATIONS, date_format) if date else None


def _parted(part: str, date_format: str | None) -> tuple[str, str]:
    """The name, and the text of its last day; that is empty where none is given."""
    words = part.split()
    size = len(date_format.split()) if date_format else 1
    last = " ".join(words[-size:])
    if _is_day(last, date_format) or (size == 1 and LOOKS_LIKE_A_DATE.fullmatch(last)):
        return " ".join(words[:-size]), last
    if LOOKS_LIKE_A_DATE.fullmatch(words[-1]):
        return " ".join(words[:-1]), words[-1]
    return " ".join(words), ""


def _is_day(text: str, date_format: str | None) -> bool:
    try:
        _day_of(text, CERTIFICATIONS, date_format)
    except LineRefused:
        return False
    return True


def _shown(text: str) -> str:
    """A date as it stands, if it is made of what dates are made of: a cell in a wrong place may hold a name."""
    return text if len(text) <= 20 and all(c.isdigit() or c in "-/. :" for c in text) else "The cell"


def _missing(column: str) -> LineRefused:
    return LineRefused(column, f"The {column.replace('_', ' ')} is missing.", "Fill it in: a row is found by it.")


def _not_forward(on_one_day: bool) -> LineRefused:
    if on_one_day:
        problem = (
            "The row begins and ends on one day, so it was never active: the end is the first day no longer active."
        )
        return LineRefused(
            "deactivated_on", problem, "For a single active day give the day after; else leave the row out."
        )
    return LineRefused("deactivated_on", "The row ends before it begins.", "Swap the dates, or correct one.")


def _refuse_odd_cells(cells: Mapping[str, str]) -> None:
    for column, cell in cells.items():
        if any(unicodedata.category(character) in FORBIDDEN for character in cell.strip()):
            raise LineRefused(column, "The cell holds a line end or another control character.", "Remove it.")
        if cell.strip().startswith(SPREADSHEET_ERRORS):
            raise LineRefused(column, "The cell holds a spreadsheet's error.", "Mend the formula and export it again.")
        if len(cell.strip()) > LONGEST.get(column, 200):
            raise LineRefused(column, f"The cell is longer than {LONGEST.get(column, 200)} characters.", "Shorten it.")
    if not cells["team"].strip().isprintable():
        raise LineRefused("team", "The name holds characters that cannot be printed.", "Type it anew.")
