"""An hour's worth of a busy portal's traffic on a running server, and whether anything of it keeps growing.

An hour brings 12,000 acts of people: questions, checkouts, activations, downloads, pages, guesses, attacks that are
refused, and clients that hang up half-way. They are sent `--speed` times as fast, or as fast as the server answers.
Watched meanwhile: its memory, its open files, its connections at PostgreSQL, and how long it takes to answer that it is
alive, which is how long its event loop is away. It fails, and exits with 1, if

    memory grows from the second quarter to the last, by its medians, by more than a tenth and 16 MiB;
    open files grow so by more than 8;
    of a hundred answers that it is alive more than one takes longer than `--lag` seconds, and than whoever asks was
    kept waiting for the processor by others; what the server's loop was kept waiting for it is not counted;
    anything is answered with a fault of the server's own, or its log tells of an error.

    python -m tests.benchmarks.soak [--minutes 60] [--speed 12] [--lag 0.5] [--log FILE] [--postgres URL]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from models.access import Role
from resolvers.principal import Principal
from resolvers.tokens import issue_token
from resolvers.vouchers.codes import CodeKeys, must_have
from server.app import utc_now
from server.code_keys import load_code_keys, make_code_key
from server.database import Database
from server.demo.local_stripe import SECRET_KEY, charging_nobody
from server.demo.recording import record_client
from server.demo.stories import clients
from tests.benchmarks.roster_import import Databases, server_at
from tests.benchmarks.soak_traffic import Portal, learn_questions, one_act
from tests.carting import buyer
from tests.vouchering import shop

ACTS_AN_HOUR = 12_000
AT_ONCE = 12
PEOPLE = 40
LOOKS_EVERY_SECONDS = 0.5
MOST_MORE, MOST_MORE_BYTES, MOST_MORE_FILES = 1.10, 16 << 20, 8
HOST = "127.0.0.1"
console = Console()


@dataclass
class Watch:
    """What was seen of the server, look by look."""

    process: int
    memory_bytes: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    # Of each answer that it is alive: how long it took, and of that how long the loop had no processor.
    lags: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    # How much later than it should this process itself went on.
    own_lags: list[float] = field(default_factory=list)

    async def look(self, client: httpx.AsyncClient, administrator: asyncpg.Connection | None, name: str) -> None:
        waited, began = _waited_seconds(self.process), time.perf_counter()
        (await client.get("/health/live")).raise_for_status()
        self.lags.append(time.perf_counter() - began)
        self.waits.append(_waited_seconds(self.process) - waited)
        self.memory_bytes.append(_memory_bytes(self.process))
        self.files.append(_open_files(self.process))
        if administrator:
            counted = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
            self.connections.append(await administrator.fetchval(counted, name))

    async def rest(self) -> None:
        until = time.perf_counter() + LOOKS_EVERY_SECONDS
        await asyncio.sleep(LOOKS_EVERY_SECONDS)
        self.own_lags.append(time.perf_counter() - until)


def worst(lags: Sequence[float]) -> float:
    """Of a hundred the second longest."""
    return statistics.quantiles(lags, n=100, method="inclusive")[98]


def _memory_bytes(process: int) -> int:
    """Resident, as Linux tells it."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _waited_seconds(process: int) -> float:
    """How long its main thread, which runs the loop, could have gone on, and others had the processors."""
    nanoseconds = int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[1])
    return nanoseconds / 1e9


def _open_files(process: int) -> int:
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


def quarters(seen: Sequence[float]) -> tuple[float, float]:
    """The medians of the second and of the last: in the first it warms up."""
    size = len(seen) // 4
    return statistics.median(seen[size : 2 * size]), statistics.median(seen[-size:])


# -------------------------------------------------------------------------------------------------- the server


@asynccontextmanager
async def served(url: str, folder: Path, stripe: str) -> AsyncIterator[tuple[int, int, Path]]:
    """Its process, its port and its log."""
    port, log = _free_port(), folder / "server.log"
    own = {
        "DATABASE_URL": url,
        "CODE_KEYS": str(folder / "code-keys"),
        "SIGNING_KEYS": str(folder / "keys"),
        "STRIPE_URL": stripe,
        "STRIPE_SECRET_KEY": SECRET_KEY,
    }
    around = os.environ | {f"COUNTERSIGN_{name}": value for name, value in own.items()}
    # Whoever runs this has the environment: nothing is to be set up.
    command = [sys.executable, "-c", "from server.cli import run; run()", "serve", "--port", str(port), "--host", HOST]
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(*command, env=around, stdout=written, stderr=written)
        try:
            await _until_live(port)
            yield process.pid, port, log
        finally:
            process.terminate()
            await process.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
        return port


async def _until_live(port: int, patience_seconds: float = 300) -> None:
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}") as client, asyncio.timeout(patience_seconds):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/health/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.2)


def errors_in(log: Path) -> Iterator[str]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            if line.startswith("Traceback"):
                yield line
            continue
        if told.get("level") in ("error", "critical"):
            yield line[:300]


# ---------------------------------------------------------------------------------------------------- who comes


async def filled(database: Database, folder: Path, vouchers: int) -> Portal:
    """The demo's clients, and a program that sells fees to people who have accounts."""
    for client in clients():
        await database.run(partial(record_client, client=client))
    market = await shop(database)
    people = [(await buyer(market)).principal for _ in range(PEOPLE)]
    stock = await market.stock(_code_keys(folder), vouchers)
    secrets = [await _token(database, one) for one in (Principal(name="Sam", role=Role.STAFF), *people)]
    return Portal(httpx.AsyncClient(), HOST, 0, secrets[0], secrets[1:], market, stock)


async def _token(database: Database, who: Principal) -> str:
    return (await database.run(lambda session: issue_token(session, utc_now(), who))).secret


def _code_keys(folder: Path) -> CodeKeys:
    make_code_key(folder / "code-keys", utc_now())
    return must_have(load_code_keys(folder / "code-keys"))


async def send(portal: Portal, acts: int, seconds: float) -> None:
    """Evenly, but no more at once than so many: a server that is slower than that makes it longer."""
    places, began = asyncio.Semaphore(AT_ONCE), time.perf_counter()

    async def one() -> None:
        async with places:
            await one_act(portal)

    async with asyncio.TaskGroup() as group:
        for number in range(acts):
            await asyncio.sleep(max(0.0, began + number * seconds / acts - time.perf_counter()))
            async with places:
                group.create_task(one())


async def watch(watching: Watch, base: str, url: str) -> None:
    administrator = await asyncpg.connect(url.replace("+asyncpg", "")) if url.startswith("postgresql") else None
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        while True:
            await watching.look(client, administrator, url.rsplit("/", 1)[1])
            await watching.rest()


async def soaked(url: str, folder: Path, arguments: argparse.Namespace) -> list[str]:
    """What is wrong."""
    acts, seconds = round(ACTS_AN_HOUR * arguments.minutes / 60), arguments.minutes * 60 / arguments.speed
    database = Database.open(url)
    portal = await filled(database, folder, vouchers=acts // 10)
    await database.close()
    with charging_nobody() as stripe:
        async with served(url, folder, stripe) as (process, port, log):
            base, watching = f"http://{HOST}:{port}", Watch(process)
            async with httpx.AsyncClient(base_url=base, timeout=60) as client:
                portal.client, portal.port = client, port
                await learn_questions(portal)
                looking = asyncio.create_task(watch(watching, base, url))
                began = time.perf_counter()
                await send(portal, acts, seconds)
                took = time.perf_counter() - began
                looking.cancel()
            if arguments.log:
                shutil.copy(log, arguments.log)
        return show(portal, watching, took, acts, list(errors_in(log)), arguments)


def show(
    portal: Portal, seen: Watch, took: float, acts: int, errors: Sequence[str], arguments: argparse.Namespace
) -> list[str]:
    memory, files = quarters(seen.memory_bytes), quarters(seen.files)
    requests = sum(portal.answered.values())
    title = f"{acts:,} acts, {requests:,} requests in {took:.0f} s; {len(portal.questions)} kinds of questions"
    table = Table("watched", "second quarter", "last quarter", "most", title=title)
    mebibytes = [one / (1 << 20) for one in (*memory, max(seen.memory_bytes))]
    table.add_row("memory, MiB", *(f"{one:.0f}" for one in mebibytes))
    table.add_row("open files", f"{files[0]:.0f}", f"{files[1]:.0f}", str(max(seen.files)))
    if seen.connections:
        first, last = quarters(seen.connections)
        table.add_row("connections at PostgreSQL", f"{first:.0f}", f"{last:.0f}", str(max(seen.connections)))
    net_lags = [lag - wait for lag, wait in zip(seen.lags, seen.waits, strict=True)]
    for whose, lags in (("its lag", seen.lags), ("without waiting", net_lags), ("own lag", seen.own_lags)):
        shown = (statistics.median(lags), worst(lags), max(lags))
        table.add_row(f"{whose}, ms: median, 99 %, longest", *(f"{1_000 * one:.0f}" for one in shown))
    away = worst(net_lags)
    console.print(table)
    slowest = sorted(portal.took.items(), key=lambda one: -statistics.median(one[1]))[:10]
    console.print("slowest: " + ", ".join(f"{name} {1_000 * statistics.median(took):.0f} ms" for name, took in slowest))
    console.print(", ".join(f"{kind}: {many:,}" for kind, many in sorted(portal.answered.items())))
    grown = memory[1] > memory[0] * MOST_MORE and memory[1] > memory[0] + MOST_MORE_BYTES
    wrong = {
        f"memory grew from {mebibytes[0]:.0f} to {mebibytes[1]:.0f} MiB": grown,
        f"open files grew from {files[0]:.0f} to {files[1]:.0f}": files[1] > files[0] + MOST_MORE_FILES,
        f"the loop was away for {away:.2f} s": away > arguments.lag + worst(seen.own_lags),
        f"{len(portal.faults)} faults: {portal.faults[:3]}": bool(portal.faults),
        f"{len(errors)} errors in the log: {errors[:3]}": bool(errors),
    }
    return [said for said, is_so in wrong.items() if is_so]


async def main(arguments: argparse.Namespace) -> int:
    wrong: list[str] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-soak-")))
        kinds = arguments.only or ("sqlite", "postgresql")
        server = stack.enter_context(server_at(arguments.postgres, folder)) if "postgresql" in kinds else ""
        for kind in kinds:
            databases = Databases(kind, folder, server)
            await databases.prepare()
            own = folder / kind
            own.mkdir()
            async with databases.fresh() as url:
                wrong += [f"{kind}: {said}" for said in await soaked(url, own, arguments)]
    for said in wrong:
        console.print(f"FAILED {said}")
    return 1 if wrong else 0


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=60, help="how long this traffic would last")
    options.add_argument("--speed", type=float, default=12)
    options.add_argument("--lag", type=float, default=0.5)
    options.add_argument("--log", type=Path, help="keep the server's log there")
    options.add_argument("--postgres")
    options.add_argument("--only", choices=("sqlite", "postgresql"), action="append")
    sys.exit(asyncio.run(main(options.parse_args())))
