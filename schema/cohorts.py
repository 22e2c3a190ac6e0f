"""Cohorts, and what is assigned to all of their people at once: for the organization, and for who runs the program."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.cohorts import BulkState, Verdict
from models.errors import NotFound
from models.interval import BEGINNING
from models.money import Money
from resolvers.cohorts.listing import Given, PeoplePage, people_page
from resolvers.loaders.cohorts import (
    BULK,
    COHORT,
    BulkRow,
    CohortRow,
    Progress,
    Stop,
    bulks_by_key,
    bulks_of,
    bulks_of_cohort,
    cohort_totals,
    cohorts_by_key,
    cohorts_of,
    list_totals,
    progress_of,
    stops_of,
)
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.voucher_lists import ListKey, ListPage
from resolvers.loaders.voucher_programs import InProgram, VoucherProgramRow, voucher_programs_by_key
from resolvers.loaders.vouchers import VoucherKey
from schema.context import Info
from schema.fields import field, given
from schema.ids import Node, encode_id
from schema.money import ShownMoney
from schema.nodes import learner_by_key, organization_by_id
from schema.pagination import After, Before, Connection, First, Last, PageAsked, Paging, connection_of, paging
from schema.scalars import described

if TYPE_CHECKING:
    from schema.learners import Learner
    from schema.organizations import Organization
    from schema.voucher_programs import VoucherProgram
    from schema.vouchers import Voucher

described(BulkState, "Where an assignment to a cohort stands.", "VoucherBulkAssignState")
described(Verdict, "Whether somebody of a cohort is given a voucher, and if not, why.", "CohortVerdict")

Total = Callable[[], Awaitable[int]]


@strawberry.type(description="Somebody of a cohort, and whether they are given a voucher.")
class CohortPerson:
    given: strawberry.Private[Given]
    bulk: strawberry.Private[BulkRow]

    @field("Who; null if that is not yours to see.")
    async def learner(self, info: Info) -> Annotated[Learner, strawberry.lazy("schema.learners")] | None:
        return await learner_by_key(info, LearnerKey(self.bulk.organization_id, self.given.learner_id))

    @field("Whether they are given one, and if not, why.")
    def verdict(self) -> Verdict:
        return self.given.verdict

    @field("The last day of the certification by which they were chosen; null if they were not, and once assigned.")
    def certification_expires_on(self) -> dt.date | None:
        return self.given.expires_on

    @field("What they were given; null in a preview.")
    async def voucher(self, info: Info) -> Annotated[Voucher, strawberry.lazy("schema.vouchers")] | None:
        from schema.vouchers import voucher_by_key

        if self.given.voucher_id is None:
            return None
        return await voucher_by_key(info, VoucherKey(self.bulk.program_id, self.given.voucher_id))


@strawberry.type(
    description="An assignment to all people of a cohort: a preview, valid for a day and once, and what came of it."
)
class VoucherBulkAssignment(Node):
    row: strawberry.Private[BulkRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("VoucherBulkAssignment", self.row.program_id, self.row.id))

    @field("Where it stands.")
    def state(self) -> BulkState:
        return self.row.state

    @field("SHA-256 of its people and of the attributes by which they were chosen: to commit it, give this.")
    def digest(self) -> str:
        return self.row.digest

    @field("The day in the organization's zone as of which it was asked.")
    def as_of(self) -> dt.date:
        return self.row.as_of

    @field("How many are to be given a voucher.")
    def eligible(self) -> int:
        return self.row.eligible

    @field("How many belong to the cohort and are not given one; the people tell why.")
    def skipped(self) -> int:
        return self.row.skipped

    @field("How many vouchers of the voucher program could be assigned when it was previewed.")
    def in_stock(self) -> int:
        return self.row.in_stock

    @field("Whether there were vouchers for all who are eligible.")
    def stock_suffices(self) -> bool:
        return self.row.in_stock >= self.row.eligible

    @field("Who previewed it.")
    def previewed_by(self) -> str:
        return self.row.previewed_by

    @field("When it was previewed.")
    def previewed_at(self) -> dt.datetime:
        return self.row.previewed_at

    @field("From when on the preview cannot be committed any more.")
    def valid_until(self) -> dt.datetime:
        return self.row.valid_until

    @field("When it was committed; null while it is a preview.")
    def committed_at(self) -> dt.datetime | None:
        return self.row.committed_at

    @field("When it was undone; null if it was not.")
    def undone_at(self) -> dt.datetime | None:
        return self.row.undone_at

    @field("How many vouchers were assigned.")
    def assigned(self) -> int:
        return self.row.assigned

    @field("How many of them were taken back.")
    def taken_back(self) -> int:
        return self.row.taken_back

    @field("How many of them have paid something: these are not taken back.")
    async def redeemed(self, info: Info) -> int:
        return (await self._progress(info)).redeemed

    @field("How many of them carts hold value of now: these are not taken back while they do.")
    async def held(self, info: Info) -> int:
        return (await self._progress(info)).held

    @field("The cohort.")
    async def cohort(self, info: Info) -> Cohort | None:
        return await cohort_by_key(info, InProgram(self.row.program_id, self.row.cohort_id))

    @field(
        "Its people: of a preview all who belong, found again, and refused with COHORT_CHANGED if they are others by "
        "now; afterwards those who were given a voucher."
    )
    async def people(
        self,
        info: Info,
        verdict: Annotated[Verdict | None, strawberry.argument(description="Only of this one.")] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[CohortPerson]:
        only = given(verdict)
        page = paging((self.id(), "people", only, self.row.state), first, after, last, before, int)
        asked = PeoplePage(page.limit, page.backward, page.beyond[0] if page.beyond else None, only)
        async with info.context.reading() as connection:
            rows, counted = await people_page(connection, self.row, asked, info.context.now)

        async def total() -> int:
            return counted

        return connection_of([(CohortPerson(given=one, bulk=self.row), (one.learner_id,)) for one in rows], page, total)

    async def _progress(self, info: Info) -> Progress:
        key = InProgram(self.row.program_id, self.row.id)
        rows: list[Progress] = await info.context.loaders.rows(progress_of).load(key)
        return rows[0]


@strawberry.type(
    description="People of an organization, found by what they have in common; a standing one assigns by itself."
)
class Cohort(Node):
    row: strawberry.Private[CohortRow]

    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Cohort", self.row.program_id, self.row.id))

    @field("Its name; null of a filter that was asked once.")
    def name(self) -> str | None:
        return self.row.name

    @field("What its vouchers are meant for.")
    def purpose(self) -> str | None:
        return self.row.purpose

    @field("Whose people; null for a program's administrators.")
    async def organization(self, info: Info) -> Annotated[Organization, strawberry.lazy("schema.organizations")] | None:
        from schema.organizations import Organization

        row = await organization_by_id(info, self.row.organization_id)
        return row and Organization.of(row)

    @field("Of which vouchers are taken from stock.")
    async def voucher_program(
        self, info: Info
    ) -> Annotated[VoucherProgram, strawberry.lazy("schema.voucher_programs")] | None:
        from schema.voucher_programs import voucher_program_by_key

        return await voucher_program_by_key(info, InProgram(self.row.program_id, self.row.voucher_program_id))

    @field("The most value that it may assign altogether; null of a filter that was asked once.")
    async def budget(self, info: Info) -> ShownMoney | None:
        return None if self.row.budget_minor is None else await self._money(info, self.row.budget_minor)

    @field("The value that it has assigned by itself, less what was taken back.")
    async def spent(self, info: Info) -> ShownMoney:
        return await self._money(info, self.row.spent_minor)

    @field("Whether it assigns by itself, once a local day.")
    def is_running(self) -> bool:
        return self.row.standing_from is not None and self.row.stopped_at is None

    @field("Since when it assigns by itself; null if it was never started.")
    def started_at(self) -> dt.datetime | None:
        return self.row.standing_from

    @field("Since when it does no more; null while it does.")
    def stopped_at(self) -> dt.datetime | None:
        return self.row.stopped_at

    @field("Why it stopped by itself: its budget or its stock ended; null while it runs, and if somebody stopped it.")
    async def stopped_because(self, info: Info) -> str | None:
        if self.row.stopped_at is None:
            return None
        key = InProgram(self.row.program_id, self.row.id)
        rows: list[Stop] = await info.context.loaders.rows(stops_of).load(key)
        return rows[0].said if rows else None

    @field("The local day on which it last looked for people who newly belong.")
    def last_run_on(self) -> dt.date | None:
        return self.row.last_run_on

    @field("When it was defined.")
    def defined_at(self) -> dt.datetime:
        return self.row.defined_at

    @field("Its previews and what it has assigned, the latest first.")
    async def runs(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[VoucherBulkAssignment]:
        key, loaders = InProgram(self.row.program_id, self.row.id), info.context.loaders
        page = paging((self.id(), "runs"), first, after, last, before, int, int)
        rows: list[BulkRow] = await loaders.rows(bulks_of_cohort, _list_page(page)).load(key)

        async def total() -> int:
            return await loaders.values(cohort_totals).load(key)

        return _bulks(rows, page, total)

    async def _money(self, info: Info, minor: int) -> ShownMoney:
        key = InProgram(self.row.program_id, self.row.voucher_program_id)
        rows: list[VoucherProgramRow] = await info.context.loaders.rows(voucher_programs_by_key).load(key)
        return ShownMoney.of(Money(minor, rows[0].currency))


def _list_page(page: Paging) -> ListPage:
    beyond = (BEGINNING, page.beyond[0], page.beyond[1]) if page.beyond else None
    return ListPage(page.limit, page.backward, beyond)


def _bulks(rows: list[BulkRow], page: Paging, total: Total) -> Connection[VoucherBulkAssignment]:
    return connection_of([(VoucherBulkAssignment(row=row), (row.id, row.program_id)) for row in rows], page, total)


async def bulk_by_key(info: Info, key: InProgram) -> VoucherBulkAssignment | None:
    """For who may see the organization, and for who runs the program."""
    rows: list[BulkRow] = await info.context.loaders.rows(bulks_by_key).load(key)
    return VoucherBulkAssignment(row=rows[0]) if rows and _may_see(info, key, rows[0].organization_id) else None


async def cohort_by_key(info: Info, key: InProgram) -> Cohort | None:
    rows: list[CohortRow] = await info.context.loaders.rows(cohorts_by_key).load(key)
    return Cohort(row=rows[0]) if rows and _may_see(info, key, rows[0].organization_id) else None


def _may_see(info: Info, key: InProgram, organization_id: int) -> bool:
    principal = info.context.principal
    return principal.runs(key.program_id) or principal.may_see(organization_id)


async def organization_cohorts(info: Info, organization_id: int, page: PageAsked) -> Connection[Cohort]:
    loaders, key = info.context.loaders, ListKey(_only_program(info, organization_id), organization_id, 0)
    wanted = paging(("cohorts", *key), *page, int, int)
    rows: list[CohortRow] = await loaders.rows(cohorts_of, _list_page(wanted)).load(key)

    async def total() -> int:
        return await loaders.values(list_totals, COHORT).load(key)

    return connection_of([(Cohort(row=row), (row.id, row.program_id)) for row in rows], wanted, total)


async def organization_bulks(info: Info, organization_id: int, page: PageAsked) -> Connection[VoucherBulkAssignment]:
    loaders, key = info.context.loaders, ListKey(_only_program(info, organization_id), organization_id, 0)
    wanted = paging(("bulk assignments", *key), *page, int, int)
    rows: list[BulkRow] = await loaders.rows(bulks_of, _list_page(wanted)).load(key)

    async def total() -> int:
        return await loaders.values(list_totals, BULK).load(key)

    return _bulks(rows, wanted, total)


def _only_program(info: Info, organization_id: int) -> int:
    """All programs for whoever may see the organization; their own for a program's administrator."""
    principal = info.context.principal
    if principal.may_see(organization_id):
        return 0
    if principal.program_id is None:
        raise NotFound("organization")
    return principal.program_id
