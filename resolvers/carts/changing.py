"""What each change of a cart by its person ends with: assigned vouchers apply, all is allocated anew, holds renewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import update

from models.carts import CartVoucherEnd
from resolvers.carts.assigned import with_assigned
from resolvers.carts.finding import applied_to, lines_of
from resolvers.carts.holding import Settling, hold_until, settle
from resolvers.carts.releasing import release_overdue
from resolvers.carts.sharing import Stock, stock_of
from resolvers.carts.voucher_entry import voucher_entry
from resolvers.gateways.gateway import Gateways
from resolvers.loaders.carts import LINE, AppliedRow, CartLineRow, CartRow
from resolvers.loaders.promotions import PromotionRow
from resolvers.programs.acting import ProgramAct


@dataclass(frozen=True, slots=True)
class OnCart:
    """A cart with what is on it, and what may pay there."""

    cart: CartRow
    lines: Sequence[CartLineRow]
    # Also what is there no more, in the order of applying.
    known: Sequence[AppliedRow]
    stock: Stock
    wanted: Sequence[AppliedRow] = field(default_factory=list)


async def load(act: ProgramAct, gateways: Gateways, cart: CartRow, *coming: AppliedRow) -> OnCart:
    """What can be held of the vouchers, with what others hold beyond their time."""
    lines, known = await repriced(act, cart), await applied_to(act, cart.id)
    wanted = [row for row in known if row.is_live] + list(coming)
    if not voucher_entry(gateways, cart.gateway).enabled:
        return OnCart(cart, lines, known, Stock(cart.currency, act.now), wanted)
    stock = await stock_of(act, cart, wanted)
    if is_held_elsewhere(stock, wanted, total_of(lines)) and await release_overdue(act, cart, stock):
        stock = await stock_of(act, cart, wanted)
    return OnCart(cart, lines, known, stock, wanted)


async def resettle(
    act: ProgramAct, gateways: Gateways, on: OnCart, going: Mapping[AppliedRow, CartVoucherEnd] | None = None
) -> CartRow:
    """The cart after a change of its person: `going` is taken off it, and what is theirs comes by itself."""
    leaving = dict(going or {})
    known = [row._replace(end=leaving[row]) if row in leaving else row for row in on.known]
    wanted: list[AppliedRow] = [row for row in on.wanted if row not in leaving]
    stock = on.stock
    if voucher_entry(gateways, on.cart.gateway).enabled:
        stock, wanted = await with_assigned(act, on.cart, known, wanted, stock)
        new = _not_yet_in(on.stock, stock)
        if is_held_elsewhere(new, wanted, total_of(on.lines)) and await release_overdue(act, on.cart, new):
            stock = await stock_of(act, on.cart, [*on.wanted, *wanted])
    until = await hold_until(act)
    asked = Settling(cart=on.cart, lines=on.lines, wanted=wanted, stock=stock, going=leaving, until=until)
    return await settle(act, asked)


def _not_yet_in(before: Stock, now: Stock) -> Stock:
    """What has come with vouchers that applied by themselves."""
    vouchers = {key: voucher for key, voucher in now.vouchers.items() if key not in before.vouchers}
    agreed = {key: agreed for key, agreed in now.agreed.items() if key not in before.agreed}
    return replace(now, vouchers=vouchers, promotions={}, agreed=agreed)


def is_held_elsewhere(stock: Stock, wanted: Sequence[AppliedRow], total_minor: int) -> bool:
    """Whether another cart may hold something that is missing here."""
    own = {row.voucher_id: row.held_minor for row in wanted}
    held = any(voucher.held_minor > own.get(key, 0) for key, voucher in stock.vouchers.items())
    return held or bool(stock.agreed) or any(_is_short(one, total_minor) for one in stock.promotions.values())


def _is_short(promotion: PromotionRow, total_minor: int) -> bool:
    """Others hold its last uses, or so much of its budget that the cart may take less; or its person holds it on
    another cart, up to their own limit."""
    if promotion.most_uses_a_person is not None:
        return True
    most = promotion.most_uses
    no_use_left = most is not None and promotion.uses + promotion.held_uses >= most
    return promotion.held_uses > 0 and (no_use_left or promotion.free_minor < total_minor)


def total_of(lines: Sequence[CartLineRow]) -> int:
    return sum(line.amount_minor for line in lines)


async def repriced(act: ProgramAct, cart: CartRow) -> list[CartLineRow]:
    """The lines at today's prices: whoever changes a cart sees them before they pay."""
    lines = await lines_of(act, cart.id)
    for line in lines:
        if line.price_minor != line.unit_price_minor and line.retired_at is None:
            own = (LINE.c.program_id == act.program_id) & (LINE.c.cart_id == cart.id) & (LINE.c.number == line.number)
            await act.session.execute(update(LINE).where(own).values(unit_price_minor=line.price_minor))
    return [line._replace(unit_price_minor=line.price_minor) if line.retired_at is None else line for line in lines]
