"""Many at once at the same month: each snapshot once, and what one alone would have made."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from sqlalchemy import text

import server.worker
from models.interval import UTC
from models.work import TaskKind
from resolvers.snapshots.month import Stage
from resolvers.tasks.leasing import NewTask, TaskKey, add_tasks, claim_one
from server.database import Database
from server.worker import Worker
from tests.months import LATER, SIGNER, clients, made, said, whole_month

CALLERS = 24
FEBRUARY = dt.datetime(2026, 2, 1, 12, tzinfo=UTC)
DOUBLES = """SELECT organization_id, product_id, date FROM billing_snapshot WHERE kind = 'BILLING'
    GROUP BY organization_id, product_id, date HAVING count(*) > 1"""


def figures(told: dict[str, list[str]]) -> dict[str, int]:
    return {name: len(rows) for name, rows in told.items()}


async def test_many_callers_of_one_month_take_each_snapshot_once(database: Database) -> None:
    await clients(database, 4)
    runs = await asyncio.gather(*(whole_month(database) for _ in range(CALLERS)))
    assert [step.failure for steps in runs for step in steps if step.failure] == []
    assert sum(made(steps, Stage.TAKE) for steps in runs) == 8
    told = await said(database)
    assert len(set(told["snapshots"])) == len(told["snapshots"]) == 8
    assert len(set(told["lines"])) == len(told["lines"])
    alone = await whole_month(database)
    assert [made(alone, stage) for stage in Stage] == [0, 0, 0]
    assert await said(database) == told


FIGURES = """SELECT date, measure, licensed, count_least, count_most, excluded, overage_least, overage_most, size
    FROM billing_snapshot s JOIN snapshot_seal z ON z.organization_id = s.organization_id AND z.snapshot_id = s.id"""


async def test_many_callers_make_what_one_alone_makes(sqlite_database: Database, postgresql_database: Database) -> None:
    """The same clients on both databases: on one a single run, on the other many at once."""
    frozen: list[list[tuple[str, ...]]] = []
    for database, callers in ((sqlite_database, 1), (postgresql_database, CALLERS)):
        await clients(database, 3)
        await asyncio.gather(*(whole_month(database) for _ in range(callers)))
        async with database.reading() as connection:
            rows = await connection.execute(text(FIGURES))
            frozen.append(sorted(tuple(map(str, row)) for row in rows))
    assert len(frozen[0]) == 6
    assert frozen[0] == frozen[1]


async def test_two_workers_and_many_callers_at_once_do_nothing_twice(database: Database) -> None:
    many = await clients(database, 4)
    workers = [Worker(database, SIGNER, lambda: FEBRUARY) for _ in range(2)]
    date = dt.date(2026, 2, 1)
    callers = asyncio.gather(*(whole_month(database, date=date, now=FEBRUARY) for _ in range(CALLERS)))
    ended, runs = await asyncio.gather(asyncio.gather(*(worker.work_off() for worker in workers)), callers)
    assert [step.failure for steps in runs for step in steps if step.failure] == []
    months = Counter(one.key for of_one in ended for one in of_one if one.key.kind is TaskKind.TAKE_MONTH)
    assert months == dict.fromkeys(months, 1)
    assert len(months) == len(many)
    async with database.reading() as connection:
        assert (await connection.execute(text(DOUBLES))).all() == []
    assert figures(await said(database))["snapshots"] == 8


async def test_one_of_many_gets_the_task(database: Database) -> None:
    (billed,) = await clients(database, 1)
    key = TaskKey(billed.tenant.id, TaskKind.TAKE_MONTH, "2026-02-01")
    new = NewTask(key.kind, key.subject, FEBRUARY)
    await asyncio.gather(
        *(database.run(partial(add_tasks, organization_id=billed.tenant.id, tasks=[new])) for _ in range(CALLERS))
    )
    got = await asyncio.gather(*(database.run(partial(claim_one, key=key, now=FEBRUARY)) for _ in range(CALLERS)))
    assert sum(one is not None for one in got) == 1


# ------------------------------------------------------------------------------------- killed outright

KILLED_PROGRAM = """
import os, signal, sys
import server.database as database
from server.commands import billing
from server.cli import app

real, commits, last = database.Database.run, [], int(sys.argv[1])

async def deadly(self, step):
    done = await real(self, step)
    commits.append(step)
    if len(commits) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

database.Database.run = deadly
app(sys.argv[2:], standalone_mode=False)
"""


async def test_the_command_killed_outright_is_completed_by_the_next(sqlite_database: Database) -> None:
    await clients(sqlite_database, 3)
    program = [sys.executable, "-c", KILLED_PROGRAM, "5", "billing-month", "2017-09-01"]
    root = Path(server.worker.__file__).parents[1]
    url = sqlite_database.url.render_as_string(hide_password=False)
    environment = os.environ | {"COUNTERSIGN_DATABASE_URL": url, "COUNTERSIGN_SIGNING_KEYS": str(root / "none")}
    killed = subprocess.run(program, cwd=root, env=environment, capture_output=True, check=False)  # noqa: ASYNC221
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    begun = await said(sqlite_database)
    assert 0 < len(begun["snapshots"]) <= 6
    await whole_month(sqlite_database, now=LATER)
    told = await said(sqlite_database)
    assert len(set(told["snapshots"])) == len(told["snapshots"]) == 6
    assert set(begun["snapshots"]) <= set(told["snapshots"])
