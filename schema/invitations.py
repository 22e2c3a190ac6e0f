"""The link that a voucher was sent by, and who claimed it, as its organization sees them."""

from __future__ import annotations

import datetime as dt

import strawberry

from models.invitations import InvitationState, invitation_state
from models.outbox import MessageState
from models.vouchers import AssigneeKind
from resolvers.loaders.invitations import AccountRow, InvitationRow, PersonKey, accounts_of_persons, last_invitations
from resolvers.loaders.vouchers import AssignmentKey, AssignmentRow
from schema.context import Info
from schema.fields import field
from schema.scalars import described

described(InvitationState, "What a link is shown as.", "VoucherInvitationState")


@strawberry.type(description="A link that was sent to an address; whoever follows it claims the voucher.")
class VoucherInvitation:
    row: strawberry.Private[InvitationRow]

    @field("Where it stands.")
    def state(self, info: Info) -> InvitationState:
        return invitation_state(self.row.end, self.row.expires_at, info.context.now)

    @field("When it was made.")
    def made_at(self) -> dt.datetime:
        return self.row.made_at

    @field("When its mail was sent; null if it was not, or not yet.")
    def sent_at(self) -> dt.datetime | None:
        return self.row.delivery_ended_at if self.row.delivery is MessageState.SENT else None

    @field("What became of its mail.")
    def delivery(self) -> MessageState:
        return self.row.delivery

    @field("Until when it could be followed.")
    def link_until(self) -> dt.datetime:
        return self.row.expires_at

    @field("When it died; null while it is live.")
    def ended_at(self) -> dt.datetime | None:
        return self.row.ended_at

    @field("How often they were reminded, of earlier links too.")
    def reminders(self) -> int:
        return self.row.reminders

    @field("When they were reminded last; null if they never were.")
    def reminded_at(self) -> dt.datetime | None:
        return self.row.reminded_at


@strawberry.type(description="Who followed the link, as they registered.")
class VoucherClaimant:
    row: strawberry.Private[AccountRow]

    @field("The name that they gave.")
    def name(self) -> str:
        return self.row.name

    @field("Their own address, which is known to be theirs.")
    def email(self) -> str:
        return self.row.email


async def last_invitation(info: Info, assignment: AssignmentRow) -> VoucherInvitation | None:
    if assignment.kind is not AssigneeKind.EMAIL or not info.context.principal.may_see(assignment.organization_id):
        return None
    key = AssignmentKey(assignment.program_id, assignment.id)
    rows = await info.context.loaders.rows(last_invitations).load(key)
    return VoucherInvitation(row=rows[0]) if rows else None


async def claimant_of(info: Info, assignment: AssignmentRow) -> VoucherClaimant | None:
    if assignment.kind is not AssigneeKind.EMAIL or not info.context.principal.may_see(assignment.organization_id):
        return None
    if assignment.person_id is None:
        return None
    rows = await info.context.loaders.rows(accounts_of_persons).load(PersonKey(assignment.person_id))
    return VoucherClaimant(row=rows[0]) if rows else None
