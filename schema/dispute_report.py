"""The report on disputes, and the lists of them at the root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from models.cases import MINUTES_BEFORE
from models.disputes import RESOLUTIONS, DisputeState
from resolvers.disputes.reporting import LocalDays, MoneyReport, OrganizationReport, Report, dispute_report
from schema.context import Info
from schema.dispute_lists import Filter, all_disputes
from schema.disputes import Dispute
from schema.fields import field
from schema.money import ShownMoney
from schema.nodes import organization_by_id
from schema.pagination import After, Before, Connection, First, Last
from schema.questions import DateRange

if TYPE_CHECKING:
    from schema.organizations import Organization


@strawberry.type(description="How many cases ended in one way.")
class DisputeOutcomeCount:
    outcome: DisputeState = strawberry.field(description="UPHELD, PARTIAL, REJECTED or WITHDRAWN.")
    cases: int = strawberry.field(description="How many.")


@strawberry.type(description="What the resolved cases of one currency were about.")
class DisputeMoney:
    at_stake: ShownMoney = strawberry.field(description="What was disputed.")
    credited: ShownMoney = strawberry.field(description="What of it was credited.")

    @classmethod
    def of(cls, money: MoneyReport) -> DisputeMoney:
        return cls(at_stake=ShownMoney.of(money.at_stake), credited=ShownMoney.of(money.credited))


@strawberry.type(description="Minutes of work, between two bounds; negative if it was more than before.")
class MinutesRange:
    min: int = strawberry.field(description="At least so many.")
    max: int = strawberry.field(description="At most so many.")

    @classmethod
    def of(cls, least_and_most: tuple[int, int]) -> MinutesRange:
        return cls(min=least_and_most[0], max=least_and_most[1])


@strawberry.type(description="The disputes of one organization.")
class OrganizationDisputes:
    row: strawberry.Private[OrganizationReport]

    @field("The organization.")
    async def organization(self, info: Info) -> Annotated[Organization, strawberry.lazy("schema.organizations")] | None:
        from schema.organizations import Organization

        row = await organization_by_id(info, self.row.organization_id)
        return row and Organization.of(row)

    @field("Cases opened in these days.")
    def opened(self) -> int:
        return self.row.opened

    @field("Cases resolved in these days.")
    def resolved(self) -> int:
        return self.row.resolved

    @field("Minutes of staff time on those resolved.")
    def minutes(self) -> int:
        return self.row.minutes


@strawberry.type(
    description="Disputes in some days, those of each organization in its own zone. What the nightly check opened is "
    "only counted; all other figures are about the cases of clients."
)
class DisputeReport:
    report: strawberry.Private[Report]

    @field("Cases opened in these days.")
    def opened(self) -> int:
        return self.report.opened

    @field("How many of those nobody has decided yet.")
    def undecided(self) -> int:
        return self.report.undecided

    @field("Cases resolved in these days, whenever they were opened; all that follows is about these.")
    def resolved(self) -> int:
        return self.report.resolved

    @field("How they ended, each way once.")
    def outcomes(self) -> list[DisputeOutcomeCount]:
        return [DisputeOutcomeCount(outcome=one, cases=self.report.outcomes.get(one, 0)) for one in RESOLUTIONS]

    @field("What was at stake and what was credited, by currency.")
    def money(self) -> list[DisputeMoney]:
        return [DisputeMoney.of(one) for one in self.report.money]

    @field("All minutes of staff time spent on them.")
    def minutes(self) -> int:
        return self.report.minutes

    @field("The minutes spent on the case in the middle; null without a case.")
    def median_minutes(self) -> float | None:
        return self.report.median_minutes

    @field("What one case took before there was this: two to three hours of five people.")
    def minutes_per_case_before(self) -> MinutesRange:
        return MinutesRange.of(MINUTES_BEFORE)

    @field("What the resolved cases would have taken so, less what they took.")
    def minutes_saved(self) -> MinutesRange:
        return MinutesRange.of(self.report.saved)

    @field("Cases that the nightly check opened in these days, before a client did.")
    def found_by_drift(self) -> int:
        return self.report.found_by_drift

    @field("The ten organizations with the most cases.")
    def organizations(self) -> list[OrganizationDisputes]:
        return [OrganizationDisputes(row=row) for row in self.report.organizations]


@strawberry.type
class DisputeQuery:
    @field(
        "Disputes: for staff those of all organizations, the nearest deadline first; for anybody else their own, "
        "newest first."
    )
    async def disputes(
        self,
        info: Info,
        filter: Filter = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Dispute]:
        return await all_disputes(info, filter, first, after, last, before)

    @field("How many disputes, how they ended, and how much time was saved. Staff only.")
    async def dispute_report(
        self,
        info: Info,
        dates: Annotated[DateRange, strawberry.argument(description="The days in which they were opened or resolved.")],
    ) -> DisputeReport:
        days = LocalDays(dates.from_, dates.through)
        async with info.context.reading() as connection:
            return DisputeReport(report=await dispute_report(connection, info.context.principal, days))
