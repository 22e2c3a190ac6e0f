"""The month of all organizations: asked for, previewed, and how far it is."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import strawberry

from models.contracts import Measure
from models.errors import BadPageSize, BillingErrorCode
from resolvers.activity import sane_day
from resolvers.loaders.places import OrganizationRow, OrganizationsPage, organizations_page, organizations_total
from resolvers.snapshots.previewing import Preview, ProductPreview, preview
from resolvers.snapshots.standing import standings, standings_of
from resolvers.tasks.doing import Hands
from resolvers.tasks.running import MOST_FAILURES, Progress, RunFailure, progress, start_run
from schema.billable import BillableProduct, BillingUserError
from schema.context import Info
from schema.fields import INPUT, field, given, mutation
from schema.nodes import OrganizationKey, keyed_organization
from schema.organizations import Organization
from schema.pagination import After, Connection, First, connection_of, paging
from schema.payloads import Refusals
from schema.questions import ActivityCount, count_of

DEED = "run the billing month"


@strawberry.type(description="An organization whose month is not done.")
class BillingRunFailure:
    failure: strawberry.Private[RunFailure]

    @field("Whose.")
    def organization(self) -> Organization:
        return Organization.of(self.failure.organization)

    @field("What went wrong, in a code and where; the server's log has it whole.")
    def reason(self) -> str:
        return self.failure.reason

    @field("How often it was tried.")
    def attempts(self) -> int:
        return self.failure.attempts

    @field("From when on a worker tries it again.")
    def next_try_at(self) -> dt.datetime:
        return self.failure.again_at


@strawberry.type(description="How far the month is. Ask again to see it go on.")
class BillingRun:
    progress: strawberry.Private[Progress]

    @field("The date of the bill, in the billing zone of each organization.")
    def date(self) -> dt.date:
        return self.progress.date

    @field("How many organizations it is about.")
    def organizations(self) -> int:
        return self.progress.organizations

    @field("Of how many all products are taken.")
    def taken(self) -> int:
        return self.progress.taken

    @field("Of how many something cannot be counted yet: their cutoff has not come.")
    def waiting(self) -> int:
        return self.progress.waiting

    @field("How many are asked for and not done, failed ones included.")
    def queued(self) -> int:
        return self.progress.queued

    @field("How many failed, and are tried again.")
    def failed(self) -> int:
        return self.progress.failed

    @field(f"Those that failed, the first {MOST_FAILURES}.")
    def failures(self) -> list[BillingRunFailure]:
        return [BillingRunFailure(failure=one) for one in self.progress.failures]

    @field("Whether nothing is left that can be done now.")
    def is_done(self) -> bool:
        return self.progress.is_done


@strawberry.type(description="What is frozen of one product for the date, or what the run would freeze.")
class BillingRunProduct:
    row: strawberry.Private[ProductPreview]
    organization_row: strawberry.Private[OrganizationRow]
    date: strawberry.Private[dt.date]

    @field("Seats, or access to a library.")
    def product(self) -> BillableProduct:
        return BillableProduct(organization_row=self.organization_row, product_id=self.row.product_id)

    @field("How people are counted.")
    def measure(self) -> Measure:
        return self.row.measure

    @field("The first instant at which all that is counted has happened.")
    def countable_from(self) -> dt.datetime:
        return self.row.countable_from

    @field("Whether it is taken already: then these figures are frozen.")
    def is_taken(self) -> bool:
        return self.row.is_taken

    @field("How many count; null while that cannot be counted.")
    def count(self) -> ActivityCount | None:
        return self.row.count and count_of(self.row.count, self._words())

    @field("How many people are licensed; null without a term.")
    def licensed(self) -> int | None:
        return self.row.licensed

    @field("How many count beyond what is licensed; null without a term.")
    def overage(self) -> ActivityCount | None:
        return self.row.overage and count_of(self.row.overage, self._words())

    def _words(self) -> str:
        zone = self.organization_row.calendar.period_of(self.date).zone
        known = "as frozen" if self.row.is_taken else "as known now"
        return f"{self.row.measure.value}, {self.date} ({zone}), {self.organization_row.name}, {known}"


@strawberry.type(description="What a run would do for one organization.")
class BillingRunPreview:
    preview: strawberry.Private[Preview]
    date: strawberry.Private[dt.date]

    @field("Whose.")
    def organization(self) -> Organization:
        return Organization.of(self.preview.standing.organization)

    @field("Seats first, then libraries. Empty if the organization's days cannot be counted, such as of a bad zone.")
    def products(self) -> list[BillingRunProduct]:
        row = self.preview.standing.organization
        return [BillingRunProduct(row=one, organization_row=row, date=self.date) for one in self.preview.products]


@strawberry.input
class BillingSnapshotRunInput:
    date: dt.date = strawberry.field(description="The date of the bill, such as the first of a month.")
    organizations: list[OrganizationKey] | None = strawberry.field(
        default=strawberry.UNSET, description="Only these, at most 100; all if left out."
    )
    dry_run: bool = strawberry.field(default=False, description="Only count what it would take; write nothing.")


@strawberry.type
class BillingSnapshotRunPayload:
    asked: strawberry.Private[tuple[dt.date, Sequence[int] | None] | None] = None
    is_dry: strawberry.Private[bool] = False
    user_errors: list[BillingUserError] = strawberry.field(
        default_factory=list, description="Why nothing was done; empty if it was."
    )

    @field("How far the month is; null if nothing was done.")
    async def run(self, info: Info) -> BillingRun | None:
        return await _run(info, *self.asked) if self.asked else None

    @field("Of a dry run what it would do, organization by organization, by name; null of any other.")
    async def preview(
        self, info: Info, first: First = strawberry.UNSET, after: After = strawberry.UNSET
    ) -> Connection[BillingRunPreview] | None:
        if not self.is_dry or self.asked is None:
            return None
        return await _previews(info, *self.asked, given(first), given(after))


@strawberry.type
class BillingRunQuery:
    @field("How far the month of a date is. Staff only.")
    async def billing_run(
        self,
        info: Info,
        date: Annotated[dt.date, strawberry.argument(description="The date of the bill.")],
        organizations: Annotated[
            list[OrganizationKey] | None, strawberry.argument(description="Only these, at most 100; all if left out.")
        ] = strawberry.UNSET,
    ) -> BillingRun:
        info.context.principal.must_be_staff(DEED)
        return await _run(info, sane_day(date, "date"), await _named(info, given(organizations), "organizations"))


@strawberry.type
class BillingRunMutation:
    @mutation(
        "Take the snapshots of a date, seal them and draft invoices for who is over: at once for up to 25 organizations"
        " of which anything is left to do, else by the workers. The same again changes nothing. Staff only.",
        [Refusals(BillingSnapshotRunPayload, BillingUserError, BillingErrorCode)],
    )
    async def billing_snapshot_run(
        self, info: Info, input: Annotated[BillingSnapshotRunInput, INPUT]
    ) -> BillingSnapshotRunPayload:
        context = info.context
        context.principal.must_be_staff(DEED)
        only = await _named(info, given(input.organizations), "organizations")
        date = sane_day(input.date, "date")
        if not input.dry_run:
            await start_run(
                Hands(reading=context.reading, run=context.write, principal=context.principal, signer=context.signer),
                context.now,
                date,
                only,
            )
        return BillingSnapshotRunPayload(asked=(date, only), is_dry=input.dry_run)


MOST_NAMED = 100


async def _named(info: Info, keys: Sequence[OrganizationKey] | None, *field: str) -> list[int] | None:
    if keys is None:
        return None
    if len(keys) > MOST_NAMED:
        raise BadPageSize(f"At most {MOST_NAMED} organizations, not {len(keys)}.", *field)
    rows = await asyncio.gather(*(keyed_organization(info, key, *field, str(n)) for n, key in enumerate(keys)))
    return list(dict.fromkeys(row.organization_id for row in rows))


async def _run(info: Info, date: dt.date, only: Sequence[int] | None) -> BillingRun:
    async with info.context.reading() as connection:
        return BillingRun(progress=await progress(connection, info.context.now, date, only))


async def _previews(
    info: Info, date: dt.date, only: Sequence[int] | None, first: int | None, after: str | None
) -> Connection[BillingRunPreview]:
    page = paging(("billing preview", date, only), first, after, None, None, str, int)
    now, reading = info.context.now, info.context.reading
    async with reading() as connection:
        if only is None:
            rows = await organizations_page(connection, OrganizationsPage(page.limit, beyond=page.beyond), None)
            found = await standings_of(connection, now, date, rows)
        else:
            named = await standings(connection, now, date, only)
            beyond = page.beyond or ("", -1)
            found = [one for one in named if (one.organization.name_key, one.organization.organization_id) > beyond]
        previews = await preview(connection, now, date, found[: page.limit])

    async def total() -> int:
        if only is not None:
            return len(only)
        async with reading() as connection:
            return await organizations_total(connection, None, None)

    nodes = [(BillingRunPreview(preview=one, date=date), _position(one.standing.organization)) for one in previews]
    return connection_of(nodes, page, total)


def _position(row: OrganizationRow) -> tuple[str, int]:
    return row.name_key, row.organization_id
