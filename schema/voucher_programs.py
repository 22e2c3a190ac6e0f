"""Voucher programs: on which terms vouchers may be bought, and what they may pay for."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.errors import NotFound
from models.program_events import ProgramThing
from models.voucher_programs import IssueOn, Leftovers, RefundPolicy, Transferability, VoucherFunding
from resolvers.loaders.program_events import ThingKey
from resolvers.loaders.voucher_lists import Of
from resolvers.loaders.voucher_programs import (
    InProgram,
    NamePage,
    ProgramRow,
    VoucherProgramRow,
    voucher_program_totals,
    voucher_programs_by_key,
    voucher_programs_of,
)
from resolvers.programs.offering import NewVoucherProgram, create_voucher_program, stop_voucher_program
from schema.context import Info
from schema.fields import INPUT, field, given, mutation
from schema.ids import Node, decode_id, encode_id
from schema.money import MoneyInput, ShownMoney
from schema.pagination import After, Before, Connection, First, Last, Paging, connection_of
from schema.products import Product, product_by_key
from schema.programs import Program, ProgramKey, acted, keyed_program, program_row
from schema.scalars import described
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals

if TYPE_CHECKING:
    from schema.voucher_lists import VoucherEvent, VoucherFilter
    from schema.vouchers import Voucher

described(IssueOn, "When the vouchers of a purchase order are issued.", "VoucherIssueOn")
described(Leftovers, "What becomes of the value that a redemption leaves.", "VoucherLeftovers")
described(Transferability, "Who may use a voucher after it was assigned, and before.", "VoucherTransferability")
described(RefundPolicy, "Whether an organization gets money back for what is not redeemed.", "VoucherRefundPolicy")


@strawberry.type(description="What a voucher is good for.")
class VoucherBenefit:
    face_value: ShownMoney = strawberry.field(
        description="What it is worth at most; of one that is prepaid also its price."
    )


@strawberry.type(description="How long a voucher is valid: some days, through one day, or for ever if both are null.")
class VoucherValidity:
    days: int | None = strawberry.field(
        description="Through the end of the local day so many days after it was issued."
    )
    through: dt.date | None = strawberry.field(description="Its last local day, whenever it was issued.")


@strawberry.type(description="For which products a voucher may pay. An exclusion wins; none included means all.")
class VoucherProductRule:
    row: strawberry.Private[VoucherProgramRow]

    @field("Only these; all if there are none.")
    async def included(self, info: Info) -> list[Product]:
        return await _products(info, self.row, self.row.included)

    @field("Never these.")
    async def excluded(self, info: Info) -> list[Product]:
        return await _products(info, self.row, self.row.excluded)


async def _products(info: Info, row: VoucherProgramRow, product_ids: Sequence[int]) -> list[Product]:
    keys = [InProgram(row.program_id, product_id) for product_id in product_ids]
    found = await asyncio.gather(*(product_by_key(info, key) for key in keys))
    return [product for product in found if product]


@strawberry.type(description="Terms on which vouchers may be bought; never changed, only stopped.")
class VoucherProgram(Node):
    row: strawberry.Private[VoucherProgramRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("VoucherProgram", self.row.program_id, self.row.id))

    @field("Whose vouchers they are.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("Its name, unique in the program.")
    def name(self) -> str:
        return self.row.name

    @field("What a voucher is good for.")
    def benefit(self) -> VoucherBenefit:
        return VoucherBenefit(face_value=ShownMoney.of(self.row.face_value))

    @field("For which products a voucher may pay.")
    def products(self) -> VoucherProductRule:
        return VoucherProductRule(row=self.row)

    @field("In which ways they may be paid for.")
    def funding(self) -> list[VoucherFunding]:
        return list(self.row.funding)

    @field("When the vouchers of a purchase order are issued.")
    def issue_on(self) -> IssueOn:
        return self.row.issue_on

    @field("How long a voucher is valid.")
    def validity(self) -> VoucherValidity:
        return VoucherValidity(days=self.row.valid_days, through=self.row.valid_through)

    @field("What becomes of the value that a redemption leaves.")
    def leftovers(self) -> Leftovers:
        return self.row.leftovers

    @field("Who may use a voucher after it was assigned, and before.")
    def transferability(self) -> Transferability:
        return self.row.transferability

    @field("Whether money is given back for what is not redeemed.")
    def refund_policy(self) -> RefundPolicy:
        return self.row.refund_policy

    @field("For how many days after they were issued; null for as long as they are valid.")
    def refund_days(self) -> int | None:
        return self.row.refund_days

    @field("Since when none can be bought any more; null while they can.")
    def stopped_at(self) -> dt.datetime | None:
        return self.row.stopped_at

    @field("Its vouchers, those issued last first: all for who runs the program, else your own.")
    async def vouchers(
        self,
        info: Info,
        filter: Annotated[
            Annotated[VoucherFilter, strawberry.lazy("schema.voucher_lists")] | None,
            strawberry.argument(description="Only those."),
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Voucher, strawberry.lazy("schema.vouchers")]]:
        from schema.voucher_lists import vouchers_in_program

        page = (first, after, last, before)
        return await vouchers_in_program(
            info, Of.VOUCHER_PROGRAM, self.row.program_id, self.row.id, given(filter), page
        )

    @field("What was done to it, oldest first. For the program's administrators, and for staff.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherEvent, strawberry.lazy("schema.voucher_lists")]]:
        from schema.voucher_lists import program_events

        key = ThingKey(self.row.program_id, self.row.id)
        return await program_events(info, ProgramThing.VOUCHER_PROGRAM, key, (first, after, last, before))


async def voucher_program_by_key(info: Info, key: InProgram) -> VoucherProgram | None:
    rows: list[VoucherProgramRow] = await info.context.loaders.rows(voucher_programs_by_key).load(key)
    return VoucherProgram(row=rows[0]) if rows else None


async def voucher_programs_page(info: Info, program: ProgramRow, page: Paging) -> Connection[VoucherProgram]:
    loaders = info.context.loaders
    asked = NamePage(page.limit, page.backward, page.beyond)
    rows: list[VoucherProgramRow] = await loaders.rows(voucher_programs_of, asked).load(program.id)

    async def total() -> int:
        return await loaders.values(voucher_program_totals).load(program.id)

    return connection_of([(VoucherProgram(row=row), (row.name_key, row.id)) for row in rows], page, total)


# ---------------------------------------------------------------------------------------------- mutations


@strawberry.input
class VoucherProgramCreateInput:
    program: ProgramKey = strawberry.field(description="Whose vouchers they are.")
    name: str = strawberry.field(description="Their name, unique in the program.")
    face_value: MoneyInput = strawberry.field(description="What one is worth, and costs if it is prepaid.")
    funding: list[VoucherFunding] = strawberry.field(description="In which ways they may be paid for; at least one.")
    issue_on: IssueOn = strawberry.field(
        default=IssueOn.APPROVAL, description="When the vouchers of a purchase order are issued."
    )
    leftovers: Leftovers = strawberry.field(
        default=Leftovers.KEEP, description="What becomes of the value that a redemption leaves."
    )
    transferability: Transferability = strawberry.field(
        default=Transferability.BEARER, description="Who may use a voucher after it was assigned, and before."
    )
    refund_policy: RefundPolicy = strawberry.field(
        default=RefundPolicy.UNUSED, description="Whether money is given back for what is not redeemed."
    )
    refund_days: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="For how many days after they were issued; as long as they are valid if left out.",
    )
    valid_days: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Valid through the end of the local day so many days after they were issued.",
    )
    valid_through: dt.date | None = strawberry.field(
        default=strawberry.UNSET,
        description="Valid through this local day of the program; for ever if neither this nor validDays is given.",
    )
    included: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="The products that they pay for; all if none is given."
    )
    excluded: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="The products that they never pay for, whatever is included."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class VoucherProgramStopInput:
    voucher_program: strawberry.ID = strawberry.field(description="The voucher program.")


@strawberry.type
class VoucherProgramPayload:
    voucher_program: VoucherProgram | None = strawberry.field(
        default=None, description="The voucher program as it is now; null if refused."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class VoucherProgramCreatePayload(VoucherProgramPayload):
    pass


@strawberry.type
class VoucherProgramStopPayload(VoucherProgramPayload):
    pass


@strawberry.type
class VoucherProgramMutation:
    @mutation(
        "Define terms on which vouchers may be bought. By the program's administrators, and by staff.",
        refusals(VoucherProgramCreatePayload),
    )
    async def voucher_program_create(
        self, info: Info, input: Annotated[VoucherProgramCreateInput, INPUT]
    ) -> VoucherProgramCreatePayload:
        program = await keyed_program(info, input.program, "program")
        new = _terms(program.id, input)
        made = await acted(info, program.id, lambda act: create_voucher_program(act, new, input.idempotency_key))
        key = InProgram(program.id, made)
        return VoucherProgramCreatePayload(voucher_program=await voucher_program_by_key(info, key))

    @mutation(
        "Let no more of these vouchers be bought; those that were keep their terms. By the program's administrators, "
        "and by staff.",
        refusals(VoucherProgramStopPayload),
    )
    async def voucher_program_stop(
        self, info: Info, input: Annotated[VoucherProgramStopInput, INPUT]
    ) -> VoucherProgramStopPayload:
        key = InProgram(*decode_id(input.voucher_program, "VoucherProgram", 2, "voucherProgram"))
        await acted(info, key.program_id, lambda act: stop_voucher_program(act, key.id))
        return VoucherProgramStopPayload(voucher_program=await voucher_program_by_key(info, key))


def _terms(program_id: int, asked: VoucherProgramCreateInput) -> NewVoucherProgram:
    return NewVoucherProgram(
        name=asked.name,
        face_value=asked.face_value.money("faceValue"),
        funding=frozenset(asked.funding),
        issue_on=asked.issue_on,
        leftovers=asked.leftovers,
        transferability=asked.transferability,
        refund_policy=asked.refund_policy,
        refund_days=given(asked.refund_days),
        valid_days=given(asked.valid_days),
        valid_through=given(asked.valid_through),
        included=product_ids(program_id, asked.included or (), "included"),
        excluded=product_ids(program_id, asked.excluded or (), "excluded"),
    )


def product_ids(program_id: int, given_ids: Sequence[str], field: str) -> frozenset[int]:
    keys = [decode_id(one, "Product", 2, field, str(place)) for place, one in enumerate(given_ids)]
    for place, (own, _) in enumerate(keys):
        if own != program_id:
            raise NotFound("product", field, str(place))
    return frozenset(product_id for _, product_id in keys)
