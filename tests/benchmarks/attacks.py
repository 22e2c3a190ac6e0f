"""What each attack costs the server in processor time, with the client's own sending and reading: below 50 ms.

Each is sent on a connection of its own to the server as it runs, several times; the median counts. Exits with 1 if one
costs more or is answered otherwise than it should be.

    python -m tests.benchmarks.attacks [--rounds 5] [--only cookie]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from resolvers.tokens import issue_token
from server.app import utc_now
from server.database import migrate
from server.logs import configure_logs
from tests.attacks import ATTACKS, RAISED
from tests.attacks import Attack as DocumentAttack
from tests.attacks_on_http import EVERYTHING, Attack, post
from tests.connecting import answered
from tests.opening import opened
from tests.serving import ADA, GRAPHQL_RESPONSE, at_a_port

MOST_MS = 50.0
# Of the same length, so that a document is another one each time and none is remembered.
ROUND, ROUND_OF = b"{round}", b"%07d"
console = Console()


def sent(attack: DocumentAttack) -> Attack:
    body = attack.body() | {"query": f"{attack.query} #{ROUND.decode()}"}
    return Attack(attack.name, 400, post(json.dumps(body).encode()))


USUAL = [*EVERYTHING, *(sent(each) for each in ATTACKS if each.tokens != RAISED)]
WITH_MORE_TOKENS = [sent(each) for each in ATTACKS if each.tokens == RAISED]


@dataclass(frozen=True, slots=True)
class Cost:
    attack: Attack
    statuses: frozenset[int]
    processor_ms: float

    @property
    def is_fine(self) -> bool:
        return self.statuses == {self.attack.status} and self.processor_ms < MOST_MS


async def costs_of(attacks: Sequence[Attack], rounds: int, **settings: object) -> list[Cost]:
    with tempfile.TemporaryDirectory(prefix="countersign-attacks-") as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'attacked.db'}"
        await migrate(url)
        async with opened(url) as database:
            token = (await database.run(lambda session: issue_token(session, utc_now(), ADA))).secret
            async with at_a_port(database, schema=None, **settings) as address:
                configure_logs("error")
                return [await _cost_of(each, token, address, rounds) for each in attacks]


async def _cost_of(attack: Attack, token: str, address: str, rounds: int) -> Cost:
    whole, statuses, spent = attack.by(token, GRAPHQL_RESPONSE), set(), []
    for number in range(rounds + 1):
        now = whole.replace(ROUND, ROUND_OF % number)
        began = time.process_time()
        statuses.add((await answered(address, now)).status)
        spent.append((time.process_time() - began) * 1_000)
    # The first is warming up.
    return Cost(attack, frozenset(statuses), statistics.median(spent[1:]))


def show(costs: Sequence[Cost]) -> None:
    table = Table("attack", "status", "processor ms", "", title=f"Attacks: below {MOST_MS:g} ms of processor time each")
    for each in sorted(costs, key=lambda cost: -cost.processor_ms):
        status = ", ".join(map(str, sorted(each.statuses)))
        table.add_row(each.attack.name, status, f"{each.processor_ms:.1f}", "" if each.is_fine else "MISSED")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="Only attacks with this in their name.")
    chosen = parser.parse_args()
    usual, more = ([each for each in lot if chosen.only in each.name] for lot in (USUAL, WITH_MORE_TOKENS))
    costs = asyncio.run(costs_of(usual, chosen.rounds))
    costs += asyncio.run(costs_of(more, chosen.rounds, max_query_tokens=RAISED)) if more else []
    show(costs)
    sys.exit(0 if all(each.is_fine for each in costs) else 1)


if __name__ == "__main__":
    main()
