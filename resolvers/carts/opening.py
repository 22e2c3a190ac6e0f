"""Opening a cart, and giving it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert

from models.access import Role
from models.carts import CartState
from models.errors import NotAllowed
from models.program_events import ProgramDeed
from resolvers.carts.changing import load, resettle
from resolvers.carts.finding import must_find_cart
from resolvers.carts.lines import LineWanted, sold, write_lines
from resolvers.carts.releasing import give_up, told
from resolvers.carts.versions import begin_change
from resolvers.carts.voucher_entry import gateway_of
from resolvers.gateways.gateway import Gateways
from resolvers.loaders.carts import CART, CartRow
from resolvers.programs.acting import ProgramAct, once_in_program, tell


@dataclass(frozen=True, slots=True)
class NewCart:
    lines: Sequence[LineWanted]
    # None: the server's first.
    gateway: str | None = None


async def open_once(act: ProgramAct, gateways: Gateways, key: str, new: NewCart) -> int:
    """A second cart for the same request would hold the person's vouchers away from the first."""
    _person(act)
    return await once_in_program(act, key, "cartCreate", new, lambda: _opened(act, gateways, new))


async def _opened(act: ProgramAct, gateways: Gateways, new: NewCart) -> int:
    return (await open_cart(act, gateways, new)).id


async def open_cart(act: ProgramAct, gateways: Gateways, new: NewCart) -> CartRow:
    """Of products of one currency, with what is assigned to the person applied."""
    person_id, gateway = _person(act), gateway_of(gateways, new.gateway)
    products = await sold(act, new.lines, None)
    row = {
        "program_id": act.program_id,
        "id": act.keys.take(),
        "person_id": person_id,
        "currency": products[new.lines[0].product_id].currency,
        "gateway": gateway,
        "version": 1,
        "state": CartState.OPEN,
        "total_minor": 0,
        "by_vouchers_minor": 0,
        "opened_at": act.now,
        "changed_at": act.now,
    }
    await act.session.execute(insert(CART), row)
    cart = await must_find_cart(act, int(str(row["id"])))
    await write_lines(act, cart.id, new.lines, products)
    settled = await resettle(act, gateways, await load(act, gateways, cart))
    await tell(act, told(cart, ProgramDeed.CART_OPENED))
    return settled


async def abandon(act: ProgramAct, cart_id: int, expected_version: int) -> None:
    """Nothing is held for it any more."""
    await give_up(act, await begin_change(act, cart_id, expected_version))


def _person(act: ProgramAct) -> int:
    if act.principal.role is not Role.INDIVIDUAL or act.principal.person_id is None:
        raise NotAllowed("Only a person who pays for themselves opens a cart.")
    return act.principal.person_id
