"""Accounts: a person registers with an address that is known to be theirs, and is found again by it."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.accounts import Account
from models.addresses import address_key
from models.errors import VoucherError, VoucherErrorCode
from models.keys import reference_key
from models.learners import Person
from resolvers.programs.acting import add_unique

ACCOUNT = Account.__table__
LONGEST_NAME = 200


class FoundAccount(NamedTuple):
    person_id: int
    name: str
    email: str
    email_key: str

    def has(self, address: str) -> bool:
        return self.email_key == address_key(address)


async def account_of_address(connection: AsyncConnection | AsyncSession, address: str) -> FoundAccount | None:
    return await _one(connection, ACCOUNT.c.email_key == address_key(address))


async def account_of_person(connection: AsyncConnection | AsyncSession, person_id: int) -> FoundAccount | None:
    return await _one(connection, ACCOUNT.c.person_id == person_id)


async def _one(connection: AsyncConnection | AsyncSession, which: ColumnElement[bool]) -> FoundAccount | None:
    statement: Any = select(*(ACCOUNT.c[name] for name in FoundAccount._fields)).where(which)
    row = (await connection.execute(statement)).one_or_none()
    return FoundAccount(*row) if row else None


async def register(session: AsyncSession, now: dt.datetime, name: str, address: str) -> FoundAccount:
    """A new person with this address, which they have shown to be theirs. Of two at once one is run again, and finds
    the account."""
    made = FoundAccount(reference_key(now), _name_of(name), address, address_key(address))
    await session.execute(insert(Person.__table__), {"id": made.person_id})
    await add_unique(session, ACCOUNT, made._asdict() | {"verified_at": now})
    return made


def _name_of(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise VoucherError(VoucherErrorCode.BAD_ACCOUNT_NAME, VoucherErrorCode.BAD_ACCOUNT_NAME.value, "name")
    return name
