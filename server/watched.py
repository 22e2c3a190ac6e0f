"""SQLAlchemy's statements, told to whoever watches them."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine, ExecutionContext, event

from resolvers.watching import watching

BEGAN = "watched_since"
# SQLite's transactions begin with a statement of ours, which is no part of anybody's question.
NOT_ASKED = "BEGIN"


def listen(engine: Engine) -> None:
    event.listen(engine, "before_cursor_execute", _before)
    event.listen(engine, "after_cursor_execute", _after)


def _before(connection: Connection, *_: object) -> None:
    if watching.get() is not None:
        connection.info[BEGAN] = perf_counter()


def _after(
    connection: Connection, cursor: Any, sql: str, values: object, context: ExecutionContext | None, many: bool
) -> None:
    watch = watching.get()
    if watch is not None and not sql.startswith(NOT_ASKED):
        watch.saw(sql, _keys(context), _rows(cursor), connection.info.pop(BEGAN))


def _keys(context: Any) -> object:
    given = getattr(context, "compiled_parameters", None)
    return given[0].get("keys") if given else None


def _rows(cursor: Any) -> int | None:
    """Both drivers have fetched all that was found, unless it is streamed."""
    if not cursor.description:
        return int(cursor.rowcount) if cursor.rowcount >= 0 else None
    found = getattr(cursor, "_rows", None)
    return None if found is None else len(found)
