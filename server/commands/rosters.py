"""`import-roster` and `export`: files in, and files out."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from models.access import Role
from models.activity import Predicate
from models.interval import FOREVER
from resolvers.activity import ActivityQuestion, CutoffOf, Days
from resolvers.exports import AskedLearners, prepare, write_learners
from resolvers.principal import Principal
from resolvers.roster.closing import ClosingPreview
from resolvers.roster.reading import Reading
from resolvers.roster.report import report_as_csv
from server.commands.database import with_database
from server.database import Database
from server.import_roster import ImportOptions, ImportSummary, import_file
from server.settings import Settings

console = Console(highlight=False, stderr=True)
OPERATOR = Principal(name="Command line", role=Role.STAFF)
MOST_SHOWN = 20


def import_roster(
    file: Annotated[Path, typer.Argument(help="The CSV file, in UTF-8.", exists=True, dir_okay=False, readable=True)],
    organization: Annotated[
        str | None, typer.Option(help="The slug of the one organization of the file, if it has no such column.")
    ] = None,
    create_organizations: Annotated[
        bool, typer.Option("--create-organizations", help="Add organizations that the file names and nobody knows.")
    ] = False,
    zone: Annotated[str, typer.Option(help="The billing zone of organizations that are added.")] = "UTC",
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help='A column by another name, such as --map activated_on="Start Date". May be repeated.'
        ),
    ] = None,
    date_format: Annotated[
        str | None, typer.Option(help="How dates are written, such as %m/%d/%Y; YYYY-MM-DD if left out.")
    ] = None,
    complete_from: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="The file names everybody of its teams: preview whom it would close from this first inactive day on.",
        ),
    ] = None,
    confirm: Annotated[str | None, typer.Option(help="Close exactly whom the preview of this digest listed.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the refused lines to this CSV file.")] = None,
) -> None:
    """Import a roster: a line is one membership of one team, with its first active day and the first one no longer so.

    Columns: organization, team, external_id, name, email, department, activated_on, deactivated_on, and certifications
    as in “CPR 2026-05-31; First aid”. The same file again changes nothing; an interrupted import goes on where it was;
    bad lines are refused one by one, and the rest lands.

    Example: python3 -m server import-roster roster.csv --create-organizations --zone America/Chicago
    """
    options = ImportOptions(
        reading=Reading(columns=_mapped(map_ or []), date_format=date_format, organization=organization),
        new_organizations_in_zone=zone if create_organizations else None,
        complete_from=complete_from.date() if complete_from else None,
        confirmed=confirm,
    )
    summary = with_database(Settings.read(), lambda database: _import(database, file, options, report))
    for line in told(summary, report):
        console.print(line, soft_wrap=True)
    if summary.rows_refused:
        sys.exit(REFUSED_SOME)


REFUSED_SOME = 3


def _mapped(given: Sequence[str]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, equals, other in pairs if not (name and equals and other)]:
        raise typer.BadParameter(f'{wrong[0]!r}: write --map our_column="Their Column".', param_hint="--map")
    return {name: other for name, _, other in pairs}


async def _import(database: Database, file: Path, options: ImportOptions, report: Path | None) -> ImportSummary:
    now = dt.datetime.now(dt.UTC)
    summary = await import_file(database, file, OPERATOR, now, options, console)
    if report:
        async with database.reading() as connection:
            pages = [page async for page in report_as_csv(connection, summary.import_id)]
        await asyncio.to_thread(report.write_text, "".join(pages), encoding="utf-8")
    return summary


def told(summary: ImportSummary, report: Path | None) -> list[str]:
    """What an import did, in lines for a person."""
    how = " (going on where it was interrupted)" if summary.resumed else ""
    landed, unchanged, refused = summary.rows_landed, summary.rows_unchanged, summary.rows_refused
    counts = f"{landed:,} landed, {unchanged:,} unchanged, {refused:,} refused"
    lines = [f"{summary.lines_read:,} lines read{how}: {counts}."]
    if summary.rows_refused:
        where = f"See {report}." if report else "Run again with --report refused.csv to see which, and what to do."
        lines.append(f"The refused lines changed nothing. {where}")
    return lines + (_closings(summary.closings, summary.closed) if summary.closings else [])


def _closings(preview: ClosingPreview, closed: int) -> list[str]:
    if closed:
        return [f"{closed:,} memberships were closed, since the file is complete and does not name them."]
    lines = [f"The file does not name {preview.count:,} memberships of its teams, which it would close:"]
    for one in preview.first[:MOST_SHOWN]:
        held = "still active" if one.to_at == FOREVER else f"held to end {one.to_at:%Y-%m-%d %H:%M} UTC"
        who = f"{one.organization} · {one.team} · {one.external_id}"
        lines.append(f"  {who}: {held}, would end {one.closes_at:%Y-%m-%d %H:%M} UTC")
    if preview.count > MOST_SHOWN:
        lines.append(f"  … and {preview.count - MOST_SHOWN:,} more")
    return [*lines, f"Nothing is closed yet. To close exactly these, run again with --confirm {preview.digest}"]


def export(
    organization: Annotated[str, typer.Argument(help="The slug of the organization.")],
    cutoff_of: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Active at the billing cutoff of this day.")
    ] = None,
    from_: Annotated[
        dt.datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Active at any time from this day …")
    ] = None,
    through: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="… through this one.")] = None,
    known_at: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="As it was known at this instant.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The file to write; standard output if left out.")] = None,
) -> None:
    """Write who was active as a CSV file, with the question in words and both dates of each.

    Example: python3 -m server export xtra-lease --cutoff-of 2017-09-01 --output 403.csv
    """
    asked = AskedLearners(
        organization=organization,
        question=_question(cutoff_of, from_, through),
        known_at=known_at.replace(tzinfo=dt.UTC) if known_at else None,
    )
    with output.open("w", encoding="utf-8", newline="") if output else nullcontext(sys.stdout) as stream:
        with_database(Settings.read(), lambda database: _export(database, asked, stream))


def _question(
    cutoff_of: dt.datetime | None, first: dt.datetime | None, last: dt.datetime | None
) -> ActivityQuestion | None:
    if cutoff_of:
        return ActivityQuestion(Predicate.ACTIVE_AT, CutoffOf(cutoff_of.date()))
    days = [day.date() for day in (first, last) if day]
    # One of the two alone means that single day.
    return ActivityQuestion(Predicate.ACTIVE_DURING, Days(days[0], days[-1])) if days else None


async def _export(database: Database, asked: AskedLearners, stream: TextIO) -> None:
    export = await prepare(database.reading, database.run, OPERATOR, dt.datetime.now(dt.UTC), asked)
    await write_learners(stream, database.reading, export)
