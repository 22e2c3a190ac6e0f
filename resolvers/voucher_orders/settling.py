"""Settling: an order is paid in full, once, whether a person says so or a gateway."""

from __future__ import annotations

from models.ledger import LedgerEvent
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_orders import VoucherOrderState
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.voucher_orders import ORDER, OrderRow
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.voucher_orders.finding import found_order, move, must_move, seen_order
from resolvers.voucher_orders.issuing import issue
from resolvers.voucher_orders.offers import still_wanted
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import must_be_reference

State = VoucherOrderState
# A charge that succeeded is money that came in, whatever was heard of it before.
CHARGEABLE = (State.AWAITING_PAYMENT, State.PAYMENT_UNKNOWN, State.DECLINED)
UNANSWERED = (State.AWAITING_PAYMENT, State.PAYMENT_UNKNOWN)
TOO_LATE = "The promotion was stopped, has ended or is paid for otherwise. What the card was charged goes back."
IN_FULL = ORDER.c.quantity * ORDER.c.unit_price_minor


async def settle(act: ProgramAct, keys: CodeKeys | None, order_id: int, payment_reference: str) -> int:
    """The purchase order was paid: said by who runs the program, with what finds the payment in the bank's records."""
    order = await seen_order(act, order_id)
    act.principal.must_run(act.program_id, "settle a purchase order")
    reference = must_be_reference(payment_reference, "paymentReference")
    paid = {"paid_minor": IN_FULL, "closed_at": act.now, "payment_reference": reference}
    settled = await must_move(act, order, (State.APPROVED,), State.SETTLED, **paid)
    await _told_and_posted(act, keys, settled, reference)
    return order.id


async def settle_paid(act: ProgramAct, keys: CodeKeys | None, order_id: int) -> bool:
    """The card was charged for all of it. False if it was settled before, or cancelled, or if the promotion that it
    is for was stopped or has ended: nothing is issued then, and whoever charged the card has to give the money back.
    """
    if not await still_wanted(act, await found_order(act, order_id)):
        await move(act, order_id, CHARGEABLE, State.CANCELLED, closed_at=act.now, reason=TOO_LATE)
        return False
    settled = await move(act, order_id, CHARGEABLE, State.SETTLED, paid_minor=IN_FULL, closed_at=act.now, reason=None)
    if settled is None:
        return False
    await _told_and_posted(act, keys, settled, None)
    return True


async def decline(act: ProgramAct, order_id: int, why: str) -> bool:
    """The card was declined: nothing is issued. False if that is known, or if it was paid meanwhile."""
    declined = await move(act, order_id, UNANSWERED, State.DECLINED, closed_at=act.now, reason=why)
    if declined:
        deed = ProgramDeed.ORDER_DECLINED
        await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order_id, deed=deed, said=why))
    return declined is not None


async def leave_unknown(act: ProgramAct, order_id: int) -> bool:
    """The gateway did not answer. False if something is known by now."""
    left = await move(act, order_id, (State.AWAITING_PAYMENT,), State.PAYMENT_UNKNOWN)
    if left:
        deed = ProgramDeed.PAYMENT_UNKNOWN
        await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order_id, deed=deed))
    return left is not None


async def _told_and_posted(act: ProgramAct, keys: CodeKeys | None, order: OrderRow, reference: str | None) -> None:
    """What was issued on approval was owed; what is issued now was paid for before."""
    deed, said = ProgramDeed.ORDER_SETTLED, str(order.total)
    await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order.id, deed=deed, said=reference, after=said))
    was_owed = order.issued_at is not None
    event = LedgerEvent.ORDER_SETTLED if was_owed else LedgerEvent.PURCHASE_PAID
    await post(
        act,
        Posting(
            event=event,
            amount=order.total,
            organization_id=order.organization_id,
            voucher_order_id=order.id,
            promotion_id=order.promotion_id,
        ),
    )
    await issue(act, keys, order)
