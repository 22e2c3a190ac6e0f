"""Statements: what an organization is billed later, seen by it and by who runs the program."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.errors import BadCursor, NotFound
from models.money import Money
from models.program_events import ProgramThing
from models.statements import StatementState
from resolvers.loaders.payments import ShownPaymentRow
from resolvers.loaders.places import OrganizationRow, organizations_by_id
from resolvers.loaders.program_events import ThingKey
from resolvers.loaders.statements import (
    LineRow,
    LinesPage,
    StatementRow,
    StatementsKey,
    StatementsPage,
    line_totals,
    lines_of,
    payments_of_statements,
    statement_totals,
    statements_by_key,
    statements_of,
)
from resolvers.loaders.unbilled import LineKind
from resolvers.loaders.voucher_programs import InProgram
from resolvers.loaders.vouchers import RedemptionKey
from schema.agreements import BillingAgreement, agreement_by_key
from schema.context import Info
from schema.fields import field, given
from schema.ids import Node, encode_id
from schema.money import ShownMoney
from schema.nodes import organization_by_id
from schema.pagination import After, Before, Connection, First, Last, PageAsked, Paging, connection_of, paging
from schema.payments import Payment
from schema.programs import Program, program_row
from schema.scalars import described
from schema.vouchers import Redemption, redemption_by_key

if TYPE_CHECKING:
    from schema.organizations import Organization
    from schema.voucher_lists import VoucherEvent

described(LineKind, "What a line of a statement is about.", "StatementLineKind")


@strawberry.type(description="One line of a statement. Each redemption is on exactly one, and so is each reversal.")
class StatementLine:
    row: strawberry.Private[LineRow]
    currency: strawberry.Private[str]

    @field("Its number on the statement, from 1.")
    def number(self) -> int:
        return self.row.number

    @field("What it is about.")
    def kind(self) -> LineKind:
        if self.row.redemption_id is not None:
            return LineKind.REDEMPTION
        return LineKind.BROUGHT_FORWARD if self.row.redemption_reversal_id is None else LineKind.REVERSAL

    @field("How much it adds to the total; below zero for a reversal, and for a credit that is brought forward.")
    def amount(self) -> ShownMoney:
        return ShownMoney.of(Money(self.row.amount_minor, self.currency))

    @field("What was redeemed, or of a reversal what it took back; null of a credit.")
    async def redemption(self, info: Info) -> Redemption | None:
        key = self.row.redemption_id or self.row.reversed_redemption_id
        return await redemption_by_key(info, RedemptionKey(self.row.program_id, key)) if key else None

    @field("Of a reversal when it was taken back; null of other lines.")
    def reversed_at(self) -> dt.datetime | None:
        return self.row.reversed_at

    @field("The statement whose credit is brought forward; null of other lines.")
    async def brought_forward(self, info: Info) -> Annotated[Statement, strawberry.lazy("schema.statements")] | None:
        key = self.row.brought_forward_id
        return await statement_by_key(info, InProgram(self.row.program_id, key)) if key else None


@strawberry.type(description="What an organization redeemed in a month under an agreement, billed at once.")
class Statement(Node):
    row: strawberry.Private[StatementRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Statement", self.row.program_id, self.row.id))

    @field("What people call it, such as ST-7K2M9Q; unique in the program.")
    def number(self) -> str:
        return self.row.number

    @field("The first day of its month, in the program's zone.")
    def month(self) -> dt.date:
        return self.row.month

    @field("Where it stands.")
    def state(self) -> StatementState:
        return self.row.state

    @field("What its lines come to. Below zero it is a credit, which a later statement brings forward.")
    def total(self) -> ShownMoney:
        return ShownMoney.of(self.row.total)

    @field("Who bills.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("Under which agreement.")
    async def agreement(self, info: Info) -> BillingAgreement | None:
        return await agreement_by_key(info, InProgram(self.row.program_id, self.row.billing_agreement_id))

    @field("Who is billed; null for a program's administrators, who see only its name.")
    async def organization(self, info: Info) -> Annotated[Organization, strawberry.lazy("schema.organizations")] | None:
        from schema.organizations import Organization

        row = await organization_by_id(info, self.row.organization_id)
        return row and Organization.of(row)

    @field("The name of who is billed.")
    async def organization_name(self, info: Info) -> str:
        rows: list[OrganizationRow] = await info.context.loaders.rows(organizations_by_id).load(
            self.row.organization_id
        )
        return rows[0].name

    @field("What is on it: what was redeemed, what was taken back, and what an earlier statement left as a credit.")
    async def lines(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[StatementLine]:
        return await _lines(info, self.row, (first, after, last, before))

    @field("The organization's own number of a purchase order that it was paid by; null if there is none.")
    def purchase_order(self) -> str | None:
        return self.row.purchase_order

    @field("By which a payment is found in the bank's records; null before, and if a card paid.")
    def payment_reference(self) -> str | None:
        return self.row.payment_reference

    @field("What gateways were asked to charge for it, the first first.")
    async def charges(self, info: Info) -> list[Payment]:
        key = InProgram(self.row.program_id, self.row.id)
        rows: list[ShownPaymentRow] = await info.context.loaders.rows(payments_of_statements).load(key)
        return [Payment(row=row) for row in rows]

    @field("When its month was closed; it has never changed since.")
    def closed_at(self) -> dt.datetime:
        return self.row.closed_at

    @field("When it was paid, or closed with nothing to pay; null before.")
    def paid_at(self) -> dt.datetime | None:
        return self.row.paid_at

    @field("What was done to it, oldest first.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherEvent, strawberry.lazy("schema.voucher_lists")]]:
        from schema.voucher_lists import events_of_thing

        page, key = (first, after, last, before), ThingKey(self.row.program_id, self.row.id)
        return await events_of_thing(info, ProgramThing.STATEMENT, key, page)


async def statement_by_key(info: Info, key: InProgram) -> Statement | None:
    """For who runs the program, and for the organization that is billed; None for anybody else."""
    rows: list[StatementRow] = await info.context.loaders.rows(statements_by_key).load(key)
    principal = info.context.principal
    if not rows or not (principal.runs(key.program_id) or principal.may_see(rows[0].organization_id)):
        return None
    return Statement(row=rows[0])


async def _lines(info: Info, row: StatementRow, page: PageAsked) -> Connection[StatementLine]:
    key, loaders = InProgram(row.program_id, row.id), info.context.loaders
    wanted = paging(("statementLines", *key), *page, int)
    asked = LinesPage(wanted.limit, wanted.backward, wanted.beyond[0] if wanted.beyond else None)
    rows: list[LineRow] = await loaders.rows(lines_of, asked).load(key)

    async def total() -> int:
        return await loaders.values(line_totals).load(key)

    return connection_of(
        [(StatementLine(row=one, currency=row.currency), (one.number,)) for one in rows], wanted, total
    )


# ------------------------------------------------------------------------------------------------- lists


async def program_statements(
    info: Info, program_id: int, states: list[StatementState] | None, page: PageAsked
) -> Connection[Statement]:
    """All for who runs the program, their own for an organization."""
    principal = info.context.principal
    organization_id = 0 if principal.runs(program_id) else principal.organization_id
    if organization_id is None:
        raise NotFound("program")
    return await _statements(info, StatementsKey(program_id, organization_id), states, page)


async def organization_statements(
    info: Info, organization_id: int, states: list[StatementState] | None, page: PageAsked
) -> Connection[Statement]:
    """What an organization was billed, by any program."""
    info.context.principal.must_see(organization_id, "organization")
    return await _statements(info, StatementsKey(0, organization_id), states, page)


async def agreement_statements(
    info: Info, key: InProgram, states: list[StatementState] | None, page: PageAsked
) -> Connection[Statement]:
    """Whether the agreement is the asker's to see is asked before."""
    return await _statements(info, StatementsKey(key.program_id, 0, key.id), states, page)


async def _statements(
    info: Info, key: StatementsKey, states: list[StatementState] | None, page: PageAsked
) -> Connection[Statement]:
    chosen = given(states)
    named = None if chosen is None else tuple(sorted(set(chosen), key=lambda state: state.name))
    wanted = paging(("statements", *key, named), *page, str, int)
    loaders, asked = info.context.loaders, StatementsPage(wanted.limit, wanted.backward, _month_and_key(wanted))
    rows: list[StatementRow] = await loaders.rows(statements_of, asked, named).load(key)

    async def total() -> int:
        return await loaders.values(statement_totals, named).load(key)

    return connection_of([(Statement(row=row), (row.month.isoformat(), row.id)) for row in rows], wanted, total)


def _month_and_key(page: Paging) -> tuple[dt.date, int] | None:
    if page.beyond is None:
        return None
    try:
        return dt.date.fromisoformat(page.beyond[0]), page.beyond[1]
    except ValueError as problem:
        raise BadCursor("before" if page.backward else "after") from problem
