"""What a cart holds is taken, and its order is written with the ledger: all of it in the transaction that decides.

Vouchers are captured in the order of their ids. What is held cannot be taken by anybody else, so nothing here can fail
but by a mistake of ours; then nothing at all is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, case, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from models.base import Instant
from models.batches import as_parameter, asked
from models.carts import CartVoucherEnd
from models.ledger import LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.promotions import Promotion
from models.redemptions import FeeChannel, FeeOrder, FeeOrderLine, Redemption
from models.voucher_programs import Leftovers, VoucherProgram
from models.vouchers import Voucher
from resolvers.carts.finding import allocations_of, applied_to, lines_of
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.carts import APPLIED, AllocationRow, AppliedRow, CartLineRow
from resolvers.loaders.checkouts import CheckoutRow
from resolvers.prepared import add, prepared
from resolvers.programs.acting import ProgramAct, Told, tell_all
from resolvers.programs.numbering import free_number
from resolvers.promotions import moving as promotions
from resolvers.statements.owing import OnAccount, owe_held
from resolvers.vouchers.moving import capture

VOUCHER = Voucher.__table__
TERMS = VoucherProgram.__table__
PROMOTION = Promotion.__table__
FEE = FeeOrder.__table__


class NotCaptured(RuntimeError):
    """What a cart holds could not be taken: its holds and the vouchers disagree, which an invariant would show."""


class Payer(NamedTuple):
    """Whose voucher or promotion it is."""

    organization_id: int
    voucher_order_id: int | None = None
    assignment_id: int | None = None
    forfeits_rest: bool = False


@dataclass(frozen=True, slots=True)
class Captured:
    """What one voucher or promotion has paid."""

    applied: AppliedRow
    payer: Payer
    # Minor units by line.
    amounts: Mapping[int, int]
    forfeited_minor: int = 0
    account: OnAccount | None = None

    @property
    def total_minor(self) -> int:
        return sum(self.amounts.values())


@dataclass(frozen=True, slots=True)
class OnCheckout:
    """What is on a cart while it is frozen, during which nothing of it changes."""

    lines: Sequence[CartLineRow]
    # Without what has ended.
    applied: Sequence[AppliedRow]


async def on_checkout(act: ProgramAct, checkout: CheckoutRow) -> OnCheckout:
    applied = [row for row in await applied_to(act, checkout.cart_id) if row.is_live]
    return OnCheckout(await lines_of(act, checkout.cart_id), applied)


async def capture_cart(act: ProgramAct, checkout: CheckoutRow, on: OnCheckout) -> int:
    """The key of the order. What is on the cart and pays nothing of it is not used: it keeps what it is worth."""
    applied = [row for row in on.applied if row.held_minor]
    amounts = _by_payer(await allocations_of(act, checkout.cart_id))
    payers = await _payers(act, applied)
    captured = [
        await _capture(act, checkout, row, payers[row.id], amounts.get(row.id, {}))
        for row in sorted(applied, key=lambda row: (row.voucher_id or 0, row.id))
    ]
    await _end(act, on.applied)
    return await _write(act, checkout, on.lines, captured)


# ------------------------------------------------------------------------------------------------ taking value


def _by_payer(rows: Sequence[AllocationRow]) -> dict[int, dict[int, int]]:
    amounts: dict[int, dict[int, int]] = {}
    for row in rows:
        amounts.setdefault(row.cart_voucher_id, {})[row.line_number] = row.amount_minor
    return amounts


async def _payers(act: ProgramAct, applied: Sequence[AppliedRow]) -> dict[int, Payer]:
    of_vouchers = [row.voucher_id for row in applied if row.voucher_id]
    of_promotions = [row.promotion_id for row in applied if row.promotion_id]
    vouchers = await _vouchers(act, of_vouchers) if of_vouchers else {}
    sponsors = await _sponsors(act, of_promotions) if of_promotions else {}
    return {row.id: vouchers[row.voucher_id] if row.voucher_id else sponsors[row.promotion_id or 0] for row in applied}


async def _vouchers(act: ProgramAct, ids: Sequence[int]) -> dict[int, Payer]:
    rows = await _owners.rows(act.session, {"program": act.program_id, "ids": _as_list(ids)})
    return {row[0]: Payer(row[1], row[2], row[3], row[4] is Leftovers.FORFEIT) for row in rows}


@prepared
def _owners() -> Select[Any]:
    terms = and_(TERMS.c.program_id == VOUCHER.c.program_id, TERMS.c.id == VOUCHER.c.voucher_program_id)
    own = [VOUCHER.c[name] for name in ("id", "organization_id", "voucher_order_id", "assignment_id")]
    found = select(*own, TERMS.c.leftovers).select_from(VOUCHER.join(TERMS, terms))
    return found.where(VOUCHER.c.program_id == bindparam("program"), VOUCHER.c.id.in_(_listed()))


async def _sponsors(act: ProgramAct, ids: Sequence[int]) -> dict[int, Payer]:
    rows = await _promoters.rows(act.session, {"program": act.program_id, "ids": _as_list(ids)})
    return {promotion_id: Payer(organization_id) for promotion_id, organization_id in rows}


@prepared
def _promoters() -> Select[Any]:
    found = select(PROMOTION.c.id, PROMOTION.c.organization_id)
    return found.where(PROMOTION.c.program_id == bindparam("program"), PROMOTION.c.id.in_(_listed()))


def _listed() -> Select[Any]:
    return select(asked("ids", "id").c.id)


def _as_list(ids: Sequence[int]) -> str:
    return as_parameter((key,) for key in ids)


async def _capture(
    act: ProgramAct, checkout: CheckoutRow, row: AppliedRow, payer: Payer, amounts: Mapping[int, int]
) -> Captured:
    """All that it holds, which is what its lines come to."""
    minor = sum(amounts.values())
    if minor != row.held_minor:
        raise NotCaptured(row.id)
    forfeited = 0
    if row.voucher_id is not None:
        forfeited = await _capture_voucher(act, row.voucher_id, minor, payer)
    elif not await promotions.capture(act, row.promotion_id or 0, checkout.person_id, minor):
        raise NotCaptured(row.id)
    account = await owe_held(act, row.billing_agreement_id, minor) if row.billing_agreement_id else None
    return Captured(row, payer, amounts, forfeited, account)


async def _capture_voucher(act: ProgramAct, voucher_id: int, minor: int, payer: Payer) -> int:
    forfeited = await capture(act, voucher_id, minor, forfeits_rest=payer.forfeits_rest, is_held=True)
    if forfeited is None:
        raise NotCaptured(voucher_id)
    return forfeited


async def _end(act: ProgramAct, applied: Sequence[AppliedRow]) -> None:
    if applied:
        them = {"program": act.program_id, "ids": _as_list([row.id for row in applied]), "now": act.now}
        await _ending.rows(act.session, them)


@prepared
def _ending() -> ReturningUpdate[Any]:
    of_them = and_(APPLIED.c.program_id == bindparam("program"), APPLIED.c.id.in_(_listed()))
    ended = update(APPLIED).where(of_them, APPLIED.c.ended_at.is_(None))
    now = bindparam("now", type_=Instant)
    end = case((APPLIED.c.held_minor > 0, CartVoucherEnd.CAPTURED.name), else_=CartVoucherEnd.RELEASED.name)
    return ended.values(end=end, ended_at=now).returning(APPLIED.c.id)


# ------------------------------------------------------------------------------------------- writing the order


async def _write(
    act: ProgramAct, checkout: CheckoutRow, lines: Sequence[CartLineRow], captured: Sequence[Captured]
) -> int:
    order_id = act.keys.take()
    await add(act.session, FEE, [await _order(act, checkout, order_id)])
    await add(act.session, FeeOrderLine.__table__, [_line(act, order_id, line) for line in lines])
    parts = [(one, number, minor) for one in captured for number, minor in one.amounts.items()]
    first = act.keys.take(len(parts)) if parts else 0
    numbered = [(first + place, *part) for place, part in enumerate(parts)]
    rows = [_redemption(act, checkout, order_id, *part) for part in numbered]
    await add(act.session, Redemption.__table__, rows)
    await post(act, *_postings(checkout, order_id, numbered))
    await tell_all(act, [_told(checkout, one) for one in captured if one.applied.voucher_id])
    return order_id


async def _order(act: ProgramAct, checkout: CheckoutRow, order_id: int) -> dict[str, object]:
    return {
        "program_id": act.program_id,
        "id": order_id,
        "channel": FeeChannel.CHECKOUT,
        "person_id": checkout.person_id,
        "checkout_id": checkout.id,
        "gateway": checkout.gateway,
        "reference": await free_number(act, "FEE", FEE.c.reference),
        "total_minor": checkout.total_minor,
        "by_vouchers_minor": checkout.by_vouchers_minor,
        "by_card_minor": checkout.by_card_minor,
        "currency": checkout.currency,
        "completed_at": act.now,
    }


def _line(act: ProgramAct, order_id: int, line: CartLineRow) -> dict[str, object]:
    return {
        "program_id": act.program_id,
        "fee_order_id": order_id,
        "number": line.number,
        "product_id": line.product_id,
        "quantity": line.quantity,
        "unit_price_minor": line.unit_price_minor,
    }


def _redemption(
    act: ProgramAct, checkout: CheckoutRow, order_id: int, key: int, one: Captured, number: int, minor: int
) -> dict[str, object]:
    return {
        "program_id": act.program_id,
        "id": key,
        "fee_order_id": order_id,
        "line_number": number,
        "voucher_id": one.applied.voucher_id,
        "promotion_id": one.applied.promotion_id,
        "organization_id": one.payer.organization_id,
        "billing_agreement_id": one.account and one.account.agreement_id,
        "assignment_id": one.payer.assignment_id,
        "amount_minor": minor,
        "currency": checkout.currency,
        "redeemed_at": one.account.counts_at if one.account else act.now,
    }


def _postings(
    checkout: CheckoutRow, order_id: int, numbered: Sequence[tuple[int, Captured, int, int]]
) -> Iterator[Posting]:
    """What is billed later was no liability: none of it is forfeited in the ledger."""
    for key, one, _, minor in numbered:
        event = LedgerEvent.REDEEMED_ON_ACCOUNT if one.account else LedgerEvent.VOUCHER_REDEEMED
        yield _posting(event, Money(minor, checkout.currency), one, order_id, key)
    for one in {id(one): one for _, one, _, _ in numbered}.values():
        if not one.account:
            forfeited = Money(one.forfeited_minor, checkout.currency)
            yield _posting(LedgerEvent.VALUE_FORFEITED, forfeited, one, order_id)
    yield Posting(event=LedgerEvent.CARD_CHARGED, amount=checkout.due, fee_order_id=order_id)


def _posting(
    event: LedgerEvent, amount: Money, one: Captured, order_id: int, redemption_id: int | None = None
) -> Posting:
    return Posting(
        event=event,
        amount=amount,
        organization_id=one.payer.organization_id,
        voucher_order_id=one.payer.voucher_order_id,
        voucher_id=one.applied.voucher_id,
        promotion_id=one.applied.promotion_id,
        redemption_id=redemption_id,
        fee_order_id=order_id,
    )


def _told(checkout: CheckoutRow, one: Captured) -> Told:
    paid = Money(one.total_minor, checkout.currency)
    lost = f", {Money(one.forfeited_minor, checkout.currency)} forfeited" if one.forfeited_minor else ""
    return Told(
        thing=ProgramThing.VOUCHER,
        thing_id=one.applied.voucher_id or 0,
        deed=ProgramDeed.REDEEMED,
        said=f"{paid} at a checkout{lost}",
    )
