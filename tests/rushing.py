"""What tests and benchmarks of a rush share: a crowd with open carts, and one promotion that pays for all of a cart."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

from sqlalchemy import insert

from models.access import Role
from models.errors import VoucherError
from models.keys import Keys
from models.learners import Person
from models.money import Money
from resolvers.carts.applying import Applying, apply
from resolvers.carts.lines import LineWanted
from resolvers.carts.opening import NewCart, open_cart
from resolvers.checkout.completing import complete_cart
from resolvers.checkout.freezing import Completing
from resolvers.loaders.carts import CartRow
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct
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
    new = NewCart([LineWanted(market.fee_id)])

    async def opened(act: ProgramAct) -> list[CartRow]:
        acts = (ProgramAct(act.session, act.program_id, _buyer(one), act.now, act.keys) for one in person_ids)
        return [await open_cart(own, GATEWAYS, new) for own in acts]

    carts: list[CartRow] = await market.act(opened, at=now)
    return Rush(market, promotion, (await promotion.row()).code, uses, carts, now)


async def _people(market: Shop, many: int, now: dt.datetime) -> list[int]:
    first = Keys.scattered(now).take(many)
    people = [{"id": first + place} for place in range(many)]
    await market.database.run(lambda session: session.execute(insert(Person.__table__), people))
    return [one["id"] for one in people]
