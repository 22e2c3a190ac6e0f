"""Mutations of orders of vouchers: bought, approved, settled, cancelled, given back; and their codes shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar

import strawberry

from models.codes import spaced
from models.errors import BadId, VoucherError, VoucherErrorCode
from models.voucher_programs import VoucherFunding
from resolvers.gateways.choosing import gateway_for
from resolvers.gateways.gateway import ActionRequired, Declined, GoTo
from resolvers.loaders.voucher_orders import OrderKey
from resolvers.programs.acting import ProgramAct, once_in_program
from resolvers.voucher_orders.approving import approve, reject
from resolvers.voucher_orders.cancelling import cancel
from resolvers.voucher_orders.charging import charge_order, pay_anew
from resolvers.voucher_orders.finding import seen_order
from resolvers.voucher_orders.ordering import Ordering, order
from resolvers.voucher_orders.refunding import refund
from resolvers.voucher_orders.settling import UNANSWERED, settle
from resolvers.vouchers.revealing import reveal
from schema.agreements import named_organization
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id, encode_id
from schema.money import MoneyInput
from schema.nodes import OrganizationKey
from schema.programs import acted
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals, user_error
from schema.voucher_orders import VoucherOrder, order_key, voucher_order_by_key

P = TypeVar("P", bound="VoucherOrderPayload")
C = TypeVar("C", bound="VoucherCardPayload")
ORDER = "The order."
REASON = "Why, in words that an auditor will understand."


@strawberry.input
class VoucherCardInput:
    payment_method: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Of the card, as the gateway's own script made it; none where the gateway asks on its own page.",
    )
    gateway: str | None = strawberry.field(
        default=strawberry.UNSET, description="Its name; the first that can charge what is given, if left out."
    )


@strawberry.input
class VoucherPurchaseOrderInput:
    number: str = strawberry.field(description="The organization's own number of its purchase order.")


@strawberry.input(description="How an order is paid for: give exactly one.", one_of=True)
class VoucherPaymentInput:
    card: VoucherCardInput | None = strawberry.field(default=strawberry.UNSET, description="By card, now.")
    purchase_order: VoucherPurchaseOrderInput | None = strawberry.field(
        default=strawberry.UNSET, description="By purchase order, which the program approves."
    )
    bill_later: bool | None = strawberry.field(
        default=strawberry.UNSET, description="True: billed later for what is redeemed, under an agreement."
    )


@strawberry.input
class VoucherPurchaseInput:
    organization: OrganizationKey = strawberry.field(description="Who buys.")
    voucher_program: strawberry.ID = strawberry.field(description="On which terms.")
    quantity: int = strawberry.field(description="How many vouchers, 1 to 10,000.")
    amount: MoneyInput = strawberry.field(description="What they cost together: quantity times face value, exactly.")
    payment: VoucherPaymentInput = strawberry.field(description="How they are paid for.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherOrderPayInput:
    order: strawberry.ID = strawberry.field(description="An order whose card was declined.")
    card: VoucherCardInput = strawberry.field(description="Another card.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherOrderApproveInput:
    order: strawberry.ID = strawberry.field(description=ORDER)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherOrderRejectInput:
    order: strawberry.ID = strawberry.field(description=ORDER)
    reason: str = strawberry.field(description=REASON)


@strawberry.input
class VoucherOrderSettleInput:
    order: strawberry.ID = strawberry.field(description=ORDER)
    payment_reference: str = strawberry.field(description="By which the payment is found in the bank's records.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherOrderCancelInput:
    order: strawberry.ID = strawberry.field(description=ORDER)
    reason: str = strawberry.field(description=REASON)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherOrderRefundInput:
    order: strawberry.ID = strawberry.field(description=ORDER)
    vouchers: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Only these, all or none; every refundable one if left out."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherCodesRevealInput:
    vouchers: list[strawberry.ID] = strawberry.field(description="1 to 250 vouchers of one program.")


@strawberry.type
class VoucherOrderPayload:
    order: VoucherOrder | None = strawberry.field(
        default=None, description="The order as it is now; null if it was refused."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class VoucherCardPayload(VoucherOrderPayload):
    client_secret: str | None = strawberry.field(
        default=None,
        description="Where the card's owner must confirm the charge: for the gateway's own script, shown this once.",
    )
    page_url: str | None = strawberry.field(
        default=None, description="Where the gateway asks for the card on its own page: go there. Shown this once."
    )


@strawberry.type
class VoucherPurchasePayload(VoucherCardPayload):
    pass


@strawberry.type
class VoucherOrderPayPayload(VoucherCardPayload):
    pass


@strawberry.type
class VoucherOrderApprovePayload(VoucherOrderPayload):
    pass


@strawberry.type
class VoucherOrderRejectPayload(VoucherOrderPayload):
    pass


@strawberry.type
class VoucherOrderSettlePayload(VoucherOrderPayload):
    pass


@strawberry.type
class VoucherOrderCancelPayload(VoucherOrderPayload):
    pass


@strawberry.type
class VoucherOrderRefundPayload(VoucherOrderPayload):
    pass


@strawberry.type(description="A code, shown to its owner. Whoever reads it can use it.")
class RevealedVoucherCode:
    voucher_id: strawberry.ID = strawberry.field(description="The voucher that it opens.")
    code: str = strawberry.field(description="As it is typed, such as ABCD-EFGH-JKMN-PQRS-T.")


@strawberry.type
class VoucherCodesRevealPayload:
    codes: list[RevealedVoucherCode] = strawberry.field(
        default_factory=list, description="The code of each voucher; none if it was refused."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class VoucherOrderMutation:
    @mutation(
        "Buy vouchers. The amount must equal the total, or nothing is issued or charged. By the organization's "
        "administrators and its partner, or by staff for them.",
        refusals(VoucherPurchasePayload),
    )
    async def voucher_purchase(
        self, info: Info, input: Annotated[VoucherPurchaseInput, INPUT]
    ) -> VoucherPurchasePayload:
        program_id, ordering = await _ordering(info, input)
        request = (input.idempotency_key, "voucherPurchase")
        return await bought(info, program_id, ordering, given(input.payment.card), request, VoucherPurchasePayload)

    @mutation(
        "Pay an order whose card was declined with another card. By the organization's administrators and its "
        "partner, or by staff for them.",
        refusals(VoucherOrderPayPayload),
    )
    async def voucher_order_pay(
        self, info: Info, input: Annotated[VoucherOrderPayInput, INPUT]
    ) -> VoucherOrderPayPayload:
        key, keys = order_key(input.order), info.context.code_keys
        gateway = _must_have_gateway(info, input.card)

        async def step(act: ProgramAct) -> int:
            await seen_order(act, key.order_id)
            said = [key.order_id, *_said_of(input.card)]
            again = partial(pay_anew, act, keys, key.order_id, gateway)
            return await once_in_program(act, input.idempotency_key, "voucherOrderPay", said, again)

        await acted(info, key.program_id, step)
        return await _charged(info, key, gateway, input.card, VoucherOrderPayPayload)

    @mutation(
        "Approve a purchase order; the voucher program says whether that issues the vouchers. By the program's "
        "administrators and staff.",
        refusals(VoucherOrderApprovePayload),
    )
    async def voucher_order_approve(
        self, info: Info, input: Annotated[VoucherOrderApproveInput, INPUT]
    ) -> VoucherOrderApprovePayload:
        key, keys = order_key(input.order), info.context.code_keys
        return await _once(
            info,
            (key, input.idempotency_key, "voucherOrderApprove", None),
            VoucherOrderApprovePayload,
            lambda act: approve(act, keys, key.order_id),
        )

    @mutation(
        "Do not approve a purchase order. By the program's administrators and staff.",
        refusals(VoucherOrderRejectPayload),
    )
    async def voucher_order_reject(
        self, info: Info, input: Annotated[VoucherOrderRejectInput, INPUT]
    ) -> VoucherOrderRejectPayload:
        key = order_key(input.order)
        await acted(info, key.program_id, lambda act: reject(act, key.order_id, input.reason))
        return VoucherOrderRejectPayload(order=await voucher_order_by_key(info, key))

    @mutation(
        "Record that an approved purchase order was paid in full. By the program's administrators and staff.",
        refusals(VoucherOrderSettlePayload),
    )
    async def voucher_order_settle(
        self, info: Info, input: Annotated[VoucherOrderSettleInput, INPUT]
    ) -> VoucherOrderSettlePayload:
        key, keys = order_key(input.order), info.context.code_keys
        return await _once(
            info,
            (key, input.idempotency_key, "voucherOrderSettle", input.payment_reference),
            VoucherOrderSettlePayload,
            lambda act: settle(act, keys, key.order_id, input.payment_reference),
        )

    @mutation(
        "Cancel an order that was not paid; the vouchers that it issued can be used no more. Refused if anything of "
        "them was redeemed or is held.",
        refusals(VoucherOrderCancelPayload),
    )
    async def voucher_order_cancel(
        self, info: Info, input: Annotated[VoucherOrderCancelInput, INPUT]
    ) -> VoucherOrderCancelPayload:
        key = order_key(input.order)
        return await _once(
            info,
            (key, input.idempotency_key, "voucherOrderCancel", input.reason),
            VoucherOrderCancelPayload,
            lambda act: cancel(act, key.order_id, input.reason),
        )

    @mutation(
        "Give unused vouchers back, by the refund policy of their voucher program. What a card paid goes back to it; "
        "of a purchase order the program's administrators and staff do it.",
        refusals(VoucherOrderRefundPayload),
    )
    async def voucher_order_refund(
        self, info: Info, input: Annotated[VoucherOrderRefundInput, INPUT]
    ) -> VoucherOrderRefundPayload:
        key, named = order_key(input.order), given(input.vouchers)
        ids = None if named is None else _in_program(named, key.program_id)
        return await _once(
            info,
            (key, input.idempotency_key, "voucherOrderRefund", ids),
            VoucherOrderRefundPayload,
            lambda act: refund(act, key.order_id, ids),
        )

    @mutation(
        "Show the codes of vouchers that are live and of which nothing was redeemed. Only to the organization that "
        "owns them; each time is recorded.",
        refusals(VoucherCodesRevealPayload),
    )
    async def voucher_codes_reveal(
        self, info: Info, input: Annotated[VoucherCodesRevealInput, INPUT]
    ) -> VoucherCodesRevealPayload:
        if not input.vouchers:
            raise VoucherError(VoucherErrorCode.BAD_QUANTITY, "Name the vouchers.", "vouchers")
        program_id = decode_id(input.vouchers[0], "Voucher", 2, "vouchers", "0")[0]
        ids, keys = _in_program(input.vouchers, program_id), info.context.code_keys
        shown = await acted(info, program_id, lambda act: reveal(act, keys, ids))
        codes = [
            RevealedVoucherCode(
                voucher_id=strawberry.ID(encode_id("Voucher", program_id, one.voucher_id)), code=spaced(one.code)
            )
            for one in shown
        ]
        return VoucherCodesRevealPayload(codes=codes)


async def bought(
    info: Info,
    program_id: int,
    ordering: Ordering,
    card: VoucherCardInput | None,
    request: tuple[str, str],
    payload: type[C],
) -> C:
    """The order, made once for an idempotency key and a mutation; a card is charged for it."""

    async def step(act: ProgramAct) -> int:
        act.principal.must_see_in(program_id, ordering.organization_id, "organization", "organization")
        act.principal.must_own(ordering.organization_id, "order vouchers for it")
        buy = partial(order, act, info.context.code_keys, ordering)
        return await once_in_program(act, *request, [*_said(ordering), *_said_of(card)], buy)

    made = OrderKey(program_id, await acted(info, program_id, step))
    if card:
        return await _charged(info, made, ordering.gateway, card, payload)
    return payload(order=await voucher_order_by_key(info, made))


async def _once(
    info: Info,
    request: tuple[OrderKey, str, str, object],
    payload: type[P],
    step: Callable[[ProgramAct], Awaitable[int]],
) -> P:
    """The order as the step leaves it, or has left it when it was asked the same before."""
    key, idempotency_key, name, said = request

    async def once(act: ProgramAct) -> int:
        return await once_in_program(act, idempotency_key, name, [*key, said], lambda: step(act))

    await acted(info, key.program_id, once)
    return payload(order=await voucher_order_by_key(info, key))


async def _charged(info: Info, key: OrderKey, name: str | None, card: VoucherCardInput, payload: type[C]) -> C:
    """Asks the gateway outside any transaction; not again if it was asked for this order before."""
    context, gateway = info.context, info.context.gateways[name or ""]
    keys, principal, now = context.code_keys, context.principal, context.now
    answer = await charge_order(context.write, gateway, keys, principal, now, *key, given(card.payment_method) or "")
    shown = await voucher_order_by_key(info, key)
    in_flight = answer is None and shown is not None and shown.row.state in UNANSWERED
    refusal = VoucherErrorCode.REQUEST_IN_FLIGHT if in_flight else None
    if isinstance(answer, Declined):
        refusal = VoucherErrorCode.CARD_DECLINED
    return payload(
        order=shown,
        client_secret=answer.client_secret if isinstance(answer, ActionRequired) else None,
        page_url=answer.url if isinstance(answer, GoTo) else None,
        user_errors=[user_error(refusal, "payment", "card")] if refusal else [],
    )


def gateway_of(info: Info, card: VoucherCardInput) -> str | None:
    method = given(card.payment_method)
    return gateway_for(info.context.gateways, given(card.gateway), has_method=method is not None)


def _must_have_gateway(info: Info, card: VoucherCardInput) -> str:
    found = gateway_of(info, card)
    if found is None:
        raise VoucherError(VoucherErrorCode.NO_GATEWAY, VoucherErrorCode.NO_GATEWAY.value, "card")
    return found


def _said_of(card: VoucherCardInput | None) -> list[object]:
    return [given(card.payment_method), given(card.gateway)] if card else [None]


async def _ordering(info: Info, asked: VoucherPurchaseInput) -> tuple[int, Ordering]:
    program_id, voucher_program_id = decode_id(asked.voucher_program, "VoucherProgram", 2, "voucherProgram")
    by_order, card = given(asked.payment.purchase_order), given(asked.payment.card)
    return program_id, Ordering(
        organization_id=await named_organization(info, asked.organization),
        voucher_program_id=voucher_program_id,
        quantity=asked.quantity,
        amount=asked.amount.money("amount"),
        funding=funding_of(asked.payment),
        purchase_order=by_order.number if by_order else None,
        gateway=gateway_of(info, card) if card else None,
    )


def funding_of(payment: VoucherPaymentInput) -> VoucherFunding:
    if given(payment.card):
        return VoucherFunding.CARD
    if given(payment.purchase_order):
        return VoucherFunding.PURCHASE_ORDER
    if given(payment.bill_later):
        return VoucherFunding.BILL_LATER
    raise VoucherError(
        VoucherErrorCode.FUNDING_NOT_TAKEN, "billLater is true, or another way to pay is named.", "payment", "billLater"
    )


def _said(ordering: Ordering) -> list[object]:
    """What makes two requests the same."""
    about = (ordering.organization_id, ordering.voucher_program_id, ordering.promotion_id, ordering.quantity)
    return [*about, str(ordering.amount), ordering.funding.name, ordering.purchase_order]


def _in_program(ids: list[strawberry.ID], program_id: int) -> list[int]:
    found = [decode_id(one, "Voucher", 2, "vouchers", str(place)) for place, one in enumerate(ids)]
    for place, (other, _) in enumerate(found):
        if other != program_id:
            raise BadId("Voucher of the same program", "vouchers", str(place))
    return [voucher_id for _, voucher_id in found]
