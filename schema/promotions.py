"""Promotions and their numbers: for the program, for the organization that pays, and for staff."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.interval import DAY, FOREVER, BillingCalendar
from models.money import Money
from models.program_events import ProgramThing
from models.promotions import PromotionState
from models.voucher_programs import VoucherFunding
from resolvers.loaders.places import OrganizationRow, organizations_by_id
from resolvers.loaders.program_events import ThingKey
from resolvers.loaders.promotions import (
    BudgetOrderRow,
    PromotionRow,
    PromotionsKey,
    PromotionsPage,
    budget_orders,
    promotion_totals,
    promotions_by_key,
    promotions_of,
)
from resolvers.loaders.voucher_orders import OrderKey
from resolvers.loaders.voucher_programs import InProgram
from resolvers.vouchers.listing import in_organization, in_program
from schema.context import Info
from schema.fields import field, given
from schema.ids import Node, encode_id
from schema.money import ShownMoney
from schema.nodes import organization_by_id
from schema.pagination import After, Before, Connection, First, Last, PageAsked, connection_of, paging
from schema.products import Product, product_by_key
from schema.programs import Program, program_row
from schema.scalars import described

if TYPE_CHECKING:
    from schema.organizations import Organization
    from schema.voucher_lists import VoucherEvent
    from schema.voucher_orders import VoucherOrder


described(PromotionState, "Where a promotion stands now; the first that is so.")


@strawberry.type(description="What one use takes off: a percentage or an amount, one of them.")
class PromotionBenefit:
    row: strawberry.Private[PromotionRow]

    @field("Percent off each eligible line, such as 12.5, each rounded half up; null if it is an amount.")
    def percent_off(self) -> Decimal | None:
        points = self.row.basis_points_off
        return None if points is None else Decimal(points) / 100

    @field("Off the eligible lines together, in their order; null if it is a percentage.")
    def amount_off(self) -> ShownMoney | None:
        return _shown(self.row, self.row.amount_off_minor)

    @field("The most that one use takes off; null if there is no such bound.")
    def most_off(self) -> ShownMoney | None:
        return _shown(self.row, self.row.most_off_minor)


@strawberry.type(description="For which products a promotion may pay. An exclusion wins; none included means all.")
class PromotionProductRule:
    row: strawberry.Private[PromotionRow]

    @field("Only these; all if there are none.")
    async def included(self, info: Info) -> list[Product]:
        return await _products(info, self.row, self.row.included)

    @field("Never these.")
    async def excluded(self, info: Info) -> list[Product]:
        return await _products(info, self.row, self.row.excluded)


async def _products(info: Info, row: PromotionRow, product_ids: Sequence[int]) -> list[Product]:
    found = await asyncio.gather(*(product_by_key(info, InProgram(row.program_id, one)) for one in product_ids))
    return [product for product in found if product]


@strawberry.type(description="One code that a crowd may use, within limits and a budget that an organization pays.")
class Promotion(Node):
    row: strawberry.Private[PromotionRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Promotion", *self.row.key))

    @field("In which program.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("Who pays for it; null for a program's administrators, who see only its name.")
    async def organization(self, info: Info) -> Annotated[Organization, strawberry.lazy("schema.organizations")] | None:
        from schema.organizations import Organization

        row = await organization_by_id(info, self.row.organization_id)
        return row and Organization.of(row)

    @field("The name of who pays for it.")
    async def organization_name(self, info: Info) -> str:
        rows: list[OrganizationRow] = await info.context.loaders.rows(organizations_by_id).load(
            self.row.organization_id
        )
        return rows[0].name

    @field("Its name.")
    def name(self) -> str:
        return self.row.name

    @field("What people type, such as GET-LICENSED-2019, in capitals or not.")
    def code(self) -> str:
        return self.row.code

    @field("Where it stands now.")
    def state(self, info: Info) -> PromotionState:
        return self.row.state(info.context.now)

    @field("What one use takes off.")
    def benefit(self) -> PromotionBenefit:
        return PromotionBenefit(row=self.row)

    @field("For which products it may pay.")
    def products(self) -> PromotionProductRule:
        return PromotionProductRule(row=self.row)

    @field("How often it can be used; null for as often as its budget lasts.")
    def most_uses(self) -> int | None:
        return self.row.most_uses

    @field("How often one person can use it; null for any number.")
    def most_uses_a_person(self) -> int | None:
        return self.row.most_uses_a_person

    @field("How often it was used, less what was wholly reversed.")
    def uses(self) -> int:
        return self.row.uses

    @field("How many more uses carts hold: they count towards the limits until they end.")
    def held_uses(self) -> int:
        return self.row.held_uses

    @field("In which way its budget is paid for.")
    def funding(self) -> VoucherFunding:
        return self.row.funding

    @field("What all uses together may take off; prepaid, what the organization pays.")
    def budget(self) -> ShownMoney:
        return ShownMoney.of(self.row.budget)

    @field("What is left of the budget, with what carts hold. Prepaid and funded, it is owed.")
    def remaining(self) -> ShownMoney:
        return ShownMoney.of(Money(self.row.remaining_minor, self.row.currency))

    @field("Of what is left, what carts hold.")
    def held(self) -> ShownMoney:
        return ShownMoney.of(Money(self.row.held_minor, self.row.currency))

    @field("The first local day of the program on which it can be used.")
    async def usable_from(self, info: Info) -> dt.date:
        return (await self._calendar(info)).day_of(self.row.usable_from)

    @field("The last one; null if it can be used for ever.")
    async def usable_through(self, info: Info) -> dt.date | None:
        if self.row.usable_until == FOREVER:
            return None
        return (await self._calendar(info)).day_of(self.row.usable_until) - DAY

    @field("Since when its budget can be used; null before it is approved or paid for.")
    def funded_at(self) -> dt.datetime | None:
        return self.row.funded_at

    @field("When it was stopped; null if it was not.")
    def stopped_at(self) -> dt.datetime | None:
        return self.row.stopped_at

    @field("By which its budget is bought; null before, and of one that is billed later.")
    async def order(self, info: Info) -> Annotated[VoucherOrder, strawberry.lazy("schema.voucher_orders")] | None:
        from schema.voucher_orders import voucher_order_by_key

        rows: list[BudgetOrderRow] = await info.context.loaders.rows(budget_orders).load(self.row.key)
        return await voucher_order_by_key(info, OrderKey(self.row.program_id, rows[0].order_id)) if rows else None

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

        return await events_of_thing(
            info, ProgramThing.PROMOTION, ThingKey(*self.row.key), (first, after, last, before)
        )

    async def _calendar(self, info: Info) -> BillingCalendar:
        return BillingCalendar.of((await program_row(info, self.row.program_id)).zone)


def _shown(row: PromotionRow, minor: int | None) -> ShownMoney | None:
    return None if minor is None else ShownMoney.of(Money(minor, row.currency))


async def promotion_by_key(info: Info, key: InProgram) -> Promotion | None:
    """For who runs the program, and for who pays; None for anybody else."""
    rows: list[PromotionRow] = await info.context.loaders.rows(promotions_by_key).load(key)
    principal = info.context.principal
    if not rows or not (principal.runs(key.program_id) or principal.may_see(rows[0].organization_id)):
        return None
    return Promotion(row=rows[0])


# ------------------------------------------------------------------------------------------------- lists


@strawberry.input(description="Which promotions a list holds; what is left out does not narrow it.")
class PromotionFilter:
    states: list[PromotionState] | None = strawberry.field(
        default=strawberry.UNSET, description="Only those in one of these states now."
    )


async def program_promotions(
    info: Info, program_id: int, filter: PromotionFilter | None, page: PageAsked
) -> Connection[Promotion]:
    """All for who runs the program, their own for an organization."""
    key = in_program(info.context.principal, program_id, 0)
    return await _promotions(info, PromotionsKey(program_id, key.organization_id), filter, page)


async def organization_promotions(
    info: Info, organization_id: int, filter: PromotionFilter | None, page: PageAsked
) -> Connection[Promotion]:
    """What an organization pays for; a program's administrator sees it in their own."""
    key = in_organization(info.context.principal, organization_id)
    return await _promotions(info, PromotionsKey(key.program_id, organization_id), filter, page)


async def _promotions(
    info: Info, key: PromotionsKey, filter: PromotionFilter | None, page: PageAsked
) -> Connection[Promotion]:
    chosen = given(filter.states) if filter else None
    states = None if chosen is None else tuple(sorted(set(chosen), key=lambda state: state.name))
    wanted = paging(("promotions", *key, states), *page, int)
    loaders, now = info.context.loaders, info.context.now
    asked = PromotionsPage(wanted.limit, wanted.backward, wanted.beyond[0] if wanted.beyond else None)
    rows: list[PromotionRow] = await loaders.rows(promotions_of, states, now, asked).load(key)

    async def total() -> int:
        return await loaders.values(promotion_totals, states, now).load(key)

    return connection_of([(Promotion(row=row), (row.id,)) for row in rows], wanted, total)
