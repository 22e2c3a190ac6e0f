"""Agreements to bill an organization later: seen by it, and by who runs the program."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.errors import NotFound
from models.money import Money
from models.program_events import ProgramThing
from resolvers.loaders.agreements import AgreementRow, AgreementsKey, agreements_by_key, agreements_of
from resolvers.loaders.places import OrganizationRow, organization_by_slug, organizations_by_id
from resolvers.loaders.program_events import ThingKey
from resolvers.loaders.voucher_programs import InProgram, ProgramRow
from resolvers.programs.agreeing import end_agreement, set_cap
from schema.context import Info
from schema.fields import INPUT, field, mutation
from schema.ids import Node, decode_id, encode_id
from schema.money import MoneyInput, ShownMoney
from schema.nodes import OrganizationKey, organization_by_id
from schema.pagination import After, Before, Connection, First, Last
from schema.programs import Program, ProgramKey, acted, keyed_program, program_row
from schema.statement_states import WhichStatements
from schema.voucher_errors import IDEMPOTENCY_KEY, VoucherUserError, refusals

if TYPE_CHECKING:
    from schema.organizations import Organization
    from schema.statements import Statement
    from schema.unbilled import StatementPreview
    from schema.voucher_lists import VoucherEvent
    from schema.vouchers import Redemption


@strawberry.type(description="An organization uses vouchers now and is billed later, up to a cap, in one currency.")
class BillingAgreement(Node):
    row: strawberry.Private[AgreementRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("BillingAgreement", self.row.program_id, self.row.id))

    @field("Who bills.")
    async def program(self, info: Info) -> Program:
        return Program(row=await program_row(info, self.row.program_id))

    @field("Who is billed; null for a program's administrators, who see only its name.")
    async def organization(self, info: Info) -> Annotated[Organization, strawberry.lazy("schema.organizations")] | None:
        from schema.organizations import Organization

        row = await organization_by_id(info, self.row.organization_id)
        return row and Organization.of(row)

    @field("The name of who is billed.")
    async def organization_name(self, info: Info) -> str:
        rows: list[OrganizationRow] = await info.context.loaders.rows(organizations_by_id).load(
            self.row.organization_id
        )
        return rows[0].name

    @field("What may be unbilled, unpaid and held at most, together.")
    def cap(self) -> ShownMoney:
        return self._money(self.row.cap_minor)

    @field("Redeemed, and on no statement yet; below zero after a reversal of what was billed already.")
    def unbilled(self) -> ShownMoney:
        return self._money(self.row.unbilled_minor)

    @field("On statements that are not paid.")
    def unpaid(self) -> ShownMoney:
        return self._money(self.row.unpaid_minor)

    @field("Held by carts.")
    def held(self) -> ShownMoney:
        return self._money(self.row.held_minor)

    @field("What can still be redeemed: the cap less all of these; nothing once it has ended.")
    def available(self) -> ShownMoney:
        left = self.row.cap_minor - self.row.outstanding_minor
        return self._money(left if self.row.ended_at is None else 0)

    @field("Since when.")
    def agreed_at(self) -> dt.datetime:
        return self.row.agreed_at

    @field("When it was ended; null while it is in force.")
    def ended_at(self) -> dt.datetime | None:
        return self.row.ended_at

    @field("What was redeemed under it and is on no statement yet, the first first.")
    async def unbilled_redemptions(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Redemption, strawberry.lazy("schema.vouchers")]]:
        from schema.unbilled import agreement_unbilled

        return await agreement_unbilled(info, InProgram(self.row.program_id, self.row.id), (first, after, last, before))

    @field("What would be on the statement of a month if it were closed now.")
    async def next_statement(
        self,
        info: Info,
        month: Annotated[dt.date, strawberry.argument(description="Any day of the month, in the program's zone.")],
    ) -> Annotated[StatementPreview, strawberry.lazy("schema.unbilled")]:
        from schema.unbilled import next_statement

        return await next_statement(info, self.row, month)

    @field("What was billed under it, the latest month first.")
    async def statements(
        self,
        info: Info,
        states: WhichStatements = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Statement, strawberry.lazy("schema.statements")]]:
        from schema.statements import agreement_statements

        key, page = InProgram(self.row.program_id, self.row.id), (first, after, last, before)
        return await agreement_statements(info, key, states, page)

    @field("What was done to it, oldest first.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherEvent, strawberry.lazy("schema.voucher_lists")]]:
        from schema.voucher_lists import events_of_thing

        page = (first, after, last, before)
        return await events_of_thing(info, ProgramThing.AGREEMENT, ThingKey(self.row.program_id, self.row.id), page)

    def _money(self, minor: int) -> ShownMoney:
        return ShownMoney.of(Money(minor, self.row.currency))


async def agreement_by_key(info: Info, key: InProgram) -> BillingAgreement | None:
    """For who runs the program, and for who may see the organization."""
    rows: list[AgreementRow] = await info.context.loaders.rows(agreements_by_key).load(key)
    principal = info.context.principal
    if not rows or not (principal.runs(key.program_id) or principal.may_see(rows[0].organization_id)):
        return None
    return BillingAgreement(row=rows[0])


async def agreements_in_program(info: Info, program: ProgramRow) -> list[BillingAgreement]:
    principal = info.context.principal
    if principal.runs(program.id):
        return await _agreements(info, AgreementsKey(program.id, 0))
    if principal.organization_id is None:
        return []
    return await _agreements(info, AgreementsKey(program.id, principal.organization_id))


async def agreements_with(info: Info, organization: OrganizationRow) -> list[BillingAgreement]:
    info.context.principal.must_see(organization.organization_id, "organization")
    return await _agreements(info, AgreementsKey(0, organization.organization_id))


async def _agreements(info: Info, key: AgreementsKey) -> list[BillingAgreement]:
    rows: list[AgreementRow] = await info.context.loaders.rows(agreements_of).load(key)
    return [BillingAgreement(row=row) for row in rows]


# ---------------------------------------------------------------------------------------------- mutations


@strawberry.input
class BillingAgreementSetInput:
    program: ProgramKey = strawberry.field(description="Who bills.")
    organization: OrganizationKey = strawberry.field(description="Who is billed.")
    cap: MoneyInput = strawberry.field(description="What may be unbilled, unpaid and held at most, together.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input
class BillingAgreementEndInput:
    agreement: strawberry.ID = strawberry.field(description="The agreement.")


@strawberry.type
class BillingAgreementPayload:
    agreement: BillingAgreement | None = strawberry.field(
        default=None, description="The agreement as it is now; null if refused."
    )
    user_errors: list[VoucherUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class BillingAgreementSetPayload(BillingAgreementPayload):
    pass


@strawberry.type
class BillingAgreementEndPayload(BillingAgreementPayload):
    pass


@strawberry.type
class AgreementMutation:
    @mutation(
        "Agree with an organization to bill it later, up to a cap; or change the cap of what was agreed in that "
        "currency, though not below what is owed. By the program's administrators, and by staff.",
        refusals(BillingAgreementSetPayload),
    )
    async def billing_agreement_set(
        self, info: Info, input: Annotated[BillingAgreementSetInput, INPUT]
    ) -> BillingAgreementSetPayload:
        program = await keyed_program(info, input.program, "program")
        info.context.principal.must_run(program.id, "agree on billing later")
        organization_id = await named_organization(info, input.organization)
        cap = input.cap.money("cap")
        made = await acted(info, program.id, lambda act: set_cap(act, organization_id, cap, input.idempotency_key))
        return BillingAgreementSetPayload(agreement=await agreement_by_key(info, InProgram(program.id, made)))

    @mutation(
        "End an agreement: nothing more is billed later, and what is owed stays owed. By the program's "
        "administrators, and by staff.",
        refusals(BillingAgreementEndPayload),
    )
    async def billing_agreement_end(
        self, info: Info, input: Annotated[BillingAgreementEndInput, INPUT]
    ) -> BillingAgreementEndPayload:
        key = InProgram(*decode_id(input.agreement, "BillingAgreement", 2, "agreement"))
        if await agreement_by_key(info, key) is None:
            raise NotFound("billing agreement", "agreement")
        await acted(info, key.program_id, lambda act: end_agreement(act, key.id))
        return BillingAgreementEndPayload(agreement=await agreement_by_key(info, key))


async def named_organization(info: Info, key: OrganizationKey) -> int:
    """Its key, for a step that decides who may act for it: whoever agrees with it must name it, and sees no more."""
    async with info.context.reading() as connection:
        if key.id:
            organization_id = decode_id(key.id, "Organization", 1, "organization", "id")[0]
            row = next(iter(await organizations_by_id(connection, [organization_id])), None)
        else:
            row = await organization_by_slug(connection, key.slug or "")
    if row is None:
        raise NotFound("organization", "organization")
    return row.organization_id
