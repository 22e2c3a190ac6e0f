"""The body of `import-roster`: a file becomes history, in as many transactions as it takes, and any of them may be the
last before a crash. Run again, it goes on where it was.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import RosterError, RosterErrorCode
from models.roster import RosterImportState
from resolvers.principal import Principal
from resolvers.roster.closing import (
    ClosingPreview,
    close_absent,
    forget_matched,
    organizations_matched,
    preview_changed,
    preview_closings,
)
from resolvers.roster.folding import fold, next_to_fold
from resolvers.roster.lines import LineRefused, Refusal, Rows, Staged
from resolvers.roster.reading import Cells, Reading, Survey, header, layout, rows, survey
from resolvers.roster.report import finish_import
from resolvers.roster.staging import (
    Directory,
    ImportRun,
    all_read,
    begin_import,
    find_import,
    forget_import,
    know_organizations,
    stage,
)
from server.database import Database

LINES_A_COMMIT = 10_000
MOST_NAMES_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a file is imported. Two imports of one file that differ here are two imports."""

    reading: Reading = field(default_factory=Reading)
    # The zone of organizations that are made because the file names them; None makes none.
    new_organizations_in_zone: str | None = None
    # The file names everybody of its teams; who is absent is no longer active from this day on.
    complete_from: dt.date | None = None
    # The digest of the preview of whom that closes; without it they are only previewed.
    confirmed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import did."""

    # The run under which the refusals are reported.
    import_id: int
    lines_read: int
    rows_landed: int
    rows_unchanged: int
    rows_refused: int
    # Whether an earlier run was interrupted and this one went on from there.
    resumed: bool
    # Of a file that is complete: whom it closes, or would close if its digest were confirmed.
    closings: ClosingPreview | None = None
    closed: int = 0


async def import_file(
    database: Database,
    path: Path,
    principal: Principal,
    now: dt.datetime,
    options: ImportOptions | None = None,
    console: Console | None = None,
) -> ImportSummary:
    """Imports a roster file, or goes on with an import of it that was interrupted."""
    options = options or ImportOptions()
    found = survey(path)
    places = layout(header(path), options.reading)
    run = await database.run(lambda session: begin_import(session, principal, now, _digest(found, options), path.name))
    resumed = run.lines_read > 0 or run.state is not RosterImportState.STAGING
    reader = Rows(run.id, places, options.reading, run.started_at)
    with _progress(console) as progress:
        if run.state is RosterImportState.STAGING:
            await _Staging(database, principal, run, reader, options, progress).all_of(path, found)
        await _fold_all(database, now, run, progress, keep_matched=options.complete_from is not None)
        closings, closed = None, 0
        try:
            closings, closed = await _close_absent(database, now, run.id, options)
        finally:
            # A refused preview ends the run as well: what its lines say is recorded.
            done = await database.run(partial(finish_import, import_id=run.id, is_news=closed > 0))
    return ImportSummary(
        import_id=done.id,
        lines_read=done.lines_read,
        rows_landed=done.rows_landed,
        rows_unchanged=done.rows_unchanged,
        rows_refused=done.rows_refused,
        resumed=resumed,
        closings=closings,
        closed=closed,
    )


def _digest(found: Survey, options: ImportOptions) -> str:
    reading = options.reading
    how = (
        sorted(reading.columns.items()),
        reading.date_format,
        reading.organization,
        options.new_organizations_in_zone,
        options.complete_from,
    )
    return hashlib.sha256(f"{found.digest} {how!r}".encode()).hexdigest()


class _Staging:
    """The reading of one file: chunks of lines, each kept in a transaction of its own."""

    def __init__(
        self,
        database: Database,
        principal: Principal,
        run: ImportRun,
        reader: Rows,
        options: ImportOptions,
        progress: Report,
    ) -> None:
        self._database = database
        self._principal = principal
        self._run = run
        self._reader = reader
        self._options = options
        self._progress = progress
        self._known = Directory({}, {})

    async def all_of(self, path: Path, found: Survey) -> None:
        self._progress.begin("Reading", found.lines)
        try:
            await self._chunks(rows(path, self._options.reading, self._run.lines_read))
        except RosterError as problem:
            # The file cannot be read to its end, so nothing of it is kept; unless it is read by somebody else.
            if problem.code is not RosterErrorCode.ALREADY_RUNNING:
                await self._database.run(lambda session: forget_import(session, self._run.id))
            raise
        await self._database.run(lambda session: all_read(session, self._run.id))

    async def _chunks(self, lines: Iterator[tuple[int, Cells]]) -> None:
        read = self._run.lines_read
        while chunk := list(islice(lines, LINES_A_COMMIT)):
            await self._know(chunk)
            staged, refused = read_lines(self._reader, chunk)
            last = chunk[-1][0]
            kept = partial(stage, staged=staged, refused=refused, certified=self._reader.take_certifications())
            await self._database.run(partial(kept, run_id=self._run.id, read_before=read, read_now=last))
            read = last
            self._progress.reached(read)

    async def _know(self, chunk: Iterable[tuple[int, Cells]]) -> None:
        """Looks up the organizations that the chunk names for the first time."""
        known = self._known
        if len(known.named) > MOST_NAMES_KEPT:
            known.named.clear()
        names = {self._reader.organization_of(cells) for _, cells in chunk} - known.named.keys() - {""}
        if names:
            found = await self._database.run(
                lambda session: know_organizations(
                    session,
                    self._principal,
                    self._run.started_at,
                    sorted(names),
                    self._options.new_organizations_in_zone,
                )
            )
            known.named.update(found.named)
            known.calendars.update(found.calendars)
        self._reader.know(known.named, known.calendars)


def read_lines(reader: Rows, chunk: Iterable[tuple[int, Cells]]) -> tuple[list[Staged], list[Refusal]]:
    staged: list[Staged] = []
    refused: list[Refusal] = []
    for line, cells in chunk:
        try:
            staged.append(reader.read(line, cells))
        except LineRefused as why:
            refused.append(why.on(line))
    return staged, refused


async def _fold_all(
    database: Database, now: dt.datetime, run: ImportRun, progress: Report, *, keep_matched: bool
) -> None:
    progress.begin("Recording", None)
    last, done = 0, 0
    while organization_id := await database.run(partial(next_to_fold, import_id=run.id, after=last)):
        folded = await database.run(
            partial(fold, now=now, run=run, organization_id=organization_id, keep_matched=keep_matched)
        )
        last, done = organization_id, done + folded.rows_landed + folded.rows_unchanged + folded.rows_refused
        progress.reached(done)


async def _close_absent(
    database: Database, now: dt.datetime, import_id: int, options: ImportOptions
) -> tuple[ClosingPreview | None, int]:
    """Previews whom a complete file closes, and closes exactly those if that preview was confirmed."""
    if options.complete_from is None:
        return None, 0
    day = options.complete_from
    run = await database.run(partial(find_import, import_id=import_id))
    try:
        preview = await database.run(partial(preview_closings, run=run, first_day_inactive=day))
        if options.confirmed not in {None, preview.digest}:
            raise preview_changed()
        closed = 0
        for organization_id, digest in preview.parts if options.confirmed else ():
            closed += await database.run(
                partial(
                    close_absent,
                    now=now,
                    run=run,
                    organization_id=organization_id,
                    first_day_inactive=day,
                    previewed=digest,
                )
            )
        return preview, closed
    finally:
        # Whatever came of it, the next run matches its lines anew.
        await database.run(partial(_forget_all_matched, import_id=import_id))


async def _forget_all_matched(session: AsyncSession, import_id: int) -> None:
    for organization_id in await organizations_matched(session, import_id):
        await forget_matched(session, import_id, organization_id)


# -------------------------------------------------------------------------------------------- progress


class Report:
    """Says how far an import is: with a bar on a terminal, with a line a step elsewhere, or not at all."""

    def __init__(self, console: Console | None, bar: Progress | None) -> None:
        self._console = console
        self._bar = bar
        self._step = ""

    def begin(self, step: str, total: int | None) -> None:
        self._step = step
        if self._bar is not None:
            self._bar.add_task(step, total=total)

    def reached(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[-1], completed=count)
        elif self._console is not None:
            self._console.print(f"{self._step}: {count:,} lines")


@contextmanager
def _progress(console: Console | None) -> Iterator[Report]:
    if console is None or not console.is_terminal:
        yield Report(console, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        yield Report(console, bar)
