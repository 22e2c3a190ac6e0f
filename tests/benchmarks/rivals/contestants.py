"""Who is measured: each is a process of its own that serves HTTP on this machine, from the same file."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from server.settings import ROOT, variable
from tests.benchmarks.rivals.installing import HERE, Installed

START_SECONDS = 60
STOP_SECONDS = 15
EVERYTHING = frozenset({"List", "Nested", "Point", "Counts"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """How it is started; `{database}` and `{port}` stand for where the data is and where it listens."""

    key: str
    shown: str
    command: Sequence[str]
    answers: frozenset[str] = EVERYTHING
    environment: dict[str, str] = field(default_factory=dict)
    # About how many times slower than the quick: so much less often it is asked.
    slow: int = 1
    # Serves from a copy of its own, since it may write.
    writes: bool = False


def contestants(installed: Installed) -> list[Contestant]:
    """Those that can be had, the quickest first as they are expected."""
    found = [
        _rival("limit", "The limit: one SQL statement, JSON by hand", "limit"),
        _ours("ours", "Countersign", compiled=True),
        _rival("bare", "A bare route with our authentication", "bare_route", answers=frozenset({"Point"}), writes=True),
        _ours("uncompiled", "Countersign, its engine off", compiled=False),
        _rival("strawberry", "Strawberry, ORM, dataloaders", "idiomatic", slow=20),
    ]
    if installed.node:
        command = (str(installed.node), str(HERE / "mercurius" / "server.mjs"), "{database}", "{port}")
        found.insert(2, Contestant(key="mercurius", shown="mercurius with JIT (Node)", command=command))
    if installed.ariadne:
        found.append(_rival("ariadne", "Ariadne, rows", "ariadne_app", {"PYTHONPATH": str(installed.ariadne)}, slow=10))
    return found


def _rival(
    key: str,
    shown: str,
    module: str,
    environment: dict[str, str] | None = None,
    *,
    answers: frozenset[str] = EVERYTHING,
    slow: int = 1,
    writes: bool = False,
) -> Contestant:
    return Contestant(
        key=key,
        shown=shown,
        command=(sys.executable, "-m", f"tests.benchmarks.rivals.{module}", "{database}", "{port}"),
        answers=answers,
        environment=environment or {},
        slow=slow,
        writes=writes,
    )


def _ours(key: str, shown: str, *, compiled: bool) -> Contestant:
    environment = {
        variable("database_url"): "sqlite:///{database}",
        variable("port"): "{port}",
        variable("worker"): "false",
        variable("compiled"): str(compiled).lower(),
    }
    command = (sys.executable, "-m", "server", "serve")
    return Contestant(
        key=key, shown=shown, command=command, environment=environment, slow=1 if compiled else 10, writes=True
    )


@dataclass(frozen=True, slots=True)
class Serving:
    contestant: Contestant
    port: int
    process: subprocess.Popen[bytes]

    def processor_seconds(self) -> float:
        """Of all its threads, as Linux keeps it."""
        told = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(them: Sequence[Contestant], databases: dict[str, Path], logs: Path) -> Iterator[list[Serving]]:
    """All of them at once; who is not asked does nothing."""
    with ExitStack() as stack:
        yield [stack.enter_context(_one(one, databases[one.key], logs / f"{one.key}.log")) for one in them]


@contextmanager
def _one(contestant: Contestant, database: Path, log: Path) -> Iterator[Serving]:
    port = _free_port()
    filled = {"{database}": str(database), "{port}": str(port)}
    command = [_filled(word, filled) for word in contestant.command]
    environment = {name: _filled(value, filled) for name, value in contestant.environment.items()}
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=file, stderr=file)
    try:
        _wait(process, port, log)
        yield Serving(contestant, port, process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _free_port() -> int:
    with socket.socket() as looking:
        looking.bind(("127.0.0.1", 0))
        port: int = looking.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"it does not serve: {log.read_text(encoding='utf-8', errors='replace')[-2_000:]}")
