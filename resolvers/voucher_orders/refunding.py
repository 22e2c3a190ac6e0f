"""Giving back what was not redeemed of an order, by the refund policy of its voucher program."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, select, update

from models.errors import VoucherError, VoucherErrorCode
from models.interval import BillingCalendar
from models.ledger import LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.voucher_orders import VoucherOrderState
from models.voucher_programs import RefundPolicy, VoucherFunding
from models.vouchers import VoucherStanding
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.voucher_orders import ORDER, OrderRow
from resolvers.loaders.voucher_programs import VoucherProgramRow, program_of, voucher_program_of
from resolvers.payments.returning import ask_back, charged_payment
from resolvers.payments.rows import PaysFor, Subject
from resolvers.programs.acting import ProgramAct, Told, tell, tell_all
from resolvers.voucher_orders.budgets import give_back
from resolvers.voucher_orders.finding import seen_order, wrong_state
from resolvers.vouchers.moving import REFUNDED, VOUCHER, end_codes_and_assignments

REFUNDABLE = (VoucherOrderState.SETTLED, VoucherOrderState.ON_ACCOUNT)


@dataclass(frozen=True, slots=True)
class GivenBack:
    voucher_id: int
    amount_minor: int


async def refund(act: ProgramAct, order_id: int, voucher_ids: Collection[int] | None = None) -> int:
    """Of these vouchers, all or none; or of all of the order's that are refundable.

    Prepaid: their value goes back, for a card's order by the gateway, which is asked afterwards. Billed later: nothing
    was paid, so they only end. Of a promotion what nobody holds of its budget goes back, until its last day has passed.
    """
    order = await seen_order(act, order_id)
    if order.state not in REFUNDABLE:
        raise wrong_state(order)
    if order.funding is VoucherFunding.PURCHASE_ORDER:
        act.principal.must_run(act.program_id, "give the money of a purchase order back, which it pays itself")
    if order.promotion_id is None:
        total = await _end_vouchers(act, order, voucher_ids)
    else:
        total = await _end_budget(act, order, voucher_ids)
    if order.state is VoucherOrderState.SETTLED:
        await _pay_back(act, order, total)
    return order_id


async def _end_budget(act: ProgramAct, order: OrderRow, voucher_ids: Collection[int] | None) -> Money:
    if voucher_ids is not None:
        said = "The order is of a promotion's budget: it has no vouchers."
        raise VoucherError(VoucherErrorCode.NOT_REFUNDABLE, said, "vouchers")
    total = await give_back(act, order)
    told = Told(
        thing=ProgramThing.VOUCHER_ORDER, thing_id=order.id, deed=ProgramDeed.REFUNDED, after=f"budget, {total}"
    )
    await tell(act, told)
    return total


async def _end_vouchers(act: ProgramAct, order: OrderRow, voucher_ids: Collection[int] | None) -> Money:
    terms = await voucher_program_of(act.session, act.program_id, order.voucher_program_id or 0)
    await _must_be_in_time(act, order, terms)
    given_back = await _end(act, order, terms, voucher_ids)
    await _tell(act, order, given_back)
    if order.state is VoucherOrderState.SETTLED:
        await post(act, *(_posting(order, one) for one in given_back))
    return _total(order, given_back)


async def _must_be_in_time(act: ProgramAct, order: OrderRow, terms: VoucherProgramRow) -> None:
    if terms.refund_policy is RefundPolicy.NEVER:
        raise VoucherError(VoucherErrorCode.NOT_REFUNDABLE, f"{terms.name}: {terms.refund_policy.value}.", "order")
    if terms.refund_days is None or order.issued_at is None:
        return
    calendar = BillingCalendar.of((await program_of(act.session, act.program_id)).zone)
    last = calendar.day_of(order.issued_at) + dt.timedelta(days=terms.refund_days)
    if calendar.day_of(act.now) > last:
        said = f"{terms.name} gives money back for {terms.refund_days:,} days, which was through {last}."
        raise VoucherError(VoucherErrorCode.NOT_REFUNDABLE, said, "order")


async def _end(
    act: ProgramAct, order: OrderRow, terms: VoucherProgramRow, wanted: Collection[int] | None
) -> list[GivenBack]:
    """One conditional update for all of them: what is not refundable any more is not among those that it changed."""
    before = await _refundable(act, order, terms, wanted)
    ids = list(before)
    if (wanted is not None and len(ids) < len(set(wanted))) or not ids:
        raise _not_all(terms, len(ids), len(set(wanted)) if wanted is not None else order.quantity)
    ended = await act.session.execute(
        update(VOUCHER)
        .where(VOUCHER.c.id.in_(ids), *_conditions(act, order, terms))
        .values(refunded_minor=VOUCHER.c.refunded_minor + VOUCHER.c.remaining_minor, remaining_minor=0)
        .values(standing=VoucherStanding.REFUNDED, assignment_id=None, flagged_at=None)
        .returning(VOUCHER.c.id, VOUCHER.c.refunded_minor)
    )
    given_back = [GivenBack(row.id, row.refunded_minor - before[row.id]) for row in ended]
    if len(given_back) != len(ids):
        raise _not_all(terms, len(given_back), len(ids))
    await end_codes_and_assignments(act, ids, REFUNDED)
    return given_back


async def _refundable(
    act: ProgramAct, order: OrderRow, terms: VoucherProgramRow, wanted: Collection[int] | None
) -> dict[int, int]:
    """Of each what was given back of it before."""
    those = select(VOUCHER.c.id, VOUCHER.c.refunded_minor).where(*_conditions(act, order, terms))
    found = await act.session.execute(those if wanted is None else those.where(VOUCHER.c.id.in_(wanted)))
    return {row.id: row.refunded_minor for row in found}


def _conditions(act: ProgramAct, order: OrderRow, terms: VoucherProgramRow) -> Sequence[ColumnElement[bool]]:
    there = and_(
        VOUCHER.c.standing.in_([VoucherStanding.LIVE, VoucherStanding.REVOKED]),
        VOUCHER.c.expires_at > act.now,
        VOUCHER.c.held_minor == 0,
        VOUCHER.c.remaining_minor > 0,
    )
    of_order = and_(VOUCHER.c.program_id == act.program_id, VOUCHER.c.voucher_order_id == order.id)
    untouched = VOUCHER.c.captured_minor == VOUCHER.c.reversed_minor
    return [of_order, there, *([untouched] if terms.refund_policy is RefundPolicy.UNUSED else [])]


def _not_all(terms: VoucherProgramRow, refundable: int, wanted: int) -> VoucherError:
    said = (
        f"{refundable:,} of {wanted:,} vouchers can be given back: {terms.refund_policy.value}, "
        "if they have not expired and no cart holds them. Nothing was given back."
    )
    return VoucherError(VoucherErrorCode.NOT_REFUNDABLE, said, "vouchers")


async def _tell(act: ProgramAct, order: OrderRow, given_back: Sequence[GivenBack]) -> None:
    deed = ProgramDeed.REFUNDED
    said = f"{len(given_back):,} vouchers, {_total(order, given_back)}"
    await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order.id, deed=deed, after=said))
    await tell_all(
        act,
        [
            Told(
                thing=ProgramThing.VOUCHER,
                thing_id=one.voucher_id,
                deed=deed,
                after=str(Money(one.amount_minor, order.currency)),
            )
            for one in given_back
        ],
    )


def _total(order: OrderRow, given_back: Sequence[GivenBack]) -> Money:
    return Money(sum(one.amount_minor for one in given_back), order.currency)


def _posting(order: OrderRow, one: GivenBack) -> Posting:
    return Posting(
        event=LedgerEvent.UNUSED_REFUNDED,
        amount=Money(one.amount_minor, order.currency),
        organization_id=order.organization_id,
        voucher_order_id=order.id,
        voucher_id=one.voucher_id,
    )


async def _pay_back(act: ProgramAct, order: OrderRow, total: Money) -> None:
    """Never more than was paid: the order counts what it gave back."""
    refunded = ORDER.c.refunded_minor + total.amount_minor
    counted = await act.session.execute(
        update(ORDER)
        .where(ORDER.c.program_id == act.program_id, ORDER.c.id == order.id)
        .where(ORDER.c.state == VoucherOrderState.SETTLED, refunded <= ORDER.c.paid_minor)
        .values(refunded_minor=refunded)
        .returning(ORDER.c.id)
    )
    if counted.scalar_one_or_none() is None:
        raise wrong_state(order)
    if order.funding is VoucherFunding.CARD:
        await _ask_gateway(act, order, total)


async def _ask_gateway(act: ProgramAct, order: OrderRow, amount: Money) -> None:
    """Kept as asked for in this transaction; the gateway itself is asked outside of it."""
    payment_id = await charged_payment(act, Subject(PaysFor.VOUCHER_ORDER, order.id))
    if payment_id is None:
        raise wrong_state(order)
    await ask_back(act, payment_id, amount)
