"""Each change of a cart names the version that it saw and makes a new one: of two tabs the later is told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, Update, and_, bindparam, update
from sqlalchemy.sql.dml import ReturningUpdate

from models.base import Instant
from models.carts import CartState
from models.errors import VoucherError, VoucherErrorCode
from resolvers.carts.finding import must_own_cart
from resolvers.loaders.carts import CART, CART_COLUMNS, CartRow
from resolvers.prepared import Prepared, prepared
from resolvers.programs.acting import ProgramAct


async def begin_change(act: ProgramAct, cart_id: int, expected_version: int) -> CartRow:
    """The cart at its new version, its row locked; refused, and nothing changed, if it is not as it was seen."""
    changed = await _seen(act, _changing, cart_id, expected_version)
    if changed is None:
        raise why_not(await must_own_cart(act, cart_id), expected_version)
    return changed


async def begin_release(act: ProgramAct, cart_id: int, *conditions: ColumnElement[bool]) -> CartRow | None:
    """The same for what happens to a cart behind its person's back, whatever its version; None unless it is open and
    as the conditions say."""
    open_one = and_(of_cart(act, cart_id), CART.c.state == CartState.OPEN, *conditions)
    newer = update(CART).where(open_one).values(version=CART.c.version + 1)
    return await _one(act, newer)


async def freeze(act: ProgramAct, cart_id: int, expected_version: int) -> CartRow:
    """While its payment is under way nothing of the cart changes, and nothing that it holds is released."""
    cart = await _seen(act, _freezing, cart_id, expected_version)
    if cart is None:
        raise why_not(await must_own_cart(act, cart_id), expected_version)
    return cart


async def thaw(act: ProgramAct, cart_id: int) -> CartRow | None:
    """Open again, as a new version, after its payment came to nothing; None if it was not under way."""
    frozen = and_(of_cart(act, cart_id), CART.c.state == CartState.COMPLETING)
    return await _one(act, _newer(act).where(frozen).values(state=CartState.OPEN))


def of_cart(act: ProgramAct, cart_id: int) -> ColumnElement[bool]:
    return and_(CART.c.program_id == act.program_id, CART.c.id == cart_id)


def why_not(cart: CartRow, expected_version: int) -> VoucherError:
    if cart.state is CartState.COMPLETING:
        return VoucherError(VoucherErrorCode.CART_COMPLETING, VoucherErrorCode.CART_COMPLETING.value, "cart")
    if cart.state is not CartState.OPEN:
        said = f"The cart can be changed no more: {cart.state.value}."
        return VoucherError(VoucherErrorCode.CART_CLOSED, said, "cart")
    said = f"The cart is at version {cart.version}, and version {expected_version} was seen. Nothing was changed."
    return VoucherError(VoucherErrorCode.STALE_CART, said, "expectedVersion")


async def _seen(act: ProgramAct, changed: Prepared, cart_id: int, version: int) -> CartRow | None:
    own = {"program": act.program_id, "cart": cart_id, "person": act.principal.person_id or 0}
    row = await changed.first(act.session, own | {"seen": version, "now": act.now})
    return None if row is None else CartRow(0, *row)


@prepared
def _changing() -> ReturningUpdate[Any]:
    newer = _as_it_was_seen().values(version=CART.c.version + 1, changed_at=bindparam("now", type_=Instant))
    return newer.returning(*CART_COLUMNS)


@prepared
def _freezing() -> ReturningUpdate[Any]:
    frozen = _as_it_was_seen().values(state=CartState.COMPLETING, changed_at=bindparam("now", type_=Instant))
    return frozen.returning(*CART_COLUMNS)


def _as_it_was_seen() -> Update:
    own = and_(CART.c.program_id == bindparam("program"), CART.c.id == bindparam("cart"))
    seen = and_(CART.c.version == bindparam("seen", type_=Integer), CART.c.state == CartState.OPEN)
    return update(CART).where(own, seen, CART.c.person_id == bindparam("person"))


def _newer(act: ProgramAct) -> Update:
    return update(CART).values(version=CART.c.version + 1, changed_at=act.now)


async def _one(act: ProgramAct, changed: Update) -> CartRow | None:
    row = (await act.session.execute(changed.returning(*CART_COLUMNS))).one_or_none()
    return None if row is None else CartRow(0, *row)
