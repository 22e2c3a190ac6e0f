"""What tests of checkouts share: a counter with a buyer and a gateway that answers as it is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from models.ledger import LedgerAccount, LedgerEntry
from models.money import Money
from resolvers.checkout.completing import Completed, complete_cart
from resolvers.checkout.freezing import Completing
from resolvers.fee_refunds.refunding import LineBack, Refunding, refund_once
from resolvers.loaders.carts import CartRow
from resolvers.loaders.checkouts import CheckoutRow, checkout_of
from resolvers.payments.reconciling import reconcile
from server.database import Database
from tests.builders import STAFF
from tests.carting import Buyer, buyer
from tests.code_keys import CODE_KEYS
from tests.tellers import Teller
from tests.vouchering import Shop, shop

USD = "USD"
CARD = "pm_card"


@dataclass
class Counter:
    """A shop, somebody who buys there, and the gateway that charges their card."""

    market: Shop
    buyer: Buyer
    teller: Teller = field(default_factory=Teller)
    # Other gateways of the server, by name.
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def gateways(self) -> Mapping[str, Any]:
        return {"cards": self.teller, **self.others}

    async def opens(self, *products: int) -> CartRow:
        return await self.buyer.opens(*products, gateways=self.gateways)

    async def applies(self, cart: CartRow, code: str) -> CartRow:
        return await self.buyer.applies(cart, code, gateways=self.gateways)

    async def completes(
        self,
        cart: CartRow,
        due_minor: int | None = None,
        *,
        key: str = "k",
        now: dt.datetime | None = None,
        method: str = CARD,
    ) -> CheckoutRow:
        """What became of it."""
        due = cart.total_minor - cart.by_vouchers_minor if due_minor is None else due_minor
        asked = Completing(cart.id, cart.version, Money(due, USD), method)
        made: Completed = await complete_cart(
            self.market.database.run,
            self.gateways,
            self.buyer.principal,
            now or self.market.now,
            self.market.program_id,
            key,
            asked,
        )
        return await self.checkout(made.checkout_id)

    async def checkout(self, checkout_id: int) -> CheckoutRow:
        async with self.market.database.reading() as connection:
            return await checkout_of(connection, self.market.program_id, checkout_id)

    async def reconciles(self, now: dt.datetime) -> None:
        database = self.market.database
        await reconcile(database.reading, database.run, self.gateways, CODE_KEYS, STAFF, now)

    async def gives_back(
        self, order_id: int, *lines: tuple[int, int], key: str = "r", at: dt.datetime | None = None
    ) -> int:
        """So much of each line; all that is left if none is named."""
        back = tuple(LineBack(number, Money(minor, USD)) for number, minor in lines)
        asked = Refunding(order_id, "not wanted", back)
        made: int = await self.market.act(lambda act: refund_once(act, CODE_KEYS, key, asked), by=STAFF, at=at)
        return made

    async def rows(self, table: Any) -> list[Any]:
        async with self.market.database.reading() as connection:
            return list((await connection.execute(select(table))).all())

    async def balances(self) -> dict[LedgerAccount, int]:
        """Debits less credits of each account that moved at a checkout."""
        sums: dict[LedgerAccount, int] = {}
        for entry in await self.rows(LedgerEntry.__table__):
            if entry.fee_order_id is not None:
                sums[entry.debit] = sums.get(entry.debit, 0) + entry.amount_minor
                sums[entry.credit] = sums.get(entry.credit, 0) - entry.amount_minor
        return sums


async def counter(database: Database, **how: Any) -> Counter:
    market = await shop(database, **how)
    return Counter(market, await buyer(market))
