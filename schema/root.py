"""The one schema: where queries and mutations begin."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Annotated

import strawberry
from strawberry.schema.config import StrawberryConfig

from models import errors
from models.access import Role
from models.errors import BadPageSize
from resolvers.loaders.learners import learners_of_person
from resolvers.loaders.places import (
    OrganizationsPage,
    organizations_page,
    organizations_total,
)
from resolvers.principal import Principal
from schema.agreements import AgreementMutation
from schema.billing_runs import BillingRunMutation, BillingRunQuery
from schema.cart import CartQuery
from schema.cart_mutations import CartMutation
from schema.certifications import CertificationMutation
from schema.checkout_mutations import CheckoutMutation
from schema.cohort_mutations import CohortMutation
from schema.context import Info
from schema.contracts import ContractMutation
from schema.dispute_mutations import DisputeMutation
from schema.dispute_report import DisputeQuery
from schema.erasure import ErasureMutation
from schema.errors import RequestErrorCode
from schema.evidence import EvidenceMutation, EvidenceQuery
from schema.exclusions import ExclusionMutation
from schema.execution.stock import RememberedNames, Schema
from schema.fee_orders import FeeOrder, FeeOrderFilter, own_fee_orders
from schema.fields import field, given
from schema.history import HistoryMutation
from schema.ids import Node
from schema.invariants import InvariantQuery
from schema.invitation_mutations import InvitationMutation
from schema.invoice_mutations import InvoiceMutation
from schema.learners import Learner
from schema.ledger import LedgerQuery
from schema.nodes import (
    OrganizationKey,
    keyed_organization,
    learner_by_key,
    node_by_id,
    organization_by_id,
)
from schema.organizations import Organization, OrganizationSort, Search
from schema.outbox import OutboxMutation
from schema.pagination import After, Before, Connection, First, Last, connection_of, paging
from schema.payments import PaymentMutation, PaymentQuery
from schema.places import PlaceMutation
from schema.products import ProductMutation
from schema.programs import Program, ProgramMutation, ProgramQuery, program_by_id
from schema.promotion_mutations import PromotionMutation
from schema.responsibility import ResponsibilityMutation
from schema.roster import RosterMutation
from schema.scalars import SCALARS, described
from schema.snapshot_lists import SnapshotMutation, SnapshotQuery
from schema.statement_mutations import StatementMutation
from schema.voucher_lists import VoucherFilter, own_vouchers
from schema.voucher_mutations import VoucherMutation
from schema.voucher_order_mutations import VoucherOrderMutation
from schema.voucher_programs import VoucherProgramMutation
from schema.vouchers import Voucher

described(Role, "What somebody may see and do.")
MOST_NODES = 100


@strawberry.type(description="Who is asking.")
class Viewer:
    principal: strawberry.Private[Principal]

    @field("The name of the person or system.")
    def name(self) -> str:
        return self.principal.name

    @field("What they may see and do.")
    def role(self) -> Role:
        return self.principal.role

    @field("The organization that they act for; null for staff, who act for all, and for individuals.")
    async def organization(self, info: Info) -> Organization | None:
        own = self.principal.organization_id
        row = None if own is None else await organization_by_id(info, own)
        return row and Organization.of(row)

    @field("The program whose administrator they are; null for everybody else.")
    async def program(self, info: Info) -> Program | None:
        own = self.principal.program_id
        return None if own is None else await program_by_id(info, own)

    @field("Of an individual the learners that they are, an organization each.")
    async def learners(self, info: Info) -> list[Learner]:
        person_id = self.principal.person_id
        if person_id is None:
            return []
        async with info.context.reading() as connection:
            keys = await learners_of_person(connection, person_id)
        found = await asyncio.gather(*(learner_by_key(info, key) for key in keys))
        return [learner for learner in found if learner]

    @field("Of an individual the vouchers assigned to them, in all programs, those issued last first.")
    async def vouchers(
        self,
        info: Info,
        filter: Annotated[VoucherFilter | None, strawberry.argument(description="Only those.")] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Voucher]:
        return await own_vouchers(info, given(filter), (first, after, last, before))

    @field("Of an individual the fees that they paid, in all programs, the last first.")
    async def fee_orders(
        self,
        info: Info,
        filter: Annotated[FeeOrderFilter | None, strawberry.argument(description="Only those.")] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[FeeOrder]:
        return await own_fee_orders(info, given(filter), (first, after, last, before))


@strawberry.type(description="A code that a refusal may carry.")
class ErrorCodeEntry:
    code: str = strawberry.field(description="As in userErrors.code or extensions.code.")
    domain: str = strawberry.field(description="The enum that it belongs to.")
    meaning: str = strawberry.field(description="What it means, and what to do.")


@strawberry.type
class Query(
    BillingRunQuery,
    CartQuery,
    DisputeQuery,
    EvidenceQuery,
    InvariantQuery,
    LedgerQuery,
    PaymentQuery,
    ProgramQuery,
    SnapshotQuery,
):
    @field("The thing with this id; null if there is none, or it is not yours to see.")
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id.")],
    ) -> Node | None:
        return await node_by_id(info, id)

    @field("The things with these ids, at most 100, in their order; null for each that is not there or not yours.")
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="The ids.")]
    ) -> list[Node | None]:
        if len(ids) > MOST_NODES:
            raise BadPageSize(f"At most {MOST_NODES} ids, not {len(ids)}.", "ids")
        return await asyncio.gather(*(node_by_id(info, given) for given in ids))

    @field("Who you are signed in as.")
    def viewer(self, info: Info) -> Viewer:
        return Viewer(principal=info.context.principal)

    @field("The organizations that you may see.")
    async def organizations(
        self,
        info: Info,
        search: Search = strawberry.UNSET,
        sort_by: Annotated[OrganizationSort, strawberry.argument(description="The order.")] = OrganizationSort.NAME,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Organization]:
        page = paging(("organizations", search, sort_by), first, after, last, before, str, int)
        descending = (sort_by is OrganizationSort.NAME_DESC) != page.backward
        asked = OrganizationsPage(page.limit, search, descending, page.beyond)
        only = only_organization(info.context.principal)
        reading = info.context.reading
        async with reading() as connection:
            rows = await organizations_page(connection, asked, only)

        async def total() -> int:
            async with reading() as connection:
                return await organizations_total(connection, search, only)

        nodes = [(Organization.of(row), (row.name_key, row.organization_id)) for row in rows]
        return connection_of(nodes, page, total)

    @field("One organization.")
    async def organization(
        self, info: Info, by: Annotated[OrganizationKey, strawberry.argument(description="Which one.")]
    ) -> Organization | None:
        return Organization.of(await keyed_organization(info, by, "by"))

    @field("Every code that a refusal may carry, what it means and what to do.")
    def error_codes(self) -> list[ErrorCodeEntry]:
        domains = sorted(name for name in vars(errors) if name.endswith("ErrorCode"))
        codes: list[type[Enum]] = [RequestErrorCode, *(getattr(errors, name) for name in domains)]
        return [
            ErrorCodeEntry(code=code.name, domain=domain.__name__, meaning=code.value)
            for domain in codes
            for code in domain
        ]


def only_organization(principal: Principal) -> int | None:
    """The only organization that may be seen; None for all. One that has no such id stands for none."""
    if principal.is_staff:
        return None
    return principal.organization_id if principal.acts_for_an_organization else NO_ORGANIZATION


NO_ORGANIZATION = -1


@strawberry.type
class Mutation(
    PlaceMutation,
    HistoryMutation,
    RosterMutation,
    CertificationMutation,
    ResponsibilityMutation,
    ContractMutation,
    SnapshotMutation,
    StatementMutation,
    BillingRunMutation,
    InvoiceMutation,
    DisputeMutation,
    EvidenceMutation,
    ExclusionMutation,
    ErasureMutation,
    ProgramMutation,
    ProductMutation,
    VoucherProgramMutation,
    VoucherMutation,
    InvitationMutation,
    AgreementMutation,
    VoucherOrderMutation,
    PromotionMutation,
    CohortMutation,
    CartMutation,
    CheckoutMutation,
    OutboxMutation,
    PaymentMutation,
):
    pass


schema = Schema(
    Query,
    Mutation,
    types=[],
    config=StrawberryConfig(scalar_map=SCALARS, name_converter=RememberedNames()),
)
