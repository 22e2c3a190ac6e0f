"""Ordering vouchers: so many of a voucher program, for exactly what they cost."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select

from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_orders import MOST_VOUCHERS, BillingAgreement, VoucherOrderState
from models.voucher_programs import VoucherFunding
from resolvers.loaders.voucher_orders import ORDER
from resolvers.loaders.voucher_programs import VoucherProgramRow, voucher_program_of
from resolvers.payments.rows import PaysFor, Subject
from resolvers.payments.starting import start_payment
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.programs.numbering import free_number
from resolvers.voucher_orders.finding import found_order
from resolvers.voucher_orders.issuing import issue
from resolvers.vouchers.codes import CodeKeys, must_have
from resolvers.vouchers.finding import must_be_reference

AGREEMENT = BillingAgreement.__table__
FIRST_STATES = {
    VoucherFunding.CARD: VoucherOrderState.AWAITING_PAYMENT,
    VoucherFunding.PURCHASE_ORDER: VoucherOrderState.AWAITING_APPROVAL,
    VoucherFunding.BILL_LATER: VoucherOrderState.ON_ACCOUNT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """What an organization wants, and what it takes that to cost."""

    organization_id: int
    voucher_program_id: int
    quantity: int
    amount: Money
    funding: VoucherFunding
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
    terms = await voucher_program_of(act.session, act.program_id, ordering.voucher_program_id, "voucherProgram")
    _must_fit(terms, ordering)
    must_have(keys)
    if ordering.funding is VoucherFunding.BILL_LATER:
        await _must_be_agreed(act, ordering)
    order_id = await _insert(act, terms, ordering)
    if ordering.funding is VoucherFunding.CARD:
        await start_payment(act, Subject(PaysFor.VOUCHER_ORDER, order_id), ordering.gateway or "", ordering.amount)
    if ordering.funding is VoucherFunding.BILL_LATER:
        await issue(act, keys, await found_order(act, order_id))
    return order_id


def _must_fit(terms: VoucherProgramRow, ordering: Ordering) -> None:
    if terms.stopped_at is not None:
        raise VoucherError(VoucherErrorCode.STOPPED, VoucherErrorCode.STOPPED.value, "voucherProgram")
    if not 1 <= ordering.quantity <= MOST_VOUCHERS:
        raise VoucherError(VoucherErrorCode.BAD_QUANTITY, VoucherErrorCode.BAD_QUANTITY.value, "quantity")
    if ordering.funding not in terms.funding:
        taken = ", ".join(way.name for way in terms.funding)
        said = f"{terms.name} cannot be paid for by {ordering.funding.name}. It takes: {taken}."
        raise VoucherError(VoucherErrorCode.FUNDING_NOT_TAKEN, said, "payment")
    _must_equal_total(terms, ordering)
    if ordering.funding is VoucherFunding.CARD and ordering.gateway is None:
        raise VoucherError(VoucherErrorCode.NO_GATEWAY, VoucherErrorCode.NO_GATEWAY.value, "payment", "card")
    if ordering.funding is VoucherFunding.PURCHASE_ORDER:
        must_be_reference(ordering.purchase_order or "", "payment", "purchaseOrder", "number")


def _must_equal_total(terms: VoucherProgramRow, ordering: Ordering) -> None:
    total = terms.face_value * ordering.quantity
    if ordering.amount != total:
        said = (
            f"{ordering.quantity:,} at {terms.face_value} cost {total}, not {ordering.amount}. "
            "Nothing was issued or charged."
        )
        raise VoucherError(VoucherErrorCode.AMOUNT_MUST_EQUAL_TOTAL, said, "amount")


async def _must_be_agreed(act: ProgramAct, ordering: Ordering) -> None:
    agreed = await act.session.execute(
        select(AGREEMENT.c.id)
        .where(AGREEMENT.c.program_id == act.program_id, AGREEMENT.c.organization_id == ordering.organization_id)
        .where(AGREEMENT.c.currency == ordering.amount.currency, AGREEMENT.c.ended_at.is_(None))
    )
    if agreed.scalar_one_or_none() is None:
        raise VoucherError(VoucherErrorCode.NO_AGREEMENT, VoucherErrorCode.NO_AGREEMENT.value, "payment", "billLater")


async def _insert(act: ProgramAct, terms: VoucherProgramRow, ordering: Ordering) -> int:
    key = act.keys.take()
    row = {
        "program_id": act.program_id,
        "id": key,
        "organization_id": ordering.organization_id,
        "number": await free_number(act, "ORD", ORDER.c.number),
        "voucher_program_id": terms.id,
        "promotion_id": None,
        "quantity": ordering.quantity,
        "unit_price_minor": terms.face_value_minor,
        "currency": terms.currency,
        "funding": ordering.funding,
        "state": FIRST_STATES[ordering.funding],
        "purchase_order": ordering.purchase_order.strip() if ordering.purchase_order else None,
        "paid_minor": 0,
        "refunded_minor": 0,
        "ordered_by": act.principal.name,
        "ordered_at": act.now,
    }
    await act.session.execute(insert(ORDER), row)
    what = f"{ordering.quantity:,} × {terms.name}, {ordering.amount}, {ordering.funding.name}"[:200]
    await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=key, deed=ProgramDeed.ORDERED, after=what))
    return key


