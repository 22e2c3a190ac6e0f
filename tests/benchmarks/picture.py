"""The picture of the benchmarks: how long an answer takes, on a scale of tenfold steps, a panel a question."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import pypdfium2  # type: ignore[import-untyped]
from fpdf import FPDF
from fpdf.svg import SVGObject

WIDTH, MARGIN = 920, 28
NAMES, FIGURES = 286, 150
ROW, BAR, HEAD, GAP = 24, 14, 52, 14
TOP = 62
# The hues of our pages, by day.
INK, QUIET, LINE, SHEET = "#1c2635", "#566274", "#dde2ea", "#ffffff"
OURS, LIMIT, OTHERS = "#2563a8", "#1d6b3f", "#b4becb"
XMLNS = "http://www.w3.org/2000/svg"
FONT = "Helvetica, Arial, sans-serif"
PIXELS_A_POINT = 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    ms: float
    times: float | None
    color: str


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return HEAD + ROW * len(self.bars) + GAP


@dataclass(frozen=True, slots=True)
class Scale:
    """Milliseconds along a line, each step ten times the one before."""

    least: int
    most: int

    @classmethod
    def of(cls, panels: Sequence[Panel]) -> Scale:
        every = [bar.ms for panel in panels for bar in panel.bars]
        return cls(math.floor(math.log10(min(every))), math.ceil(math.log10(max(every))))

    def x(self, ms: float) -> float:
        room = WIDTH - 2 * MARGIN - NAMES - FIGURES
        return MARGIN + NAMES + room * (math.log10(ms) - self.least) / (self.most - self.least)

    @property
    def steps(self) -> list[float]:
        return [10.0**power for power in range(self.least, self.most + 1)]


def svg(title: str, subtitle: str, panels: Sequence[Panel]) -> str:
    scale = Scale.of(panels)
    height = TOP + sum(panel.height for panel in panels) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="{XMLNS}" font-family="{FONT}" width="{WIDTH}" height="{height}" {_view(height)}>',
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="{SHEET}" stroke="{LINE}"/>',
            _text(MARGIN, 34, title, size=19, bold=True),
            _text(MARGIN, 54, subtitle, color=QUIET),
            *_panels(panels, scale),
            "</svg>",
            "",
        ]
    )


def _view(height: int) -> str:
    return f'viewBox="0 0 {WIDTH} {height}"'


def _panels(panels: Sequence[Panel], scale: Scale) -> Iterator[str]:
    y = TOP
    for panel in panels:
        yield from _steps(scale, y, panel)
        yield _text(MARGIN, y + 26, panel.title, size=14, bold=True)
        yield _text(WIDTH - MARGIN, y + HEAD - 10, "times ours", color=QUIET, size=11, anchor="end")
        for place, bar in enumerate(panel.bars):
            yield from _bar(bar, scale, y + HEAD + ROW * place)
        y += panel.height


def _steps(scale: Scale, y: int, panel: Panel) -> Iterator[str]:
    for step in scale.steps:
        x = scale.x(step)
        bottom = y + HEAD + ROW * len(panel.bars)
        yield f'<line x1="{x:.1f}" y1="{y + HEAD - 5}" x2="{x:.1f}" y2="{bottom}" stroke="{LINE}" stroke-width="1"/>'
        yield _text(x, y + HEAD - 10, f"{step:,g} ms", color=QUIET, size=11, anchor="middle")


def _bar(bar: Bar, scale: Scale, y: float) -> Iterator[str]:
    start, end = scale.x(scale.steps[0]), scale.x(bar.ms)
    middle = y + ROW / 2 + 4
    is_ours = bar.color == OURS
    yield _text(MARGIN, middle, bar.name, bold=is_ours)
    yield (
        f'<rect x="{start:.1f}" y="{y + (ROW - BAR) / 2:.1f}" width="{max(end - start, 1.5):.1f}" height="{BAR}" '
        f'fill="{bar.color}"/>'
    )
    yield _text(end + 8, middle, f"{figure(bar.ms)} ms", bold=is_ours)
    if bar.times is not None and not is_ours:
        yield _text(WIDTH - MARGIN, middle, f"{figure(bar.times)}×", color=QUIET, anchor="end")


def figure(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _text(
    x: float, y: float, text: str, *, color: str = INK, size: int = 13, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def png(drawn: str) -> bytes:
    """The same picture for who shows no SVG."""
    picture = SVGObject(drawn)
    height = float(drawn.split('height="', 1)[1].split('"', 1)[0])
    paper = FPDF(unit="pt", format=(WIDTH, height))
    paper.add_page()
    picture.draw_to_page(paper, 0, 0)
    (page,) = pypdfium2.PdfDocument(bytes(paper.output()))
    file = io.BytesIO()
    page.render(scale=PIXELS_A_POINT).to_pil().save(file, "PNG", optimize=True)
    return file.getvalue()
