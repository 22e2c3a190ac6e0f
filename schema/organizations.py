"""Organizations, their teams and their libraries."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import TYPE_CHECKING, Annotated, TypeVar

import strawberry

from models.billing import SnapshotKind
from models.organizations import ScopeKind
from resolvers.lists import whole
from resolvers.loaders.places import OrganizationRow, ScopesPage, scope_totals, scopes_of
from resolvers.loaders.responsibility import WhichParties
from schema.billable import ProductKey, product_of
from schema.context import Info
from schema.fields import field, given
from schema.ids import Node, encode_id
from schema.money import MoneyInput
from schema.pagination import After, Before, Connection, First, Last, Paging, connection_of, paging
from schema.questions import ActivityCount, ActivityFilter, ActivityMoment, DateRange, KnownAt, Since, Until
from schema.scalars import described
from schema.scopes import ActivityScope, LibraryArgument, count_in, narrower
from schema.statement_states import WhichStatements
from schema.voucher_order_states import OrderStates

if TYPE_CHECKING:
    from schema.adjustments import Adjustment
    from schema.agreements import BillingAgreement
    from schema.bridges import CountBridge
    from schema.cohorts import Cohort, VoucherBulkAssignment
    from schema.contracts import ContractTerm
    from schema.dispute_lists import DisputeFilter
    from schema.disputes import Dispute
    from schema.invoices import Invoice
    from schema.promotions import Promotion, PromotionFilter
    from schema.responsibility import ResponsibleParty
    from schema.simulation import BillingSimulation
    from schema.snapshots import BillingPreview, BillingSnapshot
    from schema.statements import Statement
    from schema.voucher_lists import VoucherFilter
    from schema.voucher_orders import VoucherOrder
    from schema.vouchers import Redemption, Voucher

Search = Annotated[str | None, strawberry.argument(description="Only with this text in the name.")]


class OrganizationSort(Enum):
    NAME = "By name."
    NAME_DESC = "By name, last first."


described(OrganizationSort, "By what a list of organizations is ordered.")


@strawberry.type(description="Learners who work together; one may be a member of several teams.")
class Team(Node, ActivityScope):
    @classmethod
    def of(cls, organization: OrganizationRow, scope_id: int, name: str) -> Team:
        return cls(organization_row=organization, scope_id=scope_id, scope_name=name)

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Team", self.organization_row.organization_id, self.scope_id))

    @field("The team's name, unique within its organization.")
    def name(self) -> str:
        return self.scope_name

    @field("The organization that it belongs to.")
    def organization(self) -> Organization:
        return Organization.of(self.organization_row)


@strawberry.type(description="Content that learners may have access to, counted and billed apart from seats.")
class Library(Node, ActivityScope):
    @classmethod
    def of(cls, organization: OrganizationRow, scope_id: int, name: str) -> Library:
        return cls(organization_row=organization, scope_id=scope_id, scope_name=name)

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Library", self.organization_row.organization_id, self.scope_id))

    @field("The library's name, unique within its organization.")
    def name(self) -> str:
        return self.scope_name

    @field("The organization whose learners have access.")
    def organization(self) -> Organization:
        return Organization.of(self.organization_row)


@strawberry.type(description="A client: it licenses seats, and is billed for the learners active at its cutoff.")
class Organization(Node, ActivityScope):
    @classmethod
    def of(cls, row: OrganizationRow) -> Organization:
        return cls(organization_row=row, scope_id=row.organization_id, scope_name=row.name)

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Organization", self.organization_row.organization_id))

    @field("Its name in addresses and on the command line; unique.")
    def slug(self) -> str:
        return self.organization_row.slug

    @field("Its name.")
    def name(self) -> str:
        return self.organization_row.name

    @field("The IANA zone of its days now, such as America/Chicago.")
    def billing_zone(self, info: Info) -> str:
        return self.organization_row.calendar.period_of(info.context.now.date()).zone

    @field("The billing cutoff of a local day: the instant at which it is counted.")
    def billing_cutoff(
        self, date: Annotated[dt.date, strawberry.argument(description="The local day.")]
    ) -> dt.datetime:
        return self.organization_row.calendar.cutoff_of(date)

    @field("Its teams, by name.")
    async def teams(
        self,
        info: Info,
        search: Search = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Team]:
        page = paging((self.id(), "teams", search), first, after, last, before, str, int)
        return await _scopes(info, self.organization_row, Team, search, page)

    @field("Its libraries, by name.")
    async def libraries(
        self,
        info: Info,
        search: Search = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Library]:
        page = paging((self.id(), "libraries", search), first, after, last, before, str, int)
        return await _scopes(info, self.organization_row, Library, search, page)

    @field("How many answer a question with yes, each person once; with a library, while having access to it.")
    async def active_count(
        self,
        info: Info,
        activity: Annotated[ActivityFilter, strawberry.argument(description="The question.")],
        known_at: KnownAt = strawberry.UNSET,
        library: LibraryArgument = strawberry.UNSET,
    ) -> ActivityCount:
        known = await self.known_to(info, known_at)
        scope = whole(self.organization_row)
        if library:
            scope = await narrower(info, self.organization_row, library, ScopeKind.LIBRARY)
        return await count_in(info, self.organization_row, scope, activity, known)

    @field("What was agreed with it, the latest first.")
    async def contract_terms(
        self,
        info: Info,
        product: Annotated[ProductKey | None, strawberry.argument(description="Only of this.")] = strawberry.UNSET,
        on: Annotated[
            dt.date | None, strawberry.argument(description="Only what is in force on this local day.")
        ] = strawberry.UNSET,
        known_at: KnownAt = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[ContractTerm, strawberry.lazy("schema.contracts")]]:
        from schema.contracts import contract_terms, terms_key

        key = await terms_key(info, self.organization_row, product, known_at)
        page = paging((key, "terms", on), first, after, last, before, int, int)
        return await contract_terms(info, self.organization_row, key, given(on), page)

    @field("Counts frozen for its bills, newest first.")
    async def billing_snapshots(
        self,
        info: Info,
        product: Annotated[ProductKey | None, strawberry.argument(description="Only of this.")] = strawberry.UNSET,
        kind: Annotated[SnapshotKind | None, strawberry.argument(description="Only these.")] = strawberry.UNSET,
        dates: Annotated[
            DateRange | None, strawberry.argument(description="Only of bills of these dates, both included.")
        ] = strawberry.UNSET,
        overage_only: Annotated[
            bool, strawberry.argument(description="Only where more may be active than is licensed.")
        ] = False,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[BillingSnapshot, strawberry.lazy("schema.snapshots")]]:
        from schema.snapshot_lists import snapshots_page, which_of

        which = which_of(given(kind), given(dates), overage_only)
        page = paging((self.id(), "snapshots", product, which), first, after, last, before, int, int)
        return await snapshots_page(info, self.organization_row, given(product), which, page)

    @field("What a snapshot of a date would say. Of a date that has not come yet it is as far as is known.")
    async def billing_preview(
        self,
        info: Info,
        date: Annotated[dt.date, strawberry.argument(description="The local date of the bill.")],
        product: Annotated[
            ProductKey | None, strawberry.argument(description="The seats if left out.")
        ] = strawberry.UNSET,
        known_at: KnownAt = strawberry.UNSET,
    ) -> Annotated[BillingPreview, strawberry.lazy("schema.snapshots")]:
        from schema.snapshot_lists import billing_preview

        return await billing_preview(info, self.organization_row, date, given(product), given(known_at))

    @field("The people between who is active at one moment and at another: opening + joined − left = closing.")
    async def count_bridge(
        self,
        info: Info,
        from_: Annotated[ActivityMoment, strawberry.argument(name="from", description="The earlier moment.")],
        to: Annotated[ActivityMoment, strawberry.argument(description="The later moment.")],
        product: Annotated[
            ProductKey | None, strawberry.argument(description="The seats if left out.")
        ] = strawberry.UNSET,
        known_at: KnownAt = strawberry.UNSET,
    ) -> Annotated[CountBridge, strawberry.lazy("schema.bridges")]:
        from schema.bridges import count_bridge

        product_id = await product_of(info, self.organization_row, given(product), "product")
        return await count_bridge(info, self.organization_row, product_id, (from_, to), given(known_at))

    @field("Its invoices, newest first: for itself those that it was shown.")
    async def invoices(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Invoice, strawberry.lazy("schema.invoices")]]:
        from schema.invoices import invoices

        page = paging((self.id(), "invoices"), first, after, last, before, int, int)
        return await invoices(info, self.organization_row, page)

    @field("Late corrections of what was billed, newest first: for itself those that are credited or billed.")
    async def adjustments(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Adjustment, strawberry.lazy("schema.adjustments")]]:
        from schema.adjustments import adjustments

        page = paging((self.id(), "adjustments"), first, after, last, before, int)
        return await adjustments(info, self.organization_row, page)

    @field("Its disputes, newest first: for itself those that it or staff for it opened.")
    async def disputes(
        self,
        info: Info,
        filter: Annotated[
            Annotated[DisputeFilter, strawberry.lazy("schema.dispute_lists")] | None,
            strawberry.argument(description="Only those."),
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Dispute, strawberry.lazy("schema.disputes")]]:
        from schema.dispute_lists import organization_disputes

        return await organization_disputes(info, self.organization_row, filter, first, after, last, before)

    @field("The vouchers that it has bought, those issued last first.")
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
        from schema.voucher_lists import organization_vouchers

        own, page = self.organization_row.organization_id, (first, after, last, before)
        return await organization_vouchers(info, own, given(filter), page)

    @field("The promotions that it pays for, the newest first.")
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
        from schema.promotions import organization_promotions

        return await organization_promotions(
            info, self.organization_row.organization_id, given(filter), (first, after, last, before)
        )

    @field("What it has agreed with programs to be billed for later, latest first; what has ended too.")
    async def billing_agreements(
        self, info: Info
    ) -> list[Annotated[BillingAgreement, strawberry.lazy("schema.agreements")]]:
        from schema.agreements import agreements_with

        return await agreements_with(info, self.organization_row)

    @field("What programs billed it later, the latest month first.")
    async def statements(
        self,
        info: Info,
        states: WhichStatements = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Statement, strawberry.lazy("schema.statements")]]:
        from schema.statements import organization_statements

        return await organization_statements(
            info, self.organization_row.organization_id, states, (first, after, last, before)
        )

    @field("For whom it may pay besides its learners, the last recorded first; one a person.")
    async def responsible_parties(
        self,
        info: Info,
        search: Annotated[
            str | None, strawberry.argument(description="Only with this text in the name or the address.")
        ] = strawberry.UNSET,
        current: Annotated[
            bool | None,
            strawberry.argument(description="True for those for whom it may pay now, false for the others."),
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[ResponsibleParty, strawberry.lazy("schema.responsibility")]]:
        from schema.responsibility import responsible_parties

        which = WhichParties(now=info.context.now, search=given(search), current=given(current))
        page = paging((self.id(), "parties", search, current), first, after, last, before, int)
        return await responsible_parties(info, self.organization_row, which, page)

    @field("The vouchers that it has ordered, the newest order first.")
    async def voucher_orders(
        self,
        info: Info,
        states: OrderStates = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherOrder, strawberry.lazy("schema.voucher_orders")]]:
        from schema.voucher_orders import organization_orders

        own, page = self.organization_row.organization_id, (first, after, last, before)
        return await organization_orders(info, own, states, page)

    @field("The cohorts that were defined of its people, the last first.")
    async def cohorts(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[Cohort, strawberry.lazy("schema.cohorts")]]:
        from schema.cohorts import organization_cohorts

        return await organization_cohorts(info, self.organization_row.organization_id, (first, after, last, before))

    @field("Assignments to cohorts of its people, previews too, the latest first.")
    async def bulk_assignments(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[VoucherBulkAssignment, strawberry.lazy("schema.cohorts")]]:
        from schema.cohorts import organization_bulks

        return await organization_bulks(info, self.organization_row.organization_id, (first, after, last, before))

    @field("What its vouchers paid, the last first.")
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
        from schema.voucher_lists import organization_redemptions

        own, page = self.organization_row.organization_id, (first, after, last, before)
        return await organization_redemptions(info, own, since, until, page)

    @field(
        "What each measure would have counted and billed, side by side, on the first days of months. Dates that are "
        "not over yet are left out."
    )
    async def billing_simulation(
        self,
        info: Info,
        dates: Annotated[
            DateRange, strawberry.argument(description="The billing dates: first days of at most 36 months in here.")
        ],
        product: Annotated[
            ProductKey | None, strawberry.argument(description="The seats if left out.")
        ] = strawberry.UNSET,
        quantity: Annotated[
            int | None, strawberry.argument(description="As if so many were licensed; as agreed if left out.")
        ] = strawberry.UNSET,
        unit_price: Annotated[
            MoneyInput | None,
            strawberry.argument(description="As if this were the price; as agreed if left out."),
        ] = strawberry.UNSET,
        known_at: KnownAt = strawberry.UNSET,
    ) -> Annotated[BillingSimulation, strawberry.lazy("schema.simulation")]:
        from schema.simulation import AskedSimulation, billing_simulation

        known = await self.known_to(info, known_at)
        product_id = await product_of(info, self.organization_row, product or None, "product")
        asked = AskedSimulation(self.organization_row, product_id, known)
        return await billing_simulation(info, asked, dates, given(quantity), given(unit_price))


P = TypeVar("P", Team, Library)


async def _scopes(
    info: Info, organization: OrganizationRow, of: type[P], search: str | None, page: Paging
) -> Connection[P]:
    info.context.principal.must_see(organization.organization_id, "organization")
    kind = ScopeKind[of.__name__.upper()]
    asked = ScopesPage(kind, page.limit, search, page.backward, page.beyond)
    loaders = info.context.loaders
    rows = await loaders.rows(scopes_of, asked).load(organization.organization_id)

    async def total() -> int:
        return await loaders.values(scope_totals, kind, search).load(organization.organization_id)

    nodes = [(of.of(organization, row.scope_id, row.name), (row.name_key, row.scope_id)) for row in rows]
    return connection_of(nodes, page, total)
