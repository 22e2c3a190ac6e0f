"""All goals of PERFORMANCE.md, measured in one run: a table of what was found, and an exit code of 1 if one is missed.

    python -m tests.benchmarks [--quick] [--only counts,pages] [--kinds sqlite] [--rounds 5] [--postgres URL]

Figures of a quick run tell nothing but that everything runs, so it misses no goal. The results are written to
.countersign/benchmarks.json, and those over HTTP in full to portal_http.json beside it. The URL is that of a server on
which databases may be made and dropped; without one a server is started.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from tests.benchmarks import portal_http, promotion_checkouts
from tests.benchmarks.goals import counts, memory, month, pages, roster
from tests.benchmarks.measured import KINDS, Measured, Setting
from tests.benchmarks.roster_import import server_at

RESULTS = Path(__file__).resolve().parents[2] / ".countersign" / "benchmarks.json"
MEASURES: dict[str, Callable[[Setting], Awaitable[list[Measured]]]] = {
    "http": portal_http.measure,
    "counts": counts.measure,
    "pages": pages.measure,
    "month": month.measure,
    "checkouts": promotion_checkouts.measure,
    "roster": roster.measure,
    "memory": memory.measure,
}
console = Console()


async def measured(setting: Setting, names: Sequence[str]) -> list[Measured]:
    found = []
    for name in names:
        began = time.perf_counter()
        of_this = await MEASURES[name](setting)
        console.print(f"{name} took {time.perf_counter() - began:.0f} s")
        for one in of_this:
            _explain(one)
        found += of_this
    return found


def _explain(one: Measured) -> None:
    for what, figure in one.beside:
        console.print(f"  {one.kind}: {what}: {figure}")


def show(found: Sequence[Measured], *, quick: bool) -> None:
    title = "A quick run: the figures tell nothing" if quick else "Goals"
    table = Table("goal", "on", "must be", "is", "", title=title)
    for one in found:
        table.add_row(one.goal.says, one.kind, one.goal.bound, f"{one.ratio:.2f}×", "met" if one.met else "MISSED")
    console.print(table)


def keep(found: Sequence[Measured]) -> None:
    """Each with its day, beside what other runs found of other goals."""
    day = dt.datetime.now(dt.UTC).date()
    kept = [
        {
            "name": one.goal.name,
            "says": one.goal.says,
            "kind": one.kind,
            "bound": one.goal.bound,
            "ratio": one.ratio,
            "met": one.met,
            "beside": dict(one.beside),
            "date": day,
        }
        for one in found
    ]
    now = {(one.goal.name, one.kind) for one in found}
    older = orjson.loads(RESULTS.read_bytes()) if RESULTS.is_file() else []
    kept += [one for one in older if (one["name"], one["kind"]) not in now]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))


def main(given: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="countersign-benchmark-") as made:
        folder = Path(made)
        with server_at(given.postgres, folder) as server:
            rounds = 1 if given.quick else given.rounds
            setting = Setting(folder=folder, server=server, quick=given.quick, rounds=rounds, kinds=given.kinds)
            found = asyncio.run(measured(setting, given.only))
        if not given.quick:
            keep(found)
    show(found, quick=given.quick)
    return 0 if given.quick or all(one.met for one in found) else 1


def _names(text: str, known: Sequence[str]) -> tuple[str, ...]:
    unknown = set(text.split(",")) - set(known)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is not among {', '.join(known)}")
    return tuple(text.split(","))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    options.add_argument("--only", type=lambda text: _names(text, list(MEASURES)), default=tuple(MEASURES))
    options.add_argument("--kinds", type=lambda text: _names(text, KINDS), default=KINDS)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--postgres")
    sys.exit(main(options.parse_args()))
