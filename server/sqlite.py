"""SQLite's driver, asked once a statement.

aiosqlite keeps each connection in a thread of its own. SQLAlchemy's adapter goes there four times for each statement:
to make a cursor, to execute, to fetch and to close. A trip takes longer than most of our statements, so here it is one.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util.concurrency import await_


class Executed(NamedTuple):
    """All that is ever asked of a cursor, brought along from its thread."""

    rows: list[Any]
    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None


class OneTripCursor(AsyncAdapt_aiosqlite_cursor):
    """Has all rows of a statement once it was executed; nothing of it stays open."""

    __slots__ = ("_executed",)

    def __init__(self, adapt_connection: AsyncAdapt_aiosqlite_connection) -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._rows = deque()
        self._executed = Executed([])

    @property
    def description(self) -> Any:
        return self._executed.description

    @property
    def rowcount(self) -> int:
        return self._executed.rowcount

    @property
    def lastrowid(self) -> Any:
        return self._executed.lastrowid

    def close(self) -> None:
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        """There is nothing to close."""

    def execute(self, operation: str, parameters: Any = None) -> None:
        self._do(lambda own: own.execute(operation, () if parameters is None else parameters))

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:
        self._do(lambda own: own.executemany(operation, seq_of_parameters))

    def _do(self, act: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> None:
        try:
            connection: Any = self._adapt_connection
            self._executed = await_(connection.trip(act))
        except Exception as problem:  # the adapter raises it as SQLAlchemy's own
            self._adapt_connection._handle_exception(problem)
        self._rows = deque(self._executed.rows)


def _execute(driver: Any, act: Callable[[sqlite3.Connection], sqlite3.Cursor], begins: bool) -> Executed:
    if begins:
        driver._conn.execute("BEGIN")
    cursor = act(driver._conn)
    try:
        rows = cursor.fetchall() if cursor.description else []
        return Executed(rows, cursor.description, cursor.rowcount, cursor.lastrowid)
    finally:
        cursor.close()


class OneTripConnection(AsyncAdapt_aiosqlite_connection):
    """Runs a short statement where it is asked for, without any trip: SQLite lets connections change threads."""

    __slots__ = ("_is_on_its_way", "_is_to_begin", "_only_reads")
    _cursor_cls = OneTripCursor  # type: ignore[assignment]  # declared for the one class alone

    def __init__(self, dbapi: AsyncAdapt_aiosqlite_dbapi, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._is_on_its_way = self._is_to_begin = self._only_reads = False

    def begin_later(self) -> None:
        """Reading begins on the trip of its first statement: until then there is nothing to have a snapshot of."""
        self._is_to_begin = self._only_reads = True

    def rollback(self) -> None:
        """The pool asks for it whenever a connection comes back: there is most often nothing to undo. What was only
        read is let go of on the spot, unless somebody was cancelled on the way: then a statement may begin only now,
        and whatever is asked next comes after it.
        """
        is_left_alone, self._is_on_its_way = self._is_on_its_way, False
        self._is_to_begin = False
        if not (is_left_alone or self._own.in_transaction):
            return
        if not self._only_reads:
            super().rollback()
        elif is_left_alone:
            driver: Any = self._connection
            driver._tx.put_nowait((None, self._own.rollback))
        else:
            self._own.rollback()

    def let_go(self) -> bool:
        """What was read; the next statement sees what is there by then. Not where somebody was cancelled on the way."""
        if self._is_on_its_way:
            return False
        own = self._own
        if own.in_transaction:
            own.rollback()
        self._is_to_begin = True
        return True

    async def trip(self, act: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> Executed:
        """In the connection's own thread; nobody else is on the way meanwhile."""
        driver: Any = self._connection
        begins, self._is_to_begin = self._is_to_begin, False
        async with self._execute_mutex:
            self._is_on_its_way = True
            executed: Executed = await driver._execute(_execute, driver, act, begins)
            self._is_on_its_way = False
            return executed

    async def fetch(self, statement: str, values: Sequence[Any], *, is_short: bool) -> Sequence[Sequence[Any]]:
        if is_short:
            async with self._execute_mutex:
                own = self._own
                if self._is_to_begin:
                    self._is_to_begin = False
                    own.execute("BEGIN")
                return own.execute(statement, values).fetchall()
        executed = await self.trip(lambda own: own.execute(statement, values))
        return executed.rows

    async def fetch_many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        async with self._execute_mutex:
            self._own.executemany(statement, values)

    async def change(self, statement: str, values: Sequence[Any]) -> int:
        return (await self.trip(lambda own: own.execute(statement, values))).rowcount

    @property
    def _own(self) -> sqlite3.Connection:
        driver: Any = self._connection
        own: sqlite3.Connection = driver._conn
        return own


class OneTripDriver(AsyncAdapt_aiosqlite_dbapi):
    """What an engine takes as its `module`."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    def connect(self, *arguments: Any, **options: Any) -> OneTripConnection:
        connection = super().connect(*arguments, **options)
        return OneTripConnection(self, connection._connection)
