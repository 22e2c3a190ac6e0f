"""Values that mean something in the data: the ids of what is in it, days of its history, and some that are wrong."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.activity import Window
from models.base import Base
from models.ids import encode_id
from models.interval import to_microseconds
from models.organizations import Scope, ScopeKind
from schema.nodes import LENGTHS
from server.database import Database

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

DAYS = [dt.date(2016, 1, 1) + dt.timedelta(days=n) for n in range(0, 730, 7)]
CUTOFFS = [dt.date(2017, month, 1) for month in range(7, 12)]
TIMES = ["05:00:00Z", "12:30:00+02:00", "00:00:00.5-06:00"]
# No question about these is answered: they are of nothing, of another kind, of nobody, or no ids at all.
USELESS_IDS = [encode_id("Learner", 1, 2), encode_id("Team", 7), encode_id("Unicorn", 1), "not an id", "", "💥"]
# An argument that takes an id says by its name of which kind, and by what it is an argument of.
KINDS = {
    "cart.id": "Cart",
    "OrganizationKey.id": "Organization",
    "ProgramKey.id": "Program",
    "library": "Library",
    "learner": "Learner",
    "organization": "Organization",
    "program": "Program",
    "snapshot": "BillingSnapshot",
    "team": "Team",
}
# Kinds of ids that are only shown.
SHOWN = {"AppliedVoucher": 2, "FeeRefund": 2, "LedgerEntry": 2, "Payment": 2, "Person": 1}
TABLES = {"VoucherBulkAssignment": "bulk_assignment", "AppliedVoucher": "cart_voucher"}
NO_TABLE_OF_THEIR_OWN = {"Team", "Library", "ActivityWindow"}
SOMETHING = ["", "something", "GET-LICENSED-2017"]
SCALARS: dict[str, list[JSON]] = {
    "Int": [1, 2, 3, 38, 400],
    "Boolean": [False, True],
    "Date": [day.isoformat() for day in [*DAYS, *CUTOFFS * 10]],
    "DateTime": [f"{day}T{time}" for day in [*DAYS, *CUTOFFS * 10] for time in TIMES],
    "Decimal": ["12.50", "0.00", "1e3"],
}
MOST_OF_A_KIND = 40
WORDS = {
    "OrganizationKey.slug": [*["xtra-lease"] * 4, "glovis-america", "baptist-health-plan", "nobody"],
    "ProgramKey.slug": [*["board-of-appraisers"] * 4, "nobody"],
    "search": ["a", "Xtra", "rosa", "Fleet", "nobody of that name", "%", ""],
    "department": ["Fleet", "Sales", "Branch Operations", "nowhere"],
    "currency": ["USD", "EUR"],
    "name": ["State appraiser", "Learner", "Voucher", "Query", "ActivityFilter", "Unicorn"],
    "purpose": ["State certification", "Renewal"],
    "reference": ["APP-4101", "none"],
    "assignee": ["Support", "nobody"],
    "code": ["GET-LICENSED-2017"],
}


@dataclass(frozen=True)
class Pool:
    """What arguments are taken from."""

    ids: dict[str, list[str]]

    def leaf(self, dice: Random, owner: str, name: str, kind: str) -> JSON:
        """A value of a scalar for an argument of a field, or a field of an input object."""
        if kind == "ID":
            return self._id(dice, KINDS.get(f"{owner}.{name}") or KINDS.get(name))
        if kind == "String":
            return dice.choice(WORDS.get(f"{owner}.{name}") or WORDS.get(name) or SOMETHING)
        return dice.choice(SCALARS[kind])

    def _id(self, dice: Random, kind: str | None) -> str:
        if dice.random() < 0.03:
            return dice.choice(USELESS_IDS)
        is_meant = kind is not None and dice.random() < 0.98
        return dice.choice(self.ids[kind if is_meant and kind else dice.choice(sorted(self.ids))])


async def pool_of(database: Database) -> Pool:
    async with database.reading() as connection:
        kinds = {kind: count for kind, count in (LENGTHS | SHOWN).items() if kind not in NO_TABLE_OF_THEIR_OWN}
        ids = {kind: await _keys(connection, kind, count) for kind, count in kinds.items()}
        ids |= {kind: await _scopes(connection, kind) for kind in ("Team", "Library")}
        ids["ActivityWindow"] = await _windows(connection)
    assert [kind for kind, found in ids.items() if not found] == []
    return Pool(ids)


async def _keys(connection: AsyncConnection, kind: str, count: int) -> list[str]:
    """The keys within an id are the first of those of its table."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind).lstrip("_")
    columns = list(Base.metadata.tables[TABLES.get(kind, snake)].primary_key)[:count]
    rows = await connection.execute(select(*columns).distinct().order_by(*columns).limit(MOST_OF_A_KIND))
    return [encode_id(kind, *row) for row in rows]


async def _scopes(connection: AsyncConnection, kind: str) -> list[str]:
    table = Scope.__table__
    rows = await connection.execute(
        select(table.c.organization_id, table.c.id).where(table.c.kind == ScopeKind[kind.upper()]).order_by(table.c.id)
    )
    return [encode_id(kind, *row) for row in rows]


async def _windows(connection: AsyncConnection) -> list[str]:
    c = Window.__table__.c
    keys = (c.organization_id, c.scope_id, c.learner_id, c.known_from, c.from_at, c.to_at)
    rows = await connection.execute(select(*keys).order_by(*keys).limit(MOST_OF_A_KIND))
    return [encode_id("ActivityWindow", *row[:3], *map(to_microseconds, row[3:])) for row in rows]
