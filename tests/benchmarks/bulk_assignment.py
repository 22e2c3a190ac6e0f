"""How long assigning to 10,000 people at once takes, against the bare SQL that it needs, and with which memory.

The goal is at most five times, for the preview and for the commit. The bare SQL of the preview is the very statement
that finds the people with their verdicts, its rows fetched through the same driver. That of the commit is one
transaction: an INSERT … SELECT of the assignments, with people and stock numbered on both sides, and the UPDATE of the
vouchers, into the same tables with the same constraints; beside it, the same with an event for each voucher, as the
commit writes them. The commit also finds everybody again, to be sure that nothing has changed; the bare SQL does not.

    python -m tests.benchmarks.bulk_assignment [--people 10000] [--rounds 5] [--only sqlite]
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, select, text

from models.certifications import Certification
from models.learners import Learner
from models.voucher_orders import MOST_VOUCHERS
from resolvers.cohorts.committing import commit
from resolvers.cohorts.defining import find_cohort
from resolvers.cohorts.finding import statement_of
from resolvers.cohorts.previewing import preview
from server.database import Database, migrate
from server.postgres import running_postgres
from tests.builders import NOON, organization
from tests.code_keys import CODE_KEYS
from tests.cohorting import HALF_A_YEAR, bulk, cohort_of
from tests.vouchering import Shop, shop

console = Console()
NO_HURRY_SECONDS = 3_600.0

NUMBERED = """
WITH person AS (SELECT learner_id, row_number() OVER (ORDER BY learner_id) AS n FROM certification
        WHERE organization_id = :organization AND superseded_at IS NULL),
    stock AS (SELECT id, row_number() OVER (ORDER BY expires_at, id) AS n FROM voucher
        WHERE program_id = :program AND organization_id = :organization AND standing = 'LIVE'
        AND assignment_id IS NULL AND held_minor = 0)"""
ASSIGN = """
INSERT INTO voucher_assignment
    (program_id, id, voucher_id, organization_id, kind, learner_id, bulk_assignment_id, state, assigned_at)
SELECT * FROM ({numbered}
    SELECT CAST(:program AS BIGINT) AS p, CAST(:first AS BIGINT) + stock.n AS k, stock.id AS v,
        CAST(:organization AS BIGINT) AS o, 'LEARNER' AS kind,
        person.learner_id, {no_bulk} AS bulk, 'ACTIVE' AS state, CAST(:now AS BIGINT) AS at
    FROM person JOIN stock ON person.n = stock.n) AS given
"""
MARK = """
UPDATE voucher SET assignment_id = given.id FROM voucher_assignment AS given
WHERE given.program_id = :program AND given.id > :first AND voucher.program_id = :program
    AND voucher.id = given.voucher_id AND voucher.assignment_id IS NULL AND voucher.held_minor = 0
"""
TELL = """
INSERT INTO program_event (program_id, id, recorded_at, thing, thing_id, deed, actor, origin)
SELECT CAST(:program AS BIGINT), given.id, CAST(:now AS BIGINT),
    'VOUCHER', given.voucher_id, 'ASSIGNED', 'bare', '' FROM voucher_assignment AS given
WHERE given.program_id = :program AND given.id > :first
"""


async def filled(database: Database, people: int) -> Shop:
    """An organization in which everybody has a certification that expires soon, and as many vouchers in stock."""
    tenant = await organization(database)
    await tenant.crowd(people, active=("2017-08-01..",))
    market = await shop(database, tenant=tenant)
    async with database.reading() as connection:
        own = select(Learner.id).where(Learner.organization_id == tenant.id)
        learner_ids = list((await connection.execute(own)).scalars())
    row = {"organization_id": tenant.id, "name": "Forklift", "name_key": "forklift", "recorded_at": NOON}
    rows = [{**row, "id": n, "learner_id": n, "expires_on": dt.date(2026, 5, 1)} for n in learner_ids]
    await database.run(lambda session: session.execute(insert(Certification), rows))
    for first in range(0, people, MOST_VOUCHERS):
        await market.stock(CODE_KEYS, min(MOST_VOUCHERS, people - first))
    await database.run(lambda session: session.execute(text("ANALYZE")))
    return market


async def bare_preview(market: Shop, shown: Any) -> None:
    async with market.database.reading() as connection:
        cohort = await find_cohort(connection, market.program_id, shown.cohort_id)
        assert cohort is not None
        statement, parameters = await statement_of(connection, cohort, shown.as_of, market.now)
        began = time.perf_counter()
        rows = (await connection.execute(statement, parameters)).all()
        _seconds["bare SELECT"].append(time.perf_counter() - began)
    assert len(rows) == shown.eligible + shown.skipped


async def bare_commit(market: Shop, *statements: str) -> None:
    first = (1 << 62) + len(_seconds["bare with events"]) * 1_000_000
    no_bulk = "CAST(NULL AS BIGINT)"
    given = {"program": market.program_id, "organization": market.tenant.id, "first": first, "now": 1}

    async def step(session: Any) -> None:
        for statement in statements:
            asked = text(statement.format(numbered=NUMBERED, no_bulk=no_bulk))
            named = {name: value for name, value in given.items() if f":{name}" in str(asked)}
            await session.execute(asked, named)

    await market.database.run(step)


async def forget(market: Shop) -> None:
    """Everything is in stock again, as if nothing had been assigned."""

    async def step(session: Any) -> None:
        await session.execute(text("UPDATE voucher SET assignment_id = NULL"))
        await session.execute(text("DELETE FROM voucher_assignment"))

    await market.database.run(step)
    if market.database.dialect == "postgresql":
        async with market.database._writer.connect() as connection:
            quiet = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await quiet.execute(text("VACUUM voucher, voucher_assignment"))


_seconds: dict[str, list[float]] = {}


async def timed(name: str, step: Callable[[], Awaitable[Any]]) -> Any:
    began = time.perf_counter()
    made = await step()
    _seconds[name].append(time.perf_counter() - began)
    return made


async def compare(kind: str, database: Database, people: int, rounds: int) -> None:
    market = await filled(database, people)
    for name in ("preview", "bare SELECT", "commit", "bare", "bare with events"):
        _seconds[name] = []
    for _ in range(rounds + 1):
        await _round(market, people)
    # The first round warms what there is to warm.
    _show(kind, people, {name: took[1:] for name, took in _seconds.items()})


async def _round(market: Shop, people: int) -> None:
    new = cohort_of(market, HALF_A_YEAR)
    made = await timed("preview", lambda: market.act(lambda act: preview(act, new)))
    shown = await bulk(market, made)
    assert (shown.eligible, shown.skipped, shown.in_stock) == (people, 0, people)
    await bare_preview(market, shown)
    await timed("commit", lambda: market.act(lambda act: commit(act, shown.id, shown.digest)))
    assert (await bulk(market, made)).assigned == people
    await forget(market)
    await timed("bare", lambda: bare_commit(market, ASSIGN, MARK))
    await forget(market)
    await timed("bare with events", lambda: bare_commit(market, ASSIGN, MARK, TELL))
    await forget(market)


def _show(kind: str, people: int, seconds: dict[str, list[float]]) -> None:
    table = Table("way", "median s", "all rounds", "ours ÷ this", title=f"{kind}: {people:,} people")
    middle = {name: statistics.median(took) for name, took in seconds.items()}
    for name, took in seconds.items():
        ours = middle["preview" if name in ("preview", "bare SELECT") else "commit"]
        table.add_row(name, f"{middle[name]:.3f}", " ".join(f"{one:.3f}" for one in took), f"{ours / middle[name]:.2f}")
    console.print(table)


async def memory(people: int) -> None:
    """What Python held at most while it previewed, and while it committed; more people need a few bytes each."""
    with tempfile.TemporaryDirectory(prefix="countersign-benchmark-") as name:
        database = await _opened(f"sqlite+aiosqlite:///{Path(name) / 'memory.db'}")
        market = await filled(database, people)
        tracemalloc.start()
        made = await market.act(lambda act: preview(act, cohort_of(market, HALF_A_YEAR)))
        previewing = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        shown = await bulk(market, made)
        await market.act(lambda act: commit(act, shown.id, shown.digest))
        committing = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        await database.close()
    console.print(f"{people:,} people: previewing {previewing / 1e6:.1f} MB, committing {committing / 1e6:.1f} MB")


async def _opened(url: str) -> Database:
    await migrate(url)
    return Database.open(url, statement_timeout_seconds=NO_HURRY_SECONDS)


async def main(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="countersign-benchmark-") as name:
        folder = Path(name)
        if "sqlite" in given.only:
            database = await _opened(f"sqlite+aiosqlite:///{folder / 'bulk.db'}")
            await compare("sqlite", database, given.people, given.rounds)
            await database.close()
        if "postgresql" in given.only:
            with running_postgres(folder / "postgres") as url:
                database = await _opened(url)
                await compare("postgresql", database, given.people, given.rounds)
                await database.close()
    if given.memory:
        await memory(given.people)
        await memory(given.people * 4)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", nargs="*", default=["sqlite", "postgresql"])
    options.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    asyncio.run(main(options.parse_args()))
