"""What will be billed under an agreement: what was redeemed and is on no statement, and what the next would come to."""

from __future__ import annotations

import datetime as dt

import strawberry

from models.interval import to_microseconds
from models.money import Money
from resolvers.loaders.agreements import AgreementRow
from resolvers.loaders.unbilled import (
    BillKey,
    LineKind,
    UnbilledPage,
    UnbilledSum,
    unbilled_redemptions,
    unbilled_sums,
    unbilled_totals,
)
from resolvers.loaders.voucher_programs import InProgram
from resolvers.loaders.vouchers import RedemptionRow
from resolvers.statements.closing import Month
from schema.context import Info
from schema.fields import field
from schema.moments import moment_and_key
from schema.money import ShownMoney
from schema.pagination import Connection, PageAsked, connection_of, paging
from schema.programs import program_row
from schema.vouchers import Redemption


async def agreement_unbilled(info: Info, key: InProgram, page: PageAsked) -> Connection[Redemption]:
    """What was redeemed under an agreement and is on no statement, the first first."""
    wanted = paging(("unbilledRedemptions", *key), *page, int, int)
    loaders, asked = info.context.loaders, UnbilledPage(wanted.limit, wanted.backward, moment_and_key(wanted))
    rows: list[RedemptionRow] = await loaders.rows(unbilled_redemptions, asked).load(key)

    async def total() -> int:
        return await loaders.values(unbilled_totals).load(key)

    nodes = [(Redemption(row=row), (to_microseconds(row.redeemed_at), row.id)) for row in rows]
    return connection_of(nodes, wanted, total)


@strawberry.type(description="What would be on the statement of a month if it were closed now. Nothing is written.")
class StatementPreview:
    sums: strawberry.Private[dict[int, UnbilledSum]]
    currency: strawberry.Private[str]
    month: dt.date = strawberry.field(description="The first day of the month, in the program's zone.")
    is_over: bool = strawberry.field(description="Whether the month is over there, so that it can be closed.")

    @field("How many redemptions.")
    def redemptions(self) -> int:
        return self._count(LineKind.REDEMPTION)

    @field("What these come to.")
    def redeemed(self) -> ShownMoney:
        return self._sum(LineKind.REDEMPTION)

    @field("How many reversals of what was redeemed.")
    def reversals(self) -> int:
        return self._count(LineKind.REVERSAL)

    @field("What these come to, which is below zero.")
    def reversed(self) -> ShownMoney:
        return self._sum(LineKind.REVERSAL)

    @field("The credit of an earlier statement, which is below zero.")
    def brought_forward(self) -> ShownMoney:
        return self._sum(LineKind.BROUGHT_FORWARD)

    @field("What all of it comes to.")
    def total(self) -> ShownMoney:
        return self._sum(*LineKind)

    def _count(self, kind: LineKind) -> int:
        return self.sums[kind].lines if kind in self.sums else 0

    def _sum(self, *kinds: LineKind) -> ShownMoney:
        return ShownMoney.of(
            Money(sum(self.sums[kind].amount_minor for kind in kinds if kind in self.sums), self.currency)
        )


async def next_statement(info: Info, row: AgreementRow, day: dt.date) -> StatementPreview:
    month = Month.of(day, (await program_row(info, row.program_id)).zone)
    key = BillKey(row.program_id, row.id, to_microseconds(month.until))
    sums: list[UnbilledSum] = await info.context.loaders.rows(unbilled_sums).load(key)
    return StatementPreview(
        sums={one.kind: one for one in sums},
        currency=row.currency,
        month=month.first,
        is_over=month.until <= info.context.now,
    )
