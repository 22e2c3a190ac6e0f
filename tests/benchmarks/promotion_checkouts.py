"""A thousand people at once at the checkout, with one promotion that a hundred may use, against the same in plain SQL.

Everybody has a cart already. They enter the code, which pays for all of it, and complete; who is told that others hold
the last uses tries again. Exactly as many succeed as may, and what must hold does afterwards. Beside it, the same rows
are read and written by hand-written statements through the same pool, with the same isolation, in one transaction a
person that is tried again when another was in its way. Rounds are interleaved, each with a promotion and carts of its
own; shown are medians. The goal (PERFORMANCE.md) is half as many checkouts a second, or more. A second table shows the
same for checkouts one after the other, where nobody is in anybody's way.

    python -m tests.benchmarks.promotion_checkouts [--people 1000] [--uses 100] [--rounds 3] [--only sqlite]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.errors import VoucherErrorCode
from server.database import Database
from tests.benchmarks.plain_checkouts import Plain
from tests.benchmarks.roster_import import Databases, server_at
from tests.rushing import Rush, crowd
from tests.test_invariants import offended
from tests.vouchering import shop

BUSY, FULL = VoucherErrorCode.PROMOTION_BUSY.name, VoucherErrorCode.PROMOTION_FULL.name
# After which a person who was told so tries again.
MOMENT_SECONDS = (0.5, 1.5)
# The tests' promotion is paid for without an order.
NOT_ASKED = {"promotion-funded"}
console = Console()

Visit = Callable[[int], Awaitable[str]]


@dataclass(frozen=True)
class Round:
    """What one crowd took: until the last use was taken, and until everybody knew."""

    succeeded: int
    taken_seconds: float
    seconds: float
    said: Counter[str]

    @property
    def checkouts_a_second(self) -> float:
        return self.succeeded / self.taken_seconds

    @property
    def decided_a_second(self) -> float:
        return (self.said.total() - self.said[BUSY]) / self.seconds


async def rushed(people: int, visit: Visit) -> Round:
    """Everybody at once, each as often as they are told to try again."""
    said: Counter[str] = Counter()
    began = time.perf_counter()
    taken = [began]

    async def come(place: int) -> None:
        while (told := await visit(place)) == BUSY:
            said[BUSY] += 1
            await asyncio.sleep(random.uniform(*MOMENT_SECONDS))
        said[told] += 1
        if told == Rush.DONE:
            taken.append(time.perf_counter())

    await asyncio.gather(*(come(place) for place in range(people)))
    return Round(said[Rush.DONE], taken[-1] - began, time.perf_counter() - began, said)


async def ours(rush: Rush) -> Round:
    made = await rushed(len(rush.carts), rush.visit)
    assert made.succeeded == rush.uses, made
    assert set(made.said) <= {Rush.DONE, FULL, BUSY}, made
    return made


async def plain(rush: Rush) -> Round:
    own = Plain(rush)
    made = await rushed(len(rush.carts), own.visit)
    assert made.succeeded == rush.uses, made
    return made


async def one_by_one(rush: Rush, visit: Visit) -> float:
    """Checkouts a second."""
    began = time.perf_counter()
    for place in range(len(rush.carts)):
        assert await visit(place) == Rush.DONE
    return len(rush.carts) / (time.perf_counter() - began)


async def compare(database: Database, given: argparse.Namespace) -> None:
    market = await shop(database)
    rounds: dict[str, list[Round]] = {"ours": [], "plain SQL": []}
    alone: dict[str, list[float]] = {"ours": [], "plain SQL": []}
    await one_by_one(*_of(await crowd(market, 20, 20), "ours"))
    for number in range(given.rounds):
        ways = ["ours", "plain SQL"] if number % 2 else ["plain SQL", "ours"]
        for way in ways:
            rush = await crowd(market, given.people, given.uses)
            rounds[way].append(await (ours if way == "ours" else plain)(rush))
        for way in ways:
            rush = await crowd(market, given.uses, given.uses)
            alone[way].append(await one_by_one(*_of(rush, way)))
    _show(database.dialect, given, rounds, alone)
    broken = await offended(database) - NOT_ASKED
    assert not broken, broken


def _of(rush: Rush, way: str) -> tuple[Rush, Visit]:
    return rush, rush.visit if way == "ours" else Plain(rush).visit


def _show(kind: str, given: argparse.Namespace, rounds: dict[str, list[Round]], alone: dict[str, list[float]]) -> None:
    title = f"{kind}: {given.people:,} people, {given.uses} uses"
    table = Table("way", "checkouts/s", "of all rounds", "decided/s", "told to try again", "one by one/s", title=title)
    for way, made in rounds.items():
        each = [one.checkouts_a_second for one in made]
        table.add_row(
            way,
            f"{statistics.median(each):.1f}",
            " ".join(f"{one:.1f}" for one in each),
            f"{statistics.median(one.decided_a_second for one in made):.1f}",
            f"{statistics.median(one.said[BUSY] for one in made):.0f}",
            f"{statistics.median(alone[way]):.1f}",
        )
    table.add_row("ours ÷ plain", *_ratios(rounds, alone))
    console.print(table)


def _ratios(rounds: dict[str, list[Round]], alone: dict[str, list[float]]) -> list[str]:
    """Medians of the rounds' own ratios: what else the machine does changes from round to round."""

    def ratio(value: Callable[[Round], float]) -> str:
        pairs = zip(rounds["ours"], rounds["plain SQL"], strict=True)
        return f"{statistics.median(value(one) / value(other) for one, other in pairs):.2f}"

    singly = [one / other for one, other in zip(alone["ours"], alone["plain SQL"], strict=True)]
    return [
        ratio(lambda one: one.checkouts_a_second),
        "",
        ratio(lambda one: one.decided_a_second),
        "",
        f"{statistics.median(singly):.2f}",
    ]


async def main(arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-benchmark-")))
        server = stack.enter_context(server_at(arguments.postgres, folder))
        for kind in arguments.only or ("sqlite", "postgresql"):
            databases = Databases(kind, folder, server)
            await databases.prepare()
            async with databases.fresh() as url:
                database = Database.open(url, statement_timeout_seconds=60)
                await compare(database, arguments)
                await database.close()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=1_000)
    options.add_argument("--uses", type=int, default=100)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--postgres")
    options.add_argument("--only", choices=("sqlite", "postgresql"), action="append")
    asyncio.run(main(options.parse_args()))
