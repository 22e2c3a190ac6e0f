"""Reading the outbox: messages by their ids, and in pages of a program's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked, first_rows_of_each
from models.outbox import MessageKind, MessageState, OutboxMessage

MESSAGE = OutboxMessage.__table__


class MessageKey(NamedTuple):
    program_id: int
    message_id: int


class MessageRow(NamedTuple):
    place: int
    program_id: int
    id: int
    kind: MessageKind
    state: MessageState
    recipient: str
    made_at: dt.datetime
    due_at: dt.datetime
    attempts: int
    failure: str | None
    ended_at: dt.datetime | None


COLUMNS = [MESSAGE.c[name] for name in MessageRow._fields[1:]]


async def messages_by_key(connection: AsyncConnection, keys: Sequence[MessageKey]) -> list[MessageRow]:
    """Those of the messages that exist."""
    rows = await connection.execute(_messages_by_key(), as_keys(keys))
    return [MessageRow._make(row) for row in rows]


@lru_cache
def _messages_by_key() -> Select[Any]:
    keys = asked("keys", "place", *MessageKey._fields)
    same = and_(MESSAGE.c.program_id == keys.c.program_id, MESSAGE.c.id == keys.c.message_id)
    return select(keys.c.place, *COLUMNS).select_from(keys).join(MESSAGE, same)


# ------------------------------------------------------------------------------------------------- lists


class MessagesKey(NamedTuple):
    program_id: int


@dataclass(frozen=True, slots=True)
class MessagesPage:
    """The newest first: ids grow with time."""

    limit: int
    backward: bool
    # The id after which the page begins.
    beyond: int | None = None


States = tuple[MessageState, ...] | None


async def messages_of(
    connection: AsyncConnection, keys: Sequence[MessagesKey], states: States, page: MessagesPage
) -> list[MessageRow]:
    """A page of the messages of each program, in these states or in any."""
    statement = _messages_of(connection.dialect.name, states, page.backward, page.beyond is not None)
    beyond = {} if page.beyond is None else {"beyond": page.beyond}
    rows = await connection.execute(statement, {**as_keys(keys), "most": page.limit, **beyond})
    return [MessageRow._make(row) for row in rows]


async def message_totals(connection: AsyncConnection, keys: Sequence[MessagesKey], states: States) -> list[int]:
    rows = await connection.execute(_message_totals(states), as_keys(keys))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


@lru_cache
def _messages_of(dialect: str, states: States, backward: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *MessagesKey._fields)
    page = select(*COLUMNS).where(*_those(keys, states))
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        page = page.where(MESSAGE.c.id > beyond if backward else MESSAGE.c.id < beyond)
    page = page.order_by(MESSAGE.c.id.asc() if backward else MESSAGE.c.id.desc())
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _message_totals(states: States) -> Select[Any]:
    keys = asked("keys", "place", *MessagesKey._fields)
    total = select(func.count()).select_from(MESSAGE).where(*_those(keys, states)).correlate(keys)
    return select(keys.c.place, total.scalar_subquery())


def _those(keys: Any, states: States) -> list[ColumnElement[bool]]:
    those: list[ColumnElement[bool]] = [MESSAGE.c.program_id == keys.c.program_id]
    if states is not None:
        those.append(MESSAGE.c.state.in_(states))
    return those
