"""`billing-month`, `drift` and `work`: what is done for a bill, by hand or by itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from models.access import Role
from models.interval import UTC
from resolvers.loaders.counts import Count
from resolvers.loaders.learners import LearnerKey, learners_by_id
from resolvers.loaders.places import OrganizationRow, ScopeKey, organization_by_slug, organizations_page, scopes_by_id
from resolvers.principal import Principal
from resolvers.snapshots.checking import Finding, findings, open_cases
from resolvers.snapshots.drift import Difference, differences
from resolvers.snapshots.month import Month, Stage, Step, run_month
from resolvers.snapshots.previewing import Preview, ProductPreview, preview
from resolvers.snapshots.standing import EVERYBODY, standings
from resolvers.tasks.leasing import told
from server.app import utc_now
from server.code_keys import load_code_keys
from server.commands.database import with_database
from server.database import Database
from server.gateways.chosen import chosen_gateways
from server.logs import configure_logs
from server.mail.chosen import chosen_desk
from server.settings import Settings
from server.signing import load_signer
from server.worker import Worker

console = Console(highlight=False, soft_wrap=True)
OPERATOR = Principal(name="Command line", role=Role.STAFF, origin="command line")
FAILED = 1
MADE = {Stage.TAKE: "snapshots taken", Stage.SEAL: "sealed", Stage.DRAFT: "invoices drafted"}

Slugs = Annotated[
    list[str] | None, typer.Option("--organization", help="The slug of one organization; may be repeated; or all.")
]


def billing_month(
    date: Annotated[
        dt.datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="DATE", help="The date of the bill, as 2017-09-01.")
    ],
    organization: Slugs = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what it would take; write nothing.")] = False,
    no_invoices: Annotated[bool, typer.Option("--no-invoices", help="Draft no invoices.")] = False,
) -> None:
    """Take the snapshots of a date for all organizations, seal them, and draft invoices for who is over.

    Each organization is counted at its own cutoff; one whose cutoff has not come is passed over. What was taken stays
    as it is, so that the command can be given again at any time, also after it was interrupted.

    Example: python3 -m server billing-month 2017-09-01 --dry-run
    """
    settings = Settings.read()
    if with_database(settings, lambda d: _month(settings, d, date.date(), organization, dry_run, not no_invoices)):
        sys.exit(FAILED)


async def _month(
    settings: Settings, database: Database, date: dt.date, slugs: Sequence[str] | None, dry_run: bool, invoices: bool
) -> bool:
    """Whether an organization failed."""
    now = utc_now()
    ids = [row.organization_id for row in await _named(database, slugs)] if slugs else None
    failed = []
    if not dry_run:
        month = Month(date=date, organization_ids=ids, signer=load_signer(settings), invoices=invoices)
        failed = await _run(database, now, month)
    async with database.reading() as connection:
        previews = await preview(connection, now, date, await standings(connection, now, date, ids))
        names = await _product_names(database, previews)
    console.print(_figures(f"{date}, dry run" if dry_run else f"{date}", previews, names, now))
    problems = [(one.organization, one.failure) for one in failed if one.failure]
    if dry_run:
        problems = [(p.standing.organization, p.standing.problem) for p in previews if p.standing.problem]
    for row, problem in problems:
        console.print(f"[bold red]{row.name} failed[/]: {told(problem)}")
    return bool(problems)


async def _run(database: Database, now: dt.datetime, month: Month) -> list[Step]:
    """Runs it, showing how far it is; the steps that failed."""
    failed: list[Step] = []
    with _progress() as shown:
        async for step in run_month(database.reading, database.run, OPERATOR, now, month):
            shown.reached(step)
            failed += [step] if step.failure else []
    console.print(f"{', '.join(f'{shown.made.get(stage, 0):,} {words}' for stage, words in MADE.items())}.")
    if month.signer is None:
        console.print("Nothing is sealed: there is no signing key. Make one: python3 -m server keys new")
    return failed


async def _named(database: Database, slugs: Sequence[str] | None) -> list[OrganizationRow]:
    async with database.reading() as connection:
        if not slugs:
            return await organizations_page(connection, EVERYBODY, None)
        found = {slug: await organization_by_slug(connection, slug) for slug in dict.fromkeys(slugs)}
    if unknown := [slug for slug, row in found.items() if row is None]:
        raise typer.BadParameter(f"there is no organization {unknown[0]}.", param_hint="--organization")
    return [row for row in found.values() if row]


async def _product_names(database: Database, previews: Sequence[Preview]) -> dict[tuple[int, int], str]:
    keys = [ScopeKey(p.standing.organization.organization_id, one.product_id) for p in previews for one in p.products]
    async with database.reading() as connection:
        rows = await scopes_by_id(connection, keys)
    return {
        (row.organization_id, row.scope_id): "Seats" if row.organization_id == row.scope_id else row.name
        for row in rows
    }


def _figures(title: str, previews: Sequence[Preview], names: dict[tuple[int, int], str], now: dt.datetime) -> Table:
    """Who is over first."""
    table = Table("Organization", "Product", "Count", "Licensed", "Over", "", title=title)
    rows = [(one.standing.organization, product) for one in previews for product in one.products]
    for row, product in sorted(rows, key=lambda found: (-found[1].over, found[0].name_key, found[0].organization_id)):
        table.add_row(row.name, names[row.organization_id, product.product_id], *_cells(product, now))
    return table


def _cells(product: ProductPreview, now: dt.datetime) -> tuple[str, ...]:
    licensed = "–" if product.licensed is None else f"{product.licensed:,}"
    state = "taken" if product.is_taken else "not taken"
    if not product.is_taken and product.countable_from > now:
        state = f"not before {product.countable_from.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return _range(product.count), licensed, _range(product.overage), state


def _range(count: Count | None) -> str:
    if count is None:
        return "–"
    return f"{count.least:,}" if count.least == count.most else f"{count.least:,}..{count.most:,}"


class _Shown:
    """How far the run is: with bars on a terminal, and nothing elsewhere."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[Stage, TaskID] = {}
        self.made: dict[Stage, int] = {}

    def reached(self, step: Step) -> None:
        self.made[step.stage] = self.made.get(step.stage, 0) + step.made
        if step.stage not in self._tasks:
            self._tasks[step.stage] = self._bars.add_task(step.stage.value, total=step.of)
        self._bars.update(self._tasks[step.stage], completed=step.number)


@contextmanager
def _progress() -> Iterator[_Shown]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        yield _Shown(bars)


# -------------------------------------------------------------------------------------------------- drift


def drift(
    organization: Slugs = None,
    open_cases: Annotated[
        bool, typer.Option("--open-cases", help="Open an internal case for each that nobody has dealt with.")
    ] = False,
) -> None:
    """Recompute every billed snapshot, as known then and as known now, and list what differs, person by person.

    Each must come out as known then exactly as it was billed; otherwise the command fails. What was learned since is
    no failure: it is listed so that it can be adjusted. The server does the same every night, and opens the cases.

    Example: python3 -m server drift --organization xtra-lease
    """
    settings = Settings.read()
    if with_database(settings, lambda database: _drift(settings, database, organization, open_cases)):
        sys.exit(FAILED)


async def _drift(settings: Settings, database: Database, slugs: Sequence[str] | None, opening: bool) -> bool:
    """Whether any snapshot does not reproduce."""
    now, signer, broken = utc_now(), load_signer(settings), False
    for row in await _named(database, slugs):
        async with database.reading() as connection:
            found = await findings(connection, row.organization_id, now)
        for one in found:
            broken = broken or not one.reproduces
            await _tell_finding(database, row, one, now)
        console.print(f"{row.name}: {len(found) or 'no'} snapshots differ from what is known now.")
        if opening:
            cases = await open_cases(database.reading, database.run, OPERATOR, signer, now, row.organization_id)
            console.print(f"{row.name}: {len(cases) or 'no'} cases opened.")
    return broken


async def _tell_finding(database: Database, row: OrganizationRow, finding: Finding, now: dt.datetime) -> None:
    async with database.reading() as connection:
        people = await differences(connection, finding.snapshot, now)
        keys = [LearnerKey(row.organization_id, one.learner_id) for one in people]
        learners = await learners_by_id(connection, keys)
    names = {one.learner_id: one.name or one.external_id for one in learners if one}
    console.print(f"[bold]{row.name}[/]: {finding.in_words}")
    for one in people:
        console.print(f"  {names.get(one.learner_id, one.learner_id)}: {_difference(one)}")


def _difference(one: Difference) -> str:
    told_by = f", recorded {one.learned.recorded_at:%Y-%m-%d %H:%M} UTC by {one.learned.actor}" if one.learned else ""
    return f"{one.kind.value}{told_by}"


# --------------------------------------------------------------------------------------------------- work


def work(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
) -> None:
    """Do what is due by itself, apart from a server: the month, the nightly check, mail, the end of challenge windows.

    Any number of these may run, here and elsewhere; each task is done by one of them. SIGTERM and Ctrl-C finish the
    task that is being done, then stop. A server does the same unless COUNTERSIGN_WORKER is false.

    Example: COUNTERSIGN_DATABASE_URL=postgresql://me:secret@db/countersign python3 -m server work
    """
    settings = Settings.read()
    configure_logs(settings.log_level)
    failed = with_database(settings, lambda database: _work(settings, database, once))
    sys.exit(FAILED if failed else 0)


async def _work(settings: Settings, database: Database, once: bool) -> bool:
    """Whether a task failed, of those done once."""
    gateways, code_keys = chosen_gateways(settings), load_code_keys(settings.code_keys)
    desk = chosen_desk(settings)
    worker = Worker(database, load_signer(settings), utc_now, gateways=gateways, code_keys=code_keys, desk=desk)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, worker.stop)
    if once:
        return any(ended.failure for ended in await worker.work_off())
    await worker.work()
    return False
