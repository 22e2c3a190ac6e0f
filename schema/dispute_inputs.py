"""What the mutations of disputes take, and what they answer."""

from __future__ import annotations

import datetime as dt

import strawberry

from models.cases import DisputeOutcome
from models.errors import DisputeErrorCode
from schema.billable import BillingUserError
from schema.disputes import Dispute
from schema.payloads import UserError
from schema.scalars import described

described(DisputeErrorCode, "Why something about a dispute was refused.")

IDEMPOTENCY_KEY = "Of your choice, such as a UUID: the same request again with the same key is done once."


@strawberry.type(description="A refusal: what was wrong with the input, and what to do.")
class DisputeUserError(UserError):
    code: DisputeErrorCode = strawberry.field(description="The reason, for programs.")


# -------------------------------------------------------------------------------------------------- inputs


@strawberry.input(description="An invoice line that is disputed, or part of it.")
class DisputedLineInput:
    line: strawberry.ID = strawberry.field(description="The invoice line.")
    quantity: int | None = strawberry.field(
        default=strawberry.UNSET, description="How many of its people; all that are not credited if left out."
    )


@strawberry.input
class DisputeOpenInput:
    lines: list[DisputedLineInput] = strawberry.field(description="What is disputed; all of one snapshot.")
    reason: str = strawberry.field(description="Why, in words that both sides will understand.")


@strawberry.input
class DisputeMessageInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")
    text: str = strawberry.field(description="The message.")
    internal: bool = strawberry.field(default=False, description="True if only staff shall see it. Staff only.")


@strawberry.input
class DisputeAssignInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")
    assignee: str | None = strawberry.field(description="The name of who works on it; null for nobody.")


@strawberry.input
class DisputeDeadlineSetInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")
    respond_by: dt.date | None = strawberry.field(
        description="The last local day on which it is answered in time; null for no deadline."
    )


@strawberry.input
class DisputeMinutesAddInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")
    minutes: int = strawberry.field(description="How long somebody worked on it, 1 to 10,000 minutes.")
    done: str = strawberry.field(description="What they did.")


@strawberry.input
class DisputeSendToClientInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")
    text: str | None = strawberry.field(default=strawberry.UNSET, description="What is said with it.")


@strawberry.input
class DisputeSendToStaffInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")
    text: str | None = strawberry.field(default=strawberry.UNSET, description="What is said with it.")


@strawberry.input
class DisputeEvidenceAttachInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")


@strawberry.input(description="How many people of a disputed line are credited.")
class CreditedLineInput:
    line: strawberry.ID = strawberry.field(description="The invoice line.")
    credited: int = strawberry.field(description="How many people, at most as many as are disputed.")


@strawberry.input
class DisputeResolveInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")
    outcome: DisputeOutcome = strawberry.field(description="The decision.")
    lines: list[CreditedLineInput] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Of PARTIAL what is credited: at least one person, and fewer than all that are disputed.",
    )
    reason: str = strawberry.field(description="Why, in words that both sides will understand.")
    minutes_spent: int | None = strawberry.field(
        default=strawberry.UNSET, description="How long the decision took, besides what was recorded before."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class DisputeWithdrawInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")
    reason: str = strawberry.field(description="Why the client lets it go.")


@strawberry.input
class DisputeCloseInput:
    dispute: strawberry.ID = strawberry.field(description="The case.")


@strawberry.input
class DisputeAdjustInput:
    dispute: strawberry.ID = strawberry.field(description="The case that the nightly check opened.")
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


# ------------------------------------------------------------------------------------------------ payloads


@strawberry.type
class DisputePayload:
    dispute: Dispute | None = strawberry.field(default=None, description="The case as it is now; null if refused.")
    user_errors: list[DisputeUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class DisputeOpenPayload(DisputePayload):
    pass


@strawberry.type
class DisputeMessagePayload(DisputePayload):
    pass


@strawberry.type
class DisputeAssignPayload(DisputePayload):
    pass


@strawberry.type
class DisputeDeadlineSetPayload(DisputePayload):
    pass


@strawberry.type
class DisputeMinutesAddPayload(DisputePayload):
    pass


@strawberry.type
class DisputeSendToClientPayload(DisputePayload):
    pass


@strawberry.type
class DisputeSendToStaffPayload(DisputePayload):
    pass


@strawberry.type
class DisputeEvidenceAttachPayload(DisputePayload):
    pass


@strawberry.type
class DisputeResolvePayload(DisputePayload):
    pass


@strawberry.type
class DisputeWithdrawPayload(DisputePayload):
    pass


@strawberry.type
class DisputeClosePayload(DisputePayload):
    pass


@strawberry.type
class DisputeAdjustPayload:
    dispute: Dispute | None = strawberry.field(default=None, description="The case as it is now; null if refused.")
    user_errors: list[BillingUserError] = strawberry.field(default_factory=list, description="Why it was refused.")
