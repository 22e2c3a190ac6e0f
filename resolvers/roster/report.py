"""What an import refused, line by line: in pages, or as a CSV that a spreadsheet program can open safely."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.roster import RosterImport, RosterImportState, RosterRefusal
from resolvers.roster.lines import Refusal
from resolvers.roster.staging import ImportRun, find_import
from resolvers.spreadsheets import as_csv

REFUSAL = RosterRefusal.__table__
IMPORT = RosterImport.__table__
PAGE_LINES = 1_000
HEADER = ("line", "column", "problem", "what to do")


async def refusals(
    connection: AsyncConnection | AsyncSession, import_id: int, after_line: int = 0, most: int = PAGE_LINES
) -> list[Refusal]:
    """A page of what a run refused, in the order of its lines."""
    rows = await connection.execute(
        select(REFUSAL.c.line, REFUSAL.c.column, REFUSAL.c.problem, REFUSAL.c.mend)
        .where(REFUSAL.c.import_id == import_id, REFUSAL.c.line > after_line)
        .order_by(REFUSAL.c.line)
        .limit(most)
    )
    return [Refusal(*row) for row in rows]


async def report_as_csv(connection: AsyncConnection, import_id: int) -> AsyncIterator[str]:
    """The whole report, a page of it at a time."""
    yield as_csv([HEADER])
    last = 0
    while page := await refusals(connection, import_id, last):
        yield as_csv(page)
        last = page[-1].line


async def finish_import(session: AsyncSession, import_id: int, *, is_news: bool = False) -> ImportRun:
    """The run is done. One that changed nothing (unless it is news otherwise) and refused what the one before it
    refused goes again: there is nothing to report. What is returned then has the id of the run before it.
    """
    await session.execute(update(IMPORT).where(IMPORT.c.id == import_id).values(state=RosterImportState.DONE))
    run = await find_import(session, import_id)
    former = None if is_news else await _same_run_before(session, run)
    if former is None:
        return run
    await session.execute(delete(REFUSAL).where(REFUSAL.c.import_id == import_id))
    await session.execute(delete(IMPORT).where(IMPORT.c.id == import_id))
    return ImportRun(
        former,
        *(run.name, run.actor, run.state, run.started_at, run.lines_read),
        0,
        run.rows_unchanged,
        run.rows_refused,
    )


async def _same_run_before(session: AsyncSession, run: ImportRun) -> int | None:
    digest = select(IMPORT.c.digest).where(IMPORT.c.id == run.id).scalar_subquery()
    former = await session.scalar(
        select(IMPORT.c.id)
        .where(IMPORT.c.digest == digest, IMPORT.c.id < run.id)
        .where(IMPORT.c.rows_refused == run.rows_refused)
        .order_by(IMPORT.c.id.desc())
        .limit(1)
    )
    if former is None or run.rows_landed or await _refuses_otherwise(session, run.id, former):
        return None
    return int(former)


async def _refuses_otherwise(session: AsyncSession, import_id: int, former_id: int) -> bool:
    """Told by the database, since a report can be as long as its file."""
    what = (REFUSAL.c.line, REFUSAL.c.column, REFUSAL.c.problem)
    now, before = (select(*what).where(REFUSAL.c.import_id == one) for one in (import_id, former_id))
    return (await session.execute(now.except_(before).limit(1))).first() is not None
