"""The CSV files of a pack: the same text for the same rows, and safe to open in a spreadsheet program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from models.proofs.canonical import Malformed

# What a spreadsheet program would take for a formula; and the mark itself, so that each text has one spelling.
SHIELDED_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")
NO_TABLE = "it is not a CSV file in UTF-8"


def shielded(text: str) -> str:
    """A text that people wrote, as a cell that is no formula."""
    return f"'{text}" if text.startswith(SHIELDED_STARTS) else text


def bared(cell: str) -> str:
    """The text within a shielded cell."""
    return cell.removeprefix("'")


def table_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return rows_text([header]) + rows_text(rows)


def rows_text(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def read_table(header: Sequence[str], text: bytes) -> list[list[str]]:
    """The rows below the header; Malformed if it is not a table with just these columns."""
    try:
        lines = io.StringIO(text.decode(), newline="")
    except UnicodeDecodeError as problem:
        raise Malformed(NO_TABLE) from problem
    return list(rows_of(header, lines))


def rows_of(header: Sequence[str], lines: Iterable[str]) -> Iterator[list[str]]:
    """The same, row by row, of lines that keep their ends."""
    try:
        rows = enumerate(csv.reader(lines, strict=True), start=1)
        if next(rows, (1, None))[1] != list(header):
            raise Malformed(f"its columns are not {', '.join(header)}")
        for number, row in rows:
            if len(row) != len(header):
                raise Malformed(f"line {number} has not {len(header)} columns")
            yield row
    except csv.Error as problem:
        raise Malformed(NO_TABLE) from problem
