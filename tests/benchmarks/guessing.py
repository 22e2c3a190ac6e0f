"""Ten thousand guesses at voucher codes, in every way that is to get round a limit: how many are ever looked up.

By one account through as many aliases as a document takes; then, through a few, by one account from many addresses; by
many accounts from one address; by many accounts and addresses at one code. What an operation may cost is left out, or
that would stop most of them before. They are requests to the application itself, several at once, each of
another connection; only the socket is left out. Shown are the answers, each with how often it came, how many different
guesses reached the table of codes, and how many transactions wrote anything.

    python -m tests.benchmarks.guessing [--guesses 10000] [--postgres URL] [--only sqlite]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from starlette.types import ASGIApp, Message

from models.codes import RANDOM_BITS, code_of
from models.ids import encode_id
from resolvers.tokens import issue_token
from server.app import create_app
from server.database import Database
from server.settings import Settings
from tests.benchmarks.roster_import import Databases, server_at
from tests.builders import NOON
from tests.carting import GATEWAYS, buyer
from tests.code_keys import CODE_KEYS
from tests.test_statements import Ran, statements
from tests.vouchering import Shop, shop

ALIASES, FEW, CONNECTIONS, ACCOUNTS = 40, 10, 8, 60
NO_LIMIT = 1_000_000_000
TRY = "a%d: cartVoucherApply(input: $a%d) { userErrors { code } }"
LOOKED_UP, COUNTED = "voucher_code.digest", "INSERT INTO attempt_count"
ONE_CODE = code_of((1 << RANDOM_BITS) - 1)
DIGEST_LENGTH = 32
console = Console()


@dataclass(frozen=True)
class Guesser:
    """Somebody with an account, who has a cart of their own."""

    secret: str
    cart: str

    def tries(self, codes: Sequence[str]) -> bytes:
        """One document, in which each guess has an alias of its own."""
        declared = " ".join(f"$a{n}: CartVoucherApplyInput!" for n in range(len(codes)))
        fields = " ".join(TRY % (n, n) for n in range(len(codes)))
        inputs = {
            f"a{n}": {"cart": self.cart, "by": {"code": code}, "expectedVersion": 1} for n, code in enumerate(codes)
        }
        return orjson.dumps({"query": f"mutation ({declared}) {{ {fields} }}", "variables": inputs})


@dataclass(frozen=True)
class Way:
    """How many accounts take turns, whether all come from one address or try one code, and how many a document."""

    accounts: int
    one_address: bool = False
    one_code: bool = False
    aliases: int = FEW

    def address(self, request: int) -> str:
        return "192.0.2.1" if self.one_address else f"10.{request >> 16 & 255}.{request >> 8 & 255}.{request & 255}"

    def codes(self, request: int) -> list[str]:
        numbers = range(request * self.aliases, (request + 1) * self.aliases)
        return [ONE_CODE if self.one_code else code_of(number) for number in numbers]


WAYS = {
    "one account, through aliases": Way(1, aliases=ALIASES),
    "one account, many addresses": Way(1),
    "many accounts, one address": Way(ACCOUNTS, one_address=True),
    "many accounts and addresses, one code": Way(ACCOUNTS, one_code=True),
}


# ------------------------------------------------------------------------------------------- one connection


async def posted(app: ASGIApp, by: Guesser, address: str, body: bytes) -> Mapping[str, Any]:
    """What the application answers to one request from there."""
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {by.secret}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}
    around = {"scheme": "http", "server": ("countersign.test", 80), "client": (address, 1), "root_path": ""}
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        parts.append(message.get("body", b""))

    await app({**scope, **around, "http_version": "1.1", "asgi": {"version": "3.0"}}, receive, send)
    answer: Mapping[str, Any] = orjson.loads(b"".join(parts))
    return answer


def told(answer: Mapping[str, Any], guesses: int) -> Counter[str]:
    """Of each guess what was said; of a document that was refused as a whole, what was said of all its guesses."""
    errors = [error["extensions"]["code"] for error in answer.get("errors", ())]
    if not answer.get("data"):
        return Counter({f"(whole document) {errors[0]}": guesses})
    return Counter([one["userErrors"][0]["code"] for one in answer["data"].values() if one] + errors)


# ------------------------------------------------------------------------------------------------- guessing


@dataclass(frozen=True)
class Outcome:
    told: Counter[str]
    ran: Sequence[Ran]
    seconds: float

    def row(self) -> tuple[str, ...]:
        looked_up = {digest for each in self.ran if LOOKED_UP in each.sql for digest in _digests(each)}
        wrote = sum(COUNTED in each.sql for each in self.ran)
        answers = "\n".join(f"{many:,} {code}" for code, many in self.told.items())
        return answers, str(len(looked_up)), str(wrote), f"{self.seconds:.0f}"


def _digests(looked_up: Ran) -> list[object]:
    return [value for value in looked_up.parameters if isinstance(value, str | bytes) and len(value) >= DIGEST_LENGTH]


async def tried(app: ASGIApp, guessers: Sequence[Guesser], way: Way, guesses: int) -> Outcome:
    waiting, answers = asyncio.Semaphore(CONNECTIONS), Counter[str]()

    async def one(request: int) -> None:
        by, codes = guessers[request % way.accounts], way.codes(request)
        async with waiting:
            answer = await posted(app, by, way.address(request), by.tries(codes))
        answers.update(told(answer, len(codes)))

    began = time.perf_counter()
    with statements() as ran:
        await asyncio.gather(*(one(request) for request in range(guesses // way.aliases)))
    return Outcome(answers, ran, time.perf_counter() - began)


async def guesser(market: Shop) -> Guesser:
    own = await buyer(market)
    issued = await market.database.run(lambda session: issue_token(session, NOON, own.principal))
    return Guesser(issued.secret, encode_id("Cart", market.program_id, (await own.opens()).id))


async def show(kind: str, database: Database, guesses: int) -> None:
    table = Table("by", "answers", "looked up", "counted", "seconds", title=f"{guesses:,} guesses each, {kind}")
    about = {
        "database_url": database.url.render_as_string(hide_password=False),
        "log_level": "error",
        "cost_available": NO_LIMIT,
    }
    settings = Settings.model_validate(about)
    app = create_app(settings, clock=lambda: NOON, code_keys=CODE_KEYS, gateways=GATEWAYS, database=database)
    for name, way in WAYS.items():
        market = await shop(database)
        guessers = [await guesser(market) for _ in range(way.accounts)]
        table.add_row(name, *(await tried(app, guessers, way, guesses)).row())
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
                await show(kind, database, arguments.guesses)
                await database.close()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--guesses", type=int, default=10_000)
    options.add_argument("--postgres")
    options.add_argument("--only", choices=("sqlite", "postgresql"), action="append")
    asyncio.run(main(options.parse_args()))
