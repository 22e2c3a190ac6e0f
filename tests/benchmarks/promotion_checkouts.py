"""A thousand people at once at the checkout, with one promotion that a hundred may use, against the same in plain SQL.

Everybody has a cart already. They enter the code, which pays for all of it, and complete; who is told that others hold
the last uses tries again. Exactly as many succeed as may, and what must hold does afterwards. Beside it, the same rows
are read and written by hand-written statements through the same pool, with the same isolation and the same retries, in
one transaction a person. Rounds are interleaved, each with a promotion and carts of its own; shown are medians. The
goal is half as many checkouts a second, or more.

The same is shown for checkouts one after the other, where nobody is in anybody's way; there also against the same by
hand in two transactions, which ours are, and against statements by hand that go to the driver without SQLAlchemy.

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
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.errors import VoucherErrorCode
from server.database import Database
from tests.benchmarks.measured import KINDS, Goal, Kind, Measured, Setting
from tests.benchmarks.plain_checkouts import Plain, Way
from tests.benchmarks.roster_import import Databases, server_at
from tests.rushing import Rush, crowd
from tests.test_invariants import offended
from tests.vouchering import Shop, shop

BUSY, FULL = VoucherErrorCode.PROMOTION_BUSY.name, VoucherErrorCode.PROMOTION_FULL.name
# After which a person who was told so tries again.
MOMENT_SECONDS = (0.5, 1.5)
# The tests' promotion is paid for without an order.
NOT_ASKED = {"promotion-funded"}
PEOPLE, USES, MOST_ROUNDS = 1_000, 100, 3
QUICK_PEOPLE, QUICK_USES = 20, 10
GOAL = Goal("checkouts", "Voucher checkouts a second against the same transaction in plain SQL", "at least", 0.5)
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
    made = await rushed(len(rush.carts), Plain(rush).visit)
    assert made.succeeded == rush.uses, made
    return made


async def one_by_one(rush: Rush, visit: Visit) -> float:
    """Checkouts a second."""
    began = time.perf_counter()
    for place in range(len(rush.carts)):
        assert await visit(place) == Rush.DONE
    return len(rush.carts) / (time.perf_counter() - began)


@dataclass
class Compared:
    """Round by round: what ratios are made of."""

    people: int
    uses: int
    ours: list[Round] = field(default_factory=list)
    plain: list[Round] = field(default_factory=list)
    # Checkouts a second; None is ours.
    alone: dict[Way | None, list[float]] = field(default_factory=dict)

    async def round(self, market: Shop, *, ours_first: bool) -> None:
        ways = [(self.ours, ours), (self.plain, plain)]
        for kept, come in ways if ours_first else reversed(ways):
            kept.append(await come(await crowd(market, self.people, self.uses)))
        own = [None, *Way]
        for way in own if ours_first else reversed(own):
            rush = await crowd(market, self.uses, self.uses)
            visit = Plain(rush, way).visit if way else rush.visit
            self.alone.setdefault(way, []).append(await one_by_one(rush, visit))

    def ratio(self, value: Callable[[Round], float]) -> float:
        """The median of the rounds' own ratios: what else the machine does changes from round to round."""
        pairs = zip(self.ours, self.plain, strict=True)
        return statistics.median(value(one) / value(other) for one, other in pairs)

    def alone_against(self, way: Way) -> float:
        pairs = zip(self.alone[None], self.alone[way], strict=True)
        return statistics.median(one / other for one, other in pairs)

    def measured(self, kind: Kind) -> Measured:
        beside = [("until everybody knows", f"{self.ratio(lambda one: one.decided_a_second):.2f}×")]
        beside += [(f"one by one, {way.value}", f"{self.alone_against(way):.2f}×") for way in Way]
        ratio = self.ratio(lambda one: one.checkouts_a_second)
        return Measured(goal=GOAL, kind=kind, ratio=ratio, beside=tuple(beside))

    def show(self, kind: Kind) -> None:
        title = f"{kind}: {self.people:,} people, {self.uses} uses"
        table = Table("way", "checkouts/s", "of all rounds", "decided/s", "told to try again", title=title)
        for way, made in (("ours", self.ours), ("plain SQL", self.plain)):
            each = [one.checkouts_a_second for one in made]
            told = (statistics.median(one.decided_a_second for one in made), each, [one.said[BUSY] for one in made])
            shown = (f"{statistics.median(each):.1f}", " ".join(f"{one:.1f}" for one in each), f"{told[0]:.1f}")
            table.add_row(way, *shown, f"{statistics.median(told[2]):.0f}")
        console.print(table)
        for own, speeds in self.alone.items():
            console.print(f"one by one, {own.value if own else 'ours'}: {statistics.median(speeds):.1f} checkouts/s")
        found = self.measured(kind)
        console.print(f"ours ÷ plain: {found.ratio:.2f}; " + "; ".join(f"{name} {said}" for name, said in found.beside))


async def compare(database: Database, people: int, uses: int, rounds: int) -> Compared:
    market = await shop(database)
    warm = await crowd(market, QUICK_USES, QUICK_USES)
    await one_by_one(warm, warm.visit)
    found = Compared(people, uses)
    for number in range(rounds):
        await found.round(market, ours_first=number % 2 == 0)
    broken = await offended(database) - NOT_ASKED
    assert not broken, broken
    return found


async def measure(setting: Setting) -> list[Measured]:
    """For the one command that runs all goals."""
    people, uses = (QUICK_PEOPLE, QUICK_USES) if setting.quick else (PEOPLE, USES)
    found = []
    for kind in setting.kinds:
        made = await _compare_on(kind, setting.folder, setting.server, people, uses, min(setting.rounds, MOST_ROUNDS))
        made.show(kind)
        found.append(made.measured(kind))
    return found


async def _compare_on(kind: Kind, folder: Path, server: str, people: int, uses: int, rounds: int) -> Compared:
    databases = Databases(kind, folder, server)
    await databases.prepare()
    async with databases.fresh() as url:
        database = Database.open(url, statement_timeout_seconds=60)
        found = await compare(database, people, uses, rounds)
        await database.close()
        return found


async def main(given: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-benchmark-")))
        server = stack.enter_context(server_at(given.postgres, folder))
        for kind in given.only or KINDS:
            (await _compare_on(kind, folder, server, given.people, given.uses, given.rounds)).show(kind)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=PEOPLE)
    options.add_argument("--uses", type=int, default=USES)
    options.add_argument("--rounds", type=int, default=MOST_ROUNDS)
    options.add_argument("--postgres")
    options.add_argument("--only", choices=KINDS, action="append")
    asyncio.run(main(options.parse_args()))
