"""A sheet of paper on which words and lines are put: the type, the colors and the grid of every printed page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from resolvers.papers.right_to_left import drawn
from resolvers.papers.typefaces import MAIN, SPARE, lay_out, needs_spare, printable

Color = tuple[int, int, int]
INK: Color = (28, 38, 53)
QUIET: Color = (98, 110, 127)
FAINT: Color = (217, 223, 231)
GROUND: Color = (245, 247, 250)
ACCENT: Color = (37, 99, 168)
WARN: Color = (158, 84, 20)

# Millimetres. A sheet of Letter is 9 mm shorter at either end: nothing stands in the first or last 14.
LEFT, RIGHT, TOP, BOTTOM = 18.0, 192.0, 24.0, 272.0
WIDTH = RIGHT - LEFT
BREAKS = "@.-_"
# Becomes the number of pages once it is known.
ALL_PAGES = "{pages}"
# A point of type in millimetres, and the usual distance of lines.
POINT, LEADING = 0.3528, 1.42


class Paper(FPDF):
    """An A4 document with one head and foot for all pages. `self.at` is where the next thing goes, in millimetres."""

    def __init__(self, folder: Path, *, head: str, foot: str, made_at: dt.datetime) -> None:
        super().__init__(format="A4", unit="mm")
        self.set_creation_date(made_at)
        self.set_auto_page_break(False)
        self.set_margins(LEFT, TOP, 210 - RIGHT)
        self.c_margin = 0
        self.at = TOP
        self.running = (printable(head), printable(foot))
        self._files = lay_out(folder)
        self._spare = False
        for style in ("", "B"):
            self.add_font(MAIN, style, self._files[MAIN, style])
        self.alias_nb_pages(ALL_PAGES)

    def new_page(self) -> None:
        self.add_page()
        self.at = TOP

    def header(self) -> None:
        """The name of the house, and from the second page on what the document is."""
        self._check_mark(LEFT, 12.4)
        self.put(LEFT + 6.2, 12.9, "Countersign", size=9, bold=True)
        if self.page > 1:
            said = self.cut(self.running[0], WIDTH - 35, 8)
            self.put(LEFT, 12.9, said, size=8, color=QUIET, width=WIDTH, align="R")
        self.rule(18.5)

    def footer(self) -> None:
        self.put(LEFT, 278.2, f"Page {self.page} of {ALL_PAGES}", size=7, color=QUIET)
        self.put(LEFT, 278.2, self.running[1], size=7, color=QUIET, width=WIDTH, align="R")

    def _check_mark(self, x: float, y: float) -> None:
        """The mark of the house: two checks above a line."""
        self.set_draw_color(*ACCENT)
        self.set_line_width(0.42)
        scale = 4.4 / 24
        for points in ([(3, 13), (7.5, 17.5), (14, 8)], [(11, 15), (13.5, 17.5), (21, 7)], [(3, 21.5), (21, 21.5)]):
            self.polyline([(x + a * scale, y + b * scale) for a, b in points])

    def room(self, height: float) -> None:
        """Goes to a new page if this does not fit on the rest of this one."""
        if self.at + height > BOTTOM:
            self.new_page()

    def rule(self, y: float, left: float = LEFT, right: float = RIGHT, thick: float = 0.2) -> None:
        self.set_draw_color(*FAINT)
        self.set_line_width(thick)
        self.line(left, y, right, y)

    def put(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 9,
        bold: bool = False,
        color: Color = INK,
        width: float = 0,
        align: Literal["L", "C", "R"] = "L",
    ) -> None:
        """One line of text whose top is at y."""
        text = drawn(text)
        self._take(text, size, bold=bold)
        self.set_text_color(*color)
        if align != "L":
            x += (width - self._wide(text)) / (2 if align == "C" else 1)
        if needs_spare(text) or ALL_PAGES in text:
            self.set_xy(x, y)
            self.cell(None, size * POINT * 1.2, text, new_x=XPos.RIGHT, new_y=YPos.TOP)
        else:
            # Many times faster, and the same to the eye.
            self.text(x, y + size * POINT * 0.9, text)

    def wide(self, text: str, size: float, *, bold: bool = False) -> float:
        self._take(text, size, bold=bold)
        return self._wide(text)

    def _wide(self, text: str) -> float:
        """In the type that was taken."""
        if needs_spare(text) or self.current_font is None:
            return self.get_string_width(text)
        return self.current_font.get_text_width(text, self.font_size_pt, None)[1] / self.k

    def _take(self, text: str, size: float, *, bold: bool) -> None:
        if not self._spare and needs_spare(text):
            for style in ("", "B"):
                self.add_font(SPARE, style, self._files[SPARE, style])
            self.set_fallback_fonts([SPARE], exact_match=True)
            self._spare = True
        self.set_font(MAIN, "B" if bold else "", size)

    def cut(self, text: str, width: float, size: float) -> str:
        """What of the text fits in one line; only for what is written in full elsewhere."""
        first, *more = self.lines_of(text, width, size)
        return f"{first} …" if more else first

    def lines_of(self, text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
        """The text in lines that fit: broken between words, and within a word that alone is too long."""
        if self.wide(text, size, bold=bold) <= width:
            return [text]
        lines: list[str] = []
        for word in text.split():
            if lines and self._wide(f"{lines[-1]} {word}") <= width:
                lines[-1] += f" {word}"
            else:
                lines += self._pieces(word, width)
        return lines

    def _pieces(self, word: str, width: float) -> list[str]:
        """Broken behind a sign that parts a name or an address, if there is one in good place."""
        pieces = [""]
        for letter in word:
            piece = pieces[-1]
            if piece and self._wide(piece + letter) > width:
                cut = max(map(piece.rfind, BREAKS)) + 1
                cut = cut if cut > len(piece) / 3 else len(piece)
                pieces[-1:] = [piece[:cut], piece[cut:]]
            pieces[-1] += letter
        return pieces

    def paragraph(
        self,
        text: str,
        *,
        size: float = 9.5,
        bold: bool = False,
        color: Color = INK,
        left: float = LEFT,
        width: float = WIDTH,
        after: float = 2.5,
    ) -> None:
        step = size * POINT * LEADING
        for line in self.lines_of(printable(text), width, size, bold=bold):
            self.room(step)
            self.put(left, self.at, line, size=size, bold=bold, color=color)
            self.at += step
        self.at += after

    def heading(self, text: str, *, with_next: float = 20) -> None:
        """Never alone at the foot of a page: `with_next` is how much of what follows must stand below it."""
        self.room(10 + with_next)
        self.at += 4.5
        self.put(LEFT, self.at, text, size=11.5, bold=True, color=ACCENT)
        self.at += 7

    def pairs(self, rows: Sequence[tuple[str, str]], *, label_width: float = 42, size: float = 9) -> None:
        step = size * POINT * LEADING
        for label, text in rows:
            lines = self.lines_of(printable(text), WIDTH - label_width, size)
            self.room(step * len(lines))
            self.put(LEFT, self.at, label, size=size, color=QUIET)
            for line in lines:
                self.put(LEFT + label_width, self.at, line, size=size)
                self.at += step
            self.at += 0.7
