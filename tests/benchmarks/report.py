"""The benchmarks in the README: a picture of the portal's questions, their table, and all goals.

    python -m tests.benchmarks.report

It writes what the last run of `python -m tests.benchmarks` left in .countersign; or of the questions alone, given what
`python -m tests.benchmarks.portal_http --results FILE` has written.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import orjson

from server.settings import ROOT
from tests.benchmarks.picture import LIMIT, OTHERS, OURS, Bar, Panel, figure, png, svg
from tests.benchmarks.portal_http import OURS as OUR_KEY
from tests.benchmarks.portal_http import RESULTS

README, PICTURES = ROOT / "README.md", ROOT / ".github"
GOALS = RESULTS.parent / "benchmarks.json"
BEGIN, END = "<!-- benchmarks -->", "<!-- end of benchmarks -->"
TITLES = {
    "List": "List: one team's 400 learners, six fields each, and their windows",
    "Nested": "Nested: 20 teams, 50 learners of each, and their windows",
    "Counts": "Counts: how many were active at a cutoff, of 50 teams",
    "Point": "Point: one learner",
}
DRAWN = ("List", "Nested", "Point")


class Figures(TypedDict):
    ms: float
    processor_ms: float
    a_second: float


class Results(TypedDict):
    shown: dict[str, str]
    learners: int
    figures: dict[str, dict[str, Figures]]
    date: str
    machine: str


class GoalFound(TypedDict):
    says: str
    kind: str
    bound: str
    ratio: float
    met: bool
    date: str


def panels(results: Results) -> list[Panel]:
    return [Panel(TITLES[name], _bars(results, name)) for name in DRAWN if name in results["figures"]]


def _bars(results: Results, question: str) -> list[Bar]:
    of = results["figures"][question]
    ours = of[OUR_KEY]["ms"]
    quickest_first = sorted(of, key=lambda key: of[key]["ms"])
    colors = {OUR_KEY: OURS, "limit": LIMIT}
    return [
        Bar(results["shown"][key], of[key]["ms"], of[key]["ms"] / ours, colors.get(key, OTHERS))
        for key in quickest_first
    ]


def section(results: Results, goals: Sequence[GoalFound]) -> str:
    names = list(results["figures"])
    lines = [
        "## How fast it is",
        "",
        _setting(results),
        "",
        "![How long an answer takes, ours and others, on a scale of tenfold steps](.github/benchmarks.png)",
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'---:|' * len(names)}",
    ]
    for key, shown in results["shown"].items():
        cells = (results["figures"][name].get(key) for name in names)
        lines.append(f"| {shown} | {' | '.join(figure(cell['ms']) if cell else '' for cell in cells)} |")
    if goals:
        lines += ["", "| goal | on | must be | is | measured |", "|---|---|---:|---:|---|"]
        lines += [
            f"| {one['says']} | {one['kind']} | {one['bound']} | {one['ratio']:.2f}× | {one['date']} |" for one in goals
        ]
    return "\n".join(lines)


def _setting(results: Results) -> str:
    return (
        f"Milliseconds an answer over HTTP, one connection, {results['learners']:,} learners in SQLite: medians of "
        f"interleaved rounds on {results['date']}; {results['machine']}. Everybody gives the same JSON. Ours also "
        "authenticates, limits, costs and logs each request. `python -m tests.benchmarks` measures all of it again."
    )


def written(readme: str, between: str) -> str:
    """The README with this between its markers."""
    pattern = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
    if not pattern.search(readme):
        raise SystemExit(f"The README has no place for it: put {BEGIN} and {END} on lines of their own.")
    return pattern.sub(lambda _: f"{BEGIN}\n{between}\n{END}", readme)


def main(path: Path) -> None:
    results: Results = orjson.loads(path.read_bytes())
    goals: list[GoalFound] = orjson.loads(GOALS.read_bytes()) if GOALS.is_file() else []
    subtitle = f"Over HTTP, one connection, {results['learners']:,} learners in SQLite; each step is tenfold"
    drawn = svg("How long an answer takes", subtitle, panels(results))
    (PICTURES / "benchmarks.svg").write_text(drawn, encoding="utf-8")
    (PICTURES / "benchmarks.png").write_bytes(png(drawn))
    README.write_text(written(README.read_text(encoding="utf-8"), section(results, goals)), encoding="utf-8")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--results", type=Path, default=RESULTS)
    main(options.parse_args().results)
