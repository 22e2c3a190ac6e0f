"""Mutations of billing: invoices are drafted, shown, issued and paid; what was billed is adjusted and approved."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import BillingErrorCode
from resolvers.invoices import adjusting, approving, challenging, drafting, issuing, paying
from resolvers.loaders.adjustments import AdjustmentKey
from resolvers.loaders.invoices import InvoiceKey
from resolvers.loaders.snapshots import SnapshotKey
from resolvers.principal import Principal
from schema.adjustments import Adjustment, adjustment_by_key
from schema.billable import BillingUserError
from schema.context import Info
from schema.fields import INPUT, given, mutation
from schema.ids import decode_id
from schema.invoices import Invoice, InvoiceLine, invoice_by_key, invoice_line_by_key
from schema.money import MoneyInput
from schema.nodes import OrganizationKey, keyed_organization
from schema.payloads import Refusals

T = TypeVar("T")
KEY = (
    "Chosen by you, 1 to 100 characters, such as a UUID: the same request again under it is answered with what the "
    "first one made."
)


@strawberry.input
class InvoiceDraftInput:
    organization: OrganizationKey = strawberry.field(description="The client.")
    date: dt.date = strawberry.field(description="The local date whose snapshots are billed.")


@strawberry.input
class InvoiceCancelInput:
    invoice: strawberry.ID = strawberry.field(description="The draft.")
    reason: str = strawberry.field(description="Why it is dropped.")


@strawberry.input
class InvoiceChallengeOpenInput:
    invoice: strawberry.ID = strawberry.field(description="The draft.")
    days: int = strawberry.field(description="How many whole local days after today the client has, 1 to 90.")


@strawberry.input
class InvoiceLineAcceptInput:
    line: strawberry.ID = strawberry.field(description="The line.")
    reason: str | None = strawberry.field(
        default=strawberry.UNSET, description="Of staff who accept it for the client: how they know."
    )


@strawberry.input
class InvoiceIssueInput:
    invoice: strawberry.ID = strawberry.field(description="The invoice.")
    without_challenge: bool = strawberry.field(
        default=False, description="True to issue a draft that the client has not been shown; it takes a reason."
    )
    reason: str | None = strawberry.field(default=strawberry.UNSET, description="Why.")


@strawberry.input
class InvoicePaymentRecordInput:
    invoice: strawberry.ID = strawberry.field(description="The invoice.")
    amount: MoneyInput = strawberry.field(description="How much came in: at most what is due.")
    reference: str = strawberry.field(description="By which it is found in the bank's records.")
    idempotency_key: str = strawberry.field(description=KEY)


@strawberry.input
class UncertainApproveInput:
    snapshot: strawberry.ID = strawberry.field(description="The billing snapshot.")
    quantity: int = strawberry.field(description="How many of those who may have been counted are billed.")
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")
    idempotency_key: str = strawberry.field(description=KEY)


@strawberry.input
class AdjustmentCreateInput:
    snapshot: strawberry.ID = strawberry.field(description="The billing snapshot.")
    reason: str = strawberry.field(description="Why it is looked at again, in words that an auditor will understand.")
    idempotency_key: str = strawberry.field(description=KEY)


@strawberry.input
class AdjustmentApproveInput:
    adjustment: strawberry.ID = strawberry.field(description="An upward adjustment.")
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")
    idempotency_key: str = strawberry.field(description=KEY)


@strawberry.type
class InvoiceDraftPayload:
    invoices: list[Invoice] = strawberry.field(
        default_factory=list, description="The drafts, one for each currency; empty if refused."
    )
    user_errors: list[BillingUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class InvoicePayload:
    invoice: Invoice | None = strawberry.field(default=None, description="The invoice; null if refused.")
    user_errors: list[BillingUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class InvoiceCancelPayload(InvoicePayload):
    pass


@strawberry.type
class InvoiceChallengeOpenPayload(InvoicePayload):
    pass


@strawberry.type
class InvoiceIssuePayload(InvoicePayload):
    pass


@strawberry.type
class InvoicePaymentRecordPayload(InvoicePayload):
    pass


@strawberry.type
class UncertainApprovePayload(InvoicePayload):
    pass


@strawberry.type
class InvoiceLineAcceptPayload:
    line: InvoiceLine | None = strawberry.field(default=None, description="The line; null if refused.")
    user_errors: list[BillingUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class AdjustmentCreatePayload:
    adjustment: Adjustment | None = strawberry.field(default=None, description="The adjustment; null if refused.")
    user_errors: list[BillingUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class AdjustmentApprovePayload(AdjustmentCreatePayload):
    invoice: Invoice | None = strawberry.field(default=None, description="The draft that bills it; null if refused.")


def _refusals(payload: Callable[..., object]) -> list[Refusals]:
    return [Refusals(payload, BillingUserError, BillingErrorCode)]


async def _write(info: Info, step: Callable[[AsyncSession, Principal, dt.datetime], Awaitable[T]]) -> T:
    context = info.context
    return await context.write(lambda session: step(session, context.principal, context.now))


@strawberry.type
class InvoiceMutation:
    @mutation(
        "Draft the invoices of a date: the provable overage of each snapshot that is not billed yet. Staff only.",
        _refusals(InvoiceDraftPayload),
    )
    async def invoice_draft(self, info: Info, input: Annotated[InvoiceDraftInput, INPUT]) -> InvoiceDraftPayload:
        organization = (await keyed_organization(info, input.organization, "organization")).organization_id
        made = await _write(info, lambda s, who, now: drafting.draft(s, who, now, organization, input.date))
        drafts = await asyncio.gather(*(invoice_by_key(info, InvoiceKey(organization, i)) for i in made))
        return InvoiceDraftPayload(invoices=[invoice for invoice in drafts if invoice])

    @mutation(
        "Drop a draft: its snapshots can be drafted anew, and approvals on it have to be given again. Staff only.",
        _refusals(InvoiceCancelPayload),
    )
    async def invoice_cancel(self, info: Info, input: Annotated[InvoiceCancelInput, INPUT]) -> InvoiceCancelPayload:
        key = _invoice(input.invoice)
        await _write(info, lambda s, who, now: drafting.cancel(s, who, now, key, input.reason))
        return InvoiceCancelPayload(invoice=await invoice_by_key(info, key))

    @mutation(
        "Show a draft and the names behind it to the client, who may challenge them for some days. Staff only.",
        _refusals(InvoiceChallengeOpenPayload),
    )
    async def invoice_challenge_open(
        self, info: Info, input: Annotated[InvoiceChallengeOpenInput, INPUT]
    ) -> InvoiceChallengeOpenPayload:
        key = _invoice(input.invoice)
        await _write(info, lambda s, who, now: challenging.open_challenge(s, who, now, key, input.days))
        return InvoiceChallengeOpenPayload(invoice=await invoice_by_key(info, key))

    @mutation(
        "Accept a line: it cannot be disputed any more. By the client, or by staff who say how they know.",
        _refusals(InvoiceLineAcceptPayload),
    )
    async def invoice_line_accept(
        self, info: Info, input: Annotated[InvoiceLineAcceptInput, INPUT]
    ) -> InvoiceLineAcceptPayload:
        *invoice, number = decode_id(input.line, "InvoiceLine", 3, "line")
        key, reason = InvoiceKey(*invoice), given(input.reason)
        await _write(info, lambda s, who, now: challenging.accept_line(s, who, now, key, number, reason))
        return InvoiceLineAcceptPayload(line=await invoice_line_by_key(info, key, number))

    @mutation(
        "Issue an invoice once its challenge window is over or every line is accepted. Staff only.",
        _refusals(InvoiceIssuePayload),
    )
    async def invoice_issue(self, info: Info, input: Annotated[InvoiceIssueInput, INPUT]) -> InvoiceIssuePayload:
        key, reason, unseen = _invoice(input.invoice), given(input.reason), input.without_challenge
        await _write(info, lambda s, who, now: issuing.issue(s, who, now, key, without_challenge=unseen, reason=reason))
        return InvoiceIssuePayload(invoice=await invoice_by_key(info, key))

    @mutation(
        "Record money that came in: at most what is due, with what is in dispute if the client pays it. Staff only.",
        _refusals(InvoicePaymentRecordPayload),
    )
    async def invoice_payment_record(
        self, info: Info, input: Annotated[InvoicePaymentRecordInput, INPUT]
    ) -> InvoicePaymentRecordPayload:
        key = _invoice(input.invoice)
        payment = paying.Payment(invoice=key, amount=input.amount.money("amount"), reference=input.reference)
        await _write(info, lambda s, who, now: paying.pay(s, who, now, payment, input.idempotency_key))
        return InvoicePaymentRecordPayload(invoice=await invoice_by_key(info, key))

    @mutation(
        "Bill people of whom dates are lost, who may have been counted: on the snapshot's invoice while that is open, "
        "or on a new draft. Staff only.",
        _refusals(UncertainApprovePayload),
    )
    async def uncertain_approve(
        self, info: Info, input: Annotated[UncertainApproveInput, INPUT]
    ) -> UncertainApprovePayload:
        snapshot = _snapshot(input.snapshot)
        approval = approving.UncertainApproval(snapshot=snapshot, quantity=input.quantity, reason=input.reason)
        made = await _write(
            info, lambda s, who, now: approving.approve_uncertain(s, who, now, approval, input.idempotency_key)
        )
        return UncertainApprovePayload(invoice=await invoice_by_key(info, InvoiceKey(snapshot.organization_id, made)))

    @mutation(
        "Count a billed snapshot again, as known now: less is credited at once, more awaits an approval. Staff only.",
        _refusals(AdjustmentCreatePayload),
    )
    async def adjustment_create(
        self, info: Info, input: Annotated[AdjustmentCreateInput, INPUT]
    ) -> AdjustmentCreatePayload:
        recount = adjusting.Recount(snapshot=_snapshot(input.snapshot), reason=input.reason)
        made = await _write(
            info, lambda s, who, now: adjusting.adjust_once(s, who, now, recount, input.idempotency_key)
        )
        key = AdjustmentKey(recount.snapshot.organization_id, made)
        return AdjustmentCreatePayload(adjustment=await adjustment_by_key(info, key))

    @mutation("Bill an upward adjustment, on a draft of its own. Staff only.", _refusals(AdjustmentApprovePayload))
    async def adjustment_approve(
        self, info: Info, input: Annotated[AdjustmentApproveInput, INPUT]
    ) -> AdjustmentApprovePayload:
        key = AdjustmentKey(*decode_id(input.adjustment, "Adjustment", 2, "adjustment"))
        approval = approving.AdjustmentApproval(
            organization_id=key.organization_id, adjustment_id=key.adjustment_id, reason=input.reason
        )
        made = await _write(
            info, lambda s, who, now: approving.approve_adjustment(s, who, now, approval, input.idempotency_key)
        )
        return AdjustmentApprovePayload(
            adjustment=await adjustment_by_key(info, key),
            invoice=await invoice_by_key(info, InvoiceKey(key.organization_id, made)),
        )


def _invoice(given_id: str) -> InvoiceKey:
    return InvoiceKey(*decode_id(given_id, "Invoice", 2, "invoice"))


def _snapshot(given_id: str) -> SnapshotKey:
    return SnapshotKey(*decode_id(given_id, "BillingSnapshot", 2, "snapshot"))
