"""The first page of a list of learners by name: of an organization of a million against one of four hundred."""

from __future__ import annotations

from collections.abc import Mapping

from models.ids import encode_id
from server.database import Database
from tests.benchmarks.goals.asking import TIMES, Asked, Compared, compared
from tests.benchmarks.goals.portals import portal_of
from tests.benchmarks.measured import Goal, Measured, Setting
from tests.benchmarks.portal_data import RARE_DEPARTMENT, Filled

LARGE, QUICK = 1_000_000, 4_000
GOAL = Goal("pages", "First page by name of all, or of at least a tenth, of 1,000,000 against 400", "at most", 1.5)
LEARNERS = """query Learners($organization: ID!, $activity: ActivityFilter, $search: String, $department: [String!],
    $first: Int, $after: String, $last: Int) {
  organization(by: { id: $organization }) {
    learners(activity: $activity, search: $search, department: $department, first: $first, after: $after, last: $last) {
      edges { certain node { id name email department } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}"""
TOTAL = """query Total($organization: ID!, $activity: ActivityFilter, $first: Int) {
  organization(by: { id: $organization }) { learners(activity: $activity, first: $first) { totalCount } }
}"""
YEAR = {"activity": {"activeDuring": {"dates": {"from": "2021-01-01", "through": "2021-12-31"}}}}
FIRST = {"first": 50}
JUDGED: dict[str, Mapping[str, object]] = {
    "active in a year, nearly half": {**FIRST, **YEAR},
    "active at a cutoff, one in five": {**FIRST, "activity": {"activeAt": {"cutoffOf": "2021-09-01"}}},
    "everybody": FIRST,
}
BESIDE: dict[str, Mapping[str, object]] = {
    "activated on one day, one in a hundred": {
        **FIRST,
        "activity": {"activatedWithin": {"dates": {"from": "2021-09-01", "through": "2021-09-01"}}},
    },
    "last active on one day, one in a thousand": {
        **FIRST,
        "activity": {"deactivatedWithin": {"dates": {"from": "2021-09-01", "through": "2021-09-01"}}},
    },
    "active for eight years, nobody": {
        **FIRST,
        "activity": {"activeThroughout": {"dates": {"from": "2018-02-01", "through": "2026-01-31"}}},
    },
    "of a department, one in a thousand": {**FIRST, "department": [RARE_DEPARTMENT]},
    "found by a text that nobody has": {**FIRST, "search": "nobody is called so"},
    "the last page": {"last": 50, **YEAR},
}


async def measure(setting: Setting) -> list[Measured]:
    found = []
    for kind in setting.kinds:
        async with portal_of(setting, kind, QUICK if setting.quick else LARGE) as (portal, database):
            found.append(await _measured(setting, database, portal.big, portal.small))
    return found


async def _measured(setting: Setting, database: Database, big: Filled, small: Filled) -> Measured:
    """Held against the goal is whichever grows most."""

    async def beside(variables: Mapping[str, object], rounds: int, times: int, document: str = LEARNERS) -> Compared:
        large, few = (asked(database, one, variables, document) for one in (big, small))
        return await compared(large, few, rounds, times)

    judged = {name: await beside(variables, setting.rounds, TIMES) for name, variables in JUDGED.items()}
    others = {name: await beside(variables, 1, 3) for name, variables in BESIDE.items()}
    first = asked(database, big, {**FIRST, **YEAR})
    others["after the thousandth"] = await compared(await _further(database, big), first, 1, times=3)
    others["how many in all"] = await beside({**FIRST, **YEAR}, 1, 1, TOTAL)
    told = tuple((name, str(times)) for name, times in (judged | others).items())
    worst = max(times.ratio for times in judged.values())
    return Measured(goal=GOAL, kind=database.dialect, ratio=worst, beside=told)


def asked(database: Database, of: Filled, variables: Mapping[str, object], document: str = LEARNERS) -> Asked:
    return Asked(database, document, {"organization": encode_id("Organization", of.id), **variables})


async def _further(database: Database, of: Filled) -> Asked:
    """A page far from the first."""
    after = None
    for _ in range(10):
        page = {**YEAR, "first": 100, "after": after}
        answer = await asked(database, of, page).answer()
        after = answer.data["organization"]["learners"]["pageInfo"]["endCursor"]
    return asked(database, of, {**FIRST, **YEAR, "after": after})
