"""A roster import, against a bare executemany of the rows that it ends in, into the same tables."""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.benchmarks.measured import Goal, Measured, Setting
from tests.benchmarks.portal_data import BIG, write_roster
from tests.benchmarks.roster_import import Databases, compare

LEARNERS, QUICK_LEARNERS = 20_000, 500
DRIVER, CORE = "driver executemany", "Core executemany"
GOAL = Goal("roster", "A roster import against a bare executemany of the same rows", "at most", 1)


async def measure(setting: Setting) -> list[Measured]:
    """Held against the driver itself. Of a roster with a line a learner, and beside it of one with their history."""
    learners = QUICK_LEARNERS if setting.quick else LEARNERS
    found = []
    for kind in setting.kinds:
        databases = Databases(kind, setting.folder, setting.server)
        single, history = roster(setting.folder, learners, lines=1), roster(setting.folder, learners)
        of_single = await compare(databases, single, setting.rounds)
        of_history = await compare(databases, history, min(setting.rounds, 2))
        beside = (
            ("a line a learner, against Core's executemany", f"{_ratio(of_single, CORE):.2f}×"),
            ("2.24 lines a learner, against the driver's", f"{_ratio(of_history, DRIVER):.2f}×"),
            ("2.24 lines a learner, against Core's", f"{_ratio(of_history, CORE):.2f}×"),
        )
        found.append(Measured(goal=GOAL, kind=kind, ratio=_ratio(of_single, DRIVER), beside=beside))
    return found


def roster(folder: Path, learners: int, lines: int | None = None) -> Path:
    path = folder / f"roster_{learners}_{lines or 'history'}.csv"
    write_roster(path, BIG, learners, lines)
    return path


def _ratio(seconds: dict[str, list[float]], against: str) -> float:
    return statistics.median(one / other for one, other in zip(seconds["import"], seconds[against], strict=True))
