"""An order as a step needs it: found for who may see it, and moved from state to state by one conditional update."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import update

from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.voucher_orders import VoucherOrderState
from resolvers.loaders.voucher_orders import COLUMNS, ORDER, OrderKey, OrderRow, orders_by_key
from resolvers.programs.acting import ProgramAct


async def seen_order(act: ProgramAct, order_id: int) -> OrderRow:
    """For who runs the program, and for the organization whose order it is; not found for anybody else."""
    order = await found_order(act, order_id)
    act.principal.must_see_in(act.program_id, order.organization_id, "voucher order", "order")
    return order


async def found_order(act: ProgramAct, order_id: int) -> OrderRow:
    for order in await orders_by_key(act.session, [OrderKey(act.program_id, order_id)]):
        return order
    raise NotFound("voucher order", "order")


async def move(
    act: ProgramAct, order_id: int, before: Collection[VoucherOrderState], after: VoucherOrderState, **values: object
) -> OrderRow | None:
    """The order as it then is; None if it was in none of those states. Of two at once, one moves it."""
    moved = await act.session.execute(
        update(ORDER)
        .where(ORDER.c.program_id == act.program_id, ORDER.c.id == order_id, ORDER.c.state.in_(before))
        .values(state=after, **values)
        .returning(*COLUMNS)
    )
    row = moved.one_or_none()
    return OrderRow(0, *row) if row else None


async def must_move(
    act: ProgramAct, order: OrderRow, before: Collection[VoucherOrderState], after: VoucherOrderState, **values: object
) -> OrderRow:
    moved = await move(act, order.id, before, after, **values)
    if moved is None:
        raise wrong_state(order)
    return moved


def wrong_state(order: OrderRow) -> VoucherError:
    said = f"Order {order.number} is {order.state.name}: {order.state.value}. So this cannot be done."
    return VoucherError(VoucherErrorCode.WRONG_STATE, said, "order")
