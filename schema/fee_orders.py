"""Fees that somebody paid, as their person sees them and who runs the program: with what, and what was given back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.interval import BEGINNING, FOREVER, to_microseconds
from models.program_events import ProgramThing
from models.redemptions import FeeChannel
from resolvers.loaders.fee_order_lists import (
    ChosenOrders,
    FeeOrdersKey,
    FeeOrdersPage,
    fee_order_totals,
    fee_orders_of,
)
from resolvers.loaders.fee_orders import (
    FeeLineRow,
    FeeOrderRow,
    FeeRefundRow,
    RefundedLineRow,
    fee_lines_of,
    fee_orders_by_key,
    fee_refunds_of,
    refunded_lines_of,
)
from resolvers.loaders.payments import ShownRefundRow, refunds_of_fee_refunds
from resolvers.loaders.program_events import ThingKey
from resolvers.loaders.voucher_lists import Between
from resolvers.loaders.voucher_programs import InProgram
from resolvers.loaders.vouchers import RedemptionRow, redemptions_of_fee_orders
from schema.context import Info
from schema.fields import field, given
from schema.ids import Node, decode_id, encode_id
from schema.moments import moment_and_key
from schema.money import ShownMoney
from schema.pagination import After, Before, Connection, First, Last, PageAsked, connection_of, paging
from schema.payments import PaymentRefund
from schema.programs import Program, program_row
from schema.scalars import described
from schema.voucher_lists import VoucherEvent, events_of_thing
from schema.vouchers import Redemption

if TYPE_CHECKING:
    from schema.checkout import Checkout
    from schema.products import Product

described(FeeChannel, "Where fees were paid.")


@strawberry.type(description="One fee of an order.")
class FeeOrderLine:
    row: strawberry.Private[FeeLineRow]
    order: strawberry.Private[FeeOrderRow]

    @field("Its place on the order, from 1.")
    def number(self) -> int:
        return self.row.number

    @field("The fee.")
    async def product(self, info: Info) -> Annotated[Product, strawberry.lazy("schema.products")] | None:
        from schema.products import product_by_key

        return await product_by_key(info, InProgram(self.order.program_id, self.row.product_id))

    @field("How many.")
    def quantity(self) -> int:
        return self.row.quantity

    @field("What one cost when it was paid.")
    def unit_price(self) -> ShownMoney:
        return ShownMoney.of(self.order.money(self.row.unit_price_minor))

    @field("What all of them cost.")
    def total(self) -> ShownMoney:
        return ShownMoney.of(self.order.money(self.row.amount_minor))

    @field("What vouchers and a promotion paid of it.")
    async def by_vouchers(self, info: Info) -> ShownMoney:
        return ShownMoney.of(self.order.money(await self._by_vouchers(info)))

    @field("What a card paid of it.")
    async def by_card(self, info: Info) -> ShownMoney:
        return ShownMoney.of(self.order.money(self.row.amount_minor - await self._by_vouchers(info)))

    @field("What was given back of it.")
    def refunded(self) -> ShownMoney:
        return ShownMoney.of(self.order.money(self.row.refunded_minor))

    async def _by_vouchers(self, info: Info) -> int:
        rows = await _redemptions(info, self.order)
        return sum(row.amount_minor for row in rows if row.line_number == self.row.number)


@strawberry.type(description="So much of one line, given back.")
class FeeRefundLine:
    number: int = strawberry.field(description="The number of the line.")
    amount: ShownMoney = strawberry.field(description="How much of it.")


@strawberry.type(description="Part or all of an order, given back: to the card first, then to the vouchers.")
class FeeRefund:
    row: strawberry.Private[FeeRefundRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("FeeRefund", *self.row.key))

    @field("How much altogether.")
    def total(self) -> ShownMoney:
        return ShownMoney.of(self.row.money(self.row.by_card_minor + self.row.by_vouchers_minor))

    @field("What of it goes back to the card.")
    def by_card(self) -> ShownMoney:
        return ShownMoney.of(self.row.money(self.row.by_card_minor))

    @field("What of it was taken back from what vouchers and a promotion had paid.")
    def by_vouchers(self) -> ShownMoney:
        return ShownMoney.of(self.row.money(self.row.by_vouchers_minor))

    @field("Of which lines, by number.")
    async def lines(self, info: Info) -> list[FeeRefundLine]:
        rows: list[RefundedLineRow] = await info.context.loaders.rows(refunded_lines_of).load(self.row.key)
        return [
            FeeRefundLine(number=row.line_number, amount=ShownMoney.of(self.row.money(row.amount_minor)))
            for row in rows
        ]

    @field("Why.")
    def reason(self) -> str:
        return self.row.reason

    @field("Who gave it back.")
    def refunded_by(self) -> str:
        return self.row.refunded_by

    @field("When.")
    def refunded_at(self) -> dt.datetime:
        return self.row.refunded_at

    @field("What the gateway was asked to give back to the card; none if that is nothing.")
    async def payments(self, info: Info) -> list[PaymentRefund]:
        rows: list[ShownRefundRow] = await info.context.loaders.rows(refunds_of_fee_refunds).load(self.row.key)
        return [PaymentRefund(row=row) for row in rows]


@strawberry.type(description="Fees that somebody paid. What vouchers paid and what a card paid make up the total.")
class FeeOrder(Node):
    row: strawberry.Private[FeeOrderRow]

    @field("Opaque and lasting; its receipt is at /receipts/{id}, and as a PDF at /receipts/{id}.pdf.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("FeeOrder", *self.row.key))

    @field("By which the program's own systems know it, such as FEE-7K2M9Q.")
    def reference(self) -> str:
        return self.row.reference

    @field("Whose fees were paid.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("Where they were paid.")
    def channel(self) -> FeeChannel:
        return self.row.channel

    @field("Through which gateway, even if nothing was left for a card; null of what was taken at the counter.")
    def gateway(self) -> str | None:
        return self.row.gateway

    @field("The checkout that made it; null of what was taken at the counter.")
    async def checkout(self, info: Info) -> Annotated[Checkout, strawberry.lazy("schema.checkout")] | None:
        from schema.checkout import checkout_by_key

        if self.row.checkout_id is None:
            return None
        return await checkout_by_key(info, InProgram(self.row.program_id, self.row.checkout_id))

    @field("What was paid for, at most 50 lines.")
    async def lines(self, info: Info) -> list[FeeOrderLine]:
        rows: list[FeeLineRow] = await info.context.loaders.rows(fee_lines_of).load(self.row.key)
        return [FeeOrderLine(row=row, order=self.row) for row in rows]

    @field("What all lines cost.")
    def total(self) -> ShownMoney:
        return ShownMoney.of(self.row.total)

    @field("What vouchers and a promotion paid of it.")
    def by_vouchers(self) -> ShownMoney:
        return ShownMoney.of(self.row.money(self.row.by_vouchers_minor))

    @field("What a card paid of it.")
    def by_card(self) -> ShownMoney:
        return ShownMoney.of(self.row.money(self.row.by_card_minor))

    @field("What was given back of it so far.")
    async def refunded(self, info: Info) -> ShownMoney:
        rows: list[FeeLineRow] = await info.context.loaders.rows(fee_lines_of).load(self.row.key)
        return ShownMoney.of(self.row.money(sum(row.refunded_minor for row in rows)))

    @field("Which voucher or promotion paid how much of which line; at most one of each for a line.")
    async def redemptions(self, info: Info) -> list[Redemption]:
        return [Redemption(row=row) for row in await _redemptions(info, self.row)]

    @field("What was given back, the first first.")
    async def refunds(self, info: Info) -> list[FeeRefund]:
        rows: list[FeeRefundRow] = await info.context.loaders.rows(fee_refunds_of).load(self.row.key)
        return [FeeRefund(row=row) for row in rows]

    @field("When it was paid.")
    def completed_at(self) -> dt.datetime:
        return self.row.completed_at

    @field("What was done to it since, oldest first.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[VoucherEvent]:
        page = (first, after, last, before)
        return await events_of_thing(info, ProgramThing.FEE_ORDER, ThingKey(*self.row.key), page)


async def _redemptions(info: Info, order: FeeOrderRow) -> list[RedemptionRow]:
    rows: list[RedemptionRow] = await info.context.loaders.rows(redemptions_of_fee_orders).load(order.key)
    return rows


def fee_order_key(given_id: str, *at: str) -> InProgram:
    return InProgram(*decode_id(given_id, "FeeOrder", 2, *(at or ("order",))))


async def fee_order_by_key(info: Info, key: InProgram) -> FeeOrder | None:
    """The order, for its person and for who runs the program; None for anybody else."""
    rows: list[FeeOrderRow] = await info.context.loaders.rows(fee_orders_by_key).load(key)
    return FeeOrder(row=rows[0]) if rows and rows[0].is_seen_by(info.context.principal) else None


# ------------------------------------------------------------------------------------------------- lists


@strawberry.input(description="Which orders a list holds; what is left out does not narrow it.")
class FeeOrderFilter:
    reference: str | None = strawberry.field(
        default=strawberry.UNSET, description="Only the one of this very reference."
    )
    since: dt.datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Only those that were paid from this moment on."
    )
    until: dt.datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Only those that were paid before this moment."
    )


async def program_fee_orders(
    info: Info, program_id: int, asked: FeeOrderFilter | None, page: PageAsked
) -> Connection[FeeOrder]:
    """All for who runs the program, their own for a person; for anybody else none."""
    principal = info.context.principal
    person_id = 0 if principal.runs(program_id) else principal.person_id
    return await _orders(info, FeeOrdersKey(program_id, -1 if person_id is None else person_id), asked, page)


async def own_fee_orders(info: Info, asked: FeeOrderFilter | None, page: PageAsked) -> Connection[FeeOrder]:
    """Of an individual what they have paid, in all programs; of anybody else nothing."""
    return await _orders(info, FeeOrdersKey(0, info.context.principal.person_id or -1), asked, page)


async def _orders(info: Info, key: FeeOrdersKey, asked: FeeOrderFilter | None, page: PageAsked) -> Connection[FeeOrder]:
    one = asked or FeeOrderFilter()
    between = Between(given(one.since) or BEGINNING, given(one.until) or FOREVER)
    chosen = ChosenOrders(between, given(one.reference) or None)
    wanted = paging(("feeOrders", *key, chosen), *page, int, int)
    loaders, asked_page = info.context.loaders, FeeOrdersPage(wanted.limit, wanted.backward, moment_and_key(wanted))
    rows: list[FeeOrderRow] = await loaders.rows(fee_orders_of, chosen, asked_page).load(key)

    async def total() -> int:
        return await loaders.values(fee_order_totals, chosen).load(key)

    nodes = [(FeeOrder(row=row), (to_microseconds(row.completed_at), row.id)) for row in rows]
    return connection_of(nodes, wanted, total)
