"""Mutations of carts: each names the version that it saw, and answers with the cart as it then is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

import strawberry
from strawberry.extensions.field_extension import AsyncExtensionResolver, FieldExtension

from models.errors import NotFound, VoucherErrorCode
from resolvers.carts.applying import Applying, apply
from resolvers.carts.lines import LineWanted, set_lines
from resolvers.carts.opening import NewCart, abandon, open_once
from resolvers.carts.removing import remove
from resolvers.loaders.carts import CartKey
from resolvers.loaders.voucher_programs import InProgram
from resolvers.loaders.vouchers import VoucherKey
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.attempting import limited
from resolvers.vouchers.codes import must_have
from schema.cart import Cart, cart_by_key, cart_key
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id
from schema.money import MoneyInput
from schema.programs import acted
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals
from schema.voucher_mutations import VoucherInHand

VERSION = "The version of the cart that you saw: if it is another by now, nothing is changed."
SHOWS_CART = (VoucherErrorCode.STALE_CART, VoucherErrorCode.CART_COMPLETING, VoucherErrorCode.CART_CLOSED)

# -------------------------------------------------------------------------------------------------- inputs


@strawberry.input
class CartLineInput:
    product: strawberry.ID = strawberry.field(description="The fee.")
    quantity: int = strawberry.field(default=1, description="How many, 1 to 1,000.")


@strawberry.input
class CartCreateInput:
    lines: list[CartLineInput] = strawberry.field(
        description="What is to be paid for: 1 to 50 lines, of one program and currency."
    )
    gateway: str | None = strawberry.field(
        default=strawberry.UNSET, description="Through which a card would pay; the server's first if left out."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class CartLinesSetInput:
    cart: strawberry.ID = strawberry.field(description="The cart.")
    lines: list[CartLineInput] = strawberry.field(description="1 to 50 lines, instead of those that it had.")
    expected_version: int = strawberry.field(description=VERSION)


@strawberry.input
class CartVoucherApplyInput:
    cart: strawberry.ID = strawberry.field(description="The cart.")
    by: VoucherInHand = strawberry.field(
        description="The code of a voucher or of a promotion; or a voucher that is assigned to you."
    )
    amount: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="How much it is to pay; as much as is due if left out."
    )
    expected_version: int = strawberry.field(description=VERSION)


@strawberry.input
class CartVoucherRemoveInput:
    cart: strawberry.ID = strawberry.field(description="The cart.")
    voucher: strawberry.ID = strawberry.field(description="What is taken off: the id of an applied voucher of it.")
    expected_version: int = strawberry.field(description=VERSION)


@strawberry.input
class CartAbandonInput:
    cart: strawberry.ID = strawberry.field(description="The cart.")
    expected_version: int = strawberry.field(description=VERSION)


# ------------------------------------------------------------------------------------------------ payloads


@strawberry.type
class CartPayload:
    cart: Cart | None = strawberry.field(
        default=None,
        description="As it is now, also if it was refused because it is not as you saw it; null if otherwise refused.",
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class CartCreatePayload(CartPayload):
    pass


@strawberry.type
class CartLinesSetPayload(CartPayload):
    pass


@strawberry.type
class CartVoucherApplyPayload(CartPayload):
    pass


@strawberry.type
class CartVoucherRemovePayload(CartPayload):
    pass


@strawberry.type
class CartAbandonPayload(CartPayload):
    pass


P = TypeVar("P", bound=CartPayload)


class CurrentCart(FieldExtension):
    """Puts the cart as it is now beside a refusal that came because it is not as it was seen."""

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Info, **kwargs: Any) -> Any:
        payload = await next_(source, info, **kwargs)
        if any(error.code in SHOWS_CART for error in payload.user_errors):
            payload.cart = await cart_by_key(info, cart_key(kwargs["input"].cart))
        return payload


def of_cart(payload: type[P]) -> Sequence[FieldExtension]:
    """From the inside out."""
    return [*refusals(payload), CurrentCart()]


# ----------------------------------------------------------------------------------------------- mutations


@strawberry.type
class CartMutation:
    @mutation(
        "Open a cart for yourself. Vouchers that are assigned to you apply by themselves. Individuals only.",
        refusals(CartCreatePayload),
    )
    async def cart_create(self, info: Info, input: Annotated[CartCreateInput, INPUT]) -> CartCreatePayload:
        program_id, lines = _lines(input.lines)
        new, key = NewCart(lines, given(input.gateway)), input.idempotency_key
        made = await acted(info, program_id, lambda act: open_once(act, info.context.gateways, key, new))
        return CartCreatePayload(cart=await cart_by_key(info, CartKey(program_id, made)))

    @mutation("Set what a cart of yours is to pay for.", of_cart(CartLinesSetPayload))
    async def cart_lines_set(self, info: Info, input: Annotated[CartLinesSetInput, INPUT]) -> CartLinesSetPayload:
        key, (program_id, lines) = cart_key(input.cart), _lines(input.lines)
        if program_id != key.program_id:
            raise NotFound("product", "lines", "0", "product")
        gateways, version = info.context.gateways, input.expected_version
        return await _changed(
            info, key, CartLinesSetPayload, lambda act: set_lines(act, gateways, key.cart_id, version, lines)
        )

    @mutation(
        "Let a voucher or a promotion pay for a cart of yours. What it pays is held for you for a while.",
        of_cart(CartVoucherApplyPayload),
    )
    async def cart_voucher_apply(
        self, info: Info, input: Annotated[CartVoucherApplyInput, INPUT]
    ) -> CartVoucherApplyPayload:
        key, context, asked = cart_key(input.cart), info.context, _applying(input)
        keys = must_have(context.code_keys)

        async def step() -> CartVoucherApplyPayload:
            return await _changed(
                info, key, CartVoucherApplyPayload, lambda act: apply(act, keys, context.gateways, asked)
            )

        by = context.principal
        return await limited(context.reading, context.run, by, context.now, key.program_id, asked.code, step)

    @mutation(
        "Take a voucher off a cart of yours: what it held is free again, and it does not come back by itself.",
        of_cart(CartVoucherRemovePayload),
    )
    async def cart_voucher_remove(
        self, info: Info, input: Annotated[CartVoucherRemoveInput, INPUT]
    ) -> CartVoucherRemovePayload:
        key = cart_key(input.cart)
        program_id, applied_id = decode_id(input.voucher, "AppliedVoucher", 2, "voucher")
        if program_id != key.program_id:
            raise NotFound("voucher on this cart", "voucher")
        gateways, version = info.context.gateways, input.expected_version
        return await _changed(
            info, key, CartVoucherRemovePayload, lambda act: remove(act, gateways, key.cart_id, version, applied_id)
        )

    @mutation("Give up a cart of yours: nothing is held for it any more.", of_cart(CartAbandonPayload))
    async def cart_abandon(self, info: Info, input: Annotated[CartAbandonInput, INPUT]) -> CartAbandonPayload:
        key = cart_key(input.cart)
        return await _changed(
            info, key, CartAbandonPayload, lambda act: abandon(act, key.cart_id, input.expected_version)
        )


Step = Callable[[ProgramAct], Awaitable[object]]


async def _changed(info: Info, key: CartKey, payload: type[P], step: Step) -> P:
    await acted(info, key.program_id, step)
    return payload(cart=await cart_by_key(info, key))


def _lines(given_lines: Sequence[CartLineInput]) -> tuple[int, list[LineWanted]]:
    """In the program of the first product; a product of another is none there."""
    keys = [
        InProgram(*decode_id(line.product, "Product", 2, "lines", str(place), "product"))
        for place, line in enumerate(given_lines)
    ]
    program_id = keys[0].program_id if keys else 0
    for place, key in enumerate(keys):
        if key.program_id != program_id:
            raise NotFound("product", "lines", str(place), "product")
    return program_id, [LineWanted(key.id, line.quantity) for key, line in zip(keys, given_lines, strict=True)]


def _applying(asked: CartVoucherApplyInput) -> Applying:
    """A voucher of another program is one that cannot be used here."""
    key, amount, voucher = cart_key(asked.cart), given(asked.amount), given(asked.by.voucher)
    chosen = VoucherKey(*decode_id(voucher, "Voucher", 2, "by", "voucher")) if voucher else None
    return Applying(
        cart_id=key.cart_id,
        expected_version=asked.expected_version,
        code=given(asked.by.code),
        voucher_id=None if chosen is None else chosen.voucher_id if chosen.program_id == key.program_id else 0,
        amount=amount.money("amount") if amount else None,
    )
