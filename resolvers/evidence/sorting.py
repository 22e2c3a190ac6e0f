"""Rows in order without holding them all: sorted a run at a time, each kept in a file, and merged when read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeAlias

import orjson

Cell: TypeAlias = str | int | None
# Some megabytes; and of as many runs as a process may open files, there are ten million rows.
ROWS_A_RUN = 10_000


class Sorting:
    """Rows are compared from their left; what makes one differ from all others must stand before any None."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(mkdtemp(dir=folder))
        self._runs: list[Path] = []
        self._rows: list[list[Cell]] = []

    def add(self, row: list[Cell]) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROWS_A_RUN:
            self._end_run()

    def _end_run(self) -> None:
        self._runs.append(self._folder / str(len(self._runs)))
        with self._runs[-1].open("wb") as run:
            run.writelines(orjson.dumps(row) + b"\n" for row in sorted(self._rows))
        self._rows = []

    def __iter__(self) -> Iterator[list[Cell]]:
        """All of them. May be asked for more than once."""
        with ExitStack() as opened:
            runs = [map(orjson.loads, opened.enter_context(path.open("rb"))) for path in self._runs]
            yield from heapq.merge(sorted(self._rows), *runs)
