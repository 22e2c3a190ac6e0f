"""Vouchers as those see them who run the program, who bought them, and whom they are assigned to."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.money import Money
from models.voucher_programs import VoucherFunding
from models.voucher_states import VoucherState, state_of
from models.vouchers import AssigneeKind, AssignmentEnd, AssignmentState
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.places import organizations_by_id
from resolvers.loaders.responsibility import PartyKey
from resolvers.loaders.voucher_orders import OrderKey
from resolvers.loaders.voucher_programs import InProgram
from resolvers.loaders.vouchers import (
    AssignmentKey,
    AssignmentRow,
    RedemptionKey,
    RedemptionRow,
    TheirsRow,
    VoucherKey,
    VoucherRow,
    assignments_by_id,
    redemptions_by_id,
    redemptions_of_vouchers,
    theirs,
    vouchers_by_id,
)
from schema.context import Info
from schema.fields import field
from schema.ids import Node, encode_id
from schema.money import ShownMoney
from schema.nodes import learner_by_key
from schema.pagination import After, Before, Connection, First, Last
from schema.scalars import described

if TYPE_CHECKING:
    from schema.fee_orders import FeeOrder
    from schema.invitations import VoucherClaimant, VoucherInvitation
    from schema.learners import Learner
    from schema.organizations import Organization
    from schema.products import Product
    from schema.promotions import Promotion
    from schema.responsibility import ResponsibleParty
    from schema.voucher_lists import VoucherEvent
    from schema.voucher_orders import VoucherOrder
    from schema.voucher_programs import VoucherProgram

described(VoucherState, "What a voucher is shown as.")
described(VoucherFunding, "How vouchers may be paid for.")
described(AssigneeKind, "How an assignment names its person.")
described(AssignmentState, "Where an assignment stands.", "VoucherAssignmentState")
described(AssignmentEnd, "Why an assignment is over.", "VoucherAssignmentEnd")


@strawberry.type(description="A voucher given to somebody, until it ends.")
class VoucherAssignment:
    row: strawberry.Private[AssignmentRow]

    @field("How it names its person.")
    def kind(self) -> AssigneeKind:
        return self.row.kind

    @field("The learner whom it is given to; null if it names somebody else, or that is not yours to see.")
    async def learner(self, info: Info) -> Annotated[Learner, strawberry.lazy("schema.learners")] | None:
        if self.row.learner_id is None:
            return None
        return await learner_by_key(info, LearnerKey(self.row.organization_id, self.row.learner_id))

    @field(
        "For whom the organization is responsible, if it is given so; null otherwise, or if that is not yours to see."
    )
    async def responsible_party(
        self, info: Info
    ) -> Annotated[ResponsibleParty, strawberry.lazy("schema.responsibility")] | None:
        from schema.responsibility import responsible_party_by_key

        if self.row.kind is not AssigneeKind.PERSON or self.row.person_id is None:
            return None
        return await responsible_party_by_key(info, PartyKey(self.row.organization_id, self.row.person_id))

    @field("The address that its link was sent to, for who owns the voucher; null if it was not given by e-mail.")
    def email(self, info: Info) -> str | None:
        return self.row.email if info.context.principal.may_see(self.row.organization_id) else None

    @field("What the organization wrote to them; null to anybody else.")
    def message(self, info: Info) -> str | None:
        principal = info.context.principal
        theirs = principal.person_id is not None and principal.person_id == self.row.person_id
        return self.row.message if theirs or principal.may_see(self.row.organization_id) else None

    @field("The link that was sent last, for who owns the voucher; null if it was not given by e-mail.")
    async def invitation(
        self, info: Info
    ) -> Annotated[VoucherInvitation, strawberry.lazy("schema.invitations")] | None:
        from schema.invitations import last_invitation

        return await last_invitation(info, self.row)

    @field("Who claimed it, for who owns the voucher; null while nobody has, and once they are erased.")
    async def claimant(self, info: Info) -> Annotated[VoucherClaimant, strawberry.lazy("schema.invitations")] | None:
        from schema.invitations import claimant_of

        return await claimant_of(info, self.row)

    @field("Where it stands.")
    def state(self) -> AssignmentState:
        return self.row.state

    @field("Since when.")
    def assigned_at(self) -> dt.datetime:
        return self.row.assigned_at

    @field("When it ended; null while it is in force.")
    def ended_at(self) -> dt.datetime | None:
        return self.row.ended_at

    @field("Why it is over; null while it is in force.")
    def end(self) -> AssignmentEnd | None:
        return self.row.end


@strawberry.type(description="So much of a fee, paid by a voucher or a promotion.")
class Redemption(Node):
    row: strawberry.Private[RedemptionRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Redemption", *self.row.key))

    @field("The voucher that paid; null of a promotion, and if it is not yours to see.")
    async def voucher(self, info: Info) -> Voucher | None:
        return await voucher_by_key(info, self.row.voucher) if self.row.voucher else None

    @field("The last four characters of the code of the voucher; null of a promotion.")
    def last_four(self) -> str | None:
        return self.row.last_four

    @field("The promotion that paid; null of a voucher, and if it is not yours to see.")
    async def promotion(self, info: Info) -> Annotated[Promotion, strawberry.lazy("schema.promotions")] | None:
        from schema.promotions import promotion_by_key

        if self.row.promotion_id is None:
            return None
        return await promotion_by_key(info, InProgram(self.row.program_id, self.row.promotion_id))

    @field("The code of the promotion; null of a voucher.")
    def promotion_code(self) -> str | None:
        return self.row.promotion_code

    @field("The order that it paid; null if that is not yours to see.")
    async def order(self, info: Info) -> Annotated[FeeOrder, strawberry.lazy("schema.fee_orders")] | None:
        from schema.fee_orders import fee_order_by_key

        return await fee_order_by_key(info, InProgram(self.row.program_id, self.row.fee_order_id))

    @field("The number of the line of the order.")
    def line_number(self) -> int:
        return self.row.line_number

    @field("The assignment under which it was used; null if whoever knew the code might use it.")
    async def assignment(self, info: Info) -> VoucherAssignment | None:
        return await assignment_by_id(info, self.row.program_id, self.row.assignment_id)

    @field("For which product.")
    async def product(self, info: Info) -> Annotated[Product, strawberry.lazy("schema.products")] | None:
        from schema.products import product_by_key

        return await product_by_key(info, InProgram(self.row.program_id, self.row.product_id))

    @field("How much it paid.")
    def amount(self) -> ShownMoney:
        return ShownMoney.of(self._money(self.row.amount_minor))

    @field("When.")
    def redeemed_at(self) -> dt.datetime:
        return self.row.redeemed_at

    @field("By which the program's own systems know what was paid.")
    def reference(self) -> str:
        return self.row.reference

    @field("How much of it was taken back, and stands on the voucher again or went to breakage.")
    def reversed_amount(self) -> ShownMoney:
        return ShownMoney.of(self._money(self.row.reversed_minor))

    @field("Whether all of it was taken back.")
    def is_reversed(self) -> bool:
        return self.row.reversed_minor == self.row.amount_minor

    def _money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.row.currency)


@strawberry.type(description="Value that pays fees of a program. Its code is shown only when it is asked for.")
class Voucher(Node):
    row: strawberry.Private[VoucherRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Voucher", *self.row.key))

    @field("The last four characters of its code, by which its owner knows it.")
    def last_four(self) -> str:
        return self.row.last_four

    @field("What it is now.")
    def state(self, info: Info) -> VoucherState:
        return state_of(self.row, info.context.now)

    @field("What it was worth when it was issued.")
    def face_value(self) -> ShownMoney:
        return self._money(self.row.face_value_minor)

    @field("What can still be redeemed, with what carts hold; of a revoked one what a reissue would revive.")
    def remaining_value(self) -> ShownMoney:
        return self._money(self.row.remaining_minor)

    @field("What of the remaining value carts hold now.")
    def held_value(self) -> ShownMoney:
        return self._money(self.row.held_minor)

    @field("What was redeemed and not taken back.")
    def redeemed_value(self) -> ShownMoney:
        return self._money(self.row.captured_minor - self.row.reversed_minor)

    @field("When it was issued.")
    def issued_at(self) -> dt.datetime:
        return self.row.issued_at

    @field("From which moment on it cannot be used; null if it never expires.")
    def expires_at(self) -> dt.datetime | None:
        return self.row.ends_at

    @field("What the organization means it for, in its own words.")
    def purpose(self) -> str | None:
        return self.row.purpose

    @field("How it was paid for.")
    def funding(self) -> VoucherFunding:
        return self.row.funding

    @field("Since when its assignee has left the organization: it should be reissued; null if that is not so.")
    def flagged_at(self) -> dt.datetime | None:
        return self.row.flagged_at

    @field("Who bought it; null if that is not yours to see.")
    async def organization(self, info: Info) -> Annotated[Organization, strawberry.lazy("schema.organizations")] | None:
        from schema.organizations import Organization

        if not info.context.principal.may_see(self.row.organization_id):
            return None
        rows = await info.context.loaders.rows(organizations_by_id).load(self.row.organization_id)
        return Organization.of(rows[0]) if rows else None

    @field("Whom it is assigned to; null while that is nobody, and when it is over.")
    async def assignment(self, info: Info) -> VoucherAssignment | None:
        return await assignment_by_id(info, self.row.program_id, self.row.assignment_id)

    @field("What it paid, the first first; to a person only what it paid for them.")
    async def redemptions(self, info: Info) -> list[Redemption]:
        rows: list[RedemptionRow] = await info.context.loaders.rows(redemptions_of_vouchers).load(self.row.key)
        own = await own_assignments(info, self.row.key)
        return [Redemption(row=row) for row in rows if own is None or row.assignment_id in own]

    @field("The order that it came with; null to the person whom it is assigned to.")
    async def order(self, info: Info) -> Annotated[VoucherOrder, strawberry.lazy("schema.voucher_orders")] | None:
        from schema.voucher_orders import voucher_order_by_key

        return await voucher_order_by_key(info, OrderKey(self.row.program_id, self.row.voucher_order_id))

    @field("The terms on which it was bought.")
    async def voucher_program(
        self, info: Info
    ) -> Annotated[VoucherProgram, strawberry.lazy("schema.voucher_programs")] | None:
        from schema.voucher_programs import voucher_program_by_key

        return await voucher_program_by_key(info, InProgram(self.row.program_id, self.row.voucher_program_id))

    @field("What was done to it and to its order, oldest first; to a person what was since it became theirs.")
    async def story(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherEvent, strawberry.lazy("schema.voucher_lists")]]:
        from schema.voucher_lists import story_of

        return await story_of(info, self.row, (first, after, last, before))

    def _money(self, amount_minor: int) -> ShownMoney:
        return ShownMoney.of(self.row.money(amount_minor))


async def assignment_by_id(info: Info, program_id: int, assignment_id: int | None) -> VoucherAssignment | None:
    if assignment_id is None:
        return None
    rows = await info.context.loaders.rows(assignments_by_id).load(AssignmentKey(program_id, assignment_id))
    return VoucherAssignment(row=rows[0]) if rows else None


async def theirs_of(info: Info, key: VoucherKey) -> list[TheirsRow]:
    """The assignments by which the voucher is the asker's own; none unless they are an individual."""
    person_id = info.context.principal.person_id
    if person_id is None:
        return []
    found: list[TheirsRow] = await info.context.loaders.rows(theirs, person_id).load(key)
    return found


async def own_assignments(info: Info, key: VoucherKey) -> set[int] | None:
    """To what an individual is kept; None for those who see all of a voucher."""
    if info.context.principal.person_id is None:
        return None
    return {row.assignment_id for row in await theirs_of(info, key)}


async def voucher_by_key(info: Info, key: VoucherKey) -> Voucher | None:
    """The voucher, for who runs the program, who bought it, and whom it is assigned to; None for anybody else."""
    rows: list[VoucherRow] = await info.context.loaders.rows(vouchers_by_id).load(key)
    if not rows:
        return None
    principal = info.context.principal
    if principal.runs(key.program_id) or principal.may_see(rows[0].organization_id):
        return Voucher(row=rows[0])
    return Voucher(row=rows[0]) if await theirs_of(info, key) else None


async def redemption_by_key(info: Info, key: RedemptionKey) -> Redemption | None:
    """For who may see the voucher or the promotion that paid, and for whom it paid; None for anybody else."""
    rows: list[RedemptionRow] = await info.context.loaders.rows(redemptions_by_id).load(key)
    return Redemption(row=rows[0]) if rows and await _sees(info, rows[0]) else None


async def _sees(info: Info, row: RedemptionRow) -> bool:
    principal = info.context.principal
    if principal.runs(row.program_id) or principal.may_see(row.organization_id):
        return True
    if principal.person_id is None:
        return False
    if row.person_id == principal.person_id:
        return True
    return row.voucher is not None and row.assignment_id in (await own_assignments(info, row.voucher) or ())
