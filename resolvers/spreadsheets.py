"""Text that a spreadsheet program opens safely: CSV in UTF-8, of which no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# Spreadsheet programs take a file for UTF-8 only if it begins with this.
BYTE_ORDER_MARK = "\ufeff"
# What they would take for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([neutralised(str(cell)) for cell in row] for row in rows)
    return text.getvalue()


def neutralised(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell
