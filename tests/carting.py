"""What tests of carts share: people with accounts, vouchers that are theirs, tills, and carts, on top of a shop."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import insert, select, update

from models.access import Role
from models.keys import reference_key
from models.learners import Learner, Person
from models.money import Money
from models.payments import Capabilities
from resolvers.carts.applying import Applying, apply
from resolvers.carts.lines import LineWanted, set_lines
from resolvers.carts.opening import NewCart, abandon, open_cart
from resolvers.carts.releasing import keep_carts
from resolvers.carts.removing import remove
from resolvers.gateways.gateway import Gateway, Gateways
from resolvers.loaders.carts import ALLOCATION, AppliedRow, CartKey, CartRow, applied_of_carts, carts_by_key
from resolvers.loaders.learners import LearnerKey
from resolvers.principal import Principal
from resolvers.vouchers.assigning import Assigning, assign
from tests.builders import NOON, STAFF
from tests.code_keys import CODE_KEYS
from tests.vouchering import Shop, Stocked


@dataclass(frozen=True)
class Declared:
    """A gateway of which nothing is asked but what it can do."""

    capabilities: Capabilities


def declared(name: str, *, takes_vouchers: bool) -> Gateway:
    can = Capabilities(name=name, takes_vouchers=takes_vouchers, hosted_page=False, refunds=True, partial_refunds=True)
    return cast(Gateway, Declared(can))


GATEWAYS: Gateways = {
    "cards": declared("cards", takes_vouchers=True),
    "moolah": declared("moolah", takes_vouchers=False),
}


@dataclass
class Buyer:
    """A person with an account, who is a learner of the organization that buys the vouchers."""

    market: Shop
    person_id: int
    learner: LearnerKey

    @property
    def principal(self) -> Principal:
        return Principal(name="Ida", role=Role.INDIVIDUAL, person_id=self.person_id)

    async def act(self, step: Any, at: dt.datetime | None = None) -> Any:
        return await self.market.act(step, by=self.principal, at=at)

    async def opens(
        self, *product_ids: int, gateway: str = "cards", gateways: Gateways = GATEWAYS, **how: Any
    ) -> CartRow:
        """A cart with one of each product; with the application fee if none is named."""
        lines = [LineWanted(product_id) for product_id in product_ids or (self.market.fee_id,)]
        made: CartRow = await self.act(lambda act: open_cart(act, gateways, NewCart(lines, gateway)), **how)
        return made

    async def applies(
        self, cart: CartRow, voucher: str | int, minor: int | None = None, *, gateways: Gateways = GATEWAYS, **how: Any
    ) -> CartRow:
        by: dict[str, Any] = {"code": voucher} if isinstance(voucher, str) else {"voucher_id": voucher}
        amount = None if minor is None else Money(minor, "USD")
        asked = Applying(cart_id=cart.id, expected_version=cart.version, amount=amount, **by)
        changed: CartRow = await self.act(lambda act: apply(act, CODE_KEYS, gateways, asked), **how)
        return changed

    async def removes(self, cart: CartRow, voucher_id: int, **how: Any) -> CartRow:
        (applied,) = [row for row in await on(self.market, cart) if row.voucher_id == voucher_id]
        changed: CartRow = await self.act(lambda act: remove(act, GATEWAYS, cart.id, cart.version, applied.id), **how)
        return changed

    async def sets(self, cart: CartRow, quantities: Mapping[int, int], **how: Any) -> CartRow:
        lines = [LineWanted(product_id, quantity) for product_id, quantity in quantities.items()]
        changed: CartRow = await self.act(lambda act: set_lines(act, GATEWAYS, cart.id, cart.version, lines), **how)
        return changed

    async def abandons(self, cart: CartRow, **how: Any) -> None:
        await self.act(lambda act: abandon(act, cart.id, cart.version), **how)

    async def is_given(self, voucher: Stocked) -> Stocked:
        asked = Assigning(learner=self.learner, voucher_id=voucher.id)
        await self.market.act(lambda act: assign(act, asked))
        return voucher


async def buyer(market: Shop) -> Buyer:
    person_id = reference_key(NOON)
    learner = LearnerKey(market.tenant.id, await market.tenant.learner("2017-08-01.."))

    async def step(session: Any) -> None:
        await session.execute(insert(Person).values(id=person_id))
        await session.execute(update(Learner).where(Learner.id == learner.learner_id).values(person_id=person_id))

    await market.database.run(step)
    return Buyer(market, person_id, learner)


async def seen(market: Shop, cart: CartRow) -> CartRow:
    """The cart as it is now."""
    async with market.database.reading() as connection:
        (found,) = await carts_by_key(connection, [CartKey(market.program_id, cart.id)])
        return found


async def on(market: Shop, cart: CartRow) -> list[AppliedRow]:
    """What is on the cart now."""
    async with market.database.reading() as connection:
        rows = await applied_of_carts(connection, [CartKey(market.program_id, cart.id)])
        return [row for row in rows if row.is_live]


async def paid_lines(market: Shop, cart: CartRow) -> dict[int, int]:
    """How much of each line is paid by what is on the cart."""
    ids = [row.id for row in await on(market, cart)]
    async with market.database.reading() as connection:
        rows = await connection.execute(select(ALLOCATION).where(ALLOCATION.c.cart_voucher_id.in_(ids)))
        paid: dict[int, int] = {}
        for row in rows:
            paid[row.line_number] = paid.get(row.line_number, 0) + row.amount_minor
        return paid


async def carts_kept(market: Shop, at: dt.datetime) -> int:
    return await keep_carts(market.database.reading, market.database.run, STAFF, at)
