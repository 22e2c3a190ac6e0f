"""Checkouts: one attempt to complete a version of a cart, and what became of it."""

from __future__ import annotations

import datetime as dt

import strawberry

from models.checkouts import CheckoutState
from resolvers.loaders.carts import CartKey
from resolvers.loaders.checkouts import CheckoutRow, checkouts_by_key
from resolvers.loaders.fee_order_lists import fee_orders_of_checkouts
from resolvers.loaders.fee_orders import FeeOrderRow
from resolvers.loaders.payments import ShownPaymentRow, payments_of_checkouts
from resolvers.loaders.voucher_programs import InProgram
from schema.cart import Cart, cart_by_key
from schema.context import Info
from schema.fee_orders import FeeOrder
from schema.fields import field
from schema.ids import Node, decode_id, encode_id
from schema.money import ShownMoney
from schema.payments import Payment
from schema.scalars import described

described(CheckoutState, "Where a checkout stands.")


@strawberry.type(description="One attempt to complete a version of a cart, from a person's yes until it is decided.")
class Checkout(Node):
    row: strawberry.Private[CheckoutRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Checkout", *self.row.key))

    @field("Where it stands.")
    def state(self) -> CheckoutState:
        return self.row.state

    @field("The cart, as it is now.")
    async def cart(self, info: Info) -> Cart | None:
        return await cart_by_key(info, CartKey(self.row.program_id, self.row.cart_id))

    @field("The version of the cart that is paid.")
    def cart_version(self) -> int:
        return self.row.cart_version

    @field("Through which a card pays.")
    def gateway(self) -> str:
        return self.row.gateway

    @field("What all lines of the cart cost.")
    def total(self) -> ShownMoney:
        return self._money(self.row.total_minor)

    @field("What vouchers and a promotion pay of it.")
    def by_vouchers(self) -> ShownMoney:
        return self._money(self.row.by_vouchers_minor)

    @field("What is left for a card.")
    def due(self) -> ShownMoney:
        return self._money(self.row.by_card_minor)

    @field("What the gateway was asked to charge; none where nothing was left to pay.")
    async def charges(self, info: Info) -> list[Payment]:
        rows: list[ShownPaymentRow] = await info.context.loaders.rows(payments_of_checkouts).load(self.row.key)
        return [Payment(row=row) for row in rows]

    @field("The order that it made; null until it is completed.")
    async def order(self, info: Info) -> FeeOrder | None:
        rows: list[FeeOrderRow] = await info.context.loaders.rows(fee_orders_of_checkouts).load(self.row.key)
        return FeeOrder(row=rows[0]) if rows else None

    @field("When the person said yes.")
    def started_at(self) -> dt.datetime:
        return self.row.started_at

    @field("When it was decided; null before.")
    def ended_at(self) -> dt.datetime | None:
        return self.row.ended_at

    def _money(self, amount_minor: int) -> ShownMoney:
        return ShownMoney.of(self.row.money(amount_minor))


def checkout_key(given_id: str, *at: str) -> InProgram:
    return InProgram(*decode_id(given_id, "Checkout", 2, *(at or ("checkout",))))


async def checkout_by_key(info: Info, key: InProgram) -> Checkout | None:
    """The checkout, for its person and for who runs the program; None for anybody else."""
    rows: list[CheckoutRow] = await info.context.loaders.rows(checkouts_by_key).load(key)
    return Checkout(row=rows[0]) if rows and rows[0].is_seen_by(info.context.principal) else None
