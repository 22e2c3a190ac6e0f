"""Vouchers that are assigned to a person apply by themselves when they change their cart: what expires first, first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.carts import MOST_VOUCHERS, AppliedBy, CartVoucherEnd
from resolvers.carts.offering import assigned_vouchers
from resolvers.carts.sharing import Stock, with_credit
from resolvers.loaders.carts import AppliedRow, CartRow
from resolvers.programs.acting import ProgramAct


async def with_assigned(
    act: ProgramAct, cart: CartRow, known: Sequence[AppliedRow], wanted: Sequence[AppliedRow], stock: Stock
) -> tuple[Stock, list[AppliedRow]]:
    """What is wanted on the cart with as many of the person's own vouchers as there is room for, and the stock with
    them. Those that turn out to pay nothing are not applied; what the person took off stays off."""
    room = MOST_VOUCHERS - sum(1 for row in wanted if row.voucher_id)
    own = await assigned_vouchers(act, cart.person_id, cart.currency) if room > 0 else {}
    off_limits = taken_off(known) | {row.voucher_id for row in wanted}
    coming = [voucher for key, voucher in own.items() if key not in off_limits][:room]
    if not coming:
        return stock, list(wanted)
    more = replace(stock, vouchers={**stock.vouchers, **{voucher.voucher_id: voucher for voucher in coming}})
    rows = [new_row(act, cart, voucher.voucher_id, AppliedBy.ASSIGNMENT) for voucher in coming]
    return await with_credit(act, more), [*wanted, *rows]


def taken_off(known: Sequence[AppliedRow]) -> set[int | None]:
    """The vouchers whose last word on this cart is that their person removed them; in the order of applying."""
    last = {row.voucher_id: row for row in known if row.voucher_id}
    return {key for key, row in last.items() if row.end is CartVoucherEnd.REMOVED}


def new_row(
    act: ProgramAct,
    cart: CartRow,
    voucher_id: int | None,
    applied_by: AppliedBy,
    *,
    promotion_id: int | None = None,
    named_minor: int | None = None,
) -> AppliedRow:
    """About to be applied: it holds nothing yet."""
    return AppliedRow(
        place=-1,
        program_id=cart.program_id,
        id=act.keys.take(),
        cart_id=cart.id,
        voucher_id=voucher_id,
        promotion_id=promotion_id,
        billing_agreement_id=None,
        applied_by=applied_by,
        named_minor=named_minor,
        held_minor=0,
        held_until=act.now,
        applied_at=act.now,
        ended_at=None,
        end=None,
    )
