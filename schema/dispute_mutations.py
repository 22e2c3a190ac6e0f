"""Mutations of disputes: each takes the dispute's id, does one step, and answers with the case as it then is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, TypeVar

import strawberry

from models.cases import LineKey
from models.errors import BillingErrorCode, DisputeError, DisputeErrorCode
from resolvers.disputes.adjusting import adjust
from resolvers.disputes.evidence import attach_evidence
from resolvers.disputes.opening import AskedLine, Opening, open_dispute
from resolvers.disputes.resolving import Resolution, close, resolve, withdraw
from resolvers.disputes.working import (
    Message,
    add_minutes,
    assign,
    send_to_client,
    send_to_staff,
    set_deadline,
    write_message,
)
from resolvers.loaders.disputes import DisputeKey
from schema.billable import BillingUserError
from schema.context import Info
from schema.dispute_inputs import (
    CreditedLineInput,
    DisputeAdjustInput,
    DisputeAdjustPayload,
    DisputeAssignInput,
    DisputeAssignPayload,
    DisputeCloseInput,
    DisputeClosePayload,
    DisputeDeadlineSetInput,
    DisputeDeadlineSetPayload,
    DisputeEvidenceAttachInput,
    DisputeEvidenceAttachPayload,
    DisputeMessageInput,
    DisputeMessagePayload,
    DisputeMinutesAddInput,
    DisputeMinutesAddPayload,
    DisputeOpenInput,
    DisputeOpenPayload,
    DisputePayload,
    DisputeResolveInput,
    DisputeResolvePayload,
    DisputeSendToClientInput,
    DisputeSendToClientPayload,
    DisputeSendToStaffInput,
    DisputeSendToStaffPayload,
    DisputeUserError,
    DisputeWithdrawInput,
    DisputeWithdrawPayload,
)
from schema.disputes import Dispute, dispute_by_key
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id
from schema.payloads import Refusals

P = TypeVar("P", bound=DisputePayload)


def _refusals(payload: type[DisputePayload]) -> list[Refusals]:
    return [Refusals(payload, DisputeUserError, DisputeErrorCode)]


@strawberry.type
class DisputeMutation:
    @mutation(
        "Question what was billed. The evidence is attached at once, and what is disputed is held from collection. "
        "By the organization's administrators, or by staff for them.",
        _refusals(DisputeOpenPayload),
    )
    async def dispute_open(self, info: Info, input: Annotated[DisputeOpenInput, INPUT]) -> DisputeOpenPayload:
        context, opening = info.context, _opening(info, input)
        made = await context.write(lambda s: open_dispute(s, context.principal, context.signer, context.now, opening))
        return DisputeOpenPayload(dispute=await dispute_by_key(info, DisputeKey(opening.organization_id, made)))

    @mutation("Write a message, to both sides or among staff.", _refusals(DisputeMessagePayload))
    async def dispute_message(self, info: Info, input: Annotated[DisputeMessageInput, INPUT]) -> DisputeMessagePayload:
        message = Message(input.text, input.internal)
        return await _step(info, input.dispute, DisputeMessagePayload, partial(write_message, message=message))

    @mutation("Say who works on it. Staff only.", _refusals(DisputeAssignPayload))
    async def dispute_assign(self, info: Info, input: Annotated[DisputeAssignInput, INPUT]) -> DisputeAssignPayload:
        return await _step(info, input.dispute, DisputeAssignPayload, partial(assign, assignee=input.assignee))

    @mutation("Say by when it must be answered. Staff only.", _refusals(DisputeDeadlineSetPayload))
    async def dispute_deadline_set(
        self, info: Info, input: Annotated[DisputeDeadlineSetInput, INPUT]
    ) -> DisputeDeadlineSetPayload:
        step = partial(set_deadline, respond_by=input.respond_by)
        return await _step(info, input.dispute, DisputeDeadlineSetPayload, step)

    @mutation("Record how long staff worked on it, and on what. Staff only.", _refusals(DisputeMinutesAddPayload))
    async def dispute_minutes_add(
        self, info: Info, input: Annotated[DisputeMinutesAddInput, INPUT]
    ) -> DisputeMinutesAddPayload:
        step = partial(add_minutes, minutes=input.minutes, said=input.done)
        return await _step(info, input.dispute, DisputeMinutesAddPayload, step)

    @mutation("Make it the client's turn. Staff only.", _refusals(DisputeSendToClientPayload))
    async def dispute_send_to_client(
        self, info: Info, input: Annotated[DisputeSendToClientInput, INPUT]
    ) -> DisputeSendToClientPayload:
        step = partial(send_to_client, text=given(input.text))
        return await _step(info, input.dispute, DisputeSendToClientPayload, step)

    @mutation(
        "Make it the staff's turn again: the client has answered, or staff take it back.",
        _refusals(DisputeSendToStaffPayload),
    )
    async def dispute_send_to_staff(
        self, info: Info, input: Annotated[DisputeSendToStaffInput, INPUT]
    ) -> DisputeSendToStaffPayload:
        step = partial(send_to_staff, text=given(input.text))
        return await _step(info, input.dispute, DisputeSendToStaffPayload, step)

    @mutation(
        "Attach the evidence as it is known now; what was attached before is kept. Staff only.",
        _refusals(DisputeEvidenceAttachPayload),
    )
    async def dispute_evidence_attach(
        self, info: Info, input: Annotated[DisputeEvidenceAttachInput, INPUT]
    ) -> DisputeEvidenceAttachPayload:
        step = partial(attach_evidence, signer=info.context.signer)
        return await _step(info, input.dispute, DisputeEvidenceAttachPayload, step)

    @mutation(
        "Decide it. What is credited is credited in the same moment, and nothing is held any more. Staff only.",
        _refusals(DisputeResolvePayload),
    )
    async def dispute_resolve(self, info: Info, input: Annotated[DisputeResolveInput, INPUT]) -> DisputeResolvePayload:
        key = dispute_key(input.dispute)
        resolution = Resolution(
            outcome=input.outcome,
            reason=input.reason,
            credited=_credited(key, input.lines or []),
            minutes=given(input.minutes_spent),
        )
        step = partial(resolve, resolution=resolution, idempotency_key=input.idempotency_key)
        return await _step(info, input.dispute, DisputeResolvePayload, step)

    @mutation(
        "Let it go: nothing is credited, and nothing is held any more. By the organization's administrators, or by "
        "staff for them.",
        _refusals(DisputeWithdrawPayload),
    )
    async def dispute_withdraw(
        self, info: Info, input: Annotated[DisputeWithdrawInput, INPUT]
    ) -> DisputeWithdrawPayload:
        return await _step(info, input.dispute, DisputeWithdrawPayload, partial(withdraw, reason=input.reason))

    @mutation("Close what was decided or withdrawn: nothing is left to do. Staff only.", _refusals(DisputeClosePayload))
    async def dispute_close(self, info: Info, input: Annotated[DisputeCloseInput, INPUT]) -> DisputeClosePayload:
        return await _step(info, input.dispute, DisputeClosePayload, close)

    @mutation(
        "Adjust what was billed to what is known now, from a case that the nightly check opened. Staff only.",
        [Refusals(DisputeAdjustPayload, BillingUserError, BillingErrorCode)],
    )
    async def dispute_adjust(self, info: Info, input: Annotated[DisputeAdjustInput, INPUT]) -> DisputeAdjustPayload:
        step = partial(adjust, reason=input.reason, idempotency_key=input.idempotency_key)
        return DisputeAdjustPayload(dispute=await _after(info, input.dispute, step))


async def _step(info: Info, dispute: str, payload: type[P], step: Callable[..., Awaitable[int]]) -> P:
    return payload(dispute=await _after(info, dispute, step))


async def _after(info: Info, dispute: str, step: Callable[..., Awaitable[int]]) -> Dispute | None:
    context, key = info.context, dispute_key(dispute)
    await context.write(lambda s: step(s, principal=context.principal, now=context.now, key=key))
    return await dispute_by_key(info, key)


def dispute_key(given_id: str) -> DisputeKey:
    return DisputeKey(*decode_id(given_id, "Dispute", 2, "dispute"))


def _opening(info: Info, asked: DisputeOpenInput) -> Opening:
    """Lines of two organizations are of two snapshots, once the principal may see both."""
    keys = [decode_id(one.line, "InvoiceLine", 3, "lines", str(n), "line") for n, one in enumerate(asked.lines)]
    for number, key in enumerate(keys):
        info.context.principal.must_see(key[0], "invoice line", "lines", str(number))
    if len({key[0] for key in keys}) > 1:
        raise DisputeError(DisputeErrorCode.TWO_SNAPSHOTS, DisputeErrorCode.TWO_SNAPSHOTS.value, "lines")
    if not keys:
        raise DisputeError(DisputeErrorCode.EMPTY, DisputeErrorCode.EMPTY.value, "lines")
    lines = tuple(AskedLine(LineKey(*key[1:]), given(one.quantity)) for key, one in zip(keys, asked.lines, strict=True))
    return Opening(organization_id=keys[0][0], lines=lines, reason=asked.reason)


def _credited(key: DisputeKey, lines: Sequence[CreditedLineInput]) -> dict[LineKey, int]:
    credited: dict[LineKey, int] = {}
    for number, one in enumerate(lines):
        organization_id, *line = decode_id(one.line, "InvoiceLine", 3, "lines", str(number), "line")
        if organization_id != key.organization_id or LineKey(*line) in credited:
            said = "Each line must be one of this dispute, and be named once."
            raise DisputeError(DisputeErrorCode.BAD_QUANTITY, said, "lines", str(number))
        credited[LineKey(*line)] = one.credited
    return credited
