"""What one operation runs on the database, for who asks how it was answered. Of others nothing is kept or timed.

Whoever runs statements past SQLAlchemy reports each to `watching.get()`, if there is somebody who watches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A statement that was run. Its values stay where they are: they may be names and codes."""

    sql: str
    # How many keys it was given; None where it takes no list of them.
    keys: int | None
    # None where the driver does not say.
    rows: int | None
    milliseconds: float


@dataclass
class Watch:
    statements: list[Ran] = field(default_factory=list)

    def saw(self, sql: str, keys: object, rows: int | None, began: float) -> None:
        """`keys` is the JSON text in which keys travel (models.batches), `began` what perf_counter said."""
        milliseconds = (perf_counter() - began) * 1_000
        count = sum(map(_keys_of, orjson.loads(keys))) if isinstance(keys, str) else None
        self.statements.append(Ran(sql=" ".join(sql.split()), keys=count, rows=rows, milliseconds=milliseconds))


def _keys_of(key: Sequence[object]) -> int:
    """One, or as many as a group of keys has numbers."""
    last = key[-1]
    return len(last) if isinstance(last, list) else 1


watching: ContextVar[Watch | None] = ContextVar("watching", default=None)


@contextmanager
def watched() -> Iterator[Watch]:
    """Sees what is run from here on: in this task, and in all that it starts."""
    watch = Watch()
    token = watching.set(watch)
    try:
        yield watch
    finally:
        watching.reset(token)
