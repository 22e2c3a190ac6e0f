"""Mutations of vouchers that were sent to an address: while nobody has claimed them, when somebody does, and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar

import strawberry

from models.vouchers import AssignmentState
from resolvers.loaders.vouchers import VoucherKey
from resolvers.vouchers.claiming import approve, claim, refuse
from resolvers.vouchers.codes import must_have
from resolvers.vouchers.inviting import cancel, remind, resend
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id
from schema.programs import acted
from schema.voucher_errors import refusals
from schema.voucher_mutations import VoucherPayload
from schema.vouchers import voucher_by_key

# -------------------------------------------------------------------------------------------------- inputs


@strawberry.input
class VoucherInvitationResendInput:
    voucher: strawberry.ID = strawberry.field(description="The voucher.")
    email: str | None = strawberry.field(
        default=strawberry.UNSET, description="A corrected address; the same as before if left out."
    )


@strawberry.input
class VoucherInvitationRemindInput:
    voucher: strawberry.ID = strawberry.field(description="The voucher.")


@strawberry.input
class VoucherAssignmentCancelInput:
    voucher: strawberry.ID = strawberry.field(description="The voucher.")


@strawberry.input
class VoucherClaimInput:
    secret: str = strawberry.field(description="What stands behind /claim/ in the link.")


@strawberry.input
class VoucherClaimApproveInput:
    voucher: strawberry.ID = strawberry.field(description="The voucher.")


@strawberry.input
class VoucherClaimRefuseInput:
    voucher: strawberry.ID = strawberry.field(description="The voucher.")


# ------------------------------------------------------------------------------------------------ payloads


@strawberry.type
class VoucherInvitationResendPayload(VoucherPayload):
    pass


@strawberry.type
class VoucherInvitationRemindPayload(VoucherPayload):
    pass


@strawberry.type
class VoucherAssignmentCancelPayload(VoucherPayload):
    pass


@strawberry.type
class VoucherClaimPayload(VoucherPayload):
    state: AssignmentState | None = strawberry.field(
        default=None, description="ACTIVE, or AWAITING_APPROVAL: then the voucher is null until it is approved."
    )


@strawberry.type
class VoucherClaimApprovePayload(VoucherPayload):
    pass


@strawberry.type
class VoucherClaimRefusePayload(VoucherPayload):
    pass


P = TypeVar("P", bound=VoucherPayload)
BY = "By the organization's administrators and its partner, or by staff for them."

# ----------------------------------------------------------------------------------------------- mutations


@strawberry.type
class InvitationMutation:
    @mutation(
        "Send another link for a voucher that nobody has claimed: the old one is dead, also if it had expired or its "
        f"mail bounced. {BY}",
        refusals(VoucherInvitationResendPayload),
    )
    async def voucher_invitation_resend(
        self, info: Info, input: Annotated[VoucherInvitationResendInput, INPUT]
    ) -> VoucherInvitationResendPayload:
        step = partial(resend, keys=must_have(info.context.code_keys), typed=given(input.email))
        return await _step(info, input.voucher, VoucherInvitationResendPayload, step)

    @mutation(f"Send the same link once more, at most once a day. {BY}", refusals(VoucherInvitationRemindPayload))
    async def voucher_invitation_remind(
        self, info: Info, input: Annotated[VoucherInvitationRemindInput, INPUT]
    ) -> VoucherInvitationRemindPayload:
        return await _step(info, input.voucher, VoucherInvitationRemindPayload, remind)

    @mutation(
        "Take back a voucher that was sent to an address, until somebody has it: its link is dead, and it is assigned "
        f"to nobody. {BY}",
        refusals(VoucherAssignmentCancelPayload),
    )
    async def voucher_assignment_cancel(
        self, info: Info, input: Annotated[VoucherAssignmentCancelInput, INPUT]
    ) -> VoucherAssignmentCancelPayload:
        return await _step(info, input.voucher, VoucherAssignmentCancelPayload, cancel)

    @mutation(
        "Take the voucher of a link for yourself. If your verified address is not the one that was invited, the "
        "organization decides, and sees your name and address. By an individual.",
        refusals(VoucherClaimPayload),
    )
    async def voucher_claim(self, info: Info, input: Annotated[VoucherClaimInput, INPUT]) -> VoucherClaimPayload:
        context = info.context
        keys = must_have(context.code_keys)
        made = await claim(context.reading, context.write, keys, context.principal, context.now, input.secret)
        voucher = await voucher_by_key(info, VoucherKey(made.program_id, made.voucher_id))
        return VoucherClaimPayload(voucher=voucher, state=made.state)

    @mutation(
        f"Let somebody have the voucher that they claimed with another address. {BY}",
        refusals(VoucherClaimApprovePayload),
    )
    async def voucher_claim_approve(
        self, info: Info, input: Annotated[VoucherClaimApproveInput, INPUT]
    ) -> VoucherClaimApprovePayload:
        return await _step(info, input.voucher, VoucherClaimApprovePayload, approve)

    @mutation(
        "Do not let somebody have the voucher that they claimed with another address: the address that was invited "
        f"gets another link. To take the voucher back, cancel its assignment instead. {BY}",
        refusals(VoucherClaimRefusePayload),
    )
    async def voucher_claim_refuse(
        self, info: Info, input: Annotated[VoucherClaimRefuseInput, INPUT]
    ) -> VoucherClaimRefusePayload:
        step = partial(refuse, keys=must_have(info.context.code_keys))
        return await _step(info, input.voucher, VoucherClaimRefusePayload, step)


async def _step(info: Info, voucher: str, payload: type[P], step: Callable[..., Awaitable[int]]) -> P:
    key = VoucherKey(*decode_id(voucher, "Voucher", 2, "voucher"))
    await acted(info, key.program_id, lambda act: step(act, voucher_id=key.voucher_id))
    return payload(voucher=await voucher_by_key(info, key))
