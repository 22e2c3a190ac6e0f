"""Charging a card for an order of vouchers, the first time and, after it was declined, another."""

from __future__ import annotations

import datetime as dt

from models.program_events import ProgramDeed, ProgramThing
from models.voucher_orders import VoucherOrderState
from models.voucher_programs import VoucherFunding
from resolvers.database import Writing
from resolvers.gateways.gateway import Answer, Gateway
from resolvers.payments.charging import Means, charge
from resolvers.payments.rows import PaysFor, Subject
from resolvers.payments.starting import start_payment
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.voucher_orders.budgets import cannot_be_funded
from resolvers.voucher_orders.finding import must_move, seen_order, wrong_state
from resolvers.voucher_orders.offers import still_wanted
from resolvers.vouchers.codes import CodeKeys, must_have


async def charge_order(
    run: Writing,
    gateway: Gateway,
    keys: CodeKeys | None,
    principal: Principal,
    now: dt.datetime,
    program_id: int,
    order_id: int,
    payment_method: str,
) -> Answer | None:
    """Asks the gateway once for what the order costs, and keeps what it answers; None if that was asked before."""
    subject, means = Subject(PaysFor.VOUCHER_ORDER, order_id), Means(payment_method=payment_method)
    return await charge(run, gateway, keys, principal, now, program_id, subject, means)


async def pay_anew(act: ProgramAct, keys: CodeKeys | None, order_id: int, gateway: str) -> int:
    """The order waits for another card than the one that was declined. The key of the new payment."""
    order = await seen_order(act, order_id)
    act.principal.must_own(order.organization_id, "pay for its vouchers")
    if order.promotion_id is None:
        must_have(keys)
    if order.funding is not VoucherFunding.CARD:
        raise wrong_state(order)
    if not await still_wanted(act, order):
        raise cannot_be_funded("order")
    waits, declined = VoucherOrderState.AWAITING_PAYMENT, (VoucherOrderState.DECLINED,)
    await must_move(act, order, declined, waits, closed_at=None, reason=None)
    told = Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order_id, deed=ProgramDeed.PAID_ANEW, said=order.reason)
    await tell(act, told)
    return await start_payment(act, Subject(PaysFor.VOUCHER_ORDER, order_id), gateway, order.total)
