"""Mutations of promotions: defined, their budget bought, extended and stopped."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

import strawberry

from models.voucher_programs import VoucherFunding
from resolvers.loaders.voucher_programs import InProgram
from resolvers.promotions.defining import NewPromotion, create_promotion
from resolvers.promotions.stopping import extend_promotion, stop_promotion
from resolvers.voucher_orders.ordering import Ordering
from schema.agreements import named_organization
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id
from schema.money import MoneyInput
from schema.nodes import OrganizationKey
from schema.programs import ProgramKey, acted, keyed_program
from schema.promotions import Promotion, promotion_by_key
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals
from schema.voucher_order_mutations import (
    REASON,
    VoucherCardPayload,
    VoucherPaymentInput,
    bought,
    funding_of,
    gateway_of,
)
from schema.voucher_programs import product_ids

PROMOTION = "The promotion."


@strawberry.input(description="What one use takes off: give exactly one.", one_of=True)
class PromotionBenefitInput:
    percent_off: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="Percent off each eligible line, 0.01 to 100 with two decimals at most, each rounded half up.",
    )
    amount_off: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="An amount off the eligible lines together, in their order."
    )


@strawberry.input
class PromotionCreateInput:
    program: ProgramKey = strawberry.field(description="In which program.")
    organization: OrganizationKey = strawberry.field(description="Who pays for it.")
    name: str = strawberry.field(description="Its name.")
    code: str = strawberry.field(
        description="What people type: 3 to 40 letters, digits and hyphens, in capitals or not; unique in the program."
    )
    benefit: PromotionBenefitInput = strawberry.field(description="What one use takes off.")
    most_off: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="The most that one use takes off; no such bound if left out."
    )
    most_uses: int | None = strawberry.field(
        default=strawberry.UNSET, description="How often it can be used; as often as its budget lasts if left out."
    )
    most_uses_a_person: int | None = strawberry.field(
        default=strawberry.UNSET, description="How often one person can use it; any number if left out."
    )
    budget: MoneyInput = strawberry.field(description="What all uses together may take off.")
    funding: VoucherFunding = strawberry.field(description="In which way the budget is paid for.")
    usable_from: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="The first local day of the program; today if left out."
    )
    usable_through: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="The last one, inclusive; for ever if left out."
    )
    included: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="The products that it pays for; all if none is given."
    )
    excluded: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="The products that it never pays for, whatever is included."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class PromotionOrderInput:
    promotion: strawberry.ID = strawberry.field(description="Whose budget is bought.")
    organization: OrganizationKey = strawberry.field(description="Who pays: the organization that it was defined for.")
    amount: MoneyInput = strawberry.field(description="What it costs: the budget, exactly.")
    payment: VoucherPaymentInput = strawberry.field(description="How it is paid for: as the promotion says.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class PromotionStopInput:
    promotion: strawberry.ID = strawberry.field(description=PROMOTION)
    reason: str = strawberry.field(description=REASON)


@strawberry.input
class PromotionExtendInput:
    promotion: strawberry.ID = strawberry.field(description=PROMOTION)
    usable_through: dt.date = strawberry.field(
        description="Its new last local day, inclusive; later than it is now, and not after it has ended."
    )


@strawberry.type
class PromotionPayload:
    promotion: Promotion | None = strawberry.field(
        default=None, description="The promotion as it is now; null if refused."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class PromotionCreatePayload(PromotionPayload):
    pass


@strawberry.type
class PromotionStopPayload(PromotionPayload):
    pass


@strawberry.type
class PromotionExtendPayload(PromotionPayload):
    pass


@strawberry.type
class PromotionOrderPayload(VoucherCardPayload):
    pass


@strawberry.type
class PromotionMutation:
    @mutation(
        "Define a promotion that an organization pays for. Billed later it can be used at once, under an agreement; "
        "else once its budget is bought. By the program's administrators, and by staff.",
        refusals(PromotionCreatePayload),
    )
    async def promotion_create(
        self, info: Info, input: Annotated[PromotionCreateInput, INPUT]
    ) -> PromotionCreatePayload:
        program = await keyed_program(info, input.program, "program")
        info.context.principal.must_run(program.id, "define promotions")
        new = _terms(program.id, await named_organization(info, input.organization), input)
        made = await acted(info, program.id, lambda act: create_promotion(act, new, input.idempotency_key))
        return PromotionCreatePayload(promotion=await promotion_by_key(info, InProgram(program.id, made)))

    @mutation(
        "Buy the budget of a promotion. The amount must equal it, or nothing is charged. By the organization's "
        "administrators and its partner, or by staff for them.",
        refusals(PromotionOrderPayload),
    )
    async def promotion_order(self, info: Info, input: Annotated[PromotionOrderInput, INPUT]) -> PromotionOrderPayload:
        key = _key(input.promotion)
        by_order, card = given(input.payment.purchase_order), given(input.payment.card)
        ordering = Ordering(
            organization_id=await named_organization(info, input.organization),
            promotion_id=key.id,
            amount=input.amount.money("amount"),
            funding=funding_of(input.payment),
            purchase_order=by_order.number if by_order else None,
            gateway=gateway_of(info, card) if card else None,
        )
        request = (input.idempotency_key, "promotionOrder")
        return await bought(info, key.program_id, ordering, card, request, PromotionOrderPayload)

    @mutation(
        "Stop a promotion: nobody can use it any more, but who holds a use of it on a cart. What is left of its "
        "budget can be given back by its order. By the program's administrators, and by staff.",
        refusals(PromotionStopPayload),
    )
    async def promotion_stop(self, info: Info, input: Annotated[PromotionStopInput, INPUT]) -> PromotionStopPayload:
        key = _key(input.promotion)
        await acted(info, key.program_id, lambda act: stop_promotion(act, key.id, input.reason))
        return PromotionStopPayload(promotion=await promotion_by_key(info, key))

    @mutation(
        "Let a promotion be used for longer. By the program's administrators, and by staff.",
        refusals(PromotionExtendPayload),
    )
    async def promotion_extend(
        self, info: Info, input: Annotated[PromotionExtendInput, INPUT]
    ) -> PromotionExtendPayload:
        key = _key(input.promotion)
        await acted(info, key.program_id, lambda act: extend_promotion(act, key.id, input.usable_through))
        return PromotionExtendPayload(promotion=await promotion_by_key(info, key))


def _key(given_id: str) -> InProgram:
    return InProgram(*decode_id(given_id, "Promotion", 2, "promotion"))


def _terms(program_id: int, organization_id: int, asked: PromotionCreateInput) -> NewPromotion:
    amount_off, most_off = given(asked.benefit.amount_off), given(asked.most_off)
    return NewPromotion(
        organization_id=organization_id,
        name=asked.name,
        code=asked.code,
        budget=asked.budget.money("budget"),
        funding=asked.funding,
        percent_off=given(asked.benefit.percent_off),
        amount_off=amount_off.money("benefit", "amountOff") if amount_off else None,
        most_off=most_off.money("mostOff") if most_off else None,
        most_uses=given(asked.most_uses),
        most_uses_a_person=given(asked.most_uses_a_person),
        usable_from=given(asked.usable_from),
        usable_through=given(asked.usable_through),
        included=product_ids(program_id, asked.included or (), "included"),
        excluded=product_ids(program_id, asked.excluded or (), "excluded"),
    )
