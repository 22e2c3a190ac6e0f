"""A small chart of daily counts, as the points of an SVG: no script draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

WIDTH, HEIGHT, MARGIN = 640, 96, 6


class Bounds(TypedDict):
    min: int
    max: int


class Day(TypedDict):
    day: str
    active: Bounds


@dataclass(frozen=True, slots=True)
class Chart:
    """The daily counts as a line, and as an area from the provable to the possible number where dates were lost."""

    line: str
    area: str
    first_day: str
    last_day: str
    lowest: int
    highest: int
    peak_day: str
    # How high the licensed number lies, and how far across the day that is marked; None where there is none.
    licensed_y: float | None = None
    marked_x: float | None = None
    width: int = WIDTH
    height: int = HEIGHT


def chart_of(days: Sequence[Day], peak_day: str, licensed: int | None = None, marked: str | None = None) -> Chart:
    lowest, highest = min(day["active"]["min"] for day in days), max(day["active"]["max"] for day in days)
    bottom, top = (min(lowest, licensed), max(highest, licensed)) if licensed is not None else (lowest, highest)
    least = [_point(n, len(days), day["active"]["min"], bottom, top) for n, day in enumerate(days)]
    most = [_point(n, len(days), day["active"]["max"], bottom, top) for n, day in enumerate(days)]
    area = _points([*most, *reversed(least)]) if most != least else ""
    chart = Chart(_points(least), area, days[0]["day"], days[-1]["day"], lowest, highest, peak_day)
    return replace(
        chart,
        licensed_y=_point(0, len(days), licensed, bottom, top)[1] if licensed is not None else None,
        marked_x=next((x for day, (x, _) in zip(days, least, strict=True) if day["day"] == marked), None),
    )


def _point(place: int, places: int, value: int, lowest: int, highest: int) -> tuple[float, float]:
    """Across by day; up by the share of the range between the lowest and the highest count."""
    x = MARGIN + place * (WIDTH - 2 * MARGIN) / (places - 1)
    share = (value - lowest) / (highest - lowest) if highest > lowest else 0.5
    return round(x, 1), round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
