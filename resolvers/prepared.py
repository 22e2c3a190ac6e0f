"""Statements by which many people wait for each other: compiled once, and run on the driver itself.

SQLAlchemy's way to the driver and back takes several times as long as a statement does that finds its row by a key. So
what a checkout runs is said in Core like everything else, and is then kept as the driver takes it.

What an act runs in its session is short, whatever grows: on SQLite nothing else happens in the process meanwhile. So is
what is read by a few keys. What else is read on a connection, for as many keys as there are, may take its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any, NoReturn, Protocol

from sqlalchemy import CompoundSelect, Connection, Dialect, Insert, Select, Table, bindparam, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from resolvers.watching import watching

# Found by their keys, in less time than it takes to ask another thread.
FEW_KEYS = 10

Statement = Select[Any] | CompoundSelect[Any] | Insert | ReturningInsert[Any] | ReturningUpdate[Any]
Connected = AsyncConnection | AsyncSession
Given = Mapping[str, object]
Values = Sequence[Any]
Convert = Callable[[Any], Any]


class Driver(Protocol):
    """What the server's connections can do beside what SQLAlchemy asks of them."""

    async def fetch(self, statement: str, values: Values, *, is_short: bool) -> Sequence[Values]:
        """In the transaction that has begun. What is short may keep everything else in the process waiting."""

    async def fetch_many(self, statement: str, values: Sequence[Values]) -> None: ...

    async def change(self, statement: str, values: Values) -> int:
        """How many rows it wrote: it may take its time."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement as the driver takes it, and what its values are converted by on their way there and back."""

    sql: str
    # What the statement says itself, and the names of what is given.
    constants: Mapping[str, object]
    converted: Sequence[tuple[str, Convert | None]]
    # Of the columns that need it, by their places.
    read: Sequence[tuple[int, Convert]]

    def values(self, given: Given) -> Values:
        known = {**self.constants, **given}
        return [known[name] if convert is None else convert(known[name]) for name, convert in self.converted]

    def rows(self, found: Sequence[Values]) -> list[tuple[Any, ...]]:
        return list(map(self._row if self.read else tuple, found))

    def _row(self, values: Values) -> tuple[Any, ...]:
        own = list(values)
        for place, convert in self.read:
            own[place] = convert(own[place])
        return tuple(own)


class Prepared:
    """A statement that takes named values; `prepared` makes one of the function that builds it."""

    def __init__(self, build: Callable[[], Statement]) -> None:
        self._build = build
        self._compiled: dict[str, Compiled] = {}

    async def rows(self, connected: Connected, given: Given, *, is_short: bool = False) -> list[tuple[Any, ...]]:
        """All rows. It is short in a session anyway."""
        connection = await _begun(connected)
        own = _own(connection)
        compiled = self._for(own.dialect)
        values = compiled.values(given)
        _announce(own, compiled.sql, values)
        is_short = is_short or isinstance(connected, AsyncSession)
        began = perf_counter()
        try:
            found = await _driver(own).fetch(compiled.sql, values, is_short=is_short)
        except Exception as problem:
            await _raise(connection, problem, compiled.sql, values)
        if watch := watching.get():
            watch.saw(compiled.sql, given.get("keys"), len(found), began)
        return compiled.rows(found)

    async def written(self, connected: Connected, given: Given) -> int:
        """How many rows it wrote, as many as there are: it takes its time anywhere."""
        connection = await _begun(connected)
        own = _own(connection)
        compiled = self._for(own.dialect)
        values = compiled.values(given)
        _announce(own, compiled.sql, values)
        began = perf_counter()
        try:
            written = await _driver(own).change(compiled.sql, values)
        except Exception as problem:
            await _raise(connection, problem, compiled.sql, values)
        if watch := watching.get():
            watch.saw(compiled.sql, None, written, began)
        return written

    async def first(self, connected: Connected, given: Given, *, is_short: bool = False) -> tuple[Any, ...] | None:
        return next(iter(await self.rows(connected, given, is_short=is_short)), None)

    async def each(self, connected: Connected, given: Iterable[Given]) -> None:
        """Once for each of what is given, in one go."""
        connection = await _begun(connected)
        own = _own(connection)
        compiled = self._for(own.dialect)
        values = [compiled.values(one) for one in given]
        _announce(own, compiled.sql, values)
        began = perf_counter()
        try:
            await _driver(own).fetch_many(compiled.sql, values)
        except Exception as problem:
            await _raise(connection, problem, compiled.sql, values)
        if watch := watching.get():
            watch.saw(compiled.sql, None, len(values), began)

    def _for(self, dialect: Dialect) -> Compiled:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _compile(self._build(), dialect)
        return self._compiled[dialect.name]


def prepared(build: Callable[[], Statement]) -> Prepared:
    return Prepared(build)


async def add(connected: Connected, table: Table, rows: Sequence[Given]) -> None:
    """Rows that all have the same columns."""
    if len(rows) == 1:
        await _adding(table, tuple(rows[0])).rows(connected, rows[0])
    elif rows:
        await _adding(table, tuple(rows[0])).each(connected, rows)


@lru_cache
def _adding(table: Table, names: tuple[str, ...]) -> Prepared:
    return Prepared(lambda: insert(table).values({name: bindparam(name, type_=table.c[name].type) for name in names}))


def _compile(statement: Statement, dialect: Dialect) -> Compiled:
    compiled = statement.compile(dialect=dialect)
    if compiled.post_compile_params:
        raise ValueError("a list that grows is no single value: give it as models.batches.as_parameter")
    given = {name: parameter for parameter, name in compiled.bind_names.items()}
    names = compiled.positiontup or ()
    converts = ((name, given[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names)
    columns = enumerate([] if isinstance(statement, Insert) else statement.exported_columns)
    reads = ((place, column.type.dialect_impl(dialect).result_processor(dialect, None)) for place, column in columns)
    return Compiled(
        sql=compiled.string,
        constants={name: own.value for name, own in given.items() if not own.required},
        converted=tuple(converts),
        read=tuple((place, convert) for place, convert in reads if convert is not None),
    )


# ------------------------------------------------------------------------------------------------ the connection


async def _begun(connected: Connected) -> AsyncConnection:
    """The connection, in a transaction. A session has one as long as it has one transaction, and looks long for it."""
    if isinstance(connected, AsyncSession):
        known: AsyncConnection | None = connected.info.get(Prepared)
        if known is None or known.closed:
            known = connected.info[Prepared] = await connected.connection()
        return known
    if not _own(connected).in_transaction():
        await connected.begin()
    return connected


def _driver(connection: Connection) -> Driver:
    own: Any = connection.connection.dbapi_connection
    driver: Driver = own
    return driver


def _own(connection: AsyncConnection) -> Connection:
    own: Any = connection.sync_connection
    sync: Connection = own
    return sync


def _announce(connection: Connection, sql: str, values: Values) -> None:
    """Whoever watches statements sees these too: the time-out of SQLite does, and tests that count them."""
    for listener in connection.dispatch.before_cursor_execute:
        listener(connection, None, sql, values, None, False)


async def _raise(connection: AsyncConnection, problem: Exception, sql: str, values: Values) -> NoReturn:
    """As SQLAlchemy raises it, which also gives up a connection that was lost."""
    await connection.run_sync(lambda own: own._handle_dbapi_exception(problem, sql, tuple(values), None, None))
    raise problem
