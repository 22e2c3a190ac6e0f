"""What the ledger says: balances of accounts, what is owed in vouchers, and its entries, as of any moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import Instant
from models.interval import BEGINNING, DAY, FOREVER
from models.ledger import LedgerAccount, LedgerEntry, LedgerEvent
from models.money import Money
from models.organizations import Organization
from models.voucher_programs import VoucherFunding
from models.vouchers import Voucher, VoucherStanding

LEDGER = LedgerEntry.__table__
VOUCHER = Voucher.__table__
ORGANIZATION = Organization.__table__
LIABILITY = LedgerAccount.VOUCHER_LIABILITY


# ------------------------------------------------------------------------------------------- trial balance


class AccountBalance(NamedTuple):
    """An account in one currency: what was debited and credited in all."""

    account: LedgerAccount
    currency: str
    debits_minor: int
    credits_minor: int

    @property
    def balance(self) -> Money:
        """Positive if more was debited."""
        return Money(self.debits_minor - self.credits_minor, self.currency)


async def trial_balance(
    connection: AsyncConnection, program_id: int, before: dt.datetime = FOREVER
) -> list[AccountBalance]:
    """Of each account that was ever moved, from the entries recorded before a moment."""
    debits = await _sums(connection, LEDGER.c.debit, program_id, before)
    credited = await _sums(connection, LEDGER.c.credit, program_id, before)
    order = list(LedgerAccount)
    moved = sorted(debits.keys() | credited.keys(), key=lambda key: (key[1], order.index(key[0])))
    return [AccountBalance(*key, debits.get(key, 0), credited.get(key, 0)) for key in moved]


async def _sums(
    connection: AsyncConnection, side: ColumnElement[Any], program_id: int, before: dt.datetime
) -> dict[tuple[LedgerAccount, str], int]:
    total = cast(func.sum(LEDGER.c.amount_minor), BigInteger)
    rows = select(side, LEDGER.c.currency, total).where(_recorded(program_id, before))
    found = await connection.execute(rows.group_by(side, LEDGER.c.currency))
    return {(account, currency): int(amount) for account, currency, amount in found}


def _recorded(program_id: int, before: dt.datetime) -> ColumnElement[bool]:
    return and_(LEDGER.c.program_id == program_id, LEDGER.c.recorded_at < before)


# ------------------------------------------------------------------------------------------------ liability


class Liability(NamedTuple):
    """What a program owes in vouchers and promotions that one organization has paid for, in one currency."""

    organization_id: int
    organization: str
    currency: str
    amount_minor: int

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


async def liabilities(
    connection: AsyncConnection, program_id: int, before: dt.datetime = FOREVER, only: int | None = None
) -> list[Liability]:
    """By organization and currency, from the entries recorded before a moment; nothing where nothing is owed."""
    amount = func.sum(case((LEDGER.c.credit == LIABILITY, LEDGER.c.amount_minor), else_=-LEDGER.c.amount_minor))
    same = ORGANIZATION.c.id == LEDGER.c.organization_id
    group = (ORGANIZATION.c.id, ORGANIZATION.c.name, ORGANIZATION.c.name_key, LEDGER.c.currency)
    rows = (
        select(ORGANIZATION.c.id, ORGANIZATION.c.name, LEDGER.c.currency, cast(amount, BigInteger))
        .select_from(LEDGER.join(ORGANIZATION, same))
        .where(_recorded(program_id, before), or_(LEDGER.c.credit == LIABILITY, LEDGER.c.debit == LIABILITY))
        .group_by(*group)
        .having(amount != 0)
        .order_by(ORGANIZATION.c.name_key, ORGANIZATION.c.id, LEDGER.c.currency)
    )
    rows = rows if only is None else rows.where(ORGANIZATION.c.id == only)
    return [Liability._make(row) for row in await connection.execute(rows)]


class Expiring(NamedTuple):
    organization_id: int
    currency: str


async def expiring(
    connection: AsyncConnection, program_id: int, now: dt.datetime, days: int, only: int | None = None
) -> dict[Expiring, int]:
    """How much of what is owed now expires within so many days, or has and is not in breakage yet."""
    total = cast(func.sum(VOUCHER.c.remaining_minor), BigInteger)
    rows = select(VOUCHER.c.organization_id, VOUCHER.c.currency, total).where(
        VOUCHER.c.program_id == program_id,
        VOUCHER.c.standing.in_([VoucherStanding.LIVE, VoucherStanding.REVOKED]),
        VOUCHER.c.expires_at <= now + days * DAY,
        VOUCHER.c.funding != VoucherFunding.BILL_LATER,
    )
    rows = rows if only is None else rows.where(VOUCHER.c.organization_id == only)
    found = await connection.execute(rows.group_by(VOUCHER.c.organization_id, VOUCHER.c.currency))
    return {Expiring(organization_id, currency): int(amount) for organization_id, currency, amount in found}


# -------------------------------------------------------------------------------------------------- entries


class EntryRow(NamedTuple):
    program_id: int
    id: int
    recorded_at: dt.datetime
    event: LedgerEvent
    debit: LedgerAccount
    credit: LedgerAccount
    amount_minor: int
    currency: str
    organization_id: int | None
    voucher_order_id: int | None
    voucher_id: int | None
    promotion_id: int | None
    redemption_id: int | None
    fee_order_id: int | None
    reverses_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichEntries:
    """Which entries of a program; an account counts on either side."""

    program_id: int
    organization_id: int | None = None
    account: LedgerAccount | None = None
    since: dt.datetime = BEGINNING
    until: dt.datetime = FOREVER


@dataclass(frozen=True, slots=True)
class EntriesPage:
    """The last first. `beyond` is where an entry stands."""

    limit: int
    backward: bool = False
    beyond: tuple[dt.datetime, int] | None = None


async def entries(connection: AsyncConnection, which: WhichEntries, page: EntriesPage) -> list[EntryRow]:
    by: Sequence[ColumnElement[Any]] = (LEDGER.c.recorded_at, LEDGER.c.id)
    rows = _entries(which).with_only_columns(*(LEDGER.c[name] for name in EntryRow._fields))
    if page.beyond:
        moment, key = page.beyond
        at, beyond = tuple_(*by), tuple_(literal(moment, Instant), literal(key, BigInteger))
        rows = rows.where(at > beyond if page.backward else at < beyond)
    rows = rows.order_by(*(column.asc() if page.backward else column.desc() for column in by)).limit(page.limit)
    return [EntryRow._make(row) for row in await connection.execute(rows)]


async def entries_total(connection: AsyncConnection, which: WhichEntries) -> int:
    return await connection.scalar(_entries(which).with_only_columns(func.count())) or 0


def _entries(which: WhichEntries) -> Select[Any]:
    rows = select(LEDGER.c.id).where(_recorded(which.program_id, which.until), LEDGER.c.recorded_at >= which.since)
    if which.organization_id is not None:
        rows = rows.where(LEDGER.c.organization_id == which.organization_id)
    if which.account is not None:
        rows = rows.where(or_(LEDGER.c.debit == which.account, LEDGER.c.credit == which.account))
    return rows
