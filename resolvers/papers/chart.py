"""A small chart of who was active day by day, with the licensed line and the date that is billed marked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from resolvers.evidence.contents import PackContents, PackDay
from resolvers.papers import words
from resolvers.papers.sheet_of_paper import ACCENT, INK, LEFT, POINT, QUIET, RIGHT, WARN, Paper

HEIGHT = 40.0
SIZE = 7.2
LABELS = 14.0
MOST_DATES = 5
BAND = (205, 221, 239)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where days and people are on the paper."""

    days: Sequence[PackDay]
    low: int
    high: int
    top: float

    @property
    def left(self) -> float:
        return LEFT + LABELS

    def x(self, day: dt.date) -> float:
        first, last = self.days[0].day, self.days[-1].day
        whole = max((last - first).days, 1)
        return self.left + (RIGHT - self.left) * (day - first).days / whole

    def y(self, people: int) -> float:
        return self.top + HEIGHT * (self.high - people) / (self.high - self.low)


def draw_chart(paper: Paper, contents: PackContents) -> None:
    licensed = contents.term.licensed if contents.term else None
    low, high, step = scale([n for day in contents.days for n in (day.least, day.most)], licensed)
    frame = _Frame(contents.days, low, high, paper.at + 4)
    _grid(paper, frame, step)
    _curve(paper, frame)
    if licensed is not None:
        _licensed(paper, frame, licensed)
    _mark(paper, frame, contents)
    paper.at = frame.top + HEIGHT + 6


def scale(levels: Sequence[int], licensed: int | None) -> tuple[int, int, int]:
    """The axis: from, to, and the step between its few labels. It need not begin at zero."""
    least, most = min([*levels, *([licensed] if licensed is not None else [])]), max([*levels, licensed or 0])
    step = next(n for n in _steps() if (most - least) <= 3 * n)
    low = max(0, (least - step // 4) // step * step)
    return low, max(-(-(most + 1) // step) * step, low + step), step


def _steps() -> list[int]:
    return [n * 10**power for power in range(12) for n in (1, 2, 5)]


def _grid(paper: Paper, frame: _Frame, step: int) -> None:
    for people in range(frame.low, frame.high + 1, step):
        y = frame.y(people)
        paper.rule(y, left=frame.left, thick=0.15)
        paper.put(LEFT, y - SIZE * POINT * 0.6, f"{people:,}", size=SIZE, color=QUIET, width=LABELS - 2, align="R")
    for day in _dates(frame.days):
        text = day.isoformat()
        half = paper.wide(text, SIZE) / 2
        x = min(max(frame.x(day), frame.left + half), RIGHT - half)
        paper.put(x - half, frame.top + HEIGHT + 1.6, text, size=SIZE, color=QUIET)


def _dates(days: Sequence[PackDay]) -> list[dt.date]:
    """A few, evenly spread, the first and the last among them."""
    count = min(MOST_DATES, len(days))
    places = {round(n * (len(days) - 1) / max(count - 1, 1)) for n in range(count)}
    return [days[n].day for n in sorted(places)]


def _curve(paper: Paper, frame: _Frame) -> None:
    """The most as a line, down to the least as a band where dates were lost."""
    most = [(frame.x(day.day), frame.y(day.most)) for day in frame.days]
    least = [(frame.x(day.day), frame.y(day.least)) for day in frame.days]
    paper.set_line_width(0.45)
    paper.set_draw_color(*ACCENT)
    if most != least:
        paper.set_fill_color(*BAND)
        paper.polygon([*most, *reversed(least)], style="F")
        paper.polyline(least)
    paper.polyline(most)


def _licensed(paper: Paper, frame: _Frame, licensed: int) -> None:
    y = frame.y(licensed)
    paper.set_draw_color(*WARN)
    paper.set_line_width(0.3)
    paper.set_dash_pattern(dash=1.6, gap=1.1)
    paper.line(frame.left, y, RIGHT, y)
    paper.set_dash_pattern()
    text = f"{licensed:,} licensed"
    # On the side of the line where the curve is not.
    y += 0.7 if frame.days[-1].most > licensed else -0.7 - SIZE * POINT * 1.2
    paper.put(frame.left, y, text, size=SIZE, color=WARN, width=RIGHT - frame.left, align="R")


def _mark(paper: Paper, frame: _Frame, contents: PackContents) -> None:
    """The date that was counted."""
    at = next((day for day in frame.days if day.day == contents.date), None)
    if at is None:
        return
    x, y = frame.x(at.day), frame.y(at.most)
    paper.set_draw_color(*INK)
    paper.set_line_width(0.2)
    paper.line(x, frame.top - 1, x, frame.top + HEIGHT)
    paper.set_fill_color(*INK)
    paper.circle(x, y, 0.9, style="F")
    text = f"{words.between(at.least, at.most)} on {at.day.isoformat()}"
    half = paper.wide(text, SIZE, bold=True) / 2
    left = min(max(x - half, frame.left), RIGHT - 2 * half)
    paper.put(left, frame.top - 4.6, text, size=SIZE, bold=True)
