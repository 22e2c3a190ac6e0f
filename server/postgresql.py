"""PostgreSQL's driver, asked straight: beside SQLAlchemy's way, which makes a cursor of each statement.

asyncpg prepares a statement when a connection first runs it, and then keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection, AsyncAdapt_asyncpg_dbapi

# Of SQLAlchemy's connection and not of asyncpg's; behind PgBouncer they are set.
OWN_OPTIONS = ("prepared_statement_cache_size", "prepared_statement_name_func")


class StraightConnection(AsyncAdapt_asyncpg_connection):
    __slots__ = ()

    async def fetch(self, statement: str, values: Sequence[Any], *, is_short: bool) -> Sequence[Sequence[Any]]:
        async with self._execute_mutex:
            await self._begin()
            try:
                rows: list[asyncpg.Record] = await self._own.fetch(statement, *values)
                return rows
            except Exception as problem:  # raised as SQLAlchemy's own
                self._handle_exception(problem)

    async def fetch_many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        async with self._execute_mutex:
            await self._begin()
            try:
                await self._own.executemany(statement, values)
            except Exception as problem:  # raised as SQLAlchemy's own
                self._handle_exception(problem)

    async def change(self, statement: str, values: Sequence[Any]) -> int:
        async with self._execute_mutex:
            await self._begin()
            try:
                said: str = await self._own.execute(statement, *values)
            except Exception as problem:  # raised as SQLAlchemy's own
                self._handle_exception(problem)
        # As in: INSERT 0 2000
        return int(said.rsplit(maxsplit=1)[-1])

    async def _begin(self) -> None:
        """A transaction begins with its first statement."""
        if self._transaction is None:
            await self._start_transaction()  # type: ignore[no-untyped-call]

    @property
    def _own(self) -> asyncpg.Connection:
        own: Any = self._connection
        connection: asyncpg.Connection = own
        return connection


class StraightDriver(AsyncAdapt_asyncpg_dbapi):
    """What an engine takes as its `module`."""

    def __init__(self) -> None:
        super().__init__(asyncpg)  # type: ignore[no-untyped-call]

    def connect(self, *arguments: Any, **options: Any) -> StraightConnection:
        own = {name: options[name] for name in OWN_OPTIONS if name in options}
        connection = super().connect(*arguments, **options)  # type: ignore[no-untyped-call]
        return StraightConnection(self, connection._connection, **own)  # type: ignore[no-untyped-call]
