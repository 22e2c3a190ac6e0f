"""Why each voucher pays for each line of a cart, or does not: in rules, and in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.cart_rules import LETS_IN, CartRule, Payable, Payer, rule_of
from models.carts import CartVoucherEnd
from models.keys import Keys
from models.money import Money
from resolvers.carts.finding import allocations_of, applied_to, lines_of
from resolvers.carts.offering import OfferedVoucher, assigned_vouchers
from resolvers.carts.sharing import Stock, stock_of
from resolvers.carts.voucher_entry import voucher_entry
from resolvers.gateways.gateway import Gateways
from resolvers.loaders.carts import AppliedRow, CartLineRow, CartRow
from resolvers.loaders.promotions import PromotionRow
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct


@dataclass(frozen=True, slots=True)
class Explanation:
    line_number: int
    voucher_id: int | None
    promotion_id: int | None
    # By which the person knows it: the end of a voucher's code, or a promotion's code.
    name: str
    rule: CartRule
    paid: Money
    # In words.
    said: str

    @property
    def lets_in(self) -> bool:
        return self.rule in LETS_IN


async def explain(
    connection: AsyncConnection, principal: Principal, now: dt.datetime, gateways: Gateways, cart: CartRow
) -> list[Explanation]:
    """Of each line, and of each voucher that is or was on the cart, or is assigned to its person. Only looks."""
    act = ProgramAct(AsyncSession(bind=connection), cart.program_id, principal, now, Keys.scattered(now))
    lines, known = await lines_of(act, cart.id), await applied_to(act, cart.id)
    last = {(row.voucher_id, row.promotion_id): row for row in known}
    stock = await stock_of(act, cart, list(last.values()))
    own = await assigned_vouchers(act, cart.person_id, cart.currency)
    paid = {(part.cart_voucher_id, part.line_number): part.amount_minor for part in await allocations_of(act, cart.id)}
    takes = voucher_entry(gateways, cart.gateway).enabled
    made = []
    for row in last.values():
        payer, name = _payer(stock, row)
        made += [
            _explained(stock, cart, row, payer, name, line, paid.get((row.id, line.number), 0), takes) for line in lines
        ]
    on_it = {row.voucher_id for row in last.values()}
    for voucher in (voucher for key, voucher in own.items() if key not in on_it):
        made += [_not_needed(stock, cart, voucher, line, takes) for line in lines]
    return made


def payer_of(stock: Stock, row: AppliedRow, voucher: OfferedVoucher) -> Payer:
    agreement = stock.agreed.get(voucher.organization_id)
    room = bool(agreement and agreement.room_minor) or bool(row.held_minor)
    return Payer(
        rule=voucher.rule,
        currency=voucher.currency,
        expires_at=voucher.expires_at,
        is_usable=stock.voucher_of(row) is not None,
        free_minor=voucher.free_minor(row.held_minor),
        held_minor=row.held_minor,
        named_minor=row.named_minor,
        has_credit=room or not voucher.billed_later,
        was_removed=row.end is CartVoucherEnd.REMOVED,
        hold_ended=row.end is CartVoucherEnd.RELEASED,
    )


def said_of(stock: Stock, lines: Sequence[CartLineRow], row: AppliedRow, voucher: OfferedVoucher) -> str:
    """Why it pays none of the lines, each reason once."""
    payer = payer_of(stock, row, voucher)
    rules = {line.name: rule_of(payer, Payable(line.product_id, stock.currency, 0), stock.now) for line in lines}
    return f"This voucher pays nothing here. {'; '.join(f'{name}: {rule.value}' for name, rule in rules.items())}."


def _payer(stock: Stock, row: AppliedRow) -> tuple[Payer, str]:
    voucher = stock.vouchers.get(row.voucher_id or 0)
    if voucher is not None:
        return payer_of(stock, row, voucher), voucher.last_four
    promotion = stock.promotions.get(row.promotion_id or 0)
    if promotion is not None:
        return _of_promotion(stock, row, promotion), promotion.code
    raise LookupError(row.id)


def _of_promotion(stock: Stock, row: AppliedRow, promotion: PromotionRow) -> Payer:
    return Payer(
        rule=promotion.rule,
        currency=promotion.currency,
        expires_at=promotion.usable_until,
        is_usable=stock.promotion_of(row) is not None,
        free_minor=promotion.free_minor + row.held_minor,
        held_minor=row.held_minor,
        was_removed=row.end is CartVoucherEnd.REMOVED,
        hold_ended=row.end is CartVoucherEnd.RELEASED,
    )


def _explained(
    stock: Stock,
    cart: CartRow,
    row: AppliedRow,
    payer: Payer,
    name: str,
    line: CartLineRow,
    paid_minor: int,
    takes: bool,
) -> Explanation:
    rule = rule_of(payer, Payable(line.product_id, cart.currency, paid_minor), stock.now) if takes else CartRule.GATEWAY
    paid = cart.money(paid_minor)
    return Explanation(line.number, row.voucher_id, row.promotion_id, name, rule, paid, _said(line, rule, paid))


def _not_needed(stock: Stock, cart: CartRow, voucher: OfferedVoucher, line: CartLineRow, takes: bool) -> Explanation:
    """Assigned to the person, and not applied by itself."""
    payer = Payer(
        rule=voucher.rule,
        currency=voucher.currency,
        expires_at=voucher.expires_at,
        is_usable=True,
        free_minor=voucher.free_minor(0),
        held_minor=0,
    )
    rule = rule_of(payer, Payable(line.product_id, cart.currency, 0), stock.now) if takes else CartRule.GATEWAY
    said = _said(line, rule, cart.money(0))
    return Explanation(line.number, voucher.voucher_id, None, voucher.last_four, rule, cart.money(0), said)


def _said(line: CartLineRow, rule: CartRule, paid: Money) -> str:
    if rule in LETS_IN:
        return f"{line.name}: it pays {paid}, as {rule.value}."
    return f"{line.name}: it pays nothing, as {rule.value}."
