"""What a cart is to pay for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert

from models.carts import MOST_LINES, MOST_OF_A_LINE
from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.program_events import ProgramDeed
from resolvers.carts.changing import load, resettle
from resolvers.carts.releasing import told
from resolvers.carts.versions import begin_change
from resolvers.gateways.gateway import Gateways
from resolvers.loaders.carts import LINE, CartRow
from resolvers.loaders.voucher_programs import InProgram, ProductRow, products_by_key
from resolvers.programs.acting import ProgramAct, tell


@dataclass(frozen=True, slots=True)
class LineWanted:
    product_id: int
    quantity: int = 1


async def set_lines(
    act: ProgramAct, gateways: Gateways, cart_id: int, expected_version: int, lines: Sequence[LineWanted]
) -> CartRow:
    """These lines instead of those that the cart had."""
    cart = await begin_change(act, cart_id, expected_version)
    products = await sold(act, lines, cart.currency)
    await act.session.execute(delete(LINE).where(LINE.c.program_id == act.program_id, LINE.c.cart_id == cart_id))
    await write_lines(act, cart_id, lines, products)
    settled = await resettle(act, gateways, await load(act, gateways, cart))
    await tell(act, told(cart, ProgramDeed.LINES_SET))
    return settled


async def sold(act: ProgramAct, lines: Sequence[LineWanted], currency: str | None) -> dict[int, ProductRow]:
    """The products, all of which must be sold now and in one currency: that one, if it is given."""
    _refuse_odd(lines)
    keys = sorted({InProgram(act.program_id, line.product_id) for line in lines})
    products = {product.id: product for product in await products_by_key(act.session, keys)}
    for place, line in enumerate(lines):
        product = products.get(line.product_id)
        if product is None:
            raise NotFound("product", "lines", str(place), "product")
        currency = currency or product.currency
        _refuse_unsold(act, product, currency, place)
    return products


async def write_lines(
    act: ProgramAct, cart_id: int, lines: Sequence[LineWanted], products: dict[int, ProductRow]
) -> None:
    rows = [
        {
            "program_id": act.program_id,
            "cart_id": cart_id,
            "number": number,
            "product_id": line.product_id,
            "quantity": line.quantity,
            "unit_price_minor": products[line.product_id].price_minor,
        }
        for number, line in enumerate(lines, 1)
    ]
    await act.session.execute(insert(LINE), rows)


def _refuse_odd(lines: Sequence[LineWanted]) -> None:
    if not 1 <= len(lines) <= MOST_LINES:
        raise VoucherError(
            VoucherErrorCode.BAD_LINES, f"A cart has 1 to {MOST_LINES} lines, not {len(lines):,}.", "lines"
        )
    for place, line in enumerate(lines):
        if not 1 <= line.quantity <= MOST_OF_A_LINE:
            said = f"A line is of 1 to {MOST_OF_A_LINE:,}, not {line.quantity:,}."
            raise VoucherError(VoucherErrorCode.BAD_LINES, said, "lines", str(place), "quantity")


def _refuse_unsold(act: ProgramAct, product: ProductRow, currency: str, place: int) -> None:
    at = ("lines", str(place), "product")
    if product.retired_at is not None and product.retired_at <= act.now:
        raise VoucherError(VoucherErrorCode.STOPPED, f"{product.name} is sold no more.", *at)
    if product.currency != currency:
        said = f"The cart is in {currency}, {product.name} costs {product.price}, and currencies never mix."
        raise VoucherError(VoucherErrorCode.BAD_LINES, said, *at)
