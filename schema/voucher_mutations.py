"""Mutations of single vouchers: each is one step, done once for a key, and answers with the voucher as it then is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, TypeVar

import strawberry

from models.codes import spaced
from models.errors import BadId, NotFound
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.responsibility import PartyKey
from resolvers.loaders.voucher_programs import InProgram
from resolvers.loaders.vouchers import VoucherKey
from resolvers.programs.acting import ProgramAct
from resolvers.vouchers.assigning import Assigning, assign_once
from resolvers.vouchers.codes import must_have
from resolvers.vouchers.extending import extend_once
from resolvers.vouchers.inviting import Inviting, invite_once
from resolvers.vouchers.redeeming import Redeeming, redeem_once, voucher_of_redemption
from resolvers.vouchers.reissuing import reissue_once
from resolvers.vouchers.revoking import revoke_once
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id
from schema.money import MoneyInput
from schema.nodes import OrganizationKey, keyed_organization
from schema.programs import acted, tried
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals
from schema.vouchers import Voucher, voucher_by_key

# -------------------------------------------------------------------------------------------------- inputs


@strawberry.input(description="Which voucher is assigned: give exactly one.", one_of=True)
class VoucherChoice:
    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="This one.")
    from_stock_of: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Of this voucher program the one that expires soonest and is assigned to nobody.",
    )


@strawberry.input(description="An address, and what is written to it beside the link.")
class VoucherEmailInput:
    address: str = strawberry.field(description="The e-mail address.")
    message: str | None = strawberry.field(
        default=strawberry.UNSET, description="In your own words, of at most 2,000 characters."
    )


@strawberry.input(description="Whom it is assigned to: give exactly one.", one_of=True)
class VoucherAssigneeInput:
    learner: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A learner of the organization that owns the voucher."
    )
    person: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Somebody for whom that organization is responsible party now."
    )
    email: VoucherEmailInput | None = strawberry.field(
        default=strawberry.UNSET, description="Whoever follows the link that is sent to an address."
    )


@strawberry.input
class VoucherAssignInput:
    voucher: VoucherChoice = strawberry.field(description="Which voucher.")
    to: VoucherAssigneeInput = strawberry.field(description="Whom to.")
    organization: OrganizationKey | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whose stock it is taken from: needed of staff who give it to somebody who is no learner.",
    )
    purpose: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="What it is meant for, in your own words; what was said before if left out.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherReissueInput:
    voucher: strawberry.ID = strawberry.field(description="The voucher.")
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherRevokeInput:
    voucher: strawberry.ID = strawberry.field(description="The voucher.")
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherExtendInput:
    voucher: strawberry.ID = strawberry.field(description="The voucher.")
    through: dt.date = strawberry.field(description="The last day of the program on which it can be used.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="By what a fee is paid: give exactly one.", one_of=True)
class VoucherInHand:
    code: str | None = strawberry.field(
        default=strawberry.UNSET, description="The code, as somebody reads it: O for 0 and I for 1 are understood."
    )
    voucher: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="The voucher.")


@strawberry.input
class VoucherRedeemInput:
    product: strawberry.ID = strawberry.field(description="The fee that is paid, wholly.")
    by: VoucherInHand = strawberry.field(description="The voucher that pays it.")
    amount: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="What you expect to be due: if it is another amount, nothing is redeemed."
    )
    reference: str = strawberry.field(description="By which your own systems know the fee, such as an application's.")
    learner: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Who stands before you, as a learner; of a voucher that is assigned this or the person is needed.",
    )
    person: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Who stands before you, by their account, in place of the learner: whatever the assignment names.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


# ------------------------------------------------------------------------------------------------ payloads


@strawberry.type
class VoucherPayload:
    voucher: Voucher | None = strawberry.field(default=None, description="As it is now; null if refused.")
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class VoucherAssignPayload(VoucherPayload):
    pass


@strawberry.type
class VoucherReissuePayload(VoucherPayload):
    code: str | None = strawberry.field(
        default=None, description="The new code, this once: null if it was reissued by an earlier request of this key."
    )


@strawberry.type
class VoucherRevokePayload(VoucherPayload):
    pass


@strawberry.type
class VoucherExtendPayload(VoucherPayload):
    pass


@strawberry.type
class VoucherRedeemPayload(VoucherPayload):
    pass


P = TypeVar("P", bound=VoucherPayload)


# ----------------------------------------------------------------------------------------------- mutations


@strawberry.type
class VoucherMutation:
    @mutation(
        "Give a voucher to somebody: from then on nobody else can use it. By the organization's administrators and "
        "its partner, or by staff for them.",
        refusals(VoucherAssignPayload),
    )
    async def voucher_assign(self, info: Info, input: Annotated[VoucherAssignInput, INPUT]) -> VoucherAssignPayload:
        key = input.idempotency_key
        program_id, asked = await (_inviting(info, input) if given(input.to.email) else _assigning(info, input))
        if isinstance(asked, Inviting):
            keys = must_have(info.context.code_keys)
            made = await acted(info, program_id, lambda act: invite_once(act, keys, key, asked))
        else:
            made = await acted(info, program_id, lambda act: assign_once(act, key, asked))
        return VoucherAssignPayload(voucher=await voucher_by_key(info, VoucherKey(program_id, made)))

    @mutation(
        "Give a voucher another code: the old one is dead, its assignment is over, and its value stays. Also revives "
        "what was revoked. By the organization's administrators and its partner, or by staff for them.",
        refusals(VoucherReissuePayload),
    )
    async def voucher_reissue(self, info: Info, input: Annotated[VoucherReissueInput, INPUT]) -> VoucherReissuePayload:
        key, keys = _key(input.voucher), must_have(info.context.code_keys)
        step = partial(reissue_once, keys=keys, key=input.idempotency_key)
        made = await acted(info, key.program_id, lambda act: step(act, voucher_id=key.voucher_id, reason=input.reason))
        code = spaced(made.new_code.code) if made.new_code else None
        return VoucherReissuePayload(voucher=await voucher_by_key(info, key), code=code)

    @mutation(
        "Make a voucher unusable; its value stays, and a reissue revives it. By the organization's administrators and "
        "its partner, or by staff for them.",
        refusals(VoucherRevokePayload),
    )
    async def voucher_revoke(self, info: Info, input: Annotated[VoucherRevokeInput, INPUT]) -> VoucherRevokePayload:
        step = partial(revoke_once, key=input.idempotency_key, reason=input.reason)
        return await _step(info, input.voucher, VoucherRevokePayload, step)

    @mutation(
        "Let a voucher be used for longer. By the program's administrators, and by staff.",
        refusals(VoucherExtendPayload),
    )
    async def voucher_extend(self, info: Info, input: Annotated[VoucherExtendInput, INPUT]) -> VoucherExtendPayload:
        step = partial(extend_once, key=input.idempotency_key, through=input.through)
        return await _step(info, input.voucher, VoucherExtendPayload, step)

    @mutation(
        "Pay a fee at the counter, wholly by one voucher. By the program's administrators, and by staff.",
        refusals(VoucherRedeemPayload),
    )
    async def voucher_redeem(self, info: Info, input: Annotated[VoucherRedeemInput, INPUT]) -> VoucherRedeemPayload:
        program_id, asked = _redeeming(input)
        keys = must_have(info.context.code_keys)

        async def step(act: ProgramAct) -> int:
            made = await redeem_once(act, keys, input.idempotency_key, asked)
            return await voucher_of_redemption(act, made)

        # Of a voucher that is named by its id nobody guesses a code.
        code = asked.code
        made = acted(info, program_id, step) if code is None else tried(info, program_id, code, step)
        key = VoucherKey(program_id, await made)
        return VoucherRedeemPayload(voucher=await voucher_by_key(info, key))


async def _step(info: Info, voucher: str, payload: type[P], step: Callable[..., Awaitable[int]]) -> P:
    key = _key(voucher)
    await acted(info, key.program_id, lambda act: step(act, voucher_id=key.voucher_id))
    return payload(voucher=await voucher_by_key(info, key))


def _key(given_id: str, *field: str) -> VoucherKey:
    return VoucherKey(*decode_id(given_id, "Voucher", 2, *(field or ("voucher",))))


async def _inviting(info: Info, asked: VoucherAssignInput) -> tuple[int, Inviting]:
    """In which program, and what."""
    email = given(asked.to.email)
    to = Inviting(
        address=email.address if email else "",
        message=given(email.message) if email else None,
        organization_id=await _owner(info, asked),
        purpose=given(asked.purpose),
    )
    if asked.voucher.id:
        key = _key(asked.voucher.id, "voucher", "id")
        return key.program_id, replace(to, voucher_id=key.voucher_id)
    stock = InProgram(*decode_id(asked.voucher.from_stock_of or "", "VoucherProgram", 2, "voucher", "fromStockOf"))
    return stock.program_id, replace(to, voucher_program_id=stock.id)


async def _assigning(info: Info, asked: VoucherAssignInput) -> tuple[int, Assigning]:
    """In which program, and what."""
    learner, person, purpose = given(asked.to.learner), given(asked.to.person), given(asked.purpose)
    to = Assigning(
        learner=LearnerKey(*decode_id(learner, "Learner", 2, "to", "learner")) if learner else None,
        party=PartyKey(await _owner(info, asked), *decode_id(person, "Person", 1, "to", "person")) if person else None,
        purpose=purpose,
    )
    if asked.voucher.id:
        key = _key(asked.voucher.id, "voucher", "id")
        return key.program_id, replace(to, voucher_id=key.voucher_id)
    stock = InProgram(*decode_id(asked.voucher.from_stock_of or "", "VoucherProgram", 2, "voucher", "fromStockOf"))
    return stock.program_id, replace(to, voucher_program_id=stock.id)


async def _owner(info: Info, asked: VoucherAssignInput) -> int:
    """Whose voucher it is: of one from stock that is told, or whoever asks acts for one organization."""
    if asked.voucher.id:
        voucher = await voucher_by_key(info, _key(asked.voucher.id, "voucher", "id"))
        if voucher is None:
            raise NotFound("voucher", "voucher", "id")
        return voucher.row.organization_id
    if asked.organization:
        return (await keyed_organization(info, asked.organization, "organization")).organization_id
    own = info.context.principal.organization_id
    if own is None:
        raise NotFound("organization", "organization")
    return own


def _redeeming(asked: VoucherRedeemInput) -> tuple[int, Redeeming]:
    """In the program of the product; a voucher of another is none there."""
    product = InProgram(*decode_id(asked.product, "Product", 2, "product"))
    amount, voucher = given(asked.amount), given(asked.by.voucher)
    learner, person = given(asked.learner), given(asked.person)
    if learner and person:
        raise BadId("learner", "learner")
    key = _key(voucher, "by", "voucher") if voucher else None
    if key and key.program_id != product.program_id:
        raise NotFound("voucher", "by", "voucher")
    return product.program_id, Redeeming(
        product_id=product.id,
        reference=asked.reference,
        code=given(asked.by.code),
        voucher_id=key and key.voucher_id,
        amount=amount.money("amount") if amount else None,
        learner=LearnerKey(*decode_id(learner, "Learner", 2, "learner")) if learner else None,
        person_id=decode_id(person, "Person", 1, "person")[0] if person else None,
    )
