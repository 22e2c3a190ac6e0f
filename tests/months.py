"""What tests of the month share: clients of several zones, running it, and what the tables say afterwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import text

from resolvers.database import Writing
from resolvers.evidence.signing import Signer
from resolvers.snapshots.month import Month, Stage, Step, run_month
from server.database import Database
from tests.billing import Billed
from tests.builders import STAFF, Tenant, organization
from tests.signers import signer

SEPTEMBER = dt.date(2017, 9, 1)
LATER = dt.datetime(2026, 2, 10, 12, tzinfo=dt.UTC)
SIGNER = signer()
OF_SNAPSHOT = "JOIN billing_snapshot s ON s.organization_id = x.organization_id AND s.id = x.snapshot_id"
# What it says of who was counted, sealed and billed, without the salts, keys and signatures that no two runs share.
SAYINGS = {
    "snapshots": """SELECT organization_id, product_id, date, kind, cutoff, measure, licensed, count_least, count_most,
        excluded, overage_least, overage_most FROM billing_snapshot""",
    "entries": f"""SELECT x.organization_id, s.product_id, s.date, x.learner_id, x.from_earliest, x.to_latest, x.certain
        FROM snapshot_entry x {OF_SNAPSHOT}""",
    "seals": f"""SELECT x.organization_id, s.product_id, x.size, x.checkpoint_number
        FROM snapshot_seal x {OF_SNAPSHOT}""",
    "invoices": "SELECT organization_id, number, date, currency, state FROM invoice",
    "lines": f"""SELECT x.organization_id, x.number, x.kind, x.quantity, x.total_minor, s.product_id
        FROM invoice_line x {OF_SNAPSHOT}""",
}


async def said(database: Database) -> dict[str, list[str]]:
    """What the tables say, however it came about."""
    found = {}
    async with database.reading() as connection:
        for name, statement in SAYINGS.items():
            found[name] = sorted(repr(tuple(row)) for row in await connection.execute(text(statement)))
    return found


async def client(
    database: Database, *, people: int = 5, licensed: int = 2, zone: str = "UTC", cutoff: dt.time = dt.time()
) -> Billed:
    """With a library to which every second learner has access; all are active since 2017."""
    tenant = await organization(database, zone=zone, cutoff=cutoff)
    library = await tenant.library()
    await tenant.crowd(people, library, tenant.id, active=["2017-01-01.."])
    billed = await Billed.of(tenant, licensed=licensed)
    await billed.agreed(licensed=1, price_minor=500, product=library)
    return billed


async def clients(database: Database, count: int) -> list[Billed]:
    return [await client(database, people=3 + n % 3, licensed=n % 5) for n in range(count)]


async def whole_month(
    database: Database,
    *,
    date: dt.date = SEPTEMBER,
    now: dt.datetime = LATER,
    only: Sequence[Tenant] | None = None,
    signed_by: Signer | None = SIGNER,
    invoices: bool = True,
    run: Writing | None = None,
) -> list[Step]:
    ids = None if only is None else [tenant.id for tenant in only]
    month = Month(date=date, organization_ids=ids, signer=signed_by, invoices=invoices)
    return [step async for step in run_month(database.reading, run or database.run, STAFF, now, month)]


def made(steps: Sequence[Step], stage: Stage) -> int:
    return sum(step.made for step in steps if step.stage is stage)
