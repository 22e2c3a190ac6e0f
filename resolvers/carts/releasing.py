"""What carts hold is let go of: when its time is over, when a voucher is taken back, and when nobody wants the cart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.base import Instant
from models.carts import CartState, CartVoucherEnd
from models.errors import VoucherError, VoucherErrorCode
from models.program_events import ProgramDeed, ProgramThing
from resolvers.carts.finding import applied_to, lines_of, must_own_cart
from resolvers.carts.holding import Settling, settle
from resolvers.carts.sharing import Stock, stock_of
from resolvers.carts.versions import begin_release, of_cart
from resolvers.database import Reading, Writing
from resolvers.loaders.carts import APPLIED, CART, VOUCHER, AppliedRow, CartKey, CartRow
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, Told, begin_act, tell

ABANDONED_AFTER = dt.timedelta(days=1)
AT_ONCE = 500

LIVE: ColumnElement[bool] = APPLIED.c.ended_at.is_(None)
ON_CART: ColumnElement[bool] = and_(CART.c.program_id == APPLIED.c.program_id, CART.c.id == APPLIED.c.cart_id)


async def let_go_of(act: ProgramAct, voucher_ids: Collection[int]) -> None:
    """Takes the vouchers off every open cart, which is allocated anew without them: their owner is about to change
    them. Refused while a cart that has one of them is being paid."""
    for cart_id, state in await _carts_with(act, APPLIED.c.voucher_id.in_(sorted(voucher_ids))):
        if state is CartState.COMPLETING or not await _release(act, cart_id, lambda row: row.voucher_id in voucher_ids):
            raise VoucherError(VoucherErrorCode.IN_USE, VoucherErrorCode.IN_USE.value, "voucher")


async def release_overdue(act: ProgramAct, cart: CartRow, stock: Stock) -> bool:
    """Whether anything was freed of what this cart may hold, by ending holds of other carts whose time is over."""
    agreements = sorted({agreed.agreement_id for agreed in stock.agreed.values()})
    same = or_(
        APPLIED.c.voucher_id.in_(sorted(stock.vouchers)),
        APPLIED.c.promotion_id.in_(sorted(stock.promotions)),
        APPLIED.c.billing_agreement_id.in_(agreements),
    )
    overdue = and_(same, APPLIED.c.held_until <= act.now, APPLIED.c.cart_id != cart.id)
    others = [key for key, state in await _carts_with(act, overdue) if state is CartState.OPEN]
    for cart_id in others:
        await end_overdue_holds(act, cart_id)
    return bool(others)


async def is_overdue_elsewhere(act: ProgramAct, cart: CartRow, promotion_id: int) -> bool:
    """Whether another cart, which is open, holds a use of the promotion longer than it may."""
    asked = {"program": act.program_id, "promotion": promotion_id, "cart": cart.id, "now": act.now}
    return (await act.session.execute(_one_overdue(), asked)).first() is not None


@lru_cache
def _one_overdue() -> Select[Any]:
    own = and_(APPLIED.c.program_id == bindparam("program"), APPLIED.c.promotion_id == bindparam("promotion"))
    overdue = and_(own, LIVE, APPLIED.c.held_until <= bindparam("now", type_=Instant))
    others = and_(CART.c.state == CartState.OPEN, CART.c.id != bindparam("cart"))
    return select(CART.c.id).join(APPLIED, ON_CART).where(overdue, others).limit(1)


async def end_overdue_holds(act: ProgramAct, cart_id: int) -> bool:
    """Whether the cart was open, and held anything longer than it may, or that has expired."""
    return await _release(act, cart_id, lambda row: row.is_overdue(act.now))


async def end_useless_holds(act: ProgramAct, cart_id: int) -> bool:
    """Whether the cart was open, and held of anything that its person can use no more: it expired, or is not theirs."""
    cart = await must_own_cart(act, cart_id)
    stock = await stock_of(act, cart, [row for row in await applied_to(act, cart_id) if row.is_live])
    return await _release(act, cart_id, lambda row: not stock.is_usable(row))


async def _carts_with(act: ProgramAct, *conditions: ColumnElement[bool]) -> list[tuple[int, CartState]]:
    """Those that can be changed or are being paid, in the order of their ids."""
    alive = CART.c.state.in_([CartState.OPEN, CartState.COMPLETING])
    joined = select(CART.c.id, CART.c.state).join(APPLIED, ON_CART)
    of_them = joined.where(APPLIED.c.program_id == act.program_id, LIVE, alive, *conditions)
    return [(row.id, row.state) for row in await act.session.execute(of_them.distinct().order_by(CART.c.id))]


async def _release(act: ProgramAct, cart_id: int, goes: Callable[[AppliedRow], bool]) -> bool:
    """False if the cart is not open any more, or if nothing of it goes."""
    live = [row for row in await applied_to(act, cart_id) if row.is_live]
    going = {row: CartVoucherEnd.RELEASED for row in live if goes(row)}
    cart = await begin_release(act, cart_id) if going else None
    if cart is None:
        return False
    wanted = [row for row in live if row not in going]
    lines, stock = await lines_of(act, cart_id), await stock_of(act, cart, live)
    await settle(act, Settling(cart=cart, lines=lines, wanted=wanted, stock=stock, going=going))
    await tell(act, told(cart, ProgramDeed.HOLD_ENDED))
    return True


def told(cart: CartRow, deed: ProgramDeed, said: str | None = None) -> Told:
    return Told(thing=ProgramThing.CART, thing_id=cart.id, deed=deed, said=said, after=f"version {cart.version}")


# -------------------------------------------------------------------------------------------- giving up a cart


async def release_all(act: ProgramAct, cart: CartRow) -> CartRow:
    """Nothing is held any more of a cart whose version is this one."""
    live = [row for row in await applied_to(act, cart.id) if row.is_live]
    going = dict.fromkeys(live, CartVoucherEnd.RELEASED)
    stock = await stock_of(act, cart, live)
    lines = await lines_of(act, cart.id)
    return await settle(act, Settling(cart=cart, lines=lines, wanted=(), stock=stock, going=going))


async def give_up(act: ProgramAct, cart: CartRow) -> None:
    """An open cart, whose version is this one."""
    await release_all(act, cart)
    given_up = update(CART).where(of_cart(act, cart.id), CART.c.state == CartState.OPEN)
    await act.session.execute(given_up.values(state=CartState.ABANDONED))
    await tell(act, told(cart, ProgramDeed.ABANDONED))


# -------------------------------------------------------------------------------------------------- the worker


async def keep_carts(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    """Ends holds whose time is over, and gives up carts that nobody touched for a day; how many carts that were.

    A transaction for each cart: any number of workers may ask at once, and each cart is changed once. What is more
    than so many waits for the next time.
    """
    async with reading() as connection:
        overdue, forsaken = await _overdue(connection, now), await _forsaken(connection, now)
    changed = [await run(partial(_end_holds, principal=principal, now=now, key=key)) for key in overdue]
    changed += [await run(partial(_give_up, principal=principal, now=now, key=key)) for key in forsaken]
    return sum(changed)


async def _overdue(connection: AsyncConnection, now: dt.datetime) -> Sequence[CartKey]:
    voucher = and_(VOUCHER.c.program_id == APPLIED.c.program_id, VOUCHER.c.id == APPLIED.c.voucher_id)
    joined = select(CART.c.program_id, CART.c.id).join(APPLIED, ON_CART).outerjoin(VOUCHER, voucher)
    over = or_(APPLIED.c.held_until <= now, VOUCHER.c.expires_at <= now)
    due = joined.where(LIVE, CART.c.state == CartState.OPEN, over).distinct().limit(AT_ONCE)
    return [CartKey(*row) for row in await connection.execute(due)]


async def _forsaken(connection: AsyncConnection, now: dt.datetime) -> Sequence[CartKey]:
    untouched = and_(CART.c.state == CartState.OPEN, CART.c.changed_at <= now - ABANDONED_AFTER)
    carts = select(CART.c.program_id, CART.c.id).where(untouched).order_by(CART.c.changed_at).limit(AT_ONCE)
    return [CartKey(*row) for row in await connection.execute(carts)]


async def _end_holds(session: AsyncSession, principal: Principal, now: dt.datetime, key: CartKey) -> bool:
    act = await begin_act(session, principal, now, key.program_id)
    return await end_overdue_holds(act, key.cart_id)


async def _give_up(session: AsyncSession, principal: Principal, now: dt.datetime, key: CartKey) -> bool:
    act = await begin_act(session, principal, now, key.program_id)
    # Its person may have come back since it was found.
    cart = await begin_release(act, key.cart_id, CART.c.changed_at <= now - ABANDONED_AFTER)
    if cart is not None:
        await give_up(act, cart)
    return cart is not None
