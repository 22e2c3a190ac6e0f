"""Orders of vouchers, as those see them who run the program, and who ordered."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.errors import NotFound
from models.interval import to_microseconds
from models.money import Money
from models.program_events import ProgramThing
from models.voucher_orders import VoucherOrderState
from models.voucher_programs import VoucherFunding
from resolvers.loaders.payments import ShownPaymentRow, payments_of_orders
from resolvers.loaders.places import organizations_by_id
from resolvers.loaders.program_events import ThingKey
from resolvers.loaders.voucher_lists import Of
from resolvers.loaders.voucher_orders import (
    OrderKey,
    OrderRow,
    OrdersKey,
    OrdersPage,
    order_totals,
    orders_by_key,
    orders_of,
)
from resolvers.loaders.voucher_programs import InProgram
from schema.context import Info
from schema.fields import field, given
from schema.ids import Node, decode_id, encode_id
from schema.moments import moment_and_key
from schema.money import ShownMoney
from schema.pagination import After, Before, Connection, First, Last, PageAsked, connection_of, paging
from schema.payments import Payment
from schema.programs import Program, program_row
from schema.voucher_lists import VoucherEvent, VoucherFilter, events_of_thing, vouchers_in_program
from schema.voucher_programs import VoucherProgram, voucher_program_by_key
from schema.vouchers import Voucher

if TYPE_CHECKING:
    from schema.organizations import Organization
    from schema.promotions import Promotion


@strawberry.type(description="How an order is paid for, and how much of that has happened.")
class VoucherOrderPayment:
    row: strawberry.Private[OrderRow]

    @field("In which way.")
    def funding(self) -> VoucherFunding:
        return self.row.funding

    @field("The organization's own number of its purchase order; null if it is paid for otherwise.")
    def purchase_order(self) -> str | None:
        return self.row.purchase_order

    @field("By which the payment of a purchase order is found in the bank's records; null before.")
    def reference(self) -> str | None:
        return self.row.payment_reference

    @field("What gateways were asked to charge for it, the first first; none where it is not paid by card.")
    async def charges(self, info: Info) -> list[Payment]:
        rows: list[ShownPaymentRow] = await info.context.loaders.rows(payments_of_orders).load(self.row.key)
        return [Payment(row=row) for row in rows]

    @field("How much was paid: all of it or nothing.")
    def paid(self) -> ShownMoney:
        return ShownMoney.of(Money(self.row.paid_minor, self.row.currency))

    @field("How much of that was given back for what was not redeemed.")
    def refunded(self) -> ShownMoney:
        return ShownMoney.of(Money(self.row.refunded_minor, self.row.currency))


@strawberry.type(description="So many vouchers of one voucher program, ordered by an organization.")
class VoucherOrder(Node):
    row: strawberry.Private[OrderRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("VoucherOrder", *self.row.key))

    @field("What people call it, such as ORD-7K2M9Q.")
    def number(self) -> str:
        return self.row.number

    @field("Of which program.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("On which terms; null of a promotion's budget.")
    async def voucher_program(self, info: Info) -> VoucherProgram | None:
        if self.row.voucher_program_id is None:
            return None
        return await voucher_program_by_key(info, InProgram(self.row.program_id, self.row.voucher_program_id))

    @field("Whose budget it is; null of vouchers.")
    async def promotion(self, info: Info) -> Annotated[Promotion, strawberry.lazy("schema.promotions")] | None:
        from schema.promotions import promotion_by_key

        if self.row.promotion_id is None:
            return None
        return await promotion_by_key(info, InProgram(self.row.program_id, self.row.promotion_id))

    @field("Who ordered; null to who runs the program and may not see all of an organization.")
    async def organization(self, info: Info) -> Annotated[Organization, strawberry.lazy("schema.organizations")] | None:
        from schema.organizations import Organization

        if not info.context.principal.may_see(self.row.organization_id):
            return None
        rows = await info.context.loaders.rows(organizations_by_id).load(self.row.organization_id)
        return Organization.of(rows[0]) if rows else None

    @field("The name of who ordered.")
    async def organization_name(self, info: Info) -> str:
        rows = await info.context.loaders.rows(organizations_by_id).load(self.row.organization_id)
        return str(rows[0].name)

    @field("How many vouchers.")
    def quantity(self) -> int:
        return self.row.quantity

    @field("What one costs, which is also its face value.")
    def unit_price(self) -> ShownMoney:
        return ShownMoney.of(self.row.unit_price)

    @field("What all of them cost.")
    def total(self) -> ShownMoney:
        return ShownMoney.of(self.row.total)

    @field("How it is paid for.")
    def payment(self) -> VoucherOrderPayment:
        return VoucherOrderPayment(row=self.row)

    @field("Where it stands.")
    def state(self) -> VoucherOrderState:
        return self.row.state

    @field("Why it was declined, rejected or cancelled; null if it was not.")
    def reason(self) -> str | None:
        return self.row.reason

    @field("Who typed it in.")
    def ordered_by(self) -> str:
        return self.row.ordered_by

    @field("When it was ordered.")
    def ordered_at(self) -> dt.datetime:
        return self.row.ordered_at

    @field("When its vouchers were issued; null before.")
    def issued_at(self) -> dt.datetime | None:
        return self.row.issued_at

    @field("When it was settled, declined, rejected or cancelled; null before.")
    def closed_at(self) -> dt.datetime | None:
        return self.row.closed_at

    @field("Its vouchers; none before they are issued.")
    async def vouchers(
        self,
        info: Info,
        filter: Annotated[VoucherFilter | None, strawberry.argument(description="Only those.")] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Voucher]:
        page = (first, after, last, before)
        return await vouchers_in_program(info, Of.ORDER, *self.row.key, given(filter), page)

    @field("What was done to it, oldest first.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[VoucherEvent]:
        page = (first, after, last, before)
        return await events_of_thing(info, ProgramThing.VOUCHER_ORDER, ThingKey(*self.row.key), page)


def order_key(given_id: str, *path: str) -> OrderKey:
    return OrderKey(*decode_id(given_id, "VoucherOrder", 2, *(path or ("order",))))


async def voucher_order_by_key(info: Info, key: OrderKey) -> VoucherOrder | None:
    """The order, for who runs the program and who ordered; None for anybody else."""
    rows: list[OrderRow] = await info.context.loaders.rows(orders_by_key).load(key)
    principal = info.context.principal
    if not rows or not (principal.runs(key.program_id) or principal.may_see(rows[0].organization_id)):
        return None
    return VoucherOrder(row=rows[0])


# ------------------------------------------------------------------------------------------------- lists


async def organization_orders(
    info: Info, organization_id: int, states: list[VoucherOrderState] | None, page: PageAsked
) -> Connection[VoucherOrder]:
    """What an organization ordered, in any program."""
    info.context.principal.must_see(organization_id, "organization")
    return await _orders(info, OrdersKey(0, organization_id), states, page)


async def program_orders(
    info: Info, program_id: int, states: list[VoucherOrderState] | None, page: PageAsked
) -> Connection[VoucherOrder]:
    """All orders for who runs the program, their own for an organization."""
    principal = info.context.principal
    organization_id = 0 if principal.runs(program_id) else principal.organization_id
    if organization_id is None:
        raise NotFound("program")
    return await _orders(info, OrdersKey(program_id, organization_id), states, page)


async def _orders(
    info: Info, key: OrdersKey, states: list[VoucherOrderState] | None, page: PageAsked
) -> Connection[VoucherOrder]:
    chosen = given(states)
    named = None if chosen is None else tuple(sorted(set(chosen), key=lambda state: state.name))
    wanted = paging(("voucherOrders", *key, named), *page, int, int)
    loaders, asked = info.context.loaders, OrdersPage(wanted.limit, wanted.backward, moment_and_key(wanted))
    rows: list[OrderRow] = await loaders.rows(orders_of, named, asked).load(key)

    async def total() -> int:
        return await loaders.values(order_totals, named).load(key)

    return connection_of(
        [(VoucherOrder(row=row), (to_microseconds(row.ordered_at), row.id)) for row in rows], wanted, total
    )
