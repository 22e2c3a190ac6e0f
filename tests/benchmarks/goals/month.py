"""The month's snapshot of 1,000,000 learners, against one plain INSERT … SELECT of the same rows."""

from __future__ import annotations

import statistics

from tests.benchmarks.billing_month import (
    FORGET,
    FROM_SAVED_ENTRIES,
    FROM_THE_WINDOWS,
    MONTH,
    compared,
    forget,
    measured_apart,
)
from tests.benchmarks.measured import Goal, Measured, Setting
from tests.benchmarks.roster_import import Databases

ORGANIZATIONS, LEARNERS = 500, 2_000
QUICK_ORGANIZATIONS, QUICK_LEARNERS = 5, 200
GOAL = Goal("month", "The month's snapshot of 1,000,000 learners against one plain INSERT … SELECT", "at most", 2)


async def measure(setting: Setting) -> list[Measured]:
    """Held against the stricter statement, which reads the very entries in the order of their keys."""
    size = (QUICK_ORGANIZATIONS, QUICK_LEARNERS) if setting.quick else (ORGANIZATIONS, LEARNERS)
    found = []
    for kind in setting.kinds:
        databases = Databases(kind, setting.folder, setting.server)
        await databases.prepare()
        async with databases.fresh() as url:
            seconds = await compared(kind, url, *size, min(setting.rounds, 3))
            await forget(url, "DROP TABLE IF EXISTS saved_entry", *FORGET)
            apart = [(f"{what} by itself", f"{took} s, {peak} MiB at most") for what, peak, took in measured_apart(url)]
        ratios = {name: _ratio(seconds, name) for name in (FROM_SAVED_ENTRIES, FROM_THE_WINDOWS)}
        beside = tuple((f"against one {name}", f"{ratio:.2f}×") for name, ratio in ratios.items())
        found.append(Measured(goal=GOAL, kind=kind, ratio=ratios[FROM_SAVED_ENTRIES], beside=(*beside, *apart)))
    return found


def _ratio(seconds: dict[str, list[float]], against: str) -> float:
    """The median of the rounds' own ratios: what else the machine does changes from round to round."""
    return statistics.median(one / other for one, other in zip(seconds[MONTH], seconds[against], strict=True))
