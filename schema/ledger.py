"""The ledger as a program and staff see it, and what is owed in vouchers, as organizations see it too."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import NotAllowed
from models.interval import BEGINNING, FOREVER, to_microseconds
from models.ledger import LedgerAccount, LedgerEvent
from models.money import Money
from resolvers.activity import must_be_past
from resolvers.ledger.reporting import (
    AccountBalance,
    EntriesPage,
    EntryRow,
    Expiring,
    Liability,
    WhichEntries,
    entries,
    entries_total,
    expiring,
    liabilities,
    trial_balance,
)
from resolvers.loaders.voucher_programs import program_of
from resolvers.loaders.vouchers import VoucherKey
from schema.context import Info
from schema.fields import field, given
from schema.ids import decode_id, encode_id
from schema.moments import moment_and_key
from schema.money import ShownMoney
from schema.nodes import organization_by_id
from schema.organizations import Organization
from schema.pagination import After, Before, Connection, First, Last, connection_of, paging
from schema.scalars import described
from schema.vouchers import Voucher, voucher_by_key

described(LedgerAccount, "An account of a program, in each currency.")
described(LedgerEvent, "What moved money.")

SOON, LATER = 30, 90
ProgramId = Annotated[strawberry.ID, strawberry.argument(description="The id of the program.")]
AsOf = Annotated[
    dt.datetime | None,
    strawberry.argument(description="From what was recorded before this past moment; from everything if left out."),
]


@strawberry.type(description="An account of the ledger in one currency. Over all accounts debits equal credits.")
class LedgerBalance:
    account: LedgerAccount = strawberry.field(description="Which account.")
    debits: ShownMoney = strawberry.field(description="All that was debited.")
    credits: ShownMoney = strawberry.field(description="All that was credited.")
    balance: ShownMoney = strawberry.field(description="Debits less credits.")

    @classmethod
    def of(cls, row: AccountBalance) -> LedgerBalance:
        return cls(
            account=row.account,
            debits=ShownMoney.of(Money(row.debits_minor, row.currency)),
            credits=ShownMoney.of(Money(row.credits_minor, row.currency)),
            balance=ShownMoney.of(row.balance),
        )


@strawberry.type(description="What is owed in vouchers that one organization has paid for, in one currency.")
class LiabilityLine:
    row: strawberry.Private[Liability]
    soon: strawberry.Private[int | None]
    later: strawberry.Private[int | None]

    @field("Who paid for them; null if you may not see all of it.")
    async def organization(self, info: Info) -> Organization | None:
        found = await organization_by_id(info, self.row.organization_id)
        return found and Organization.of(found)

    @field("The name of who paid for them.")
    def organization_name(self) -> str:
        return self.row.organization

    @field("What is owed.")
    def amount(self) -> ShownMoney:
        return ShownMoney.of(self.row.amount)

    @field("What of it expires within 30 days; null as of a past moment.")
    def expiring_within_30_days(self) -> ShownMoney | None:
        return self._part(self.soon)

    @field("What of it expires within 90 days; null as of a past moment.")
    def expiring_within_90_days(self) -> ShownMoney | None:
        return self._part(self.later)

    def _part(self, minor: int | None) -> ShownMoney | None:
        return None if minor is None else ShownMoney.of(Money(minor, self.row.currency))


@strawberry.type(description="What a program owes in vouchers and promotions that were paid for, from the ledger.")
class LiabilityReport:
    as_of: dt.datetime = strawberry.field(description="From what was recorded before this moment.")
    lines: list[LiabilityLine] = strawberry.field(description="By organization and currency.")

    @field("All of it, in each currency.")
    def totals(self) -> list[ShownMoney]:
        sums: dict[str, Money] = {}
        for line in self.lines:
            sums[line.row.currency] = sums.get(line.row.currency, Money(0, line.row.currency)) + line.row.amount
        return [ShownMoney.of(sums[currency]) for currency in sorted(sums)]


@strawberry.type(name="LedgerEntry", description="So much from one account to another; it never changes.")
class ShownEntry:
    row: strawberry.Private[EntryRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("LedgerEntry", self.row.program_id, self.row.id))

    @field("When it was recorded.")
    def recorded_at(self) -> dt.datetime:
        return self.row.recorded_at

    @field("What moved the money.")
    def event(self) -> LedgerEvent:
        return self.row.event

    @field("The account that is debited.")
    def debit(self) -> LedgerAccount:
        return self.row.debit

    @field("The account that is credited.")
    def credit(self) -> LedgerAccount:
        return self.row.credit

    @field("How much.")
    def amount(self) -> ShownMoney:
        return ShownMoney.of(Money(self.row.amount_minor, self.row.currency))

    @field("The voucher that it is about, if it is about one.")
    async def voucher(self, info: Info) -> Voucher | None:
        if self.row.voucher_id is None:
            return None
        return await voucher_by_key(info, VoucherKey(self.row.program_id, self.row.voucher_id))

    @field("The id of the entry that it reverses, of all of it or of a part.")
    def reverses(self) -> strawberry.ID | None:
        key = self.row.reverses_id
        return None if key is None else strawberry.ID(encode_id("LedgerEntry", self.row.program_id, key))


@strawberry.input(description="Which entries a list holds; what is left out does not narrow it.")
class LedgerEntryFilter:
    organization: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Only those about this organization's vouchers."
    )
    account: LedgerAccount | None = strawberry.field(
        default=strawberry.UNSET, description="Only those that debit or credit this account."
    )
    since: dt.datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Only those recorded from this moment on."
    )
    until: dt.datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Only those recorded before this moment."
    )


@strawberry.type
class LedgerQuery:
    @field("The balances of a program's accounts. Its administrators and staff only.")
    async def trial_balance(
        self, info: Info, program: ProgramId, as_of: AsOf = strawberry.UNSET
    ) -> list[LedgerBalance]:
        before = _before(info, as_of)
        async with info.context.reading() as connection:
            program_id = await _run_by(info, connection, program)
            return [LedgerBalance.of(row) for row in await trial_balance(connection, program_id, before or FOREVER)]

    @field("What a program owes in vouchers; an organization sees what it has paid for itself.")
    async def voucher_liability(
        self, info: Info, program: ProgramId, as_of: AsOf = strawberry.UNSET
    ) -> LiabilityReport:
        before = _before(info, as_of)
        async with info.context.reading() as connection:
            program_id = await _program(connection, program)
            only = _only(info, program_id)
            rows = await liabilities(connection, program_id, before or FOREVER, only)
            ends = None if before else await _ends(info, connection, program_id, only)
        lines = [_line(row, ends) for row in rows]
        return LiabilityReport(as_of=before or info.context.now, lines=lines)

    @field("The entries of a program's ledger, the last first. Its administrators and staff only.")
    async def ledger_entries(
        self,
        info: Info,
        program: ProgramId,
        filter: Annotated[LedgerEntryFilter | None, strawberry.argument(description="Only those.")] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[ShownEntry]:
        reading = info.context.reading
        async with reading() as connection:
            which = _which(await _run_by(info, connection, program), given(filter) or LedgerEntryFilter())
            page = paging(("ledger", which), first, after, last, before, int, int)
            rows = await entries(connection, which, EntriesPage(page.limit, page.backward, moment_and_key(page)))

        async def total() -> int:
            async with reading() as connection:
                return await entries_total(connection, which)

        nodes = [(ShownEntry(row=row), (to_microseconds(row.recorded_at), row.id)) for row in rows]
        return connection_of(nodes, page, total)


async def _program(connection: AsyncConnection, given_id: str) -> int:
    (program_id,) = decode_id(given_id, "Program", 1, "program")
    return (await program_of(connection, program_id, "program")).id


async def _run_by(info: Info, connection: AsyncConnection, given_id: str) -> int:
    program_id = await _program(connection, given_id)
    info.context.principal.must_run(program_id, "look at its ledger")
    return program_id


def _only(info: Info, program_id: int) -> int | None:
    """The only organization whose share may be seen; None for all."""
    principal = info.context.principal
    if principal.runs(program_id):
        return None
    if principal.organization_id is None:
        raise NotAllowed("Only the program's administrators, organizations and staff may look at what is owed.")
    return principal.organization_id


def _before(info: Info, as_of: dt.datetime | None) -> dt.datetime | None:
    moment = given(as_of)
    if moment is not None:
        must_be_past(moment, info.context.now, "asOf")
    return moment


Ends = tuple[dict[Expiring, int], dict[Expiring, int]]


async def _ends(info: Info, connection: AsyncConnection, program_id: int, only: int | None) -> Ends:
    now = info.context.now
    soon = await expiring(connection, program_id, now, SOON, only)
    return soon, await expiring(connection, program_id, now, LATER, only)


def _line(row: Liability, ends: Ends | None) -> LiabilityLine:
    key = Expiring(row.organization_id, row.currency)
    soon, later = (part.get(key, 0) for part in ends) if ends else (None, None)
    return LiabilityLine(row=row, soon=soon, later=later)


def _which(program_id: int, asked: LedgerEntryFilter) -> WhichEntries:
    organization = given(asked.organization)
    return WhichEntries(
        program_id=program_id,
        organization_id=decode_id(organization, "Organization", 1, "filter")[0] if organization else None,
        account=given(asked.account),
        since=given(asked.since) or BEGINNING,
        until=given(asked.until) or FOREVER,
    )
