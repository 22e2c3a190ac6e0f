"""What an order of a promotion's budget does where an order of vouchers issues them, takes or gives them back."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, select, update

from models.errors import VoucherError, VoucherErrorCode
from models.ledger import LedgerEvent
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from models.promotions import Promotion
from resolvers.ledger.posting import Posting, post
from resolvers.loaders.promotions import CAME_TO_NOTHING, promotion_of
from resolvers.loaders.voucher_orders import ORDER, OrderRow
from resolvers.programs.acting import ProgramAct, Told, tell

PROMOTION = Promotion.__table__


async def fund(act: ProgramAct, order: OrderRow) -> None:
    """From now on the budget can be used."""
    funded = await act.session.execute(
        update(PROMOTION)
        .where(_of(act, order), _waits(act))
        .values(funded_at=act.now)
        .returning(PROMOTION.c.face_value_minor)
    )
    if funded.scalar_one_or_none() is None:
        raise cannot_be_funded("order")
    await _tell(act, order, ProgramDeed.ISSUED, str(order.total))


async def order_of_budget(act: ProgramAct, promotion_id: int, but: int = 0) -> str | None:
    """The number of the order by which the budget is bought, unless it came to nothing; but of this one."""
    live = select(ORDER.c.number).where(
        ORDER.c.program_id == act.program_id,
        ORDER.c.promotion_id == promotion_id,
        ORDER.c.id != but,
        ORDER.c.state.not_in(CAME_TO_NOTHING),
    )
    number: str | None = (await act.session.execute(live)).scalars().first()
    return number


async def take_back(act: ProgramAct, order: OrderRow) -> None:
    """The reverse of the approval, which is of all of it: so all of it must be there still. It can be ordered anew."""
    whole = and_(
        PROMOTION.c.remaining_minor == PROMOTION.c.face_value_minor,
        PROMOTION.c.held_minor == 0,
        PROMOTION.c.held_uses == 0,
        PROMOTION.c.uses == 0,
    )
    taken = await act.session.execute(
        update(PROMOTION)
        .where(_of(act, order), PROMOTION.c.funded_at.is_not(None), whole)
        .values(funded_at=None)
        .returning(PROMOTION.c.id)
    )
    if taken.scalar_one_or_none() is None:
        raise await _in_use(act, order)
    await post(act, _posting(order, LedgerEvent.ORDER_CANCELLED, order.total))
    await _tell(act, order, ProgramDeed.ORDER_CANCELLED, f"{order.total} is not its budget any more")


async def give_back(act: ProgramAct, order: OrderRow) -> Money:
    """What nobody holds of the budget, until its last day has passed. The promotion is stopped by it."""
    before = await promotion_of(act.session, act.program_id, order.promotion_id or 0)
    free = before.free_minor
    given = await act.session.execute(
        update(PROMOTION)
        .where(_of(act, order), PROMOTION.c.funded_at.is_not(None), PROMOTION.c.usable_until > act.now)
        .where(PROMOTION.c.remaining_minor - PROMOTION.c.held_minor == free)
        .values(
            refunded_minor=PROMOTION.c.refunded_minor + free,
            remaining_minor=PROMOTION.c.remaining_minor - free,
            stopped_at=before.stopped_at or act.now,
        )
        .returning(PROMOTION.c.id)
    )
    if given.scalar_one_or_none() is None or not free:
        said = "Nothing of the budget can be given back: it is used up, held by carts, or has expired."
        raise VoucherError(VoucherErrorCode.NOT_REFUNDABLE, said, "order")
    amount = Money(free, order.currency)
    await post(act, _posting(order, LedgerEvent.UNUSED_REFUNDED, amount))
    await _tell(act, order, ProgramDeed.REFUNDED, str(amount))
    return amount


def cannot_be_funded(*field: str) -> VoucherError:
    said = "The promotion was stopped, has ended, or its budget is bought already."
    return VoucherError(VoucherErrorCode.WRONG_STATE, said, *field)


def _of(act: ProgramAct, order: OrderRow) -> ColumnElement[bool]:
    return and_(PROMOTION.c.program_id == act.program_id, PROMOTION.c.id == order.promotion_id)


def _waits(act: ProgramAct) -> ColumnElement[bool]:
    return and_(PROMOTION.c.funded_at.is_(None), PROMOTION.c.stopped_at.is_(None), PROMOTION.c.usable_until > act.now)


def _posting(order: OrderRow, event: LedgerEvent, amount: Money) -> Posting:
    return Posting(
        event=event,
        amount=amount,
        organization_id=order.organization_id,
        voucher_order_id=order.id,
        promotion_id=order.promotion_id,
    )


async def _tell(act: ProgramAct, order: OrderRow, deed: ProgramDeed, after: str) -> None:
    told = Told(thing=ProgramThing.PROMOTION, thing_id=order.promotion_id or 0, deed=deed, after=after)
    await tell(act, told)


async def _in_use(act: ProgramAct, order: OrderRow) -> VoucherError:
    row = await promotion_of(act.session, act.program_id, order.promotion_id or 0)
    used, held = row.captured_minor - row.reversed_minor, row.held_minor
    redeemed, on_carts = Money(used, row.currency), Money(held, row.currency)
    said = (
        f"Of the budget {redeemed} were redeemed, {on_carts} are held by carts, or it has expired. So the order cannot "
        "be cancelled."
    )
    return VoucherError(VoucherErrorCode.IN_USE, said, "order")
