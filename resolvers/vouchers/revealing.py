"""Showing codes again to the organization that owns them: each time is told by an event of each voucher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, select

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import Voucher, VoucherCode
from resolvers.loaders.voucher_orders import OrderRow
from resolvers.programs.acting import ProgramAct, Told, tell_all
from resolvers.voucher_orders.finding import found_order
from resolvers.vouchers.codes import CodeKeys, must_have
from resolvers.vouchers.moving import is_usable

VOUCHER, CODE = Voucher.__table__, VoucherCode.__table__
MOST_REVEALED = 250
"""So many at once through the API; a file holds all of an order's."""


@dataclass(frozen=True, slots=True)
class Revealed:
    voucher_id: int
    code: str = field(repr=False)
    purpose: str | None


@dataclass(frozen=True, slots=True)
class RevealedOrder:
    order: OrderRow
    codes: Sequence[Revealed]


async def reveal(act: ProgramAct, keys: CodeKeys | None, voucher_ids: Sequence[int]) -> list[Revealed]:
    """The codes of these vouchers, all or none, in the order of the vouchers' keys. Each must be live, and nothing of
    it redeemed.
    """
    if not 1 <= len(voucher_ids) <= MOST_REVEALED:
        said = f"Codes are shown for 1 to {MOST_REVEALED} vouchers at once; a file holds those of a whole order."
        raise VoucherError(VoucherErrorCode.BAD_QUANTITY, said, "vouchers")
    await _must_own_all(act, voucher_ids)
    revealed = await _revealed(act, must_have(keys), VOUCHER.c.id.in_(voucher_ids))
    if len(revealed) < len(set(voucher_ids)):
        said = f"{len(revealed):,} of {len(set(voucher_ids)):,} are live and not redeemed: only their codes are shown."
        raise VoucherError(VoucherErrorCode.NOT_LIVE, said, "vouchers")
    return revealed


async def reveal_order(act: ProgramAct, keys: CodeKeys | None, order_id: int) -> RevealedOrder:
    """Those of an order that are live, and of which nothing was redeemed."""
    order = await found_order(act, order_id)
    act.principal.must_see_in(act.program_id, order.organization_id, "voucher order", "order")
    _must_be_owner(act, order.organization_id)
    codes = await _revealed(act, must_have(keys), VOUCHER.c.voucher_order_id == order_id)
    return RevealedOrder(order, codes)


def _must_be_owner(act: ProgramAct, organization_id: int) -> None:
    """Not the program, and not staff: whoever reads a code can spend it."""
    principal = act.principal
    if not principal.acts_for_an_organization or principal.organization_id != organization_id:
        raise VoucherError(VoucherErrorCode.NOT_ALLOWED, "Codes are shown to the organization that owns them, only.")


async def _must_own_all(act: ProgramAct, voucher_ids: Sequence[int]) -> None:
    owners = await act.session.execute(
        select(VOUCHER.c.organization_id).where(VOUCHER.c.program_id == act.program_id, VOUCHER.c.id.in_(voucher_ids))
    )
    found = list(owners.scalars())
    if len(found) < len(set(voucher_ids)):
        raise NotFound("voucher", "vouchers")
    for organization_id in set(found):
        act.principal.must_see_in(act.program_id, organization_id, "voucher", "vouchers")
    for organization_id in set(found):
        _must_be_owner(act, organization_id)


async def _revealed(act: ProgramAct, keys: CodeKeys, chosen: ColumnElement[bool]) -> list[Revealed]:
    live_code = and_(
        CODE.c.program_id == VOUCHER.c.program_id, CODE.c.voucher_id == VOUCHER.c.id, CODE.c.ended_at.is_(None)
    )
    rows = await act.session.execute(
        select(VOUCHER.c.id, VOUCHER.c.purpose, CODE.c.id.label("code_id"), CODE.c.code_key, CODE.c.sealed)
        .join(CODE, live_code)
        .where(VOUCHER.c.program_id == act.program_id, chosen, is_usable(act.now))
        .where(VOUCHER.c.captured_minor == VOUCHER.c.reversed_minor)
        .order_by(VOUCHER.c.id)
    )
    revealed = [
        Revealed(row.id, keys.open(act.program_id, row.code_id, row.code_key, row.sealed), row.purpose) for row in rows
    ]
    deed = ProgramDeed.CODES_REVEALED
    await tell_all(act, [Told(thing=ProgramThing.VOUCHER, thing_id=one.voucher_id, deed=deed) for one in revealed])
    return revealed
