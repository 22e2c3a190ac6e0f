"""Lists of billing snapshots: of an organization, and of all clients on a date; and taking them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import strawberry

from models.billing import SnapshotKind
from models.contracts import Measure
from models.errors import BillingErrorCode
from models.interval import from_microseconds
from resolvers.activity import sane_day
from resolvers.lists import as_known_at
from resolvers.loaders.places import OrganizationRow, organizations_by_id
from resolvers.loaders.snapshot_lists import (
    Month,
    MonthPage,
    SnapshotsKey,
    SnapshotsPage,
    Which,
    month_amounts,
    month_of,
    month_total,
    snapshot_totals,
    snapshots_of,
)
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow
from resolvers.snapshots.asking import Asked, as_if_taken
from resolvers.snapshots.taking import Inquiry, inquire, take_date
from schema.billable import BillingUserError, ProductKey, ProductKind, product_of
from schema.context import Info
from schema.fields import INPUT, field, given, mutation
from schema.money import ShownMoney
from schema.nodes import OrganizationKey, keyed_organization
from schema.pagination import (
    After,
    Before,
    Connection,
    Edge,
    First,
    Last,
    Page,
    PageInfo,
    Paging,
    connection_of,
    edges_of,
    page_of,
    paging,
)
from schema.payloads import Refusals
from schema.questions import DateRange
from schema.snapshots import BillingPreview, BillingSnapshot, snapshot_by_key

OverageOnly = Annotated[
    bool, strawberry.argument(description="Only where more may be active than is licensed, lost dates counting.")
]


async def snapshots_page(
    info: Info, organization: OrganizationRow, product: ProductKey | None, which: Which, page: Paging
) -> Connection[BillingSnapshot]:
    """A page of an organization's snapshots, newest first."""
    info.context.principal.must_see(organization.organization_id, "organization")
    product_id = await product_of(info, organization, product, "product") if product else 0
    beyond = page.beyond and (dt.date.fromordinal(page.beyond[0]), page.beyond[1])
    asked = SnapshotsPage(page.limit, page.backward, beyond)
    key, loaders = SnapshotsKey(organization.organization_id, product_id), info.context.loaders
    rows: list[SnapshotRow] = await loaders.rows(snapshots_of, which, asked).load(key)

    async def total() -> int:
        return await loaders.values(snapshot_totals, which).load(key)

    nodes = [(BillingSnapshot(row=row, organization_row=organization), (row.date.toordinal(), row.id)) for row in rows]
    return connection_of(nodes, page, total)


def which_of(kind: SnapshotKind | None, dates: DateRange | None, overage_only: bool) -> Which:
    since, through = (sane_day(dates.from_, "dates"), sane_day(dates.through, "dates")) if dates else (None, None)
    return Which(kind, since, through, overage_only)


async def billing_preview(
    info: Info, organization: OrganizationRow, date: dt.date, product: ProductKey | None, known_at: dt.datetime | None
) -> BillingPreview:
    context = info.context
    context.principal.must_see(organization.organization_id, "organization")
    known = await as_known_at(context.run, organization, known_at, context.now)
    product_id = await product_of(info, organization, product, "product")
    asked = Asked(product_id, date, from_microseconds(known.at_us))
    async with context.reading() as connection:
        row = await as_if_taken(connection, organization, asked)
    return BillingPreview(row=row, organization_row=organization)


# --------------------------------------------------------------------------------------- of all clients on a date


@strawberry.type(description="What a date bills in all: of the snapshots of the list, whatever page is shown.")
class BillingMonthSummary:
    organizations: int = strawberry.field(description="How many organizations were counted.")
    snapshots: int = strawberry.field(description="How many counts were frozen.")
    people: int = strawberry.field(description="How many people count provably; of each product apart.")
    over: int = strawberry.field(description="How many counts are provably beyond what is licensed.")
    overage: int = strawberry.field(description="How many people provably are.")
    amounts: list[ShownMoney] = strawberry.field(description="What these cost, of each currency.")


@strawberry.type(description="What is billed for a date, who is over first.")
class BillingMonth:
    page: strawberry.Private[Page[BillingSnapshot]]
    month: strawberry.Private[Month]
    total: strawberry.Private[Callable[[], Awaitable[int]]]

    @field("The snapshots of this page, in order.")
    def edges(self) -> Sequence[Edge[BillingSnapshot]]:
        return edges_of(self.page)

    @field("Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo(page=self.page)

    @field("The snapshots of this page, without their cursors.")
    def nodes(self) -> Sequence[BillingSnapshot]:
        return self.page.nodes

    @field("How many snapshots the whole list has; counted only when asked for.")
    async def total_count(self) -> int:
        return await self.total()

    @field("The sums of the whole list.")
    async def summary(self, info: Info) -> BillingMonthSummary:
        async with info.context.reading() as connection:
            total = await month_total(connection, self.month)
            amounts = await month_amounts(connection, self.month)
        return BillingMonthSummary(
            organizations=total.organizations,
            snapshots=total.snapshots,
            people=total.people,
            over=total.over,
            overage=total.overage,
            amounts=[ShownMoney.of(amount) for amount in amounts],
        )


async def billing_month(info: Info, month: Month, page: Paging) -> BillingMonth:
    context = info.context
    sane_day(month.date, "date")
    async with context.reading() as connection:
        found = await month_of(connection, month, MonthPage(page.limit, page.backward, page.beyond))
    organization_ids = [row.organization_id for row, _ in found]
    of_each = await context.loaders.rows(organizations_by_id).load_many(organization_ids)
    nodes = [
        (BillingSnapshot(row=row, organization_row=organization[0]), position)
        for (row, position), organization in zip(found, of_each, strict=True)
    ]

    async def total() -> int:
        async with context.reading() as connection:
            return (await month_total(connection, month)).snapshots

    return BillingMonth(page=page_of(nodes, page), month=month, total=total)


@strawberry.type
class SnapshotQuery:
    @field("What is billed for a date, of all organizations that you may see: who is over most comes first.")
    async def billing_snapshots(
        self,
        info: Info,
        date: Annotated[dt.date, strawberry.argument(description="The local date of the bill, such as 2017-09-01.")],
        product: Annotated[
            ProductKind | None, strawberry.argument(description="Only seats, or only libraries; both if left out.")
        ] = strawberry.UNSET,
        overage_only: OverageOnly = False,
        search: Annotated[
            str | None, strawberry.argument(description="Only organizations with this text in the name.")
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> BillingMonth:
        principal, kind = info.context.principal, given(product)
        only = None if principal.is_staff else principal.organization_id or NO_ORGANIZATION
        seats = None if kind is None else kind is ProductKind.SEATS
        month = Month(date, only, seats, overage_only, (given(search) or "").strip() or None)
        page = paging(("month", month), first, after, last, before, int, int, str, int, int)
        return await billing_month(info, month, page)


NO_ORGANIZATION = -1


# ---------------------------------------------------------------------------------------------------- taking


@strawberry.input
class BillingSnapshotTakeInput:
    organization: OrganizationKey = strawberry.field(description="The client.")
    date: dt.date = strawberry.field(description="The local date of the bill, such as 2017-09-01.")
    products: list[ProductKey] | None = strawberry.field(
        default=strawberry.UNSET, description="Only these; the seats and all libraries if left out."
    )


@strawberry.input
class BillingInquiryTakeInput:
    organization: OrganizationKey = strawberry.field(description="The client.")
    date: dt.date = strawberry.field(description="The local date that is asked about.")
    product: ProductKey | None = strawberry.field(default=strawberry.UNSET, description="The seats if left out.")
    measure: Measure | None = strawberry.field(
        default=strawberry.UNSET, description="How people are counted; as the contract says if left out."
    )
    known_at: dt.datetime | None = strawberry.field(
        default=strawberry.UNSET, description="As it was known at this past instant; as known now if left out."
    )


@strawberry.type
class BillingSnapshotTakePayload:
    snapshots: list[BillingSnapshot] = strawberry.field(
        default_factory=list, description="What is billed for the date, taken now or before; empty if refused."
    )
    taken: int = strawberry.field(default=0, description="How many of them were taken now.")
    user_errors: list[BillingUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class BillingInquiryTakePayload:
    snapshot: BillingSnapshot | None = strawberry.field(default=None, description="The answer; null if refused.")
    user_errors: list[BillingUserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type
class SnapshotMutation:
    @mutation(
        "Freeze what is billed for a date, with everybody who is counted. What was taken before stays. Staff only.",
        [Refusals(BillingSnapshotTakePayload, BillingUserError, BillingErrorCode)],
    )
    async def billing_snapshot_take(
        self, info: Info, input: Annotated[BillingSnapshotTakeInput, INPUT]
    ) -> BillingSnapshotTakePayload:
        organization = await keyed_organization(info, input.organization, "organization")
        named = given(input.products)
        products = None if named is None else [await product_of(info, organization, p, "products") for p in named]
        context, organization_id = info.context, organization.organization_id
        taken = await context.write(
            lambda s: take_date(s, context.principal, context.now, organization_id, input.date, products)
        )
        return BillingSnapshotTakePayload(
            snapshots=await _billed_on(info, organization, input.date, products), taken=len(taken.snapshot_ids)
        )

    @mutation(
        "Freeze the answer to the same question of any date, measure and time of knowing. It is never billed.",
        [Refusals(BillingInquiryTakePayload, BillingUserError, BillingErrorCode)],
    )
    async def billing_inquiry_take(
        self, info: Info, input: Annotated[BillingInquiryTakeInput, INPUT]
    ) -> BillingInquiryTakePayload:
        organization = await keyed_organization(info, input.organization, "organization")
        product_id = await product_of(info, organization, given(input.product), "product")
        inquiry = Inquiry(product_id, input.date, given(input.known_at), given(input.measure))
        context, organization_id = info.context, organization.organization_id
        made = await context.write(lambda s: inquire(s, context.principal, context.now, organization_id, inquiry))
        return BillingInquiryTakePayload(snapshot=await snapshot_by_key(info, SnapshotKey(organization_id, made)))


async def _billed_on(
    info: Info, organization: OrganizationRow, date: dt.date, products: list[int] | None
) -> list[BillingSnapshot]:
    """All that is billed of a date; the seats first."""
    key, page = SnapshotsKey(organization.organization_id, 0), SnapshotsPage(MOST_PRODUCTS, ascending=True)
    which = Which(SnapshotKind.BILLING, date, date)
    rows: list[SnapshotRow] = await info.context.loaders.rows(snapshots_of, which, page).load(key)
    return [
        BillingSnapshot(row=row, organization_row=organization)
        for row in rows
        if products is None or row.product_id in products
    ]


MOST_PRODUCTS = 10_000
