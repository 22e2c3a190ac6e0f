"""Whether the time of an answer tells why a code cannot be used: through the API, of each reason, against unknown ones.

Rounds are interleaved: in each, one code of every reason is tried, in an order of its own; first at the counter, by the
program's people, then at a cart, by its person. Shown are the medians, how likely an answer of the reason is to come
later than one to an unknown code (a half: the time tells nothing), and how likely so much would be by chance
(Mann-Whitney). A second lot of unknown ones shows what chance does.

    python -m tests.benchmarks.code_timing [--rounds 400] [--postgres URL] [--only sqlite]

The URL is that of a server on which databases may be made and dropped; without one a server is started.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import math
import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.codes import RANDOM_BITS, code_of, spaced
from models.ids import encode_id
from resolvers.principal import Principal
from resolvers.vouchers.assigning import Assigning, assign
from schema.context import Context
from schema.root import schema
from server.database import Database
from tests.benchmarks.roster_import import Databases, server_at
from tests.builders import NOON
from tests.carting import GATEWAYS, buyer
from tests.code_keys import CODE_KEYS
from tests.test_vouchers import learner, redeemed, reissued, revoked
from tests.vouchering import Shop, shop

CODES_EACH = 20
UNKNOWN = "unknown"
REDEEM = """mutation ($input: VoucherRedeemInput!) {
  tried: voucherRedeem(input: $input) { userErrors { field message code } }
}"""
APPLY = """mutation ($input: CartVoucherApplyInput!) {
  tried: cartVoucherApply(input: $input) { userErrors { field message code } }
}"""
console = Console()


async def codes_of_each_reason(market: Shop) -> dict[str, list[str]]:
    used, gone, dead, hers = [await market.stock(CODE_KEYS, CODES_EACH) for _ in range(4)]
    late = await market.stock(CODE_KEYS, CODES_EACH, expires_at=NOON)
    foreign = await (await shop(market.database)).stock(CODE_KEYS, CODES_EACH)
    ana = await learner(market.tenant)
    for place in range(CODES_EACH):
        await redeemed(market, used[place].code)
        await reissued(market, gone[place].id)
        await revoked(market, dead[place].id)
        giving = Assigning(learner=ana, voucher_id=hers[place].id)
        await market.act(lambda act, giving=giving: assign(act, giving))
    lots = {"used": used, "reissued": gone, "revoked": dead, "expired": late, "somebody else's": hers}
    found = {reason: [one.code for one in lot] for reason, lot in {**lots, "another program's": foreign}.items()}
    return {UNKNOWN: unknown(), "unknown again": unknown(), "misspelled": misspelled(), **found}


def unknown() -> list[str]:
    return [code_of(random.getrandbits(RANDOM_BITS)) for _ in range(CODES_EACH)]


def misspelled() -> list[str]:
    return [code[:-1] + ("0" if code[-1] != "0" else "1") for code in unknown()]


@dataclass(frozen=True)
class Desk:
    """Where a code is entered, and by whom."""

    market: Shop
    by: Principal
    mutation: str
    input: Mapping[str, object]

    async def answered(self, code: str, at: dt.datetime) -> float:
        """Microseconds until the refusal is there. Each try is of a day of its own, so that none is one too many."""
        database = self.market.database
        own = {"code_keys": CODE_KEYS, "gateways": GATEWAYS}
        context = Context(self.by, at, database.reading, database.run, **own)  # type: ignore[arg-type]
        asked = {**self.input, "by": {"code": spaced(code)}}
        if self.mutation == REDEEM:
            asked["idempotencyKey"] = f"{random.random()}"
        began = time.perf_counter_ns()
        answer = await schema.execute(self.mutation, variable_values={"input": asked}, context_value=context)
        took = (time.perf_counter_ns() - began) / 1_000
        assert answer.data is not None
        assert [error["code"] for error in answer.data["tried"]["userErrors"]] == ["CODE_NOT_USABLE"], answer
        return took


def at_the_counter(market: Shop) -> Desk:
    fee = encode_id("Product", market.program_id, market.fee_id)
    return Desk(market, market.program_admin, REDEEM, {"product": fee, "reference": "A"})


async def at_a_cart(market: Shop) -> Desk:
    ida = await buyer(market)
    cart = await ida.opens()
    seen = {"cart": encode_id("Cart", market.program_id, cart.id), "expectedVersion": cart.version}
    return Desk(market, ida.principal, APPLY, seen)


async def timed(desk: Desk, rounds: int) -> dict[str, list[float]]:
    codes = await codes_of_each_reason(desk.market)
    took: dict[str, list[float]] = {reason: [] for reason in codes}
    for number in range(-rounds // 10, rounds):
        for reason in random.sample(list(codes), len(codes)):
            code = codes[reason][number % CODES_EACH]
            micros = await desk.answered(code, NOON + dt.timedelta(days=100 + number))
            # The first rounds warm up.
            if number >= 0:
                took[reason].append(micros)
    return took


def later_than(these: list[float], those: list[float]) -> tuple[float, float]:
    """How likely one of these is to be larger than one of those, and how likely so much would be by chance."""
    ranked = sorted([(value, 1) for value in these] + [(value, 0) for value in those])
    ranks = sum(place for place, (_, ours) in enumerate(ranked, 1) if ours)
    n, m = len(these), len(those)
    larger = ranks - n * (n + 1) / 2
    deviations = (larger - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return larger / (n * m), math.erfc(abs(deviations) / math.sqrt(2))


def show(kind: str, took: dict[str, list[float]]) -> None:
    table = Table("code", "median µs", "difference µs", "later than unknown", "by chance", title=kind)
    usual = statistics.median(took[UNKNOWN])
    for reason, those in took.items():
        median = statistics.median(those)
        likely, chance = later_than(those, took[UNKNOWN])
        told = ("", "", "") if reason == UNKNOWN else (f"{median - usual:+.0f}", f"{likely:.3f}", f"{chance:.2f}")
        table.add_row(reason, f"{median:.0f}", *told)
    console.print(table)


async def main(arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-benchmark-")))
        server = stack.enter_context(server_at(arguments.postgres, folder))
        for kind in arguments.only or ("sqlite", "postgresql"):
            databases = Databases(kind, folder, server)
            await databases.prepare()
            async with databases.fresh() as url:
                database = Database.open(url)
                market = await shop(database)
                show(f"{kind}, at the counter", await timed(at_the_counter(market), arguments.rounds))
                show(f"{kind}, at a cart", await timed(await at_a_cart(market), arguments.rounds))
                await database.close()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=400)
    options.add_argument("--postgres")
    options.add_argument("--only", choices=("sqlite", "postgresql"), action="append")
    asyncio.run(main(options.parse_args()))
