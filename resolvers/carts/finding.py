"""Finding a cart, for whom it belongs to: a foreign cart is not found."""

from __future__ import annotations

from models.errors import NotAllowed, NotFound
from resolvers.loaders.carts import (
    AllocationRow,
    AppliedRow,
    CartKey,
    CartLineRow,
    CartRow,
    allocations_of_carts,
    applied_of_carts,
    carts_by_key,
    lines_of_carts,
)
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct


def sees_cart(principal: Principal, cart: CartRow) -> bool:
    """Its person; the program's people and staff may look too."""
    return principal.runs(cart.program_id) or is_own(principal, cart)


def is_own(principal: Principal, cart: CartRow) -> bool:
    return principal.person_id is not None and principal.person_id == cart.person_id


async def must_find_cart(act: ProgramAct, cart_id: int) -> CartRow:
    for cart in await carts_by_key(act.session, [CartKey(act.program_id, cart_id)]):
        return cart
    raise NotFound("cart", "cart")


async def must_own_cart(act: ProgramAct, cart_id: int) -> CartRow:
    """The cart, for the person who fills it. Whoever else may see it does not change it."""
    cart = await must_find_cart(act, cart_id)
    if not sees_cart(act.principal, cart):
        raise NotFound("cart", "cart")
    if not is_own(act.principal, cart):
        raise NotAllowed("Only the person whose cart it is may change it.", "cart")
    return cart


async def lines_of(act: ProgramAct, cart_id: int) -> list[CartLineRow]:
    return await lines_of_carts(act.session, [CartKey(act.program_id, cart_id)])


async def applied_to(act: ProgramAct, cart_id: int) -> list[AppliedRow]:
    """Also what is on it no more, in the order of applying."""
    return await applied_of_carts(act.session, [CartKey(act.program_id, cart_id)])


async def allocations_of(act: ProgramAct, cart_id: int) -> list[AllocationRow]:
    return await allocations_of_carts(act.session, [CartKey(act.program_id, cart_id)])
