"""Contract terms: what is agreed of a product, from when until when; and how staff record it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.contracts import Measure, last_day_before
from models.errors import BillingErrorCode
from models.events import Thing
from models.interval import from_microseconds
from models.money import Money
from resolvers import contracts
from resolvers.contracts import NewTerm, TermAmendment
from resolvers.lists import as_known_at
from resolvers.loaders.events import EventsKey
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.terms import (
    RecordedKey,
    RecorderRow,
    TermKey,
    TermRow,
    TermsKey,
    TermsPage,
    recorders_of_terms,
    term_totals,
    terms_by_id,
    terms_of,
)
from schema.billable import BillableProduct, BillingUserError, ProductKey, product_of
from schema.context import Info
from schema.events import Event, events_of_thing, events_paging
from schema.fields import INPUT, field, given, mutation
from schema.ids import Node, decode_id, encode_id
from schema.money import MoneyInput, ShownMoney
from schema.nodes import OrganizationKey, keyed_organization, organization_by_id
from schema.pagination import After, Before, Connection, First, Last, Paging, connection_of
from schema.payloads import Refusals

if TYPE_CHECKING:
    from schema.organizations import Organization


@strawberry.type(description="What is held to be agreed of a product: how much, at which price, counted how.")
class ContractTerm(Node):
    row: strawberry.Private[TermRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Opaque and lasting; an amendment from a later day on is a term of its own.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("ContractTerm", self.row.organization_id, self.row.id))

    @field("Whose contract it is.")
    def organization(self) -> Annotated[Organization, strawberry.lazy("schema.organizations")]:
        from schema.organizations import Organization

        return Organization.of(self.organization_row)

    @field("Seats, or access to a library.")
    def product(self) -> BillableProduct:
        return BillableProduct(organization_row=self.organization_row, product_id=self.row.product_id)

    @field("How many people are licensed.")
    def quantity(self) -> int:
        return self.row.licensed

    @field("What each person beyond that costs, for each billing date.")
    def unit_price(self) -> ShownMoney:
        return ShownMoney.of(Money(self.row.unit_price_minor, self.row.currency))

    @field("How people are counted.")
    def measure(self) -> Measure:
        return self.row.measure

    @field("The first local day on which it is in force.", name="from")
    def from_(self) -> dt.date:
        return self.row.since

    @field("The last local day; null if it has none.")
    def through(self) -> dt.date | None:
        return last_day_before(self.row.until)

    @field("False once it turned out never to have been agreed.")
    def holds(self) -> bool:
        return bool(self.row.holds)

    @field("When this was recorded.")
    def recorded_at(self) -> dt.datetime:
        return from_microseconds(self.row.recorded_at)

    @field("Who recorded it.")
    async def recorded_by(self, info: Info) -> str | None:
        recorder = await self._recorder(info)
        return recorder and recorder.actor

    @field("Why, as they wrote.")
    async def reason(self, info: Info) -> str | None:
        recorder = await self._recorder(info)
        return recorder and recorder.said

    @field("Everything that was ever done to it, oldest first.")
    async def events(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Event]:
        page = events_paging(self.id(), first, after, last, before)
        key = EventsKey(self.row.organization_id, self.row.id)
        return await events_of_thing(info, Thing.CONTRACT_TERM, key, page)

    async def _recorder(self, info: Info) -> RecorderRow | None:
        key = RecordedKey(self.row.organization_id, self.row.id, self.row.recorded_at)
        rows: list[RecorderRow] = await info.context.loaders.rows(recorders_of_terms).load(key)
        return rows[0] if rows else None


async def contract_term(info: Info, organization: OrganizationRow, term_id: int, known_at: int) -> ContractTerm | None:
    """The term as known then, for whoever may see all of its organization; None if it was not known."""
    info.context.principal.must_see(organization.organization_id, "organization")
    key = TermKey(organization.organization_id, term_id, known_at)
    rows: list[TermRow] = await info.context.loaders.rows(terms_by_id).load(key)
    return ContractTerm(row=rows[0], organization_row=organization) if rows else None


async def contract_term_by_id(info: Info, organization_id: int, term_id: int) -> ContractTerm | None:
    """The term as it is known now, for whoever may see it."""
    organization = await organization_by_id(info, organization_id)
    return organization and await contract_term(info, organization, term_id, organization.recorded_through)


async def contract_terms(
    info: Info, organization: OrganizationRow, key: TermsKey, on: dt.date | None, page: Paging
) -> Connection[ContractTerm]:
    """A page of what was agreed with an organization, the latest first."""
    beyond = page.beyond and (dt.date.fromordinal(page.beyond[0]), page.beyond[1])
    asked = TermsPage(page.limit, on, page.backward, beyond)
    rows: list[TermRow] = await info.context.loaders.rows(terms_of, asked).load(key)

    async def total() -> int:
        return await info.context.loaders.values(term_totals, on).load(key)

    nodes = [(ContractTerm(row=row, organization_row=organization), (row.since.toordinal(), row.id)) for row in rows]
    return connection_of(nodes, page, total)


async def terms_key(
    info: Info, organization: OrganizationRow, product: ProductKey | None, known_at: dt.datetime | None
) -> TermsKey:
    """Which terms are asked for, by somebody who may see them."""
    context = info.context
    context.principal.must_see(organization.organization_id, "organization")
    known = await as_known_at(context.run, organization, known_at, context.now)
    product_id = await product_of(info, organization, product, "product") if product else 0
    return TermsKey(organization.organization_id, product_id, known.at_us)


# ---------------------------------------------------------------------------------------------- mutations


@strawberry.input(description="Local days of the organization's billing zone, both included, perhaps without a last.")
class OpenDateRange:
    from_: dt.date = strawberry.field(name="from", description="The first day, such as 2017-01-01.")
    through: dt.date | None = strawberry.field(
        default=strawberry.UNSET, description="The last day, such as 2017-12-31; left out if there is none."
    )


@strawberry.input
class ContractTermSetInput:
    organization: OrganizationKey = strawberry.field(description="The client.")
    dates: OpenDateRange = strawberry.field(description="When it is in force.")
    quantity: int = strawberry.field(description="How many people are licensed.")
    unit_price: MoneyInput = strawberry.field(description="What each person beyond that costs, for each billing date.")
    measure: Measure = strawberry.field(description="How people are counted.")
    product: ProductKey | None = strawberry.field(default=strawberry.UNSET, description="The seats if left out.")
    reason: str | None = strawberry.field(default=strawberry.UNSET, description="Why, or where it is written.")


@strawberry.input
class ContractTermAmendInput:
    term: strawberry.ID = strawberry.field(description="The term that is amended.")
    from_: dt.date = strawberry.field(
        name="from",
        description="The first day of what is agreed instead. The term ends the day before; on its own first day it is "
        "replaced as a whole.",
    )
    quantity: int | None = strawberry.field(default=strawberry.UNSET, description="As it is if left out.")
    unit_price: MoneyInput | None = strawberry.field(default=strawberry.UNSET, description="As it is if left out.")
    measure: Measure | None = strawberry.field(default=strawberry.UNSET, description="As it is if left out.")
    reason: str | None = strawberry.field(default=strawberry.UNSET, description="Why, or where it is written.")


@strawberry.input
class ContractTermEndInput:
    term: strawberry.ID = strawberry.field(description="The term that ends.")
    last_day: dt.date | None = strawberry.field(
        description="Its last day: earlier than before, or later if no other term is in force then; null for none."
    )
    reason: str | None = strawberry.field(default=strawberry.UNSET, description="Why.")


@strawberry.input
class ContractTermWithdrawInput:
    term: strawberry.ID = strawberry.field(description="The term that was never agreed.")
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")


@strawberry.type
class ContractTermPayload:
    term: ContractTerm | None = strawberry.field(default=None, description="The term, as now known; null if refused.")
    user_errors: list[BillingUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class ContractTermSetPayload(ContractTermPayload):
    pass


@strawberry.type
class ContractTermAmendPayload(ContractTermPayload):
    pass


@strawberry.type
class ContractTermEndPayload(ContractTermPayload):
    pass


@strawberry.type
class ContractTermWithdrawPayload(ContractTermPayload):
    pass


def _refusals(payload: type[ContractTermPayload]) -> list[Refusals]:
    return [Refusals(payload, BillingUserError, BillingErrorCode)]


@strawberry.type
class ContractMutation:
    @mutation(
        "Record what is agreed of a product. The very same again changes nothing. Staff only.",
        _refusals(ContractTermSetPayload),
    )
    async def contract_term_set(
        self, info: Info, input: Annotated[ContractTermSetInput, INPUT]
    ) -> ContractTermSetPayload:
        organization = await keyed_organization(info, input.organization, "organization")
        new = NewTerm(
            product_id=await product_of(info, organization, input.product or None, "product"),
            first=input.dates.from_,
            through=given(input.dates.through),
            licensed=input.quantity,
            unit_price=input.unit_price.money("unitPrice"),
            measure=input.measure,
        )
        context, organization_id, reason = info.context, organization.organization_id, given(input.reason)
        made = await context.write(
            lambda s: contracts.set_term(s, context.principal, context.now, organization_id, new, reason)
        )
        return ContractTermSetPayload(term=await contract_term_by_id(info, organization_id, made))

    @mutation(
        "From a day on something else is agreed, for as long as the term lasts. Answers the term that says so. "
        "Snapshots that were taken stay. Staff only.",
        _refusals(ContractTermAmendPayload),
    )
    async def contract_term_amend(
        self, info: Info, input: Annotated[ContractTermAmendInput, INPUT]
    ) -> ContractTermAmendPayload:
        organization_id, term_id = _keys(input.term)
        amendment = TermAmendment(
            first=input.from_,
            licensed=given(input.quantity),
            unit_price=input.unit_price.money("unitPrice") if input.unit_price else None,
            measure=given(input.measure),
        )
        context, reason = info.context, given(input.reason)
        made = await context.write(
            lambda s: contracts.amend_term(
                s, context.principal, context.now, organization_id, term_id, amendment, reason
            )
        )
        return ContractTermAmendPayload(term=await contract_term_by_id(info, organization_id, made))

    @mutation("Give a term another last day, or none. Staff only.", _refusals(ContractTermEndPayload))
    async def contract_term_end(
        self, info: Info, input: Annotated[ContractTermEndInput, INPUT]
    ) -> ContractTermEndPayload:
        organization_id, term_id = _keys(input.term)
        context, reason = info.context, given(input.reason)
        made = await context.write(
            lambda s: contracts.end_term(
                s, context.principal, context.now, organization_id, term_id, input.last_day, reason
            )
        )
        return ContractTermEndPayload(term=await contract_term_by_id(info, organization_id, made))

    @mutation(
        "Say that a term was never agreed. What was frozen by it stays. Staff only.",
        _refusals(ContractTermWithdrawPayload),
    )
    async def contract_term_withdraw(
        self, info: Info, input: Annotated[ContractTermWithdrawInput, INPUT]
    ) -> ContractTermWithdrawPayload:
        organization_id, term_id = _keys(input.term)
        context = info.context
        made = await context.write(
            lambda s: contracts.withdraw_term(s, context.principal, context.now, organization_id, term_id, input.reason)
        )
        return ContractTermWithdrawPayload(term=await contract_term_by_id(info, organization_id, made))


def _keys(term: str) -> list[int]:
    return decode_id(term, "ContractTerm", 2, "term")
