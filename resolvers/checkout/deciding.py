"""What the outcome of its payment does to a checkout. Whoever brings it, and however often: it is decided once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, bindparam, update
from sqlalchemy.sql.dml import ReturningUpdate

from models.base import Instant
from models.carts import CartState
from models.checkouts import UNDECIDED, CheckoutState
from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.program_events import ProgramDeed, ProgramThing
from resolvers.carts.versions import thaw
from resolvers.checkout.capturing import OnCheckout, capture_cart, on_checkout
from resolvers.loaders.carts import CART
from resolvers.loaders.checkouts import CHECKOUT, CheckoutRow, checkout_of
from resolvers.payments.rows import PaysFor, Subject
from resolvers.payments.starting import give_up_waiting
from resolvers.prepared import prepared
from resolvers.programs.acting import ProgramAct, Told, tell
from resolvers.vouchers.codes import CodeKeys

State = CheckoutState


async def seen_checkout(act: ProgramAct, checkout_id: int) -> CheckoutRow:
    """For the person whose it is, and for who runs the program."""
    checkout = await checkout_of(act.session, act.program_id, checkout_id, "checkout")
    if not checkout.is_seen_by(act.principal):
        raise NotFound("checkout", "checkout")
    return checkout


async def complete(act: ProgramAct, checkout: CheckoutRow) -> int | None:
    """The key of the order; None if it was decided before."""
    if not await _move(act, checkout.id, UNDECIDED, State.COMPLETED):
        return None
    return await order(act, checkout, await on_checkout(act, checkout))


async def order(act: ProgramAct, checkout: CheckoutRow, on: OnCheckout) -> int:
    """The key of the order of a checkout that this transaction has completed."""
    order_id = await capture_cart(act, checkout, on)
    asked = {"program": act.program_id, "cart": checkout.cart_id, "now": act.now}
    (_,) = await _closing.rows(act.session, asked)
    await _tell(act, checkout, ProgramDeed.COMPLETED)
    return order_id


@prepared
def _closing() -> ReturningUpdate[Any]:
    own = and_(CART.c.program_id == bindparam("program"), CART.c.id == bindparam("cart"))
    closed = update(CART).where(own, CART.c.state == CartState.COMPLETING)
    now = bindparam("now", type_=Instant)
    return closed.values(state=CartState.COMPLETED, changed_at=now).returning(CART.c.id)


async def paid(act: ProgramAct, _keys: CodeKeys | None, checkout_id: int) -> bool:
    """It was charged. False if that comes after it was given up: then the cart may be another by now, and the money
    goes back."""
    checkout = await checkout_of(act.session, act.program_id, checkout_id)
    return await complete(act, checkout) is not None


async def declined(act: ProgramAct, checkout_id: int, why: str) -> bool:
    """Nothing was charged: the cart is open again, with what it holds."""
    return await _reopen(act, checkout_id, UNDECIDED, State.DECLINED, ProgramDeed.CHECKOUT_DECLINED, why)


async def unknown(act: ProgramAct, checkout_id: int) -> bool:
    """The gateway did not answer: nothing is tried again before that is known."""
    moved = await _move(act, checkout_id, (State.PAYING,), State.PAYMENT_UNKNOWN, ended=False)
    if moved:
        checkout = await checkout_of(act.session, act.program_id, checkout_id)
        await _tell(act, checkout, ProgramDeed.PAYMENT_UNKNOWN)
    return moved


async def cancel(act: ProgramAct, checkout_id: int) -> CheckoutRow:
    """The person changes their mind before anything was charged: on a hosted page, or when asked to confirm a card.

    Should the charge come all the same, it goes back. While the gateway is being asked there is nothing to cancel.
    """
    checkout = await seen_checkout(act, checkout_id)
    given_up = await give_up_waiting(act, Subject(PaysFor.CHECKOUT, checkout_id))
    why = "given up before anything was charged"
    if not given_up or not await _reopen(
        act, checkout_id, (State.PAYING,), State.CANCELLED, ProgramDeed.CHECKOUT_CANCELLED, why
    ):
        said = f"The payment cannot be given up: {checkout.state.value}."
        raise VoucherError(VoucherErrorCode.WRONG_STATE, said, "checkout")
    return await checkout_of(act.session, act.program_id, checkout_id)


async def _reopen(
    act: ProgramAct,
    checkout_id: int,
    before: Collection[CheckoutState],
    after: CheckoutState,
    deed: ProgramDeed,
    why: str,
) -> bool:
    if not await _move(act, checkout_id, before, after):
        return False
    checkout = await checkout_of(act.session, act.program_id, checkout_id)
    await thaw(act, checkout.cart_id)
    await _tell(act, checkout, deed, why)
    return True


async def _move(
    act: ProgramAct,
    checkout_id: int,
    before: Collection[CheckoutState],
    after: CheckoutState,
    *,
    ended: bool = True,
) -> bool:
    moved = await act.session.execute(
        update(CHECKOUT)
        .where(CHECKOUT.c.program_id == act.program_id, CHECKOUT.c.id == checkout_id, CHECKOUT.c.state.in_(before))
        .values(state=after, ended_at=act.now if ended else None)
        .returning(CHECKOUT.c.id)
    )
    return moved.scalar_one_or_none() is not None


async def _tell(act: ProgramAct, checkout: CheckoutRow, deed: ProgramDeed, said: str | None = None) -> None:
    what = f"version {checkout.cart_version}, {checkout.due} by card"
    told = Told(thing=ProgramThing.CART, thing_id=checkout.cart_id, deed=deed, said=said, after=what)
    await tell(act, told)
