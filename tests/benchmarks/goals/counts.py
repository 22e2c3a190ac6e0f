"""How many were active at a cutoff, of fifty teams: of a million learners against twenty thousand."""

from __future__ import annotations

from collections.abc import Mapping

from models.ids import encode_id
from server.database import Database
from tests.benchmarks.goals.asking import Asked, compared
from tests.benchmarks.goals.portals import portal_of
from tests.benchmarks.measured import Goal, Measured, Setting
from tests.benchmarks.portal_data import Portal

LARGE, SMALL = 1_000_000, 20_000
QUICK = 4_000, 1_000
GOAL = Goal("counts", "Counts at a cutoff for 50 teams, 1,000,000 learners against 20,000", "at most", 1.2)
# What was known on that day is nothing less, but is asked of the windows.
KNOWN_AT = "2026-06-01T00:00:00Z"
TEAMS = """query Counts($organization: ID!, $activity: ActivityFilter!, $knownAt: DateTime) {
  organization(by: { id: $organization }) {
    teams(first: 50) { nodes { id activeCount(activity: $activity, knownAt: $knownAt) { exact min max } } }
  }
}"""
SEPTEMBER = {"from": "2021-09-01", "through": "2021-09-30"}
CUTOFF = {"activity": {"activeAt": {"cutoffOf": "2021-09-01"}}}
BESIDE: dict[str, Mapping[str, object]] = {
    "at another instant": {"activity": {"activeAt": {"at": "2021-09-01T17:03:02Z"}}},
    "at the cutoff, as known earlier": CUTOFF | {"knownAt": KNOWN_AT},
    "during a month": {"activity": {"activeDuring": {"dates": SEPTEMBER}}},
    "activated in a month": {"activity": {"activatedWithin": {"dates": SEPTEMBER}}},
}


async def measure(setting: Setting) -> list[Measured]:
    found = []
    for kind in setting.kinds:
        many, few = QUICK if setting.quick else (LARGE, SMALL)
        async with portal_of(setting, kind, many) as large, portal_of(setting, kind, few) as small:
            judged = await compared(asked(*large, CUTOFF), asked(*small, CUTOFF), setting.rounds)
            beside = [("at the cutoff", str(judged))]
            for name, question in BESIDE.items():
                times = await compared(asked(*large, question), asked(*small, question), 1, times=3)
                beside.append((name, str(times)))
        found.append(Measured(goal=GOAL, kind=kind, ratio=judged.ratio, beside=tuple(beside)))
    return found


def asked(portal: Portal, database: Database, question: Mapping[str, object]) -> Asked:
    return Asked(database, TEAMS, {"organization": encode_id("Organization", portal.big.id), **question})
