"""`invariants`: whether all that must hold of billing does."""

from __future__ import annotations

import sys

from rich.console import Console

from resolvers.invariants import Finding, findings
from server.commands.database import with_database
from server.database import Database
from server.settings import Settings

console = Console(highlight=False)


def invariants() -> None:
    """Ask the database everything that must always hold of billing; ends with 1 if anything does not.

    What offends is named by its keys, the organization's first.

    Example: python3 -m server invariants
    """
    found = with_database(Settings.read(), _look)
    for finding in found:
        console.print(f"{'holds' if finding.holds else 'FAILS'}  {finding.invariant.meaning}", soft_wrap=True)
        for keys in finding.offending:
            console.print(f"       {keys}")
    failed = [finding for finding in found if not finding.holds]
    if failed:
        sys.exit(f"countersign: {len(failed)} of {len(found)} do not hold.")


async def _look(database: Database) -> list[Finding]:
    async with database.reading() as connection:
        return await findings(connection)
