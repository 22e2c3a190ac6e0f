"""Approving a purchase order, or not."""

from __future__ import annotations

from models.ledger import LedgerEvent
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_orders import VoucherOrderState
from resolvers.ledger.posting import Posting, post
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.voucher_orders.finding import must_move, seen_order
from resolvers.voucher_orders.issuing import issue
from resolvers.voucher_orders.offers import issues_on_approval
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.finding import reason_of

AWAITING = (VoucherOrderState.AWAITING_APPROVAL,)


async def approve(act: ProgramAct, keys: CodeKeys | None, order_id: int) -> int:
    """Where the voucher program issues on approval, the vouchers are issued, and their price is owed; a promotion's
    budget always."""
    order = await seen_order(act, order_id)
    act.principal.must_run(act.program_id, "approve a purchase order")
    approved = await must_move(act, order, AWAITING, VoucherOrderState.APPROVED)
    await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order.id, deed=ProgramDeed.ORDER_APPROVED))
    if await issues_on_approval(act, approved):
        await issue(act, keys, approved)
        await post(
            act,
            Posting(
                event=LedgerEvent.ORDER_APPROVED,
                amount=order.total,
                organization_id=order.organization_id,
                voucher_order_id=order.id,
                promotion_id=order.promotion_id,
            ),
        )
    return order.id


async def reject(act: ProgramAct, order_id: int, why: str) -> int:
    order = await seen_order(act, order_id)
    act.principal.must_run(act.program_id, "reject a purchase order")
    reason = reason_of(why)
    await must_move(act, order, AWAITING, VoucherOrderState.REJECTED, closed_at=act.now, reason=reason)
    deed = ProgramDeed.ORDER_REJECTED
    await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order.id, deed=deed, said=reason))
    return order.id
