"""One database with a bit of everything, made once a run in each worker and only read after that.

It is the demo with every tenth of its people, to which was done what the explorer's operations do. PostgreSQL is given
the very same rows, so that ids and cursors are the same on both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from models.access import Role
from models.base import Base
from models.carts import Cart
from models.organizations import Organization
from models.programs import Program
from models.redemptions import FeeOrder
from resolvers.principal import Principal
from server.database import Database, migrate
from server.demo.recording import record_client
from server.demo.sponsoring import record_program
from server.demo.stories import Client, clients
from tests import test_billing_operations as of_bills
from tests import test_voucher_operations as of_vouchers
from tests.asking import STAFF
from tests.builders import organization
from tests.checking_out import counter
from tests.code_keys import CODE_KEYS
from tests.opening import copied, opened
from tests.signers import signer

EVERY_TENTH = slice(None, None, 10)
# Three fewer than were active at each cutoff, as in the demo itself.
SEATS = {"Xtra Lease": 38, "Baptist Health Plan": 24, "GLOVIS America": 10}


@dataclass(frozen=True)
class Everything:
    """The database, and who may look at it; each but staff sees a part."""

    database: Database
    principals: dict[str, Principal]


@pytest.fixture(scope="session")
async def template_of_everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("everything") / "template.db"
    url = f"sqlite+aiosqlite:///{path}"
    await migrate(url)
    async with opened(url) as database:
        await _record_the_demo(database)
        await _do_what_is_done_with_vouchers(of_vouchers.Explorer(database))
        await _do_what_is_done_with_bills(of_bills.Explorer(database))
        await _pay_with_cards(database)
    return path


@pytest.fixture(scope="session")
async def everything_in_sqlite(
    template_of_everything: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Everything]:
    place = tmp_path_factory.mktemp("everything-copy") / "everything.db"
    async with opened(copied(template_of_everything, place)) as database:
        yield Everything(database, await _principals(database))


@pytest.fixture(scope="session")
async def everything_in_postgresql(postgresql_of_everything: Database, everything_in_sqlite: Everything) -> Everything:
    await _copy_rows(everything_in_sqlite.database, postgresql_of_everything)
    return replace(everything_in_sqlite, database=postgresql_of_everything)


@pytest.fixture(params=["sqlite", "postgresql"])
def everything(request: pytest.FixtureRequest) -> Everything:
    """Only to be read: other tests read it too."""
    found = request.getfixturevalue(f"everything_in_{request.param}")
    assert isinstance(found, Everything)
    return found


# ------------------------------------------------------------------------------------------------- what was done


async def _record_the_demo(database: Database) -> None:
    fewer = [_with_fewer_people(client) for client in clients()]
    key = signer()
    for client in fewer:
        await database.run(partial(record_client, client=client, signer=key))
    await database.run(partial(record_program, client=fewer[0], keys=CODE_KEYS))


def _with_fewer_people(client: Client) -> Client:
    agreed = replace(client.agreed, seats=SEATS[client.name])
    return replace(client, stories=client.stories[EVERY_TENTH], agreed=agreed)


async def _do_what_is_done_with_vouchers(explorer: of_vouchers.Explorer) -> None:
    (program,) = (await explorer.run("Programs"))["nodes"]
    (terms,) = program["voucherPrograms"]["nodes"]
    await of_vouchers.of_invitations(explorer, program["id"])
    await of_vouchers.of_people(explorer)
    await of_vouchers.of_cohorts(explorer, terms["id"])
    await of_vouchers.of_promotions(explorer)
    await of_vouchers.of_carts(explorer, program)


async def _do_what_is_done_with_bills(explorer: of_bills.Explorer) -> None:
    await of_bills.of_disputes(explorer)
    await explorer.run("InvoicePaymentRecord", invoice=(await explorer.invoice())["id"])
    await of_bills.of_evidence(explorer)
    await of_bills.of_people(explorer)
    (counted,) = (await explorer.run("CountedByName"))["billingSnapshots"]["nodes"]
    await explorer.run("AdjustmentCreate", snapshot=counted["id"])


async def _pay_with_cards(database: Database) -> None:
    """In another program: a fee is paid, and half of it given back; its client licenses a library too."""
    tenant = await organization(database, name="Appraisal Partners")
    library = await tenant.library("Uniform standards")
    team = await tenant.team("Field")
    await tenant.crowd(4, library, team, active=["2017-01-01..", "2017-03-01..2017-08-31"])
    await tenant.term("2017-01-01..", 1, product=library)
    await tenant.snapshot("2017-09-01", product=library)
    till = await counter(database, tenant=tenant)
    await till.completes(await till.opens())
    (order,) = [row for row in await till.rows(FeeOrder.__table__) if row.program_id == till.market.program_id]
    await till.gives_back(order.id, (1, 6_250))
    await till.reconciles(till.market.now)


async def _principals(database: Database) -> dict[str, Principal]:
    async with database.reading() as connection:
        found = await connection.execute(select(Organization.__table__.c.slug, Organization.__table__.c.id))
        organizations = {row.slug: row.id for row in found}
        board = select(Program.__table__.c.id).where(Program.__table__.c.slug == "board-of-appraisers")
        program_id = (await connection.execute(board)).scalar_one()
        people = (await connection.execute(select(Cart.__table__.c.person_id).distinct())).scalars().all()
    return {
        "staff": STAFF,
        "administrator": Principal(name="Olga", role=Role.ORGANIZATION, organization_id=organizations["xtra-lease"]),
        "partner": Principal(name="Portal", role=Role.PARTNER, organization_id=organizations["xtra-lease"]),
        "sponsor": Principal(name="Gloria", role=Role.ORGANIZATION, organization_id=organizations["glovis-america"]),
        "program": Principal(name="Pat", role=Role.PROGRAM, program_id=program_id),
        "individual": Principal(name="Rosa Marsh", role=Role.INDIVIDUAL, person_id=min(people)),
    }


# ------------------------------------------------------------------------------------------------ the same rows


async def _copy_rows(source: Database, target: Database) -> None:
    """As a replica would, whatever the order of the tables."""
    async with source.reading() as reading, target.writing() as writing:
        await writing.execute(text("SET LOCAL session_replication_role = replica"))
        for table in Base.metadata.sorted_tables:
            rows = [row._asdict() for row in await reading.execute(select(table))]
            if rows:
                await writing.execute(insert(table), rows)
