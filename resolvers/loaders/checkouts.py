"""Reading checkouts, and the orders that they made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, select

from models.batches import as_keys, asked
from models.checkouts import Checkout, CheckoutState
from models.errors import NotFound
from models.money import Money
from resolvers.loaders.carts import CartKey
from resolvers.loaders.voucher_programs import InProgram, Reader, columns_of, rows_by_key
from resolvers.principal import Principal

CHECKOUT = Checkout.__table__


class CheckoutRow(NamedTuple):
    place: int
    program_id: int
    id: int
    cart_id: int
    cart_version: int
    person_id: int
    gateway: str
    total_minor: int
    by_vouchers_minor: int
    by_card_minor: int
    currency: str
    state: CheckoutState
    started_at: dt.datetime
    ended_at: dt.datetime | None

    @property
    def due(self) -> Money:
        """What a card is to pay."""
        return self.money(self.by_card_minor)

    @property
    def key(self) -> InProgram:
        return InProgram(self.program_id, self.id)

    def money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.currency)

    def is_seen_by(self, principal: Principal) -> bool:
        """The person whose it is, and who runs the program."""
        return principal.person_id == self.person_id or principal.runs(self.program_id)


async def checkouts_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[CheckoutRow]:
    rows = await rows_by_key(CHECKOUT, CheckoutRow).rows(connection, as_keys(keys))
    return [CheckoutRow._make(row) for row in rows]


async def last_checkouts_of_carts(connection: Reader, keys: Sequence[CartKey]) -> list[CheckoutRow]:
    """The last attempt to complete each cart."""
    return [CheckoutRow._make(row) for row in await connection.execute(_last_of_carts(), as_keys(keys))]


@lru_cache
def _last_of_carts() -> Select[Any]:
    keys, of_cart = asked("keys", "place", *CartKey._fields), CHECKOUT.alias("of_cart")
    own = and_(of_cart.c.program_id == keys.c.program_id, of_cart.c.cart_id == keys.c.cart_id)
    latest = select(of_cart.c.id).where(own).order_by(of_cart.c.started_at.desc(), of_cart.c.id.desc()).limit(1)
    last = latest.correlate(keys).scalar_subquery()
    same = and_(CHECKOUT.c.program_id == keys.c.program_id, CHECKOUT.c.id == last)
    return select(keys.c.place, *columns_of(CHECKOUT, CheckoutRow)).select_from(keys).join(CHECKOUT, same)


async def checkout_of(connection: Reader, program_id: int, checkout_id: int, *field: str) -> CheckoutRow:
    for row in await checkouts_by_key(connection, [InProgram(program_id, checkout_id)]):
        return row
    raise NotFound("checkout", *field)
