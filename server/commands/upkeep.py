"""`settings`, `migrate`, `rebuild`, `postgres` and `lock`: what whoever runs Countersign needs now and then."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import select

from models.organizations import Organization
from resolvers.levels import levels_that_differ
from resolvers.rebuilding import rebuild_windows, windows_that_differ
from schema.root import schema as countersign_schema
from server.bootstrap_lock import write_lock
from server.commands.database import in_database, with_database
from server.database import Database, sketch_migration
from server.database import migrate as migrate_database
from server.postgres import running_postgres
from server.settings import LOCAL_FOLDER, Settings, shown, variable

console = Console(highlight=False)


def settings() -> None:
    """List every setting: its environment variable, its value now, its default, and what it means.

    Passwords are masked.

    Example: COUNTERSIGN_PORT=9000 python3 -m server settings
    """
    now = Settings.read()
    for name, field in Settings.model_fields.items():
        value, default = shown(name, getattr(now, name)), shown(name, field.default)
        console.print(f"[bold]{variable(name)}[/bold] = {value or '(not set)'}", soft_wrap=True)
        note = "the default" if value == default else f"the default is {default or 'not set'}"
        console.print(f"    {field.description} [dim]({note})[/dim]", soft_wrap=True)
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted(name for name in os.environ if name.startswith("COUNTERSIGN_") and name not in known):
        console.print(f"{name} is set, and is not a setting: a misspelling?")


def migrate(
    sketch: Annotated[
        str | None, typer.Option(help="Write a new migration with this title from what the models have changed.")
    ] = None,
) -> None:
    """Bring the database of COUNTERSIGN_DATABASE_URL to the newest tables; harmless when it already is.

    Example: python3 -m server migrate
    """
    url = Settings.read().database_url
    asyncio.run(migrate_database(url))
    console.print("The database has the newest tables.")
    if sketch:
        asyncio.run(sketch_migration(url, sketch))


def rebuild(
    organization: Annotated[str | None, typer.Option(help="The slug of one organization; all if left out.")] = None,
    check: Annotated[bool, typer.Option(help="Only say whether any window or level differs; change nothing.")] = False,
) -> None:
    """Derive all windows anew from what was ever believed, act by act, and the daily levels from the windows: what the
    beliefs say is the truth.

    Answers do not change by it, unless something had been changed behind Countersign's back.

    Example: python3 -m server rebuild --check
    """
    settings = Settings.read()
    chosen = with_database(settings, lambda database: _organizations(database, organization))
    if not chosen:
        sys.exit("countersign: there is no such organization." if organization else "countersign: nothing to rebuild.")
    for organization_id, name in chosen:
        differ = in_database(settings, partial(windows_that_differ, organization_id=organization_id))
        miscounted = in_database(settings, partial(levels_that_differ, organization_id=organization_id))
        console.print(f"{name}: {differ or 'no'} current windows differ from the beliefs.")
        console.print(f"{name}: {miscounted or 'no'} daily levels differ from the windows.")
        if not check:
            acts = in_database(settings, partial(rebuild_windows, organization_id=organization_id))
            console.print(f"{name}: {acts} acts played back.")


async def _organizations(database: Database, slug: str | None) -> list[tuple[int, str]]:
    every = select(Organization.id, Organization.name).order_by(Organization.name_key)
    async with database.reading() as connection:
        rows = await connection.execute(every if slug is None else every.where(Organization.slug == slug))
        return [(row.id, row.name) for row in rows]


def schema() -> None:
    """Print the GraphQL schema, as it is kept in schema/schema.graphql.

    Example: python3 -m server schema > schema/schema.graphql
    """
    print(countersign_schema.as_str())


def postgres(
    folder: Annotated[Path, typer.Option(help="Where its data is kept.")] = LOCAL_FOLDER / "postgres",
) -> None:
    """Run a local PostgreSQL to try things with; prints its URL, and Ctrl-C stops it. The data stays.

    Example: python3 -m server postgres
    """
    with running_postgres(folder, durable=True) as url:
        console.print(f"PostgreSQL is running. Ctrl-C stops it; the data stays in {folder}.")
        console.print(f"COUNTERSIGN_DATABASE_URL={url}", soft_wrap=True)
        wait_for_interrupt()


def wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3_600)
    except KeyboardInterrupt:
        console.print("Stopping PostgreSQL …")


def lock() -> None:
    """Write requirements.lock anew from pyproject.toml: exact versions with hashes, for every platform.

    Example: python3 -m server lock
    """
    write_lock()
    console.print("requirements.lock is written; the next start installs what changed.")
