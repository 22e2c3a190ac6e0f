"""Moves what a cart holds to what it is to hold, and writes down what pays which line.

Vouchers are changed in the order of their ids, so that two carts with the same vouchers never wait for each other.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, delete, update
from sqlalchemy.sql.dml import ReturningUpdate

from models.carts import CartVoucherEnd
from models.errors import VoucherError, VoucherErrorCode
from models.promotions import Held
from resolvers.carts.credit import hold_credit, release_credit
from resolvers.carts.sharing import Amounts, Stock, held_by, is_needless, paid_minor, share
from resolvers.loaders.carts import ALLOCATION, APPLIED, CART, CART_COLUMNS, AppliedRow, CartLineRow, CartRow
from resolvers.loaders.voucher_programs import program_of
from resolvers.prepared import add, prepared
from resolvers.programs.acting import ProgramAct
from resolvers.promotions import moving as promotions
from resolvers.promotions.finding import not_held
from resolvers.vouchers.moving import hold, release


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """A cart at its new version, and what shall be on it. What cannot be used any more leaves by itself."""

    cart: CartRow
    lines: Sequence[CartLineRow]
    # What is to stay, and what comes new: that holds nothing yet.
    wanted: Sequence[AppliedRow]
    stock: Stock
    # What goes, and how it ends.
    going: Mapping[AppliedRow, CartVoucherEnd]
    # Until when everything is held; None leaves that as it is.
    until: dt.datetime | None = None


async def settle(act: ProgramAct, asked: Settling) -> CartRow:
    """Allocates anew, moves the holds, and gives the cart with its new sums."""
    usable = [row for row in asked.wanted if asked.stock.is_usable(row)]
    amounts = share(asked.stock, asked.lines, usable)
    staying = [row for row in usable if not is_needless(row, amounts)]
    gone = {row: CartVoucherEnd.RELEASED for row in asked.wanted if row not in staying} | dict(asked.going)
    await _move(act, asked, staying, gone, amounts)
    await _write(act, asked, staying, gone, amounts)
    return await _sum_up(act, asked, amounts)


async def hold_until(act: ProgramAct) -> dt.datetime:
    program = await program_of(act.session, act.program_id)
    return act.now + dt.timedelta(seconds=program.hold_seconds)


# ----------------------------------------------------------------------------------------------- moving value


async def _move(
    act: ProgramAct,
    asked: Settling,
    staying: Sequence[AppliedRow],
    gone: Mapping[AppliedRow, CartVoucherEnd],
    amounts: Amounts,
) -> None:
    changed = [(row, held_by(amounts, row)) for row in staying] + [(row, 0) for row in gone]
    for row, minor in sorted(changed, key=lambda change: change[0].voucher_id or 0):
        if row.voucher_id is not None:
            await _move_voucher(act, asked.stock, row, minor)
    for row, minor in changed:
        if row.promotion_id is not None:
            await _move_promotion(act, asked.cart, row, minor, stays=row in staying)
    await _move_credit(act, asked.stock, changed)


async def _move_voucher(act: ProgramAct, stock: Stock, row: AppliedRow, minor: int) -> None:
    voucher_id, more = row.voucher_id or 0, minor - row.held_minor
    if more < 0:
        await release(act, voucher_id, -more)
    elif more > 0:
        alone = row.held_minor if stock.vouchers[voucher_id].forfeits_rest else None
        if not await hold(act, voucher_id, more, alone_beside_minor=alone):
            raise VoucherError(VoucherErrorCode.VOUCHER_HELD, VoucherErrorCode.VOUCHER_HELD.value, "by")


async def _move_promotion(act: ProgramAct, cart: CartRow, row: AppliedRow, minor: int, *, stays: bool) -> None:
    """A use is held with its amount, so another amount is another hold."""
    if stays and row.held_minor == minor and minor:
        return
    promotion_id = row.promotion_id or 0
    if row.held_minor:
        await promotions.release(act, promotion_id, cart.person_id, row.held_minor)
    if stays and minor:
        held = await promotions.hold(act, promotion_id, cart.person_id, minor)
        if held is not Held.HELD:
            raise not_held(held, "by")


async def _move_credit(act: ProgramAct, stock: Stock, changed: Sequence[tuple[AppliedRow, int]]) -> None:
    moved: dict[int, int] = defaultdict(int)
    for row, minor in changed:
        if row.billing_agreement_id is not None:
            moved[row.billing_agreement_id] -= row.held_minor
        agreement = stock.agreement_of(row)
        if agreement is not None:
            moved[agreement] += minor
    for agreement_id, more in sorted(moved.items()):
        if more < 0:
            await release_credit(act, agreement_id, -more)
        elif more > 0 and not await hold_credit(act, agreement_id, more):
            raise over_cap()


def over_cap() -> VoucherError:
    """Without figures: what an organization owes is nobody's business but its own."""
    said = "Who pays for the voucher later may owe no more for now, so nothing can be held. Nothing was changed."
    return VoucherError(VoucherErrorCode.OVER_CAP, said, "by")


# -------------------------------------------------------------------------------------------------- writing


async def _write(
    act: ProgramAct,
    asked: Settling,
    staying: Sequence[AppliedRow],
    gone: Mapping[AppliedRow, CartVoucherEnd],
    amounts: Amounts,
) -> None:
    """A row that is not there yet has no moment of applying."""
    kept = [row for row in (*staying, *gone) if not row.is_new]
    if kept:
        ids = [row.id for row in kept]
        await act.session.execute(
            delete(ALLOCATION).where(ALLOCATION.c.program_id == act.program_id, ALLOCATION.c.cart_voucher_id.in_(ids))
        )
    for row in kept:
        await _change(act, asked, row, held_by(amounts, row) if row in staying else 0, gone.get(row))
    added = [_row(act, asked, row, held_by(amounts, row)) for row in staying if row.is_new]
    if added:
        await add(act.session, APPLIED, added)
    parts = [_part(act, row, number, minor) for row in staying for number, minor in amounts.get(row.id, {}).items()]
    if parts:
        await add(act.session, ALLOCATION, parts)


async def _change(
    act: ProgramAct, asked: Settling, row: AppliedRow, held_minor: int, end: CartVoucherEnd | None
) -> None:
    own = and_(APPLIED.c.program_id == act.program_id, APPLIED.c.id == row.id, APPLIED.c.ended_at.is_(None))
    agreement = asked.stock.agreement_of(row) if end is None else row.billing_agreement_id
    as_applied = {"named_minor": row.named_minor, "applied_by": row.applied_by}
    changed = update(APPLIED).where(own).values(held_minor=held_minor, billing_agreement_id=agreement, **as_applied)
    if asked.until is not None and end is None:
        changed = changed.values(held_until=asked.until)
    if end is not None:
        changed = changed.values(end=end, ended_at=act.now)
    (await act.session.execute(changed.returning(APPLIED.c.id))).scalar_one()


def _row(act: ProgramAct, asked: Settling, row: AppliedRow, held_minor: int) -> dict[str, object]:
    return {
        "program_id": act.program_id,
        "id": row.id,
        "cart_id": asked.cart.id,
        "voucher_id": row.voucher_id,
        "promotion_id": row.promotion_id,
        "billing_agreement_id": asked.stock.agreement_of(row),
        "applied_by": row.applied_by,
        "named_minor": row.named_minor,
        "held_minor": held_minor,
        "held_until": asked.until or row.held_until,
        "applied_at": act.now,
        "ended_at": None,
        "end": None,
    }


def _part(act: ProgramAct, row: AppliedRow, number: int, minor: int) -> dict[str, object]:
    return {"program_id": act.program_id, "cart_voucher_id": row.id, "line_number": number, "amount_minor": minor}


async def _sum_up(act: ProgramAct, asked: Settling, amounts: Amounts) -> CartRow:
    total = sum(line.amount_minor for line in asked.lines)
    sums = {"total": total, "by_vouchers": paid_minor(amounts)}
    (summed,) = await _summing_up.rows(act.session, {"program": act.program_id, "cart": asked.cart.id, **sums})
    return CartRow(0, *summed)


@prepared
def _summing_up() -> ReturningUpdate[Any]:
    own = and_(CART.c.program_id == bindparam("program"), CART.c.id == bindparam("cart"))
    total, by_vouchers = (bindparam(name, type_=BigInteger) for name in ("total", "by_vouchers"))
    return update(CART).where(own).values(total_minor=total, by_vouchers_minor=by_vouchers).returning(*CART_COLUMNS)
