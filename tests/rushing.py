"""What tests and benchmarks of a rush share: a crowd with open carts, and one promotion that pays for all of a cart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models.access import Role
from models.carts import CartState
from models.errors import VoucherError
from models.keys import Keys
from models.learners import Person
from models.money import Money
from resolvers.carts.applying import Applying, apply
from resolvers.checkout.completing import complete_cart
from resolvers.checkout.freezing import Completing
from resolvers.loaders.carts import CART, LINE, CartRow
from resolvers.principal import Principal
from tests.carting import GATEWAYS
from tests.code_keys import CODE_KEYS
from tests.promoting import Promoted, promoted
from tests.vouchering import FEE_MINOR, Shop

_crowds = count(1)


@dataclass
class Rush:
    """People with a cart each, and the promotion that so many of them may use."""

    DONE: ClassVar[str] = "DONE"

    market: Shop
    promotion: Promoted
    code: str
    uses: int
    carts: list[CartRow]
    began_at: dt.datetime

    def moment(self, place: int) -> dt.datetime:
        """Nobody comes in the same millisecond, in which keys would meet."""
        return self.began_at + dt.timedelta(milliseconds=place)

    async def visit(self, place: int) -> str:
        """Enters the code and completes; what it was told if it was refused."""
        try:
            cart = await self._applied(self.carts[place], self.moment(place))
        except VoucherError as refused:
            return refused.code.name
        asked = Completing(cart.id, cart.version, Money(0, "USD"))
        run, now = self.market.database.run, self.moment(place)
        await complete_cart(run, GATEWAYS, _buyer(cart.person_id), now, self.market.program_id, "k", asked)
        return self.DONE

    async def _applied(self, cart: CartRow, now: dt.datetime) -> CartRow:
        asked = Applying(cart_id=cart.id, expected_version=cart.version, code=self.code)
        changed: CartRow = await self.market.act(
            lambda act: apply(act, CODE_KEYS, GATEWAYS, asked), by=_buyer(cart.person_id), at=now
        )
        return changed


def _buyer(person_id: int) -> Principal:
    return Principal(name="Ida", role=Role.INDIVIDUAL, person_id=person_id)


async def crowd(market: Shop, people: int, uses: int) -> Rush:
    """Each opens a cart of one fee, which the promotion pays wholly."""
    off = Money(FEE_MINOR, "USD")
    terms: dict[str, Any] = {"percent_off": None, "amount_off": off, "most_uses": uses, "excluded": []}
    promotion = await promoted(market, budget=off * (2 * uses), **terms)
    now = market.now + dt.timedelta(seconds=10 * next(_crowds))
    person_ids = await _people(market, people, now)
    carts = _carts(market, person_ids, now)
    await market.database.run(lambda session: _opened(session, market, carts))
    return Rush(market, promotion, (await promotion.row()).code, uses, carts, now)


def _carts(market: Shop, person_ids: Sequence[int], now: dt.datetime) -> list[CartRow]:
    """Such as they have opened before."""
    first, gateway = Keys.scattered(now).take(len(person_ids)), next(iter(GATEWAYS))
    own = (market.program_id, "USD", gateway, 1, CartState.OPEN, FEE_MINOR, 0, now, now)
    return [CartRow(0, own[0], first + place, person_id, *own[1:]) for place, person_id in enumerate(person_ids)]


async def _opened(session: AsyncSession, market: Shop, carts: Sequence[CartRow]) -> None:
    of_cart = {"program_id": market.program_id, "number": 1, "product_id": market.fee_id}
    lines = [of_cart | {"cart_id": cart.id, "quantity": 1, "unit_price_minor": FEE_MINOR} for cart in carts]
    rows = [{name: value for name, value in cart._asdict().items() if name != "place"} for cart in carts]
    await session.execute(insert(CART), rows)
    await session.execute(insert(LINE), lines)


async def _people(market: Shop, many: int, now: dt.datetime) -> list[int]:
    first = Keys.scattered(now).take(many)
    people = [{"id": first + place} for place in range(many)]
    await market.database.run(lambda session: session.execute(insert(Person.__table__), people))
    return [one["id"] for one in people]
