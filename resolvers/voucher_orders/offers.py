"""What an order is of: vouchers of a voucher program, or the budget of a promotion."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from models.promotions import PromotionState
from models.voucher_programs import IssueOn, VoucherFunding
from resolvers.loaders.promotions import promotion_of
from resolvers.loaders.voucher_orders import OrderRow
from resolvers.loaders.voucher_programs import voucher_program_of
from resolvers.programs.acting import ProgramAct
from resolvers.promotions.finding import seen_promotion
from resolvers.voucher_orders.budgets import cannot_be_funded, order_of_budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One of it costs this, and may be paid for in these ways."""

    name: str
    unit_price: Money
    funding: tuple[VoucherFunding, ...]
    voucher_program_id: int | None = None
    promotion_id: int | None = None


async def offer_of_vouchers(act: ProgramAct, voucher_program_id: int) -> Offer:
    terms = await voucher_program_of(act.session, act.program_id, voucher_program_id, "voucherProgram")
    if terms.stopped_at is not None:
        raise VoucherError(VoucherErrorCode.STOPPED, VoucherErrorCode.STOPPED.value, "voucherProgram")
    return Offer(name=terms.name, unit_price=terms.face_value, funding=terms.funding, voucher_program_id=terms.id)


async def offer_of_budget(act: ProgramAct, organization_id: int, promotion_id: int) -> Offer:
    """For the organization that the promotion was defined for, once: until an order for it comes to nothing."""
    row = await seen_promotion(act, promotion_id)
    if row.organization_id != organization_id:
        said = "Another organization pays for this promotion."
        raise VoucherError(VoucherErrorCode.BAD_TERMS, said, "organization")
    if row.state(act.now) is not PromotionState.AWAITING_FUNDING:
        raise cannot_be_funded("promotion")
    other = await order_of_budget(act, promotion_id)
    if other is not None:
        said = f"Order {other} buys its budget. Cancel it, or pay for it."
        raise VoucherError(VoucherErrorCode.WRONG_STATE, said, "promotion")
    return Offer(name=row.name, unit_price=row.budget, funding=(row.funding,), promotion_id=row.id)


async def issues_on_approval(act: ProgramAct, order: OrderRow) -> bool:
    """Whether what was ordered can be used once the purchase order is approved: a budget always."""
    if order.promotion_id is not None:
        return True
    terms = await voucher_program_of(act.session, act.program_id, order.voucher_program_id or 0)
    return terms.issue_on is IssueOn.APPROVAL


async def still_wanted(act: ProgramAct, order: OrderRow) -> bool:
    """Whether money for it can still be taken, apart from the order's own state."""
    if order.promotion_id is None or order.issued_at is not None:
        return True
    row = await promotion_of(act.session, act.program_id, order.promotion_id)
    if row.state(act.now) is not PromotionState.AWAITING_FUNDING:
        return False
    return await order_of_budget(act, order.promotion_id, but=order.id) is None
