"""What the tables promise by themselves, on both databases: the tenant first, history kept, no windows that overlap."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

import models
from models.base import Base
from models.interval import to_microseconds
from server.database import Database
from tests.builders import Tenant, instant, organization

assert models.__all__  # importing it names every table in the metadata

# What belongs to no tenant, and why.
NO_TENANT = {
    "organization": "it is the tenant",
    "person": "may be a learner in several organizations",
    "program": "it is the tenant of all vouchers",
    "token": "is looked up by its digest, before anybody knows whose it is",
    "roster_import": "belongs to whoever runs it; one file may hold several organizations",
    "roster_refusal": "is of an import",
    "signing_key": "signs for all",
    "account": "is a person's, in whatever organization or program",
    "asked_count": "counts what is asked about addresses, before anybody knows whose they are",
}
# Keys that lead from a tenant's row to what belongs to none, and how a worker finds what is due anywhere.
LEADS_OUT = {
    ("learner", ("person_id",)),
    ("learner", ("person_id", "organization_id")),
    ("checkpoint", ("key_id",)),
    ("evidence_pack", ("key_id",)),
    ("task", ("due_at",)),
    ("payment", ("state", "asked_at")),
    ("payment_refund", ("state", "asked_at")),
    ("fee_order", ("person_id",)),
    ("voucher_assignment", ("person_id",)),
    ("responsible_party", ("person_id",)),
    ("responsible_party", ("person_id", "organization_id")),
    ("promotion_person", ("person_id",)),
    ("cart", ("person_id",)),
    ("cart", ("state", "changed_at")),
    ("cart_voucher", ("held_until",)),
    ("checkout", ("person_id",)),
    ("checkout", ("state", "started_at")),
    ("outbox_message", ("due_at",)),
    ("attempt_count", ("window_at",)),
    ("cohort_team", ("organization_id", "team_id")),
}
# An organization named in a program's row: it is the buyer there, not the tenant.
OF_REFERENCES = {("organization_id",)}
TENANTS = {"organization_id", "program_id"}
# Keys that are digests, not numbers.
DIGESTS = {("signing_key", "id"), ("checkpoint", "key_id"), ("evidence_pack", "key_id")}

TABLES = [table for name, table in sorted(Base.metadata.tables.items()) if name not in NO_TENANT]
EVERY_TABLE = list(Base.metadata.tables.values())


# ------------------------------------------------------------------------------------------- the lint


def keys_of(table: Table) -> Iterator[tuple[str, ...]]:
    """The columns of every primary, unique and foreign key and of every index."""
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint | ForeignKeyConstraint):
            yield tuple(column.name for column in constraint.columns)
    for index in table.indexes:
        yield columns_of(index)


def columns_of(index: Index) -> tuple[str, ...]:
    return tuple(column.name for column in index.columns)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_the_tenant_comes_first_in_every_key_and_index(table: Table) -> None:
    keys = {key for key in keys_of(table) if (table.name, key) not in LEADS_OUT}
    (primary,) = [key for key in keys if key == tuple(c.name for c in table.primary_key)]
    assert primary[0] in TENANTS
    assert {key for key in keys - OF_REFERENCES if key[0] != primary[0]} == set()
    assert any(isinstance(c, PrimaryKeyConstraint) and len(c.columns) for c in table.constraints)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_a_foreign_key_stays_within_its_tenant(table: Table) -> None:
    for constraint in table.foreign_key_constraints:
        referred = [element.column for element in constraint.elements]
        if (table.name, tuple(constraint.column_keys)) not in LEADS_OUT:
            own = referred[0].table.name in {"organization", "program"}
            assert referred[0].name in ({"id"} if own else TENANTS)


def test_the_exceptions_are_tables_that_exist() -> None:
    assert set(NO_TENANT) <= set(Base.metadata.tables)
    assert {name for name, _ in LEADS_OUT} <= set(Base.metadata.tables)


@pytest.mark.parametrize("table", EVERY_TABLE, ids=lambda table: str(table.name))
def test_keys_are_made_by_the_application(table: Table) -> None:
    assert [c.name for c in table.primary_key if c.autoincrement is True or c.identity or c.server_default] == []


@pytest.mark.parametrize("table", EVERY_TABLE, ids=lambda table: str(table.name))
def test_instants_and_keys_are_64_bits_wide(table: Table) -> None:
    numbers = [column for column in table.columns if (table.name, column.name) not in DIGESTS]
    assert [column.name for column in numbers if is_named_like_one(column) and not is_wide(column)] == []


def is_named_like_one(column: Column[object]) -> bool:
    return column.name == "id" or column.name.endswith(("_id", "_at", "_from", "_until"))


def is_wide(column: Column[object]) -> bool:
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    return isinstance(kind, BigInteger) or column.name == "external_id"


# -------------------------------------------------------------------------------- models and migrations


async def test_models_and_migrations_agree(database: Database) -> None:
    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


def differences(connection: Connection) -> Sequence[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    found: Sequence[object] = compare_metadata(context, Base.metadata)
    return found


# ------------------------------------------------------------------------------------ what is kept


@pytest.mark.parametrize("table", ["act", "belief"])
@pytest.mark.parametrize("change", ["UPDATE {} SET recorded_at = recorded_at", "DELETE FROM {}"])
async def test_the_database_refuses_to_change_what_was_recorded(database: Database, table: str, change: str) -> None:
    tenant = await organization(database)
    await tenant.learner("2017-09-01..")
    with pytest.raises(DBAPIError, match=f"{table} is append-only: add a row that corrects it"):
        await database.run(lambda session: session.execute(text(change.format(table))))


async def test_postgresql_refuses_to_empty_it_too(postgresql_database: Database) -> None:
    with pytest.raises(DBAPIError, match="belief is append-only"):
        await postgresql_database.run(lambda session: session.execute(text("TRUNCATE belief")))


# --------------------------------------------------------------------------------- windows, by raw SQL

INSERT = text("""
INSERT INTO activity_window (organization_id, scope_id, learner_id, from_at, to_at, previous_to, known_from)
VALUES (:tenant, :tenant, :learner, :from_at, :to_at, :previous_to, 0)
""")
Raw = tuple[str, str, str | None]


async def insert_raw(tenant: Tenant, learner: int, *windows: Raw) -> None:
    """Windows by their starts, ends, and the end before each, as September days of 2017, in one transaction."""

    async def write(session: AsyncSession) -> None:
        for start, end, previous in windows:
            edges = {"from_at": day(start), "to_at": day(end), "previous_to": day(previous)}
            await session.execute(INSERT, {"tenant": tenant.id, "learner": learner, **edges})

    await tenant.database.run(write)


def day(text_of: str | None) -> int | None:
    return None if text_of is None else to_microseconds(instant(f"2017-09-{text_of}T00:00Z"))


REFUSED: dict[str, list[Raw]] = {
    "backwards": [("05", "03", None)],
    "empty": [("05", "05", None)],
    "the same twice": [("01", "05", None), ("01", "05", None)],
    "two firsts, apart": [("01", "05", None), ("07", "09", None)],
    "two firsts, overlapping": [("01", "05", None), ("03", "09", None)],
    "linked and overlapping": [("01", "05", None), ("03", "09", "05")],
    "linked and touching": [("01", "05", None), ("05", "09", "05")],
    "touching, not linked": [("01", "05", None), ("05", "09", None)],
    "linked to what is not there": [("01", "05", None), ("07", "09", "06")],
    "linked to itself": [("01", "05", "05")],
    "two followers of one": [("01", "03", None), ("05", "09", "03"), ("04", "08", "03")],
    "a circle": [("05", "09", "03"), ("01", "03", "09")],
    "the same end": [("01", "05", None), ("07", "09", "05"), ("08", "09", "05")],
}


async def test_the_database_itself_refuses_windows_that_overlap_touch_or_run_backwards(database: Database) -> None:
    tenant = await organization(database)
    for what, windows in REFUSED.items():
        learner = await tenant.stranger(what)
        assert await is_refused(insert_raw(tenant, learner, *windows)), what
        assert await tenant.windows(learner) == []


async def is_refused(writing: Awaitable[object]) -> bool:
    try:
        await writing
    except IntegrityError:
        return True
    return False


async def test_the_database_takes_windows_that_are_apart_in_any_order(database: Database) -> None:
    tenant = await organization(database, zone="UTC")
    learner = await tenant.stranger("Ada")
    await insert_raw(tenant, learner, ("07", "09", "05"), ("11", "12", "09"), ("01", "05", None))
    assert await tenant.windows(learner) == [
        "2017-09-01..2017-09-04",
        "2017-09-07..2017-09-08",
        "2017-09-11..2017-09-11",
    ]


async def test_a_window_that_another_follows_is_not_removed_alone(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..2017-09-05, 2017-09-10..")
    first = text("DELETE FROM activity_window WHERE learner_id = :learner AND previous_to IS NULL")
    with pytest.raises(IntegrityError):
        await database.run(lambda session: session.execute(first, {"learner": learner}))


async def test_the_database_refuses_bounds_that_no_window_fits(database: Database) -> None:
    tenant = await organization(database)
    learner = await tenant.learner("2017-09-01..")
    for edges in ((5, 3, 9, 9), (1, 1, 9, 5), (5, 5, 5, 9), (1, 9, 9, 9)):
        assert await is_refused(believe_raw(tenant, learner, edges)), edges
    await believe_raw(tenant, learner, (1, 3, 5, 9))
    assert await tenant.windows(learner, scope=tenant.id) == ["2017-09-01.."]


async def believe_raw(tenant: Tenant, learner: int, edges: tuple[int, int, int, int]) -> None:
    """The learner's belief once more, as another fact with other bounds."""
    named = dict(zip(("from_earliest", "from_latest", "to_earliest", "to_latest"), edges, strict=True))
    columns = [str(named.get(column.name, column.name)) for column in Base.metadata.tables["belief"].columns]
    same = ", ".join(columns).replace("fact_id", "fact_id + 1")
    raw = text(f"INSERT INTO belief SELECT {same} FROM belief WHERE learner_id = :learner")
    await tenant.database.run(lambda session: session.execute(raw, {"learner": learner}))
