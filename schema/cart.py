"""Carts as their person sees them, and those who run the program: what is due, and what pays it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.cart_rules import CartRule
from models.carts import AppliedBy, CartState
from resolvers.carts.explaining import Explanation, explain
from resolvers.carts.finding import sees_cart
from resolvers.carts.voucher_entry import voucher_entry
from resolvers.loaders.carts import (
    AllocationRow,
    AppliedRow,
    CartKey,
    CartLineRow,
    CartPage,
    CartRow,
    allocations_of_carts,
    applied_of_carts,
    carts_by_key,
    lines_of_carts,
    open_carts,
    open_carts_total,
)
from resolvers.loaders.checkouts import CheckoutRow, last_checkouts_of_carts
from resolvers.loaders.voucher_programs import InProgram
from resolvers.loaders.vouchers import VoucherKey
from schema.context import Info
from schema.fields import field
from schema.ids import Node, decode_id, encode_id
from schema.money import ShownMoney
from schema.pagination import After, Before, Connection, First, Last, connection_of, paging
from schema.programs import Program, program_row
from schema.scalars import described
from schema.vouchers import Voucher, voucher_by_key

if TYPE_CHECKING:
    from schema.checkout import Checkout
    from schema.products import Product

described(CartState, "Where a cart stands.")
described(AppliedBy, "How a voucher came onto a cart.")
described(CartRule, "Which rule lets a voucher pay for a line of a cart, or keeps it out.")


@strawberry.type(description="Whether a code can be entered, and if not, why; the same everywhere and at every step.")
class VoucherEntry:
    enabled: bool = strawberry.field(description="Whether the gateway of the cart takes vouchers.")
    reason: str | None = strawberry.field(description="Why not, in a sentence; null if it does.")


@strawberry.type(description="So much of a line of a cart, paid by a voucher.")
class AppliedPart:
    line_number: int = strawberry.field(description="The number of the line.")
    amount: ShownMoney = strawberry.field(description="How much of it.")


@strawberry.type(description="A voucher or a promotion on a cart. What it is to pay is held for the person.")
class AppliedVoucher:
    row: strawberry.Private[AppliedRow]
    cart: strawberry.Private[CartRow]

    @field("Opaque; by it the voucher is taken off this cart.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("AppliedVoucher", self.row.program_id, self.row.id))

    @field("The voucher; null of a promotion, and if you know its code but it is not yours to see.")
    async def voucher(self, info: Info) -> Voucher | None:
        if self.row.voucher_id is None:
            return None
        return await voucher_by_key(info, VoucherKey(self.row.program_id, self.row.voucher_id))

    @field("The last four characters of its code; null of a promotion.")
    def last_four(self) -> str | None:
        return self.row.last_four

    @field("The code of the promotion; null of a voucher.")
    def promotion_code(self) -> str | None:
        return self.row.promotion_code

    @field("How it came onto the cart.")
    def applied_by(self) -> AppliedBy:
        return self.row.applied_by

    @field("The most that it is to pay; null if that is as much as is due.")
    def named_amount(self) -> ShownMoney | None:
        return None if self.row.named_minor is None else ShownMoney.of(self.cart.money(self.row.named_minor))

    @field("What it pays of this cart, which is held.")
    def amount(self) -> ShownMoney:
        return ShownMoney.of(self.cart.money(self.row.held_minor))

    @field("Of which lines it pays how much.")
    async def parts(self, info: Info) -> list[AppliedPart]:
        rows = await _parts(info, self.cart.key)
        own = [row for row in rows if row.cart_voucher_id == self.row.id]
        return [
            AppliedPart(line_number=row.line_number, amount=ShownMoney.of(self.cart.money(row.amount_minor)))
            for row in own
        ]

    @field("Until when it is held; each change of the cart renews that.")
    def held_until(self) -> dt.datetime:
        return self.row.held_until


@strawberry.type(description="What is to be paid for.")
class CartLine:
    row: strawberry.Private[CartLineRow]
    cart: strawberry.Private[CartRow]

    @field("Its place on the cart, from 1.")
    def number(self) -> int:
        return self.row.number

    @field("The fee.")
    async def product(self, info: Info) -> Annotated[Product, strawberry.lazy("schema.products")] | None:
        from schema.products import product_by_key

        return await product_by_key(info, InProgram(self.cart.program_id, self.row.product_id))

    @field("How many.")
    def quantity(self) -> int:
        return self.row.quantity

    @field("What one costs, as of the last change of the cart.")
    def unit_price(self) -> ShownMoney:
        return ShownMoney.of(self.cart.money(self.row.unit_price_minor))

    @field("What all of them cost.")
    def total(self) -> ShownMoney:
        return ShownMoney.of(self.cart.money(self.row.amount_minor))

    @field("What vouchers pay of it.")
    async def by_vouchers(self, info: Info) -> ShownMoney:
        rows = [row for row in await _parts(info, self.cart.key) if row.line_number == self.row.number]
        return ShownMoney.of(self.cart.money(sum(row.amount_minor for row in rows)))


@strawberry.type(description="Why a voucher pays for a line of a cart, or does not.")
class VoucherExplanation:
    made: strawberry.Private[Explanation]

    @field("The number of the line.")
    def line_number(self) -> int:
        return self.made.line_number

    @field("By which you know the voucher: the end of its code, or the code of a promotion.")
    def voucher(self) -> str:
        return self.made.name

    @field("Whether it pays for the line.")
    def let_in(self) -> bool:
        return self.made.lets_in

    @field("The rule that decides it.")
    def rule(self) -> CartRule:
        return self.made.rule

    @field("How much of the line it pays.")
    def amount(self) -> ShownMoney:
        return ShownMoney.of(self.made.paid)

    @field("The same in words.")
    def words(self) -> str:
        return self.made.said


@strawberry.type(description="What a person is about to pay for, in one program and one currency.")
class Cart(Node):
    row: strawberry.Private[CartRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Cart", *self.row.key))

    @field("Each change makes a new one, and names the one that it saw.")
    def version(self) -> int:
        return self.row.version

    @field("Where it stands.")
    def state(self) -> CartState:
        return self.row.state

    @field("Whose fees are paid.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("Through which a card would pay.")
    def gateway(self) -> str:
        return self.row.gateway

    @field("What is to be paid for, at most 50 lines.")
    async def lines(self, info: Info) -> list[CartLine]:
        rows: list[CartLineRow] = await info.context.loaders.rows(lines_of_carts).load(self.row.key)
        return [CartLine(row=row, cart=self.row) for row in rows]

    @field("What all lines cost.")
    def total(self) -> ShownMoney:
        return ShownMoney.of(self.row.money(self.row.total_minor))

    @field("What is on it and pays, or would; at most 10 vouchers and one promotion.")
    async def vouchers(self, info: Info) -> list[AppliedVoucher]:
        rows: list[AppliedRow] = await info.context.loaders.rows(applied_of_carts).load(self.row.key)
        return [AppliedVoucher(row=row, cart=self.row) for row in rows if row.is_live]

    @field("What vouchers pay of the total.")
    def by_vouchers(self) -> ShownMoney:
        return ShownMoney.of(self.row.money(self.row.by_vouchers_minor))

    @field("What is left to pay by card: the total less what vouchers pay.")
    def due(self) -> ShownMoney:
        return ShownMoney.of(self.row.due)

    @field("Whether a code can be entered here.")
    def voucher_entry(self, info: Info) -> VoucherEntry:
        entry = voucher_entry(info.context.gateways, self.row.gateway)
        return VoucherEntry(enabled=entry.enabled, reason=entry.reason)

    @field("Of each line, and of each voucher on the cart or assigned to its person: the rule that decides.")
    async def explain(self, info: Info) -> list[VoucherExplanation]:
        context = info.context
        async with context.reading() as connection:
            made = await explain(connection, context.principal, context.now, context.gateways, self.row)
        return [VoucherExplanation(made=one) for one in made]

    @field("The last attempt to complete it; null before the first.")
    async def checkout(self, info: Info) -> Annotated[Checkout, strawberry.lazy("schema.checkout")] | None:
        from schema.checkout import Checkout

        rows: list[CheckoutRow] = await info.context.loaders.rows(last_checkouts_of_carts).load(self.row.key)
        return Checkout(row=rows[0]) if rows else None

    @field("When it was opened.")
    def opened_at(self) -> dt.datetime:
        return self.row.opened_at


async def _parts(info: Info, key: CartKey) -> Sequence[AllocationRow]:
    rows: list[AllocationRow] = await info.context.loaders.rows(allocations_of_carts).load(key)
    return rows


async def cart_by_key(info: Info, key: CartKey) -> Cart | None:
    """The cart, for its person and for who runs the program; None for anybody else."""
    rows: list[CartRow] = await info.context.loaders.rows(carts_by_key).load(key)
    return Cart(row=rows[0]) if rows and sees_cart(info.context.principal, rows[0]) else None


def cart_key(given_id: str, *at: str) -> CartKey:
    return CartKey(*decode_id(given_id, "Cart", 2, *(at or ("cart",))))


@strawberry.type
class CartQuery:
    @field("A cart; null if there is none, or it is not yours to see.")
    async def cart(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Cart | None:
        return await cart_by_key(info, cart_key(id, "id"))

    @field("Your own carts that are open, the newest first; none unless you are an individual.")
    async def carts(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Cart]:
        person_id = info.context.principal.person_id or 0
        page = paging(("carts", person_id), first, after, last, before, int)
        reading = info.context.reading
        beyond = page.beyond[0] if page.beyond else None
        async with reading() as connection:
            rows = await open_carts(connection, person_id, CartPage(page.limit, page.backward, beyond))

        async def total() -> int:
            async with reading() as connection:
                return await open_carts_total(connection, person_id)

        return connection_of([(Cart(row=row), (row.id,)) for row in rows], page, total)
