"""Faults under the real schema: what a batch reads is not as a field expects it, or cannot be read at all."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from functools import partial
from typing import Any, TypeAlias
from zlib import crc32

from models.errors import NotFound
from resolvers.database import Reading
from resolvers.loaders.registry import Loader, Loaders

BatchFunction: TypeAlias = Callable[..., Awaitable[list[Any]]]


class Kind(Enum):
    NULL = None
    OBJECT = {"not": "expected"}  # noqa: RUF012  # members are not changed
    NUMBER = 3.5
    TEXT = "unheard of"
    NAIVE = dt.datetime(2017, 9, 1)  # noqa: DTZ001
    BROKEN = RuntimeError("what the disk said")
    REFUSED = NotFound("thing")


@dataclass(frozen=True)
class Fault:
    """Of a batch function: a column of every second row, or of what has no columns the value itself."""

    batch: str
    column: str | None
    kind: Kind

    def in_what_was_read(self, read: Sequence[Any]) -> list[Any]:
        if isinstance(self.kind.value, Exception):
            raise self.kind.value
        return [self._in_row(row) for row in read]

    def _in_row(self, row: Any) -> Any:
        """The same rows whatever else is in the batch; of a list of rows each."""
        if isinstance(row, list):
            return [self._in_row(one) for one in row]
        if self.column is None:
            return self.kind.value
        if crc32(repr([value for name, value in values_of(row) if name != "place"]).encode()) % 2:
            return row
        change = replace if is_dataclass(row) else type(row)._replace
        return change(row, **{self.column: self.kind.value})


def rows_in(read: Sequence[Any]) -> Iterator[Any]:
    """What was read, out of the lists in which it lies."""
    for one in read:
        if isinstance(one, list):
            yield from rows_in(one)
        else:
            yield one


def values_of(row: Any) -> Iterator[tuple[str, object]]:
    """Its columns; none if it is no row."""
    if is_dataclass(row):
        yield from ((one.name, getattr(row, one.name)) for one in fields(row))
    elif hasattr(row, "_asdict"):
        yield from row._asdict().items()


@dataclass
class Seen:
    """What was read of a request: each key how often, and the columns of each batch function."""

    keys: Counter[Hashable] = field(default_factory=Counter)
    columns: dict[str, list[str | None]] = field(default_factory=dict)

    def note(self, name: str, arguments: tuple[Hashable, ...], keys: Sequence[Hashable], read: Sequence[Any]) -> None:
        self.keys.update((name, arguments, key) for key in keys)
        if (row := next(rows_in(read), None)) is not None:
            self.columns[name] = [column for column, _ in values_of(row) if column != "place"] or [None]

    @property
    def repeated(self) -> list[Hashable]:
        return [key for key, times in self.keys.items() if times > 1]


class FaultyLoaders(Loaders):
    """A request's loaders, which note what is read, and read a fault."""

    def __init__(self, reading: Reading, fault: Fault | None = None) -> None:
        super().__init__(reading)
        self._fault = fault
        self._wrapped: dict[Callable[..., Any], Callable[..., Any]] = {}
        self.seen = Seen()

    def rows(self, batch: BatchFunction, *arguments: Hashable) -> Loader[Any, Any]:
        return super().rows(self._wrap(batch), *arguments)

    def values(self, batch: Callable[..., Awaitable[Sequence[Any]]], *arguments: Hashable) -> Loader[Any, Any]:
        return super().values(self._wrap(batch), *arguments)

    def groups(
        self, batch: Callable[..., Awaitable[Mapping[Any, Sequence[Any]]]], *arguments: Hashable
    ) -> Loader[Any, Any]:
        return super().groups(self._wrap(batch, self._read_groups), *arguments)

    def _wrap(self, batch: Callable[..., Any], read: Callable[..., Any] | None = None) -> Callable[..., Any]:
        if batch not in self._wrapped:
            self._wrapped[batch] = partial(read or self._read, batch)
        return self._wrapped[batch]

    async def _read_groups(
        self, batch: Callable[..., Any], connection: object, groups: Mapping[Any, list[Any]], *arguments: Hashable
    ) -> dict[Any, list[Any]]:
        read = await batch(connection, groups, *arguments)
        keys = [(group, key) for group, own in groups.items() for key in own]
        self.seen.note(name_of(batch), arguments, keys, list(read.values()))
        return {group: self._with_fault(batch, own) for group, own in read.items()}

    async def _read(self, batch: BatchFunction, connection: object, keys: list[Any], *arguments: Hashable) -> list[Any]:
        read = await batch(connection, keys, *arguments)
        self.seen.note(name_of(batch), arguments, keys, read)
        return self._with_fault(batch, read)

    def _with_fault(self, batch: Callable[..., Any], read: list[Any]) -> list[Any]:
        if self._fault is None or self._fault.batch != name_of(batch):
            return read
        return self._fault.in_what_was_read(read)


def name_of(batch: BatchFunction) -> str:
    while isinstance(batch, partial):
        batch = batch.func
    return f"{batch.__module__}.{batch.__qualname__}"
