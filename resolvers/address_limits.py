"""How often somebody may ask what tells or sends something to an address: counted before anything is looked for, in a
transaction of its own, so that whether there is such an address makes no difference to it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Integer, bindparam, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from models.attempts import MOST_ASKED, WINDOW, AskedBy, AskedCount, window_of
from models.batches import counting

COUNT = AskedCount.__table__


class Asking(NamedTuple):
    by: AskedBy
    # A network, a mailbox, an organization: kept as a digest.
    subject: str

    def key(self, now: dt.datetime) -> dict[str, Any]:
        digest = hashlib.sha256(f"{self.by.name} {self.subject}".encode("utf-8", "surrogatepass")).hexdigest()
        return {"by": self.by, "subject": digest, "window_at": window_of(now)}


class AskedTooOften(Exception):
    """So much was asked in this quarter of an hour; the message says when to ask again."""

    def __init__(self, now: dt.datetime) -> None:
        super().__init__(f"That was asked too often. Ask again from {window_of(now) + WINDOW:%Y-%m-%d %H:%M} UTC on.")


async def count_asking(session: AsyncSession, now: dt.datetime, asked: Sequence[Asking]) -> None:
    """All or none: a refusal takes back what was counted before it, so that who is shut out shuts out nobody."""
    statement = _counting((await session.connection()).dialect.name)
    for one in asked:
        counted = await session.execute(statement, one.key(now) | {"most": MOST_ASKED[one.by]})
        if counted.scalar_one_or_none() is None:
            raise AskedTooOften(now)


async def forgive(session: AsyncSession, now: dt.datetime, asked: Asking) -> None:
    same = [COUNT.c[name] == value for name, value in asked.key(now).items()]
    await session.execute(update(COUNT).where(*same).values(asked=COUNT.c.asked - 1))


@lru_cache
def _counting(dialect: str) -> ReturningInsert[Any]:
    return counting(dialect, COUNT, "asked", bindparam("most", type_=Integer))
