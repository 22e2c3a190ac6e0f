"""Voucher checkouts a second, against the same rows read and written in plain SQL: of a crowd, and one by one."""

from __future__ import annotations

import statistics

from server.database import Database
from tests.benchmarks.measured import Goal, Measured, Setting
from tests.benchmarks.plain_checkouts import Plain
from tests.benchmarks.promotion_checkouts import one_by_one, ours, plain
from tests.benchmarks.roster_import import Databases
from tests.rushing import crowd
from tests.vouchering import shop

PEOPLE, USES = 300, 100
QUICK_PEOPLE, QUICK_USES = 20, 10
GOAL = Goal("checkouts", "Voucher checkouts a second against the same transaction in plain SQL", "at least", 0.5)


async def measure(setting: Setting) -> list[Measured]:
    found = []
    for kind in setting.kinds:
        databases = Databases(kind, setting.folder, setting.server)
        await databases.prepare()
        async with databases.fresh() as url:
            database = Database.open(url, statement_timeout_seconds=60)
            found.append(await _measured(setting, database))
            await database.close()
    return found


async def _measured(setting: Setting, database: Database) -> Measured:
    people, uses = (QUICK_PEOPLE, QUICK_USES) if setting.quick else (PEOPLE, USES)
    market = await shop(database)
    warm = await crowd(market, QUICK_USES, QUICK_USES)
    await one_by_one(warm, warm.visit)
    together, alone = [], []
    for _ in range(setting.rounds):
        product = await ours(await crowd(market, people, uses))
        bare = await plain(await crowd(market, people, uses))
        together.append(product.checkouts_a_second / bare.checkouts_a_second)
        one, other = await crowd(market, uses, uses), await crowd(market, uses, uses)
        alone.append(await one_by_one(one, one.visit) / await one_by_one(other, Plain(other).visit))
    beside = (
        (f"{people} people for {uses} uses", f"{statistics.median(together):.2f}×"),
        ("one by one", f"{statistics.median(alone):.2f}×"),
    )
    return Measured(goal=GOAL, kind=database.dialect, ratio=statistics.median(together), beside=beside)
