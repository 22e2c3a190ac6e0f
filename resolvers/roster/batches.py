"""Rows that a system sends in batches: staged and folded as a file's, in one transaction, for one organization.

A row is answered once: sent again under the same import id and number it gets the same answer and changes nothing, also
when other imports came between. A refused row may be mended and sent again under its number.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

import orjson
from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.batches import as_parameter, asked
from models.errors import RosterError, RosterErrorCode
from models.roster import MatchedLine, RosterBatchRow, RosterImport, RosterImportState, RosterRefusal, RowOutcome
from resolvers.organizations import calendars
from resolvers.principal import Principal
from resolvers.roster.certifying import certified_lines
from resolvers.roster.closing import forget_matched
from resolvers.roster.folding import fold
from resolvers.roster.lines import LineRefused, Refusal, Rows, Staged, StagedName
from resolvers.roster.reading import COLUMNS, Layout, Reading
from resolvers.roster.staging import ImportRun, begin_import, report, write_staged

MOST_ROWS = 250
ROW = RosterBatchRow.__table__
REFUSAL = RosterRefusal.__table__
AS_SENT = Layout(len(COLUMNS), tuple(range(len(COLUMNS))))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One membership of one team. Dates are the first active day and the first day no longer active, YYYY-MM-DD."""

    # The sender's own number of the row, from 1, unique in its import.
    number: int
    team: str
    external_id: str
    # Empty texts say nothing.
    name: str = ""
    email: str = ""
    department: str = ""
    # Empty where the date was lost.
    activated_on: str = ""
    # Empty while still active.
    deactivated_on: str = ""
    # As in a file: CPR 2026-05-31; First aid
    certifications: str = ""

    @property
    def cells(self) -> list[str]:
        said = (self.team, self.external_id, self.name, self.email, self.department)
        return ["this organization", *said, self.activated_on, self.deactivated_on, self.certifications]

    @property
    def fingerprint(self) -> str:
        """A row that names no certification has the one that it had before there were any."""
        said = self.cells if self.certifications else self.cells[:-1]
        return hashlib.sha256(orjson.dumps(said)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    organization_id: int
    # Chosen by the sender: all batches of one import carry it.
    import_id: str
    rows: tuple[BatchRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What became of the rows, counting what was answered before as it was answered then."""

    landed: int
    unchanged: int
    refused: int
    # In the order of their numbers; `line` is the row's number.
    refusals: tuple[Refusal, ...]


async def import_batch(session: AsyncSession, principal: Principal, now: dt.datetime, batch: Batch) -> BatchOutcome:
    """Records a batch in the caller's transaction. Bad rows are refused one by one, the others land."""
    principal.must_see(batch.organization_id, "organization", "organization")
    _check(batch)
    run = await _run_of(session, principal, now, batch)
    answered = await _answered(session, run, batch)
    fresh, refused = _sort_out(batch, answered)
    staged, certified = await _read(session, run, now, batch.organization_id, fresh, refused)
    await _forget_former_refusals(session, run, batch)
    await report(session, run.id, refused)
    if staged:
        await write_staged(session, staged, certified)
        await fold(session, now, run, batch.organization_id, keep_matched=True)
        await _answer(session, run, batch, {line for _, _, line, *_ in staged})
    await _count_refused(session, run)
    return await _outcome(session, run, batch)


def _check(batch: Batch) -> None:
    numbers = {row.number for row in batch.rows}
    if not 1 <= len(batch.rows) <= MOST_ROWS:
        raise RosterError(
            RosterErrorCode.BATCH_TOO_LARGE,
            f"A batch holds 1 to {MOST_ROWS} rows, this one {len(batch.rows):,}. Send more of them in parts, all under "
            "this import id, or have them imported as a file.",
            "rows",
        )
    if not 1 <= len(batch.import_id) <= 100 or not batch.import_id.isprintable():
        raise RosterError(RosterErrorCode.BAD_IMPORT_ID, RosterErrorCode.BAD_IMPORT_ID.value, "importId")
    if len(numbers) < len(batch.rows) or not all(1 <= number < 2**53 for number in numbers):
        raise RosterError(RosterErrorCode.ROW_NUMBER_TAKEN, RosterErrorCode.ROW_NUMBER_TAKEN.value, "rows")


async def _run_of(session: AsyncSession, principal: Principal, now: dt.datetime, batch: Batch) -> ImportRun:
    """The run of these batches. An id is the sender's own: another organization may have chosen the same."""
    digest = hashlib.sha256(f"batches of {batch.organization_id}: {batch.import_id}".encode()).hexdigest()
    return await begin_import(session, principal, now, digest, batch.import_id, RosterImportState.BATCHES)


async def _answered(session: AsyncSession, run: ImportRun, batch: Batch) -> Mapping[int, str]:
    """The fingerprints of those row numbers that were recorded before."""
    keys = asked("keys", "row_number")
    rows = await session.execute(
        select(ROW.c.row_number, ROW.c.fingerprint).where(
            ROW.c.organization_id == batch.organization_id,
            ROW.c.import_id == run.id,
            ROW.c.row_number.in_(select(keys.c.row_number)),
        ),
        {"keys": _numbers(batch)},
    )
    return {row.row_number: row.fingerprint for row in rows}


def _numbers(batch: Batch) -> str:
    return as_parameter((row.number,) for row in batch.rows)


def _sort_out(batch: Batch, answered: Mapping[int, str]) -> tuple[list[BatchRow], list[Refusal]]:
    """The rows that were not answered yet, and refusals of those that stand under a number of another row."""
    fresh = [row for row in batch.rows if row.number not in answered]
    others = [row for row in batch.rows if answered.get(row.number, row.fingerprint) != row.fingerprint]
    taken = "Another row was recorded under this number before."
    mend = "Send it under a number of its own."
    return fresh, [Refusal(row.number, "number", taken, mend) for row in others]


async def _read(
    session: AsyncSession,
    run: ImportRun,
    now: dt.datetime,
    organization_id: int,
    fresh: Iterable[BatchRow],
    refused: list[Refusal],
) -> tuple[list[Staged], list[StagedName]]:
    reader = Rows(run.id, AS_SENT, Reading(), now)
    reader.know({"this organization": organization_id}, await calendars(session, [organization_id]))
    staged: list[Staged] = []
    for row in fresh:
        try:
            staged.append(reader.read(row.number, row.cells))
        except LineRefused as why:
            refused.append(why.on(row.number))
    return staged, reader.take_certifications()


async def _forget_former_refusals(session: AsyncSession, run: ImportRun, batch: Batch) -> None:
    """A row that is sent again is judged again."""
    keys = asked("keys", "row_number")
    await session.execute(
        delete(REFUSAL).where(REFUSAL.c.import_id == run.id, REFUSAL.c.line.in_(select(keys.c.row_number))),
        {"keys": _numbers(batch)},
    )


async def _answer(session: AsyncSession, run: ImportRun, batch: Batch, read: Set[int]) -> None:
    """Keeps what became of each row, so that it is answered once. A refused one is kept by its refusal alone."""
    matched = MatchedLine.__table__
    of_the_run = (matched.c.organization_id == batch.organization_id, matched.c.import_id == run.id)
    certified = matched.c.line.in_(certified_lines(batch.organization_id, run.id))
    news = or_(matched.c.known_to.is_(None), matched.c.known_to != matched.c.to_at, certified)
    landed = set(await session.scalars(select(matched.c.line).where(*of_the_run, news)))
    refused = {refusal.line for refusal in await _refusals(session, run, batch)}
    answers = [
        {
            "organization_id": batch.organization_id,
            "import_id": run.id,
            "row_number": row.number,
            "fingerprint": row.fingerprint,
            "outcome": RowOutcome.LANDED if row.number in landed else RowOutcome.UNCHANGED,
        }
        for row in batch.rows
        if row.number in read - refused
    ]
    if answers:
        await session.execute(insert(ROW), answers)
    await forget_matched(session, run.id, batch.organization_id)


async def _refusals(session: AsyncSession, run: ImportRun, batch: Batch) -> list[Refusal]:
    keys = asked("keys", "row_number")
    rows = await session.execute(
        select(REFUSAL.c.line, REFUSAL.c.column, REFUSAL.c.problem, REFUSAL.c.mend)
        .where(REFUSAL.c.import_id == run.id, REFUSAL.c.line.in_(select(keys.c.row_number)))
        .order_by(REFUSAL.c.line),
        {"keys": _numbers(batch)},
    )
    return [Refusal(*row) for row in rows]


async def _count_refused(session: AsyncSession, run: ImportRun) -> None:
    """Counted anew, since a refused row that was mended and sent again is refused no more."""
    table = RosterImport.__table__
    refused = select(func.count()).where(REFUSAL.c.import_id == run.id).scalar_subquery()
    await session.execute(update(table).where(table.c.id == run.id).values(rows_refused=refused))


async def _outcome(session: AsyncSession, run: ImportRun, batch: Batch) -> BatchOutcome:
    """Read back from what is kept, so that a batch sent twice is answered alike."""
    refusals = await _refusals(session, run, batch)
    refused = {refusal.line for refusal in refusals}
    outcomes = {number: outcome for number, outcome in await _outcomes(session, run, batch) if number not in refused}
    landed = sum(outcome is RowOutcome.LANDED for outcome in outcomes.values())
    return BatchOutcome(
        landed=landed, unchanged=len(outcomes) - landed, refused=len(refusals), refusals=tuple(refusals)
    )


async def _outcomes(session: AsyncSession, run: ImportRun, batch: Batch) -> list[tuple[int, RowOutcome]]:
    keys = asked("keys", "row_number")
    rows = await session.execute(
        select(ROW.c.row_number, ROW.c.outcome).where(
            ROW.c.organization_id == batch.organization_id,
            ROW.c.import_id == run.id,
            ROW.c.row_number.in_(select(keys.c.row_number)),
        ),
        {"keys": _numbers(batch)},
    )
    return [(row.row_number, row.outcome) for row in rows]
