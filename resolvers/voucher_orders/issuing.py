"""Issuing: the vouchers of an order come to be once, each with a code of its own."""

from __future__ import annotations

from sqlalchemy import insert, update

from models.program_events import ProgramDeed, ProgramThing
from models.vouchers import Voucher, VoucherStanding
from resolvers.loaders.voucher_orders import ORDER, OrderRow
from resolvers.loaders.voucher_programs import program_of, voucher_program_of
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.voucher_orders.budgets import fund
from resolvers.vouchers.codes import CodeKeys, NewCode, keep_codes, must_have, new_codes

PARTS = ("held", "captured", "reversed", "expired", "forfeited", "refunded")


async def issue(act: ProgramAct, keys: CodeKeys | None, order: OrderRow) -> list[int]:
    """The keys of the vouchers; none if the order's were issued before, and none of a promotion, which is funded."""
    if order.promotion_id is not None:
        if await _begin(act, order):
            await fund(act, order)
        return []
    secret = must_have(keys)
    if not await _begin(act, order):
        return []
    first = act.keys.take(order.quantity)
    codes = new_codes(range(first, first + order.quantity))
    await act.session.execute(insert(Voucher.__table__), await _rows(act, order, codes))
    await keep_codes(act, secret, codes)
    issued = f"{order.quantity:,} of {order.unit_price}"
    await tell(act, Told(thing=ProgramThing.VOUCHER_ORDER, thing_id=order.id, deed=ProgramDeed.ISSUED, after=issued))
    return [code.voucher_id for code in codes]


async def _begin(act: ProgramAct, order: OrderRow) -> bool:
    """Whether nobody else has issued them: of two at once one finds them not issued."""
    begun = await act.session.execute(
        update(ORDER)
        .where(ORDER.c.program_id == act.program_id, ORDER.c.id == order.id, ORDER.c.issued_at.is_(None))
        .values(issued_at=act.now)
        .returning(ORDER.c.id)
    )
    return begun.scalar_one_or_none() is not None


async def _rows(act: ProgramAct, order: OrderRow, codes: list[NewCode]) -> list[dict[str, object]]:
    program = await program_of(act.session, act.program_id)
    terms = await voucher_program_of(act.session, act.program_id, order.voucher_program_id or 0)
    shared = {
        "program_id": act.program_id,
        "organization_id": order.organization_id,
        "voucher_program_id": terms.id,
        "voucher_order_id": order.id,
        "funding": order.funding,
        "standing": VoucherStanding.LIVE,
        "issued_at": act.now,
        "expires_at": terms.expires_at(act.now, program.zone),
        "face_value_minor": order.unit_price_minor,
        "remaining_minor": order.unit_price_minor,
        "currency": order.currency,
        **{f"{part}_minor": 0 for part in PARTS},
    }
    return [{**shared, "id": code.voucher_id, "last_four": code.last_four} for code in codes]
