"""Cancelling an order that was not paid: what it issued can be used no more, and what was owed is owed no more."""

from __future__ import annotations

from sqlalchemy import and_, func, select, update

from models.errors import VoucherError, VoucherErrorCode
from models.ledger import LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_orders import VoucherOrderState
from models.vouchers import VoucherStanding
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.voucher_orders import OrderRow
from resolvers.payments.rows import PaysFor, Subject
from resolvers.payments.starting import give_up_waiting
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.voucher_orders.budgets import take_back
from resolvers.voucher_orders.finding import must_move, seen_order
from resolvers.vouchers.finding import reason_of
from resolvers.vouchers.moving import CANCELLED, VOUCHER, end_codes_and_assignments

UNPAID = (VoucherOrderState.AWAITING_PAYMENT, VoucherOrderState.AWAITING_APPROVAL, VoucherOrderState.APPROVED)


async def cancel(act: ProgramAct, order_id: int, why: str) -> int:
    """By the organization, or by who runs the program. A charge that is under way is given up: should it succeed all
    the same, whoever hears of it gives the money back.
    """
    order = await seen_order(act, order_id)
    reason = reason_of(why)
    cancelled = await must_move(act, order, UNPAID, VoucherOrderState.CANCELLED, closed_at=act.now, reason=reason)
    await give_up_waiting(act, Subject(PaysFor.VOUCHER_ORDER, order_id))
    if cancelled.issued_at is not None:
        await (_take_back if cancelled.promotion_id is None else take_back)(act, cancelled)
    deed = ProgramDeed.ORDER_CANCELLED
    await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order_id, deed=deed, said=reason))
    return order_id


async def _take_back(act: ProgramAct, order: OrderRow) -> None:
    """The reverse of the approval, which is of all of it: so all of it must be there still."""
    of_order = and_(VOUCHER.c.program_id == act.program_id, VOUCHER.c.voucher_order_id == order.id)
    whole = and_(
        VOUCHER.c.standing.in_([VoucherStanding.LIVE, VoucherStanding.REVOKED]),
        VOUCHER.c.remaining_minor == VOUCHER.c.face_value_minor,
        VOUCHER.c.held_minor == 0,
    )
    ended = await act.session.execute(
        update(VOUCHER)
        .where(of_order, whole)
        .values(refunded_minor=VOUCHER.c.refunded_minor + VOUCHER.c.remaining_minor, remaining_minor=0)
        .values(standing=VoucherStanding.CANCELLED, assignment_id=None, flagged_at=None)
        .returning(VOUCHER.c.id)
    )
    voucher_ids = list(ended.scalars())
    if len(voucher_ids) != order.quantity:
        raise await _in_use(act, order, order.quantity - len(voucher_ids))
    await end_codes_and_assignments(act, voucher_ids, CANCELLED)
    await post(
        act,
        Posting(
            event=LedgerEvent.ORDER_CANCELLED,
            amount=order.total,
            organization_id=order.organization_id,
            voucher_order_id=order.id,
        ),
    )


async def _in_use(act: ProgramAct, order: OrderRow, used: int) -> VoucherError:
    of_order = and_(VOUCHER.c.program_id == act.program_id, VOUCHER.c.voucher_order_id == order.id)
    parts = (VOUCHER.c.captured_minor - VOUCHER.c.reversed_minor, VOUCHER.c.held_minor)
    sums = (await act.session.execute(select(*(func.sum(part) for part in parts)).where(of_order))).one()
    redeemed, held = (Money(int(part), order.currency) for part in sums)
    said = (
        f"{used:,} of the {order.quantity:,} vouchers are not whole any more: {redeemed} were redeemed, {held} are "
        "held by carts, or some have expired. So the order cannot be cancelled."
    )
    return VoucherError(VoucherErrorCode.IN_USE, said, "order")
