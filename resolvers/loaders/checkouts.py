"""Reading checkouts, and the orders that they made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from models.batches import as_keys
from models.checkouts import Checkout, CheckoutState
from models.errors import NotFound
from models.money import Money
from resolvers.loaders.voucher_programs import InProgram, Reader, rows_by_key

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
        return Money(self.by_card_minor, self.currency)


async def checkouts_by_key(connection: Reader, keys: Sequence[InProgram]) -> list[CheckoutRow]:
    rows = await connection.execute(rows_by_key(CHECKOUT, CheckoutRow), as_keys(keys))
    return [CheckoutRow._make(row) for row in rows]


async def checkout_of(connection: Reader, program_id: int, checkout_id: int, *field: str) -> CheckoutRow:
    for row in await checkouts_by_key(connection, [InProgram(program_id, checkout_id)]):
        return row
    raise NotFound("checkout", *field)
