"""A pack as a workbook: what it says, its lists a sheet each, and the days with a chart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import xlsxwriter  # type: ignore[import-untyped]

from models.interval import UTC
from models.money import Money, decimals_of
from resolvers.evidence.contents import Listed, PackContents, PackCorrection, PackEntry, PackMove
from resolvers.papers import words
from resolvers.papers.sheet_csv import person_cells
from resolvers.spreadsheets import neutralised

# No cell of this format holds more.
MOST_LETTERS = 32_767
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
ACCENT, LICENSED = "#1F5F8B", "#B3541E"
PERSON_COLUMNS = (("Subject", 24), ("Name", 30), ("E-mail", 34), ("External id", 16), ("Department", 20))

Cell = str | int | dt.date | Money | None


@dataclass(frozen=True, slots=True)
class _Book:
    """The workbook and its looks; xlsxwriter has no types of its own."""

    workbook: Any
    head: Any
    label: Any
    wrapped: Any
    title: Any
    date: Any

    @classmethod
    def within(cls, workbook: Any) -> _Book:
        head = {"bold": True, "font_color": "white", "bg_color": ACCENT, "align": "left", "text_wrap": True}
        label = {"bold": True, "valign": "top", "font_color": "#4A5560"}
        return cls(
            workbook,
            head=workbook.add_format(head),
            label=workbook.add_format(label),
            wrapped=workbook.add_format({"text_wrap": True, "valign": "top"}),
            title=workbook.add_format({"bold": True, "font_size": 16}),
            date=workbook.add_format({"num_format": "yyyy-mm-dd", "align": "left"}),
        )


def xlsx_of(contents: PackContents, target: BinaryIO) -> None:
    """Writes the workbook. Rows go to disk one by one, so that memory stays flat; the same contents, the same bytes."""
    workbook = xlsxwriter.Workbook(target, OPTIONS)
    created = contents.built_at.astimezone(UTC).replace(tzinfo=None)
    subject = neutralised(words.title(contents))
    workbook.set_properties({"title": "Evidence pack", "subject": subject, "created": created})
    book = _Book.within(workbook)
    _summary(book, contents)
    _people(book, contents.entries)
    _bridge(book, contents)
    _corrections(book, contents.corrections)
    _days(book, contents)
    _how_to_verify(book, contents)
    workbook.close()


def _write(book: _Book, sheet: Any, row: int, cells: Iterable[Cell], look: Any = None) -> None:
    for column, cell in enumerate(cells):
        match cell:
            case str() if cell:
                sheet.write_string(row, column, neutralised(cell)[:MOST_LETTERS], look)
            case int():
                sheet.write_number(row, column, cell, look)
            case dt.date():
                sheet.write_datetime(row, column, dt.datetime.combine(cell, dt.time()), look or book.date)
            case Money():
                sheet.write_number(row, column, cell.amount, _money_look(book, cell))


def _money_look(book: _Book, money: Money) -> Any:
    decimals = decimals_of(money.currency)
    places = f".{'0' * decimals}" if decimals else ""
    return book.workbook.add_format({"num_format": f'"{money.currency}" #,##0{places}'})


def _table(book: _Book, name: str, columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[Cell]]) -> Any:
    """A sheet with one list, which can be filtered, and whose head stays in sight and is printed on each page."""
    sheet = book.workbook.add_worksheet(name)
    for n, (_, width) in enumerate(columns):
        sheet.set_column(n, n, width)
    _write(book, sheet, 0, [label for label, _ in columns], book.head)
    last = 0
    for last, row in enumerate(rows, 1):
        _write(book, sheet, last, row)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, last, len(columns) - 1)
    sheet.repeat_rows(0)
    _printed(sheet, landscape=True)
    return sheet


def _printed(sheet: Any, *, landscape: bool = False) -> None:
    if landscape:
        sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&L&A&RPage &P of &N")


def _facts(book: _Book, name: str, heading: str, facts: Sequence[tuple[str, str]]) -> tuple[Any, int]:
    """A sheet of labels and sentences, and the first row that is free."""
    sheet = book.workbook.add_worksheet(name)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 96)
    sheet.hide_gridlines(2)
    _write(book, sheet, 0, [heading], book.title)
    for row, (label, said) in enumerate(facts, 2):
        _write(book, sheet, row, [label], book.label)
        sheet.write_string(row, 1, neutralised(said)[:MOST_LETTERS], book.wrapped)
    _printed(sheet)
    return sheet, len(facts) + 3


def _summary(book: _Book, contents: PackContents) -> None:
    sheet, row = _facts(book, "Summary", words.title(contents), words.facts(contents))
    sheet.set_column(2, 6, 16)
    columns = ("Invoice", "Line", "State", "Quantity", "Unit price", "Total", "Credited")
    if contents.bills:
        _write(book, sheet, row, columns, book.head)
    for n, line in enumerate(contents.bills, row + 1):
        money = (line.unit_price, line.total)
        _write(book, sheet, n, (line.invoice, line.kind, line.state, line.quantity, *money, line.credited))


def _people(book: _Book, entries: Listed[PackEntry]) -> None:
    dates = (("Activated", 12), ("Deactivated", 12), ("Last active day", 14), ("Certain", 10))
    instants = (("Activated at", 24), ("Deactivated at", 24))
    _table(book, "People", (("No.", 7), *PERSON_COLUMNS, *dates, *instants), map(_entry, range(1, 1 << 30), entries))


def _entry(number: int, entry: PackEntry) -> tuple[Cell, ...]:
    return (
        *(number, *person_cells(entry.person)),
        *(entry.activated_on, entry.deactivated_on, entry.last_active_on),
        "yes" if entry.certain else "possible",
        *(words.instant(entry.activated_at), words.instant(entry.deactivated_at)),
    )


def _bridge(book: _Book, contents: PackContents) -> None:
    moved = (("Movement", 14), ("Cause", 14), ("On", 12), ("At", 24))
    recorded = (("Recorded at", 24), ("Actor", 22), ("Reason", 50))
    _table(book, "Bridge", (*PERSON_COLUMNS, *moved, *recorded), map(_move, contents.moves))


def _move(move: PackMove) -> tuple[Cell, ...]:
    return (
        *person_cells(move.person),
        *(words.MOVEMENTS[move.movement], move.cause, move.on, words.instant(move.at)),
        *(words.instant(move.recorded_at), move.actor, move.reason),
    )


def _corrections(book: _Book, corrections: Listed[PackCorrection]) -> None:
    columns = (*PERSON_COLUMNS, ("Difference", 22), ("Recorded at", 24), ("Actor", 22), ("Reason", 50))
    _table(book, "Later corrections", columns, map(_correction, corrections))


def _correction(one: PackCorrection) -> tuple[Cell, ...]:
    difference = words.DIFFERENCES[one.difference]
    return (*person_cells(one.person), difference, words.instant(one.recorded_at), one.actor, one.reason)


def _days(book: _Book, contents: PackContents) -> None:
    licensed = contents.term.licensed if contents.term else None
    columns = (("Day", 12), ("Active", 10), ("Active at most", 14), ("Licensed", 10))
    rows = ((day.day, day.least, day.most, licensed) for day in contents.days)
    sheet = _table(book, "Days", columns, rows)
    if contents.days:
        sheet.insert_chart("F2", _chart(book, len(contents.days), with_licence=licensed is not None))


def _chart(book: _Book, days: int, *, with_licence: bool) -> Any:
    chart = book.workbook.add_chart({"type": "line"})
    lines = [(1, ACCENT, "solid"), (2, ACCENT, "round_dot"), *([(3, LICENSED, "dash")] if with_licence else [])]
    for column, color, dash in lines:
        line = {"color": color, "width": 1.75, "dash_type": dash}
        series = {"name": ["Days", 0, column], "categories": ["Days", 1, 0, days, 0], "line": line}
        chart.add_series(series | {"values": ["Days", 1, column, days, column]})
    chart.set_title({"name": "Active at the cutoff of each day", "name_font": {"size": 12, "bold": False}})
    chart.set_x_axis({"date_axis": True, "num_format": "yyyy-mm-dd", "num_font": {"rotation": -45}})
    chart.set_y_axis({"major_gridlines": {"visible": True, "line": {"color": "#DDE2E6"}}, "num_format": "#,##0"})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 860, "height": 400})
    return chart


def _how_to_verify(book: _Book, contents: PackContents) -> None:
    steps = [(f"Step {n}" if n else "What is signed", said) for n, said in enumerate(words.HOW_TO_VERIFY)]
    _facts(book, "How to verify", "How to verify", [*words.proof(contents), *steps])
