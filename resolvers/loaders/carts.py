"""Reading carts, their lines, what is applied to them, and what that pays of which line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Select, and_, bindparam, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked
from models.carts import AppliedBy, Cart, CartAllocation, CartLine, CartState, CartVoucher, CartVoucherEnd
from models.money import Money
from models.products import Product
from models.promotions import Promotion
from models.vouchers import Voucher
from resolvers.prepared import Connected, prepared

CART = Cart.__table__
LINE = CartLine.__table__
APPLIED = CartVoucher.__table__
ALLOCATION = CartAllocation.__table__
PRODUCT = Product.__table__
VOUCHER = Voucher.__table__
PROMOTION = Promotion.__table__


class CartKey(NamedTuple):
    program_id: int
    cart_id: int


class CartRow(NamedTuple):
    place: int
    program_id: int
    id: int
    person_id: int
    currency: str
    gateway: str
    version: int
    state: CartState
    total_minor: int
    by_vouchers_minor: int
    opened_at: dt.datetime
    changed_at: dt.datetime

    @property
    def key(self) -> CartKey:
        return CartKey(self.program_id, self.id)

    @property
    def due(self) -> Money:
        """What is left to pay by card."""
        return self.money(self.total_minor - self.by_vouchers_minor)

    def money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.currency)


CART_COLUMNS = [CART.c[name] for name in CartRow._fields[1:]]


async def carts_by_key(connection: Connected, keys: Sequence[CartKey]) -> list[CartRow]:
    """Those of the carts that exist."""
    return [CartRow._make(row) for row in await _carts_by_key.rows(connection, as_keys(keys))]


@prepared
def _carts_by_key() -> Select[Any]:
    keys = asked("keys", "place", *CartKey._fields)
    same = and_(CART.c.program_id == keys.c.program_id, CART.c.id == keys.c.cart_id)
    return select(keys.c.place, *CART_COLUMNS).select_from(keys).join(CART, same)


# -------------------------------------------------------------------------------------------------- lines


class CartLineRow(NamedTuple):
    place: int
    number: int
    product_id: int
    quantity: int
    unit_price_minor: int
    # Of the product, as it is now.
    name: str
    price_minor: int
    currency: str
    retired_at: dt.datetime | None

    @property
    def amount_minor(self) -> int:
        return self.quantity * self.unit_price_minor


LINE_COLUMNS = [LINE.c[name] for name in CartLineRow._fields[1:5]]
LINE_COLUMNS += [PRODUCT.c[name] for name in CartLineRow._fields[5:]]


async def lines_of_carts(connection: Connected, keys: Sequence[CartKey]) -> list[CartLineRow]:
    """By their numbers."""
    return [CartLineRow._make(row) for row in await _lines_of_carts.rows(connection, as_keys(keys))]


@prepared
def _lines_of_carts() -> Select[Any]:
    keys = asked("keys", "place", *CartKey._fields)
    of_cart = and_(LINE.c.program_id == keys.c.program_id, LINE.c.cart_id == keys.c.cart_id)
    product = and_(PRODUCT.c.program_id == LINE.c.program_id, PRODUCT.c.id == LINE.c.product_id)
    joined = select(keys.c.place, *LINE_COLUMNS).select_from(keys).join(LINE, of_cart).join(PRODUCT, product)
    return joined.order_by(keys.c.place, LINE.c.number)


# ------------------------------------------------------------------------------------- what is applied to them


class AppliedRow(NamedTuple):
    """A voucher or a promotion on a cart; also one that is there no more."""

    place: int
    program_id: int
    id: int
    cart_id: int
    voucher_id: int | None
    promotion_id: int | None
    billing_agreement_id: int | None
    applied_by: AppliedBy
    named_minor: int | None
    held_minor: int
    held_until: dt.datetime
    applied_at: dt.datetime
    ended_at: dt.datetime | None
    end: CartVoucherEnd | None
    # Of the voucher: by which its owner knows it, and until when it can be used.
    last_four: str | None = None
    expires_at: dt.datetime | None = None
    # Of the promotion.
    promotion_code: str | None = None

    @property
    def is_live(self) -> bool:
        return self.ended_at is None

    def is_overdue(self, now: dt.datetime) -> bool:
        """The time of its hold is over, or it has expired."""
        return self.held_until <= now or (self.expires_at is not None and self.expires_at <= now)

    @property
    def is_new(self) -> bool:
        """It is about to be applied, and not written yet."""
        return self.place < 0


APPLIED_COLUMNS = [APPLIED.c[name] for name in AppliedRow._fields[1:14]]
APPLIED_COLUMNS += [VOUCHER.c.last_four, VOUCHER.c.expires_at, PROMOTION.c.code]


async def applied_of_carts(connection: Connected, keys: Sequence[CartKey]) -> list[AppliedRow]:
    """In the order in which they were applied, with those that have ended."""
    return [AppliedRow._make(row) for row in await _applied_of_carts.rows(connection, as_keys(keys))]


@prepared
def _applied_of_carts() -> Select[Any]:
    keys = asked("keys", "place", *CartKey._fields)
    of_cart = and_(APPLIED.c.program_id == keys.c.program_id, APPLIED.c.cart_id == keys.c.cart_id)
    voucher = and_(VOUCHER.c.program_id == APPLIED.c.program_id, VOUCHER.c.id == APPLIED.c.voucher_id)
    promotion = and_(PROMOTION.c.program_id == APPLIED.c.program_id, PROMOTION.c.id == APPLIED.c.promotion_id)
    joined = select(keys.c.place, *APPLIED_COLUMNS).select_from(keys).join(APPLIED, of_cart)
    joined = joined.outerjoin(VOUCHER, voucher).outerjoin(PROMOTION, promotion)
    # Of one moment that which is still there last.
    is_there = case((APPLIED.c.ended_at.is_(None), 1), else_=0)
    return joined.order_by(keys.c.place, APPLIED.c.applied_at, is_there, APPLIED.c.ended_at, APPLIED.c.id)


class AllocationRow(NamedTuple):
    place: int
    cart_voucher_id: int
    line_number: int
    amount_minor: int


async def allocations_of_carts(connection: Connected, keys: Sequence[CartKey]) -> list[AllocationRow]:
    """What is paid of each line by what is on the cart, by lines."""
    return [AllocationRow._make(row) for row in await _allocations_of_carts.rows(connection, as_keys(keys))]


@prepared
def _allocations_of_carts() -> Select[Any]:
    keys = asked("keys", "place", *CartKey._fields)
    of_cart = and_(APPLIED.c.program_id == keys.c.program_id, APPLIED.c.cart_id == keys.c.cart_id)
    own = and_(ALLOCATION.c.program_id == APPLIED.c.program_id, ALLOCATION.c.cart_voucher_id == APPLIED.c.id)
    columns = [ALLOCATION.c[name] for name in AllocationRow._fields[1:]]
    joined = select(keys.c.place, *columns).select_from(keys).join(APPLIED, of_cart).join(ALLOCATION, own)
    return joined.order_by(keys.c.place, ALLOCATION.c.line_number, ALLOCATION.c.cart_voucher_id)


# -------------------------------------------------------------------------------------------- a person's carts


@dataclass(frozen=True, slots=True)
class CartPage:
    """Of a person's open carts, the newest first."""

    limit: int
    backward: bool = False
    # The id beyond which the page begins.
    beyond: int | None = None


async def open_carts(connection: AsyncConnection, person_id: int, page: CartPage) -> list[CartRow]:
    parameters = {"person": person_id, "most": page.limit, "beyond": page.beyond or 0}
    rows = await connection.execute(_open_carts(page.backward, page.beyond is not None), parameters)
    return [CartRow(0, *row) for row in rows]


async def open_carts_total(connection: AsyncConnection, person_id: int) -> int:
    counted = select(func.count()).select_from(CART).where(*_OPEN)
    return await connection.scalar(counted, {"person": person_id}) or 0


_OPEN = (CART.c.person_id == bindparam("person", type_=BigInteger), CART.c.state == CartState.OPEN)


@lru_cache
def _open_carts(backward: bool, resumed: bool) -> Select[Any]:
    rows = select(*CART_COLUMNS).where(*_OPEN)
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        rows = rows.where(CART.c.id > beyond if backward else CART.c.id < beyond)
    by_age = CART.c.id.asc() if backward else CART.c.id.desc()
    return rows.order_by(by_age, CART.c.program_id).limit(bindparam("most", type_=BigInteger))
