"""Programs: who offers credentials for fees, and what they sell. Everybody who is signed in may see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import NotFound
from models.program_events import ProgramThing
from models.programs import HOLD_SECONDS
from resolvers.loaders.program_events import ThingKey
from resolvers.loaders.voucher_lists import Of
from resolvers.loaders.voucher_programs import (
    NamePage,
    ProgramRow,
    program_by_slug,
    programs_by_id,
    programs_page,
    programs_total,
)
from resolvers.programs.acting import ProgramAct, begin_act
from resolvers.programs.defining import NewProgram, create_program
from resolvers.vouchers.attempting import limited
from schema.context import Info
from schema.fields import INPUT, field, given, mutation
from schema.ids import Node, decode_id, encode_id
from schema.message_states import MessageStates
from schema.pagination import After, Before, Connection, First, Last, connection_of, paging
from schema.questions import Since, Until
from schema.statement_states import WhichStatements
from schema.voucher_errors import VoucherUserError, refusals
from schema.voucher_order_states import OrderStates

if TYPE_CHECKING:
    from schema.agreements import BillingAgreement
    from schema.fee_orders import FeeOrder, FeeOrderFilter
    from schema.outbox import OutboxMessage
    from schema.payments import PaymentRefund
    from schema.products import Product
    from schema.promotions import Promotion, PromotionFilter
    from schema.statements import Statement
    from schema.voucher_lists import VoucherEvent, VoucherFilter
    from schema.voucher_orders import VoucherOrder
    from schema.voucher_programs import VoucherProgram
    from schema.vouchers import Redemption, Voucher

T = TypeVar("T")


@strawberry.input(description="Which program: give exactly one.", one_of=True)
class ProgramKey:
    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Its id.")
    slug: str | None = strawberry.field(default=strawberry.UNSET, description="Its slug, such as nurses.")


@strawberry.type(description="A credentialing body: it sells application fees, and vouchers that pay for them.")
class Program(Node):
    row: strawberry.Private[ProgramRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Program", self.row.id))

    @field("Its name in addresses and on the command line; unique.")
    def slug(self) -> str:
        return self.row.slug

    @field("Its name.")
    def name(self) -> str:
        return self.row.name

    @field("The IANA zone of its days, such as America/Chicago: validity and expiry are counted in these.")
    def zone(self) -> str:
        return self.row.zone

    @field("How long a cart holds a voucher's value.")
    def hold_seconds(self) -> int:
        return self.row.hold_seconds

    @field("For how many days a refund may reopen a voucher that has expired; 0 sends its value to breakage.")
    def reopen_days(self) -> int:
        return self.row.reopen_days

    @field("Its products, by name; those that are retired too.")
    async def products(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Product, strawberry.lazy("schema.products")]]:
        from schema.products import products_page

        page = paging((self.id(), "products"), first, after, last, before, str, int)
        return await products_page(info, self.row, page)

    @field("The terms on which vouchers may be bought, by name; those that are stopped too.")
    async def voucher_programs(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherProgram, strawberry.lazy("schema.voucher_programs")]]:
        from schema.voucher_programs import voucher_programs_page

        page = paging((self.id(), "voucherPrograms"), first, after, last, before, str, int)
        return await voucher_programs_page(info, self.row, page)

    @field("The vouchers of it, those issued last first: all for who runs the program, else your own.")
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
        return await vouchers_in_program(info, Of.PROGRAM, self.row.id, self.row.id, given(filter), page)

    @field("What its vouchers paid, the last first: all for who runs the program, else your own.")
    async def redemptions(
        self,
        info: Info,
        since: Since = strawberry.UNSET,
        until: Until = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Redemption, strawberry.lazy("schema.vouchers")]]:
        from schema.voucher_lists import program_redemptions

        return await program_redemptions(info, self.row.id, since, until, (first, after, last, before))

    @field("The orders of its vouchers, the newest first: all for who runs the program, else your own.")
    async def voucher_orders(
        self,
        info: Info,
        states: OrderStates = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherOrder, strawberry.lazy("schema.voucher_orders")]]:
        from schema.voucher_orders import program_orders

        return await program_orders(info, self.row.id, states, (first, after, last, before))

    @field("The fees that were paid in it, the last first: all for who runs the program, else your own.")
    async def fee_orders(
        self,
        info: Info,
        filter: Annotated[
            Annotated[FeeOrderFilter, strawberry.lazy("schema.fee_orders")] | None,
            strawberry.argument(description="Only those."),
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[FeeOrder, strawberry.lazy("schema.fee_orders")]]:
        from schema.fee_orders import program_fee_orders

        return await program_fee_orders(info, self.row.id, given(filter), (first, after, last, before))

    @field("The e-mails about what happens in it, the newest first. For who runs the program.")
    async def messages(
        self,
        info: Info,
        states: MessageStates = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[OutboxMessage, strawberry.lazy("schema.outbox")]]:
        from schema.outbox import program_messages

        return await program_messages(info, self.row.id, states, (first, after, last, before))

    @field(
        "Refunds that a gateway refused and that nobody has seen to since, the newest first: money that is still owed. "
        "For who runs the program."
    )
    async def refused_refunds(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[PaymentRefund, strawberry.lazy("schema.payments")]]:
        from schema.payments import program_refused_refunds

        return await program_refused_refunds(info, self.row.id, (first, after, last, before))

    @field("Its promotions, the newest first: all for who runs the program, else those that you pay for.")
    async def promotions(
        self,
        info: Info,
        filter: Annotated[
            Annotated[PromotionFilter, strawberry.lazy("schema.promotions")] | None,
            strawberry.argument(description="Only those."),
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Promotion, strawberry.lazy("schema.promotions")]]:
        from schema.promotions import program_promotions

        return await program_promotions(info, self.row.id, given(filter), (first, after, last, before))

    @field("The agreements to bill organizations later, latest first: all for who runs the program, else your own.")
    async def billing_agreements(
        self, info: Info
    ) -> list[Annotated[BillingAgreement, strawberry.lazy("schema.agreements")]]:
        from schema.agreements import agreements_in_program

        return await agreements_in_program(info, self.row)

    @field("What organizations were billed later, the latest month first: all for who runs the program, else your own.")
    async def statements(
        self,
        info: Info,
        states: WhichStatements = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Statement, strawberry.lazy("schema.statements")]]:
        from schema.statements import program_statements

        return await program_statements(info, self.row.id, states, (first, after, last, before))

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

        page = (first, after, last, before)
        return await program_events(info, ProgramThing.PROGRAM, ThingKey(self.row.id, self.row.id), page)


async def program_by_id(info: Info, program_id: int) -> Program | None:
    rows: list[ProgramRow] = await info.context.loaders.rows(programs_by_id).load(program_id)
    return Program(row=rows[0]) if rows else None


async def program_row(info: Info, program_id: int) -> ProgramRow:
    """Of a thing that is in this program."""
    rows: list[ProgramRow] = await info.context.loaders.rows(programs_by_id).load(program_id)
    return rows[0]


async def keyed_program(info: Info, key: ProgramKey, *field: str) -> ProgramRow:
    """The program; not found if there is none."""
    if key.id:
        found = await program_by_id(info, decode_id(key.id, "Program", 1, *field, "id")[0])
        row = found.row if found else None
    else:
        async with info.context.reading() as connection:
            row = await program_by_slug(connection, key.slug or "")
    if row is None:
        raise NotFound("program", *field)
    return row


async def acted(info: Info, program_id: int, step: Callable[[ProgramAct], Awaitable[T]]) -> T:
    """What a step in a program answers, in one transaction."""
    context = info.context

    async def run(session: AsyncSession) -> T:
        return await step(await begin_act(session, context.principal, context.now, program_id))

    return await context.write(run)


async def tried(info: Info, program_id: int, code: str, step: Callable[[ProgramAct], Awaitable[T]]) -> T:
    """The same of a step that tries a code, as it was typed: not too many may fail."""
    context = info.context
    limit = partial(limited, context.reading, context.run, context.principal, context.now, program_id, code)
    return await limit(lambda: acted(info, program_id, step))


@strawberry.type
class ProgramQuery:
    @field("All programs, by name.")
    async def programs(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Program]:
        page = paging(("programs",), first, after, last, before, str, int)
        reading = info.context.reading
        async with reading() as connection:
            rows = await programs_page(connection, NamePage(page.limit, page.backward, page.beyond))

        async def total() -> int:
            async with reading() as connection:
                return await programs_total(connection)

        return connection_of([(Program(row=row), (row.name_key, row.id)) for row in rows], page, total)

    @field("One program.")
    async def program(
        self, info: Info, by: Annotated[ProgramKey, strawberry.argument(description="Which one.")]
    ) -> Program | None:
        return Program(row=await keyed_program(info, by, "by"))

    @field("The terms on which vouchers of a program may be bought, by name; those that are stopped too.")
    async def voucher_programs(
        self,
        info: Info,
        program: Annotated[ProgramKey, strawberry.argument(description="Of which program.")],
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherProgram, strawberry.lazy("schema.voucher_programs")]]:
        row = await keyed_program(info, program, "program")
        return await Program(row=row).voucher_programs(info, first, after, last, before)


# ---------------------------------------------------------------------------------------------- mutations


@strawberry.input
class ProgramCreateInput:
    slug: str = strawberry.field(description="1 to 100 lower-case letters, digits and hyphens; unique.")
    name: str = strawberry.field(description="Its name.")
    zone: str = strawberry.field(description="The IANA zone of its days, such as America/Chicago.")
    hold_seconds: int = strawberry.field(
        default=HOLD_SECONDS, description="How long a cart holds a voucher's value; 15 minutes if left out."
    )
    reopen_days: int = strawberry.field(
        default=0, description="For how many days a refund may reopen a voucher that has expired; 0 for never."
    )


@strawberry.type
class ProgramCreatePayload:
    program: Program | None = strawberry.field(default=None, description="The new program; null if refused.")
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class ProgramMutation:
    @mutation("Add a program. Staff only.", refusals(ProgramCreatePayload))
    async def program_create(self, info: Info, input: Annotated[ProgramCreateInput, INPUT]) -> ProgramCreatePayload:
        new = NewProgram(
            slug=input.slug,
            name=input.name,
            zone=input.zone,
            hold_seconds=input.hold_seconds,
            reopen_days=input.reopen_days,
        )
        context = info.context
        made = await context.write(lambda s: create_program(s, context.principal, context.now, new))
        return ProgramCreatePayload(program=await program_by_id(info, made))
