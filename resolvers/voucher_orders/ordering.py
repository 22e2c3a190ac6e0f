"""Ordering vouchers, so many of a voucher program, or the budget of a promotion: for exactly what they cost."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_orders import MOST_VOUCHERS, VoucherOrderState
from models.voucher_programs import VoucherFunding
from resolvers.loaders.voucher_orders import ORDER
from resolvers.payments.rows import PaysFor, Subject
from resolvers.payments.starting import start_payment
from resolvers.programs.acting import ProgramAct, Told, add_unique, tell
from resolvers.programs.agreeing import must_be_agreed
from resolvers.programs.numbering import free_number
from resolvers.voucher_orders.finding import found_order
from resolvers.voucher_orders.issuing import issue
from resolvers.voucher_orders.offers import Offer, offer_of_budget, offer_of_vouchers
from resolvers.vouchers.codes import CodeKeys, must_have
from resolvers.vouchers.finding import must_be_reference

FIRST_STATES = {
    VoucherFunding.CARD: VoucherOrderState.AWAITING_PAYMENT,
    VoucherFunding.PURCHASE_ORDER: VoucherOrderState.AWAITING_APPROVAL,
    VoucherFunding.BILL_LATER: VoucherOrderState.ON_ACCOUNT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """What an organization wants, and what it takes that to cost."""

    organization_id: int
    amount: Money
    funding: VoucherFunding
    # So many vouchers of this voucher program, or the budget of this promotion.
    voucher_program_id: int | None = None
    promotion_id: int | None = None
    quantity: int = 1
    # The organization's own number of its purchase order.
    purchase_order: str | None = None
    # Which gateway is to charge the card; None where there is none.
    gateway: str | None = None


async def order(act: ProgramAct, keys: CodeKeys | None, ordering: Ordering) -> int:
    """The order's key. Billed later its vouchers are issued at once; a card is still to be charged, by its payment's
    reference; a purchase order is still to be approved.
    """
    act.principal.must_see_in(act.program_id, ordering.organization_id, "organization", "organization")
    act.principal.must_own(ordering.organization_id, "order vouchers for it")
    offer = await _offer(act, ordering)
    _must_fit(offer, ordering)
    if offer.voucher_program_id is not None:
        must_have(keys)
    if ordering.funding is VoucherFunding.BILL_LATER:
        currency = ordering.amount.currency
        await must_be_agreed(act, ordering.organization_id, currency, "payment", "billLater")
    order_id = await _insert(act, offer, ordering)
    if ordering.funding is VoucherFunding.CARD:
        await start_payment(act, Subject(PaysFor.VOUCHER_ORDER, order_id), ordering.gateway or "", ordering.amount)
    if ordering.funding is VoucherFunding.BILL_LATER:
        await issue(act, keys, await found_order(act, order_id))
    return order_id


async def _offer(act: ProgramAct, ordering: Ordering) -> Offer:
    if ordering.promotion_id is not None:
        return await offer_of_budget(act, ordering.organization_id, ordering.promotion_id)
    return await offer_of_vouchers(act, ordering.voucher_program_id or 0)


def _must_fit(offer: Offer, ordering: Ordering) -> None:
    if not 1 <= ordering.quantity <= MOST_VOUCHERS:
        raise VoucherError(VoucherErrorCode.BAD_QUANTITY, VoucherErrorCode.BAD_QUANTITY.value, "quantity")
    if ordering.funding not in offer.funding:
        taken = ", ".join(way.name for way in offer.funding)
        said = f"{offer.name} cannot be paid for by {ordering.funding.name}. It takes: {taken}."
        raise VoucherError(VoucherErrorCode.FUNDING_NOT_TAKEN, said, "payment")
    _must_equal_total(offer, ordering)
    if ordering.funding is VoucherFunding.CARD and ordering.gateway is None:
        raise VoucherError(VoucherErrorCode.NO_GATEWAY, VoucherErrorCode.NO_GATEWAY.value, "payment", "card")
    if ordering.funding is VoucherFunding.PURCHASE_ORDER:
        must_be_reference(ordering.purchase_order or "", "payment", "purchaseOrder", "number")


def _must_equal_total(offer: Offer, ordering: Ordering) -> None:
    total = offer.unit_price * ordering.quantity
    if ordering.amount != total:
        said = (
            f"{ordering.quantity:,} at {offer.unit_price} cost {total}, not {ordering.amount}. "
            "Nothing was issued or charged."
        )
        raise VoucherError(VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL, said, "amount")


async def _insert(act: ProgramAct, offer: Offer, ordering: Ordering) -> int:
    key = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": key,
        "organization_id": ordering.organization_id,
        "number": await free_number(act, "ORD", ORDER.c.number),
        "voucher_program_id": offer.voucher_program_id,
        "promotion_id": offer.promotion_id,
        "quantity": ordering.quantity,
        "unit_price_minor": offer.unit_price.amount_minor,
        "currency": offer.unit_price.currency,
        "funding": ordering.funding,
        "state": FIRST_STATES[ordering.funding],
        "purchase_order": ordering.purchase_order.strip() if ordering.purchase_order else None,
        "paid_minor": 0,
        "refunded_minor": 0,
        "ordered_by": act.principal.name,
        "ordered_at": act.now,
    }
    # Of two who buy one budget at once the second is run again, and finds the first's order.
    await add_unique(act.session, ORDER, row)
    what = f"{ordering.quantity:,} × {offer.name}, {ordering.amount}, {ordering.funding.name}"[:200]
    await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=key, deed=ProgramDeed.ORDERED, after=what))
    return key
