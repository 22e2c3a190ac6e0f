"""The CSV files of a pack: the same text for the same rows, and safe to open in a spreadsheet program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from models.proofs.canonical import Malformed

# What a spreadsheet program would take for a formula; and the mark itself, so that each text has one spelling.
SHIELDED_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


def shielded(text: str) -> str:
    """A text that people wrote, as a cell that is no formula."""
    return f"'{text}" if text.startswith(SHIELDED_STARTS) else text


def bared(cell: str) -> str:
    """The text within a shielded cell."""
    return cell.removeprefix("'")


def table_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def read_table(header: Sequence[str], text: bytes) -> list[list[str]]:
    """The rows below the header; Malformed if it is not a table with just these columns."""
    try:
        first, *rows = csv.reader(io.StringIO(text.decode(), newline=""), strict=True)
    except (UnicodeDecodeError, ValueError, csv.Error) as problem:
        raise Malformed("it is not a CSV file in UTF-8") from problem
    if first != list(header):
        raise Malformed(f"its columns are not {', '.join(header)}")
    crooked = next((n for n, row in enumerate(rows, start=2) if len(row) != len(header)), None)
    if crooked:
        raise Malformed(f"line {crooked} has not {len(header)} columns")
    return rows
