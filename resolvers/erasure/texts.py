"""The texts that people wrote, and that may name somebody. One that does is erased whole: a text with a hole in it
would still tell who stood there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, and_, exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.disputes import Dispute
from models.erasure import ERASED, Person, WrittenText, is_named_in
from models.events import Event
from models.history import Act
from models.invoices import Adjustment, CreditNote, InvoiceLine
from models.roster import RosterBatchRow, RosterImport
from models.work import Task

WRITTEN: dict[WrittenText, Column[Any]] = {
    WrittenText.ACT: Act.__table__.c.reason,
    WrittenText.EVENT: Event.__table__.c.said,
    WrittenText.DISPUTE: Dispute.__table__.c.reason,
    WrittenText.ADJUSTMENT: Adjustment.__table__.c.reason,
    WrittenText.CREDIT_NOTE: CreditNote.__table__.c.reason,
    WrittenText.APPROVAL: InvoiceLine.__table__.c.approval_reason,
    WrittenText.FAILURE: Task.__table__.c.failure,
}
IMPORT = RosterImport.__table__
BATCH_ROW = RosterBatchRow.__table__
ACT = Act.__table__


@dataclass(frozen=True, slots=True)
class FoundText:
    """A text that names the person, and how often it stands there."""

    where: WrittenText
    text: str
    times: int


async def texts_naming(
    connection: AsyncConnection | AsyncSession, organization_id: int, person: Person
) -> list[FoundText]:
    """Each different text is read once: what an import of a million people says of itself is one text."""
    found: list[FoundText] = []
    for where in WrittenText:
        rows = await connection.execute(_different(where, organization_id))
        found += [FoundText(where, row[0], row[1]) for row in rows if is_named_in(person, row[0])]
    return sorted(found, key=lambda one: (one.where.name, one.text))


def _different(where: WrittenText, organization_id: int) -> Select[Any]:
    if where is WrittenText.ROSTER_NAME:
        return select(IMPORT.c.name, func.count()).where(_is_of(organization_id)).group_by(IMPORT.c.name)
    column = WRITTEN[where]
    return (
        select(column, func.count())
        .where(column.table.c.organization_id == organization_id, column.is_not(None), column != ERASED)
        .group_by(column)
    )


def _is_of(organization_id: int) -> ColumnElement[bool]:
    """An import belongs to no organization; this one's are those that recorded something in it."""
    folded = exists().where(
        ACT.c.organization_id == organization_id, ACT.c.reason == literal("The roster ") + IMPORT.c.name
    )
    batched = exists().where(BATCH_ROW.c.organization_id == organization_id, BATCH_ROW.c.import_id == IMPORT.c.id)
    return and_(IMPORT.c.name != ERASED, or_(folded, batched))


async def erase_texts(session: AsyncSession, organization_id: int, found: Iterable[FoundText]) -> None:
    of_each: dict[WrittenText, list[str]] = {}
    for one in found:
        of_each.setdefault(one.where, []).append(one.text)
    # The names of imports first: by what the acts say it is known which imports are the organization's.
    for where in sorted(of_each, key=lambda one: one is not WrittenText.ROSTER_NAME):
        await _erase(session, organization_id, where, of_each[where])


async def _erase(session: AsyncSession, organization_id: int, where: WrittenText, texts: Sequence[str]) -> None:
    is_import = where is WrittenText.ROSTER_NAME
    column = IMPORT.c.name if is_import else WRITTEN[where]
    own = _is_of(organization_id) if is_import else column.table.c.organization_id == organization_id
    named = asked("texts", "text", texts=("text",))
    await session.execute(
        update(column.table).where(own, column.in_(select(named.c.text))).values({column: ERASED}),
        {"texts": as_parameter((text,) for text in texts)},
    )
