"""Ten thousand guesses at voucher codes, in every way that is to get round a limit: how many are ever looked up.

By one account through aliases; by many accounts from one address; by many accounts and addresses at one code. Each lot
goes through several connections at once, in documents of many aliases. Shown are the answers, each with how often it
came, and how many different guesses reached the table of codes.

    python -m tests.benchmarks.guessing [--guesses 10000] [--postgres URL] [--only sqlite]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.codes import RANDOM_BITS, code_of
from models.ids import encode_id
from resolvers.principal import Principal
from schema.context import Context
from schema.root import schema
from server.database import Database
from tests.benchmarks.roster_import import Databases, server_at
from tests.builders import NOON
from tests.carting import GATEWAYS, buyer
from tests.code_keys import CODE_KEYS
from tests.test_statements import statements
from tests.vouchering import Shop, shop

ALIASES, CONNECTIONS, ACCOUNTS = 50, 8, 60
APPLY = 'a%d: cartVoucherApply(input: {cart: "%s", by: {code: "%s"}, expectedVersion: 1}) { userErrors { code } }'
LOOKED_UP = "voucher_code.digest"
ONE_CODE = code_of((1 << RANDOM_BITS) - 1)
console = Console()


@dataclass(frozen=True)
class Guesser:
    """Somebody with a cart of their own."""

    who: Principal
    cart: str


@dataclass(frozen=True)
class Way:
    """How many accounts take turns, whether all come from one address, and whether all try one code."""

    accounts: int
    one_address: bool
    one_code: bool

    def by(self, guessers: Sequence[Guesser], lot: int) -> Guesser:
        guesser = guessers[lot % self.accounts]
        origin = "192.0.2.1" if self.one_address else f"10.{lot >> 8 & 255}.{lot & 255}.1"
        return replace(guesser, who=replace(guesser.who, origin=origin))

    def code(self, number: int) -> str:
        return ONE_CODE if self.one_code else code_of(number)


WAYS = {
    "one account, many addresses": Way(1, one_address=False, one_code=False),
    "many accounts, one address": Way(ACCOUNTS, one_address=True, one_code=False),
    "many accounts and addresses, one code": Way(ACCOUNTS, one_address=False, one_code=True),
}


async def guess(database: Database, by: Guesser, codes: list[str]) -> list[str]:
    """A document in which each guess has an alias of its own; what is told of each."""
    context = Context(by.who, NOON, database.reading, database.run, code_keys=CODE_KEYS, gateways=GATEWAYS)
    document = "mutation { %s }" % " ".join(APPLY % (n, by.cart, code) for n, code in enumerate(codes))
    answer = await schema.execute(document, context_value=context)
    errors = [str((error.extensions or {}).get("code", error.message)) for error in answer.errors or ()]
    told = [one["userErrors"][0]["code"] for one in (answer.data or {}).values() if one]
    return told + errors


async def tried(market: Shop, guessers: Sequence[Guesser], way: Way, guesses: int) -> tuple[Counter[str], int, float]:
    url = market.database.url.render_as_string(hide_password=False)
    doors = [market.database, Database.open(url)]
    waiting = asyncio.Semaphore(CONNECTIONS)

    async def one(lot: int) -> list[str]:
        codes = [way.code(number) for number in range(lot * ALIASES, (lot + 1) * ALIASES)]
        async with waiting:
            return await guess(doors[lot % 2], way.by(guessers, lot), codes)

    began = time.perf_counter()
    with statements() as ran:
        told = await asyncio.gather(*(one(lot) for lot in range(guesses // ALIASES)))
    took = time.perf_counter() - began
    await doors[1].close()
    looked_up = {str(each.parameters) for each in ran if LOOKED_UP in each.sql}
    return Counter(code for lot in told for code in lot), len(looked_up), took


async def main(arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-benchmark-")))
        server = stack.enter_context(server_at(arguments.postgres, folder))
        for kind in arguments.only or ("sqlite", "postgresql"):
            databases = Databases(kind, folder, server)
            await databases.prepare()
            async with databases.fresh() as url:
                database = Database.open(url)
                await show(kind, database, arguments.guesses)
                await database.close()


async def guesser(market: Shop) -> Guesser:
    own = await buyer(market)
    return Guesser(own.principal, encode_id("Cart", market.program_id, (await own.opens()).id))


async def show(kind: str, database: Database, guesses: int) -> None:
    table = Table("by", "answers", "looked up", "seconds", title=f"{guesses:,} guesses each, {kind}")
    for name, way in WAYS.items():
        market = await shop(database)
        guessers = [await guesser(market) for _ in range(way.accounts)]
        told, looked_up, took = await tried(market, guessers, way, guesses)
        table.add_row(name, ", ".join(f"{code} {many:,}" for code, many in told.items()), str(looked_up), f"{took:.0f}")
    console.print(table)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--guesses", type=int, default=10_000)
    options.add_argument("--postgres")
    options.add_argument("--only", choices=("sqlite", "postgresql"), action="append")
    asyncio.run(main(options.parse_args()))
