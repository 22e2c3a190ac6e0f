"""Who is excluded from billing, and how staff say so."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from models.errors import BillingErrorCode
from resolvers import exclusions
from resolvers.exclusions import Effect, Exclusion, ExclusionEnd, SnapshotEffect
from resolvers.history import Written
from resolvers.lists import whole
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.places import OrganizationRow
from schema.billable import BillableProduct, BillingUserError
from schema.context import Info
from schema.fields import INPUT, field, mutation
from schema.history import EndInput, LearnerKeyInput, StartInput, end_edge, start_edge, who_of
from schema.ids import encode_id
from schema.learners import Learner
from schema.nodes import learner_by_key
from schema.payloads import Refusals
from schema.questions import ActivityCount, count_of

MOST_SNAPSHOTS = 100


@strawberry.type(description="A billed snapshot that a change would have made count otherwise. It never changes.")
class BillingExclusionSnapshotEffect:
    effect: strawberry.Private[SnapshotEffect]
    organization_row: strawberry.Private[OrganizationRow]

    @field("The id of the snapshot.")
    def snapshot_id(self) -> strawberry.ID:
        row = self.effect.snapshot
        return strawberry.ID(encode_id("BillingSnapshot", row.organization_id, row.id))

    @field("The local day that was billed.")
    def date(self) -> dt.date:
        return self.effect.snapshot.date

    @field("What was counted.")
    def product(self) -> BillableProduct:
        return BillableProduct(organization_row=self.organization_row, product_id=self.effect.snapshot.product_id)

    @field("What it would count if it were taken again as known now.")
    def before(self) -> ActivityCount:
        return count_of(self.effect.before, f"Counted for {self.date()}, as known now")

    @field("The same, with the change.")
    def after(self) -> ActivityCount:
        return count_of(self.effect.after, f"Counted for {self.date()}, as known with the change")


@strawberry.type(description="What a change of who is billed would do, had it been made already.")
class BillingExclusionEffect:
    effect: strawberry.Private[Effect]
    organization_row: strawberry.Private[OrganizationRow]

    @field("The latest local day whose billing cutoff has come.")
    def cutoff_of(self) -> dt.date:
        return self.effect.cutoff_of

    @field("The seats that would be billed at that cutoff as known now.")
    def before(self) -> ActivityCount:
        return count_of(self.effect.before, self._words("as known now"))

    @field("The same, with the change.")
    def after(self) -> ActivityCount:
        return count_of(self.effect.after, self._words("with the change"))

    @field("Billed snapshots that would count otherwise if they were taken again; at most the latest 100.")
    def snapshots(self) -> list[BillingExclusionSnapshotEffect]:
        latest = self.effect.snapshots[: -MOST_SNAPSHOTS - 1 : -1]
        return [BillingExclusionSnapshotEffect(effect=one, organization_row=self.organization_row) for one in latest]

    @field("How many billed snapshots would.")
    def snapshot_count(self) -> int:
        return len(self.effect.snapshots)

    def _words(self, how: str) -> str:
        name = whole(self.organization_row).name
        return f"Active at the billing cutoff of {self.effect.cutoff_of} and not excluded from billing, {name}, {how}"


@strawberry.type
class BillingExclusionPayload:
    written: strawberry.Private[Written | None] = None
    tried: strawberry.Private[Effect | None] = None
    user_errors: list[BillingUserError] = strawberry.field(
        default_factory=list, description="Why nothing was recorded; empty if it was, or would be."
    )

    @field("The learner, as now known; null if refused.")
    async def learner(self, info: Info) -> Learner | None:
        return await learner_by_key(info, self._key) if self._key else None

    @field("Whether anything new was learned, or would be: the same again changes nothing.")
    def changed(self) -> bool:
        written = self.tried.written if self.tried else self.written
        return written is not None and written.changed

    @field("When it was recorded; null if nothing was.")
    def recorded_at(self) -> dt.datetime | None:
        return self.written.recorded_at if self.written and self.written.changed else None

    @field("What it would change; null unless dryRun was true.")
    async def effect(self, info: Info) -> BillingExclusionEffect | None:
        learner = await self.learner(info) if self.tried else None
        if not self.tried or not learner:
            return None
        return BillingExclusionEffect(effect=self.tried, organization_row=learner.organization_row)

    @property
    def _key(self) -> LearnerKey | None:
        written = self.tried.written if self.tried else self.written
        return written.learner if written else None


@strawberry.input
class BillingExclusionSetInput:
    learner: LearnerKeyInput = strawberry.field(description="Who is not billed: a test or staff account.")
    start: StartInput = strawberry.field(description="From when on.")
    until: EndInput | None = strawberry.field(default=strawberry.UNSET, description="Until when; left out if for good.")
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")
    dry_run: bool = strawberry.field(default=False, description="True to see what it would change, and record nothing.")


@strawberry.input
class BillingExclusionEndInput:
    learner: LearnerKeyInput = strawberry.field(description="Who is billed again.")
    end: EndInput = strawberry.field(
        description="Until when they were not billed. An exclusion that ends before its first day never was."
    )
    reason: str = strawberry.field(description="Why, in words that an auditor will understand.")
    dry_run: bool = strawberry.field(default=False, description="True to see what it would change, and record nothing.")


@strawberry.type
class BillingExclusionSetPayload(BillingExclusionPayload):
    pass


@strawberry.type
class BillingExclusionEndPayload(BillingExclusionPayload):
    pass


def _refusals(payload: type[BillingExclusionPayload]) -> list[Refusals]:
    return [Refusals(payload, BillingUserError, BillingErrorCode)]


@strawberry.type
class ExclusionMutation:
    @mutation(
        "Do not bill a learner, from when on. No count as known earlier changes, nor any snapshot. Staff only.",
        _refusals(BillingExclusionSetPayload),
    )
    async def billing_exclusion_set(
        self, info: Info, input: Annotated[BillingExclusionSetInput, INPUT]
    ) -> BillingExclusionSetPayload:
        asked = Exclusion(
            who=await who_of(info, input.learner),
            start=start_edge(input.start),
            until=end_edge(input.until) if input.until else None,
            reason=input.reason,
        )
        context = info.context
        if input.dry_run:
            tried = await context.write(lambda s: exclusions.preview(s, context.principal, context.now, asked))
            return BillingExclusionSetPayload(tried=tried)
        written = await context.write(lambda s: exclusions.exclude(s, context.principal, context.now, asked))
        return BillingExclusionSetPayload(written=written)

    @mutation("Bill a learner again, from when on. Staff only.", _refusals(BillingExclusionEndPayload))
    async def billing_exclusion_end(
        self, info: Info, input: Annotated[BillingExclusionEndInput, INPUT]
    ) -> BillingExclusionEndPayload:
        asked = ExclusionEnd(who=await who_of(info, input.learner), end=end_edge(input.end), reason=input.reason)
        context = info.context
        if input.dry_run:
            tried = await context.write(lambda s: exclusions.preview(s, context.principal, context.now, asked))
            return BillingExclusionEndPayload(tried=tried)
        written = await context.write(lambda s: exclusions.end_exclusion(s, context.principal, context.now, asked))
        return BillingExclusionEndPayload(written=written)
