"""Tables on paper: the head again on every page, and a text that is too long goes on in the next line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from resolvers.papers.sheet_of_paper import BOTTOM, GROUND, INK, LEADING, LEFT, POINT, QUIET, WARN, Paper
from resolvers.papers.typefaces import printable

SIZE, GAP = 7.4, 2.2
STEP = SIZE * POINT * LEADING
PADDING, EDGE = 0.75, 1.5


@dataclass(frozen=True, slots=True)
class Column:
    label: str
    # Millimetres, with the gap to the next one.
    width: float
    align: Literal["L", "R"] = "L"

    @property
    def inner(self) -> float:
        return self.width - GAP


@dataclass(frozen=True, slots=True)
class Row:
    cells: Sequence[str]
    # Grey for who was erased, warm for who is uncertain.
    look: Literal["plain", "quiet", "warn"] = "plain"


COLORS = {"plain": INK, "quiet": QUIET, "warn": WARN}


def draw_table(paper: Paper, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    _head(paper, columns)
    for row in rows:
        lines = [
            paper.lines_of(printable(cell), column.inner, SIZE) for cell, column in zip(row.cells, columns, strict=True)
        ]
        height = STEP * max(map(len, lines)) + 2 * PADDING
        if paper.at + height > BOTTOM:
            paper.new_page()
            _head(paper, columns)
        _row(paper, columns, row, lines)
        paper.at += height
        paper.rule(paper.at, right=_right(columns), thick=0.12)


def _right(columns: Sequence[Column]) -> float:
    return LEFT + sum(column.width for column in columns) - GAP


def _head(paper: Paper, columns: Sequence[Column]) -> None:
    height = STEP + 2 * PADDING + 1.2
    paper.room(height + 3 * STEP)
    paper.set_fill_color(*GROUND)
    paper.rect(LEFT - EDGE, paper.at, _right(columns) - LEFT + 2 * EDGE, height, style="F")
    x = LEFT
    for column in columns:
        y = paper.at + PADDING + 0.7
        paper.put(x, y, column.label, size=SIZE, bold=True, color=QUIET, width=column.inner, align=column.align)
        x += column.width
    paper.at += height


def _row(paper: Paper, columns: Sequence[Column], row: Row, lines: Sequence[Sequence[str]]) -> None:
    x = LEFT
    for column, texts in zip(columns, lines, strict=True):
        for n, text in enumerate(texts):
            if text:
                y = paper.at + PADDING + n * STEP + 0.35
                paper.put(x, y, text, size=SIZE, color=COLORS[row.look], width=column.inner, align=column.align)
        x += column.width
