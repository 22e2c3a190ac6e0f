"""Applying a voucher to a cart, by its code or, if it is assigned to the person, by its id; or a promotion.

Whatever cannot be used is one refusal in one shape. What can be used and does not fit says which rule keeps it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from models.carts import MOST_VOUCHERS, AppliedBy, CartVoucherEnd
from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from models.program_events import ProgramDeed
from models.promotions import Held
from resolvers.carts.assigned import new_row
from resolvers.carts.changing import OnCart, load, resettle
from resolvers.carts.explaining import payer_of, said_of
from resolvers.carts.finding import applied_to
from resolvers.carts.holding import over_cap
from resolvers.carts.offering import OfferedVoucher, usable_by_code
from resolvers.carts.releasing import is_overdue_elsewhere, told
from resolvers.carts.sharing import Amounts, held_by, paid_minor, share
from resolvers.carts.versions import begin_change
from resolvers.carts.voucher_entry import must_take_vouchers
from resolvers.gateways.gateway import Gateways
from resolvers.loaders.carts import AppliedRow, CartRow
from resolvers.programs.acting import ProgramAct, tell
from resolvers.promotions.finding import CodeOfPromotion, find_standing_by_code, not_held
from resolvers.promotions.moving import hold as hold_promotion
from resolvers.vouchers.codes import CodeKeys

AT = ("by",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying:
    """Give a code, or the id of a voucher that is assigned to the person."""

    cart_id: int
    expected_version: int
    code: str | None = field(default=None, repr=False)
    voucher_id: int | None = None
    # The most that it is to pay; None takes as much as is due.
    amount: Money | None = None


async def apply(act: ProgramAct, keys: CodeKeys, gateways: Gateways, asked: Applying) -> CartRow:
    """What the voucher may pay is held for the person."""
    cart = await begin_change(act, asked.cart_id, asked.expected_version)
    must_take_vouchers(gateways, cart.gateway, "cart")
    if asked.amount is not None and asked.amount.currency != cart.currency:
        raise does_not_fit(f"The cart is in {cart.currency}, and {asked.amount} was named: currencies never mix.")
    coming = await _coming(act, keys, cart, asked)
    on, row = _joined(await load(act, gateways, cart, coming), coming)
    if not _may_be_used(on, row):
        raise not_usable()
    going = _made_room(on, row)
    _refuse_second_promotion(on, row)
    staying = [one for one in on.wanted if one not in going]
    await _refuse_unfit(act, on, row, staying)
    settled = await resettle(act, gateways, on, dict.fromkeys(going, CartVoucherEnd.RELEASED))
    await tell(act, told(settled, ProgramDeed.APPLIED, f"{asked.amount} at most" if asked.amount else None))
    return settled


def not_usable() -> VoucherError:
    return VoucherError(VoucherErrorCode.CODE_NOT_USABLE, VoucherErrorCode.CODE_NOT_USABLE.value, *AT)


def does_not_fit(said: str) -> VoucherError:
    return VoucherError(VoucherErrorCode.VOUCHER_DOES_NOT_FIT_CART, said, *AT)


# ------------------------------------------------------------------------------------------------ may it be used


async def _coming(act: ProgramAct, keys: CodeKeys, cart: CartRow, asked: Applying) -> AppliedRow:
    """Vouchers and promotions are looked for alike, so that what is none takes as long as what is one."""
    named = asked.amount.amount_minor if asked.amount else None
    if named is not None and named <= 0:
        raise VoucherError(VoucherErrorCode.BAD_AMOUNT, f"{asked.amount} is no amount to pay.", "amount")
    if asked.voucher_id is not None:
        return new_row(act, cart, asked.voucher_id, AppliedBy.CHOICE, named_minor=named)
    voucher_id = await usable_by_code(act, keys, asked.code or "", cart.person_id)
    promotion = await find_standing_by_code(act, asked.code or "")
    if voucher_id is not None:
        return new_row(act, cart, voucher_id, AppliedBy.CODE, named_minor=named)
    if promotion is None or promotion.held is Held.NOT_USABLE:
        raise not_usable()
    await _refuse_late(act, cart, promotion)
    return new_row(act, cart, None, AppliedBy.CODE, promotion_id=promotion.promotion_id, named_minor=named)


async def _refuse_late(act: ProgramAct, cart: CartRow, found: CodeOfPromotion) -> None:
    """Of a crowd at a promotion most come too late: they are told before anything else is looked at. Whoever holds a
    use of it is not among them, nor is anybody as long as a hold of another may be let go of."""
    if found.held not in (Held.FULL, Held.FULL_BY_HOLDS):
        return
    live = [row for row in await applied_to(act, cart.id) if row.is_live]
    if any(row.promotion_id for row in live):
        return
    if found.held is Held.FULL or not await is_overdue_elsewhere(act, cart, found.promotion_id):
        raise not_held(found.held, *AT)


def _joined(on: OnCart, coming: AppliedRow) -> tuple[OnCart, AppliedRow]:
    """What is on the cart already is applied otherwise, instead of twice."""
    subject = (coming.voucher_id, coming.promotion_id)
    there = [row for row in on.wanted if (row.voucher_id, row.promotion_id) == subject and not row.is_new]
    if not there:
        return on, coming
    changed = there[0]._replace(named_minor=coming.named_minor, applied_by=coming.applied_by)
    return replace(on, wanted=[changed if row == there[0] else row for row in on.wanted if row != coming]), changed


def _may_be_used(on: OnCart, row: AppliedRow) -> bool:
    """By its id only by whom it is assigned to; by its code by whoever may use it."""
    voucher = on.stock.voucher_of(row)
    if row.applied_by is AppliedBy.CHOICE:
        return voucher is not None and voucher.is_theirs and voucher.assignment_id is not None
    return on.stock.is_usable(row)


def _made_room(on: OnCart, coming: AppliedRow) -> list[AppliedRow]:
    """What came by itself leaves for what was chosen, those that expire last first."""
    vouchers = [row for row in on.wanted if row.voucher_id]
    surplus = len(vouchers) - MOST_VOUCHERS
    own = [row for row in vouchers if row.applied_by is AppliedBy.ASSIGNMENT]
    if surplus > len(own):
        raise VoucherError(VoucherErrorCode.TOO_MANY_VOUCHERS, VoucherErrorCode.TOO_MANY_VOUCHERS.value, *AT)
    own.sort(key=lambda row: (row.expires_at or on.stock.now, row.id), reverse=True)
    return own[: max(0, surplus)]


def _refuse_second_promotion(on: OnCart, coming: AppliedRow) -> None:
    if coming.promotion_id and sum(1 for row in on.wanted if row.promotion_id) > 1:
        raise VoucherError(VoucherErrorCode.ONE_PROMOTION, VoucherErrorCode.ONE_PROMOTION.value, *AT)


# --------------------------------------------------------------------------------------------------- does it fit


async def _refuse_unfit(act: ProgramAct, on: OnCart, row: AppliedRow, staying: Sequence[AppliedRow]) -> None:
    amounts = share(on.stock, on.lines, staying)
    voucher = on.stock.voucher_of(row)
    if voucher is None:
        await _refuse_unfit_promotion(act, on, row, amounts)
        return
    _refuse_beyond_due(on, row, staying)
    got = held_by(amounts, row)
    if got == 0:
        raise _pays_nothing(on, row, voucher)
    if row.named_minor is not None and got < row.named_minor:
        raise _pays_less(on, row, voucher, got)


def _refuse_beyond_due(on: OnCart, row: AppliedRow, staying: Sequence[AppliedRow]) -> None:
    """After what the others pay."""
    others = [one for one in staying if one != row]
    total = sum(line.amount_minor for line in on.lines)
    due = on.cart.money(total - paid_minor(share(on.stock, on.lines, others)))
    if row.named_minor is not None and row.named_minor > due.amount_minor:
        raise exceeds_due(on.cart.money(row.named_minor), due)


def exceeds_due(named: Money, due: Money) -> VoucherError:
    said = f"{due} is due, and {named} was to be taken from the voucher. Nothing was changed."
    return VoucherError(VoucherErrorCode.VOUCHER_EXCEEDS_DUE, said, "amount")


def _pays_nothing(on: OnCart, row: AppliedRow, voucher: OfferedVoucher) -> VoucherError:
    payer = payer_of(on.stock, row, voucher)
    fits = any(voucher.rule.admits(line.product_id) for line in on.lines)
    if fits and voucher.currency == on.cart.currency:
        if not payer.free_minor:
            return VoucherError(VoucherErrorCode.VOUCHER_HELD, VoucherErrorCode.VOUCHER_HELD.value, *AT)
        if voucher.billed_later and on.stock.agreement_of(row) is None:
            return _no_agreement()
        if not payer.has_credit:
            return over_cap()
    return does_not_fit(said_of(on.stock, on.lines, row, voucher))


def _pays_less(on: OnCart, row: AppliedRow, voucher: OfferedVoucher, got_minor: int) -> VoucherError:
    named, got = on.cart.money(row.named_minor or 0), on.cart.money(got_minor)
    if voucher.free_minor(row.held_minor) < named.amount_minor:
        free = on.cart.money(voucher.free_minor(row.held_minor))
        return does_not_fit(f"{named} was named, and {free} can be taken from the voucher. Nothing was changed.")
    said = f"{got} is due for what the voucher may pay, and {named} was named. Nothing was changed."
    return VoucherError(VoucherErrorCode.VOUCHER_EXCEEDS_DUE, said, "amount")


async def _refuse_unfit_promotion(act: ProgramAct, on: OnCart, row: AppliedRow, amounts: Amounts) -> None:
    promotion = on.stock.promotions[row.promotion_id or 0]
    if row.named_minor is not None:
        raise does_not_fit("A promotion takes off what it takes off: leave the amount out.")
    if held_by(amounts, row):
        return
    # Whether it is used up, or only in others' hands just now, the promotion itself says; nothing of this stays.
    held = Held.HELD if row.held_minor else await hold_promotion(act, promotion.id, on.cart.person_id, 0)
    if held is not Held.HELD:
        raise not_held(held, *AT)
    if promotion.billed_later and any(promotion.rule.admits(line.product_id) for line in on.lines):
        raise over_cap() if on.stock.agreement_of(row) else _no_agreement()
    names = ", ".join(line.name for line in on.lines)
    raise does_not_fit(f"{promotion.name} takes nothing off {names}.")


def _no_agreement() -> VoucherError:
    return VoucherError(VoucherErrorCode.NO_AGREEMENT, VoucherErrorCode.NO_AGREEMENT.value, *AT)
