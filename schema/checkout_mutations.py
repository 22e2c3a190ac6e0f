"""Mutations of checkouts and of what they made: a cart completed, its payment given up, and fees given back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from strawberry.extensions.field_extension import AsyncExtensionResolver, FieldExtension

from models.checkouts import UNDECIDED
from models.errors import VoucherError, VoucherErrorCode
from resolvers.carts.releasing import end_useless_holds
from resolvers.checkout.completing import Completed, complete_cart
from resolvers.checkout.deciding import cancel
from resolvers.checkout.freezing import Completing
from resolvers.fee_refunds.paying_back import pay_back
from resolvers.fee_refunds.refunding import LineBack, Refunding, refund_once
from resolvers.gateways.gateway import ActionRequired, Declined, GoTo
from resolvers.loaders.carts import CartKey
from resolvers.loaders.fee_orders import FeeRefundRow, fee_refunds_by_key
from resolvers.loaders.voucher_programs import InProgram
from schema.cart import Cart, cart_by_key, cart_key
from schema.cart_mutations import SHOWS_CART
from schema.checkout import Checkout, checkout_by_key, checkout_key
from schema.context import Info
from schema.fee_orders import FeeOrder, FeeRefund, fee_order_by_key, fee_order_key
from schema.fields import INPUT, given, mutation
from schema.money import MoneyInput
from schema.programs import acted
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals, user_error

Code = VoucherErrorCode
SEEN_OTHERWISE = (*SHOWS_CART, Code.EXPECTED_DUE_MISMATCH, Code.PRICE_CHANGED, Code.STOPPED, Code.VOUCHER_ENDED)

# -------------------------------------------------------------------------------------------------- inputs


@strawberry.input
class CartCompleteInput:
    cart: strawberry.ID = strawberry.field(description="The cart.")
    expected_version: int = strawberry.field(
        description="The version of the cart that you saw: if it is another by now, nothing is charged."
    )
    expected_due: MoneyInput = strawberry.field(
        description="What you saw is left to pay by card, 0 if nothing: if it is another, nothing is charged."
    )
    payment_method: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Of the card, as the gateway's own script made it; none where the gateway asks on its own page, or "
        "nothing is left to pay.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class CheckoutCancelInput:
    checkout: strawberry.ID = strawberry.field(description="A checkout that waits for its person.")


@strawberry.input
class FeeOrderRefundLineInput:
    number: int = strawberry.field(description="The number of the line.")
    amount: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="How much of it; all that is left of it if left out."
    )


@strawberry.input
class FeeOrderRefundInput:
    order: strawberry.ID = strawberry.field(description="The order.")
    lines: list[FeeOrderRefundLineInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Of which lines; all that is left of the order if left out."
    )
    reason: str = strawberry.field(description="Why, in words that the person and an auditor will understand.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


# ------------------------------------------------------------------------------------------------ payloads


@strawberry.type
class CheckoutPayload:
    checkout: Checkout | None = strawberry.field(default=None, description="As it is now; null if nothing was begun.")
    cart: Cart | None = strawberry.field(
        default=None,
        description="As it is now, also if it was refused because it is not as you saw it; null if otherwise refused.",
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class CartCompletePayload(CheckoutPayload):
    order: FeeOrder | None = strawberry.field(
        default=None, description="What was paid, once it is; null before, and if it was refused."
    )
    client_secret: str | None = strawberry.field(
        default=None,
        description="Where the card's owner must confirm the charge: for the gateway's own script, shown this once.",
    )
    page_url: str | None = strawberry.field(
        default=None, description="Where the gateway asks for the card on its own page: go there. Shown this once."
    )


@strawberry.type
class CheckoutCancelPayload(CheckoutPayload):
    pass


@strawberry.type
class FeeOrderRefundPayload:
    order: FeeOrder | None = strawberry.field(
        default=None, description="The order as it is now; null if it was refused."
    )
    refund: FeeRefund | None = strawberry.field(default=None, description="What goes back; null if it was refused.")
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


class CartAsItIs(FieldExtension):
    """Puts the cart as it is now beside a refusal that came because it is not as it was seen.

    A voucher that has ended is taken off it first, in a step of its own: what the person is shown, they can pay.
    """

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Info, **kwargs: Any) -> Any:
        payload = await next_(source, info, **kwargs)
        codes = {error.code for error in payload.user_errors}
        if payload.cart is None and not codes.isdisjoint(SEEN_OTHERWISE):
            key = cart_key(kwargs["input"].cart)
            if Code.VOUCHER_ENDED in codes:
                await acted(info, key.program_id, lambda act: end_useless_holds(act, key.cart_id))
            payload.cart = await cart_by_key(info, key)
        return payload


COMPLETING: Sequence[FieldExtension] = [*refusals(CartCompletePayload), CartAsItIs()]


# ----------------------------------------------------------------------------------------------- mutations


@strawberry.type
class CheckoutMutation:
    @mutation(
        "Pay for a cart of yours, exactly as you saw it: what vouchers leave is charged, and nothing else. Where they "
        "leave nothing there is no payment.",
        COMPLETING,
    )
    async def cart_complete(self, info: Info, input: Annotated[CartCompleteInput, INPUT]) -> CartCompletePayload:
        key, method = cart_key(input.cart), given(input.payment_method) or ""
        due = input.expected_due.money("expectedDue")
        context, asked = info.context, Completing(key.cart_id, input.expected_version, due, method)
        made = await complete_cart(
            context.write,
            context.gateways,
            context.principal,
            context.now,
            key.program_id,
            input.idempotency_key,
            asked,
        )
        return await _completed(info, key, made)

    @mutation(
        "Give up a payment that waits for you, on a hosted page or to confirm a card: the cart is open again. Should "
        "the charge come all the same, it goes back. By its person, and by who runs the program.",
        refusals(CheckoutCancelPayload),
    )
    async def checkout_cancel(self, info: Info, input: Annotated[CheckoutCancelInput, INPUT]) -> CheckoutCancelPayload:
        key = checkout_key(input.checkout)
        given_up = await acted(info, key.program_id, lambda act: cancel(act, key.id))
        cart = await cart_by_key(info, CartKey(key.program_id, given_up.cart_id))
        return CheckoutCancelPayload(checkout=await checkout_by_key(info, key), cart=cart)

    @mutation(
        "Give back all or part of what was paid: of each line the card's part first, then the vouchers'. By the "
        "program's administrators and staff.",
        refusals(FeeOrderRefundPayload),
    )
    async def fee_order_refund(self, info: Info, input: Annotated[FeeOrderRefundInput, INPUT]) -> FeeOrderRefundPayload:
        key, context = fee_order_key(input.order), info.context
        asked = Refunding(key.id, input.reason, _lines_back(given(input.lines)))
        keys, request = context.code_keys, input.idempotency_key
        made = await acted(info, key.program_id, lambda act: refund_once(act, keys, request, asked))
        await pay_back(context.write, context.gateways, context.principal, context.now, key.program_id, made)
        rows: list[FeeRefundRow] = await info.context.loaders.rows(fee_refunds_by_key).load(
            InProgram(key.program_id, made)
        )
        return FeeOrderRefundPayload(order=await fee_order_by_key(info, key), refund=FeeRefund(row=rows[0]))


async def _completed(info: Info, key: CartKey, made: Completed) -> CartCompletePayload:
    checkout = await checkout_by_key(info, InProgram(key.program_id, made.checkout_id))
    answer, refusal = made.answer, None
    if isinstance(answer, Declined):
        refusal = Code.CARD_DECLINED
    elif answer is None and checkout is not None and checkout.row.state in UNDECIDED:
        refusal = Code.REQUEST_IN_FLIGHT
    return CartCompletePayload(
        checkout=checkout,
        cart=await cart_by_key(info, key),
        order=await checkout.order(info) if checkout else None,
        client_secret=answer.client_secret if isinstance(answer, ActionRequired) else None,
        page_url=answer.url if isinstance(answer, GoTo) else None,
        user_errors=[user_error(refusal, "paymentMethod")] if refusal else [],
    )


def _lines_back(lines: list[FeeOrderRefundLineInput] | None) -> tuple[LineBack, ...]:
    """None named is not all: who filters their lines down to nothing gives nothing back."""
    if lines is not None and not lines:
        raise VoucherError(Code.BAD_LINES, "Name the lines, or leave them out to give all back.", "lines")
    return tuple(
        LineBack(line.number, amount.money("lines", str(place), "amount") if (amount := given(line.amount)) else None)
        for place, line in enumerate(lines or ())
    )
