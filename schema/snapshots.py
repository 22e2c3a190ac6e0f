"""Billing snapshots as clients see them: who was counted for a date, by which question, and what it costs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.billing import SnapshotKind
from models.contracts import Measure
from models.history import Quality, quality_of
from models.interval import Bounds, from_microseconds, instant_or_none, instant_unless_lost, to_microseconds
from models.money import Money
from resolvers.lists import as_known_at
from resolvers.loaders.counts import Count
from resolvers.loaders.entries import EntriesPage, EntryRow, Whom, entries_of, entry_totals
from resolvers.loaders.learners import LearnerRow
from resolvers.loaders.places import OrganizationRow
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, snapshots_by_id
from resolvers.snapshots.drift import counts_known, reproduce
from resolvers.snapshots.words import words_of
from schema.billable import BillableProduct
from schema.context import Info
from schema.fields import field, given
from schema.ids import Node, encode_id
from schema.learners import Learner
from schema.money import MoneyBounds, ShownMoney
from schema.nodes import organization_by_id
from schema.pagination import After, Before, Connection, First, Last, connection_of, paging
from schema.questions import ActivityCount, ActivityMoment, KnownAt, count_of
from schema.scopes import Search

if TYPE_CHECKING:
    from schema.bridges import CountBridge
    from schema.contracts import ContractTerm
    from schema.drift import SnapshotDifference
    from schema.evidence import Checkpoint, EvidencePack
    from schema.organizations import Organization


@strawberry.interface(description="A count for a bill: what was asked, as known when, by which term, and the answer.")
class BillingCount:
    row: strawberry.Private[SnapshotRow]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Whose learners are counted.")
    def organization(self) -> Annotated[Organization, strawberry.lazy("schema.organizations")]:
        from schema.organizations import Organization

        return Organization.of(self.organization_row)

    @field("Seats, or access to a library.")
    def product(self) -> BillableProduct:
        return BillableProduct(organization_row=self.organization_row, product_id=self.row.product_id)

    @field("The local date of the bill.")
    def date(self) -> dt.date:
        return self.row.date

    @field("The billing cutoff of the date.")
    def cutoff(self) -> dt.datetime:
        return self.row.cutoff

    @field("How people are counted.")
    def measure(self) -> Measure:
        return self.row.measure

    @field("Until when what was recorded counts.")
    def known_at(self) -> dt.datetime:
        return self.row.known_at

    @field("The first instant that is counted; of a peak the cutoff of its first day.")
    def counted_from(self) -> dt.datetime:
        return self.row.counted_from

    @field("Where counting ends, not included; the same as countedFrom for a count at an instant.")
    def counted_until(self) -> dt.datetime:
        return self.row.counted_until

    @field("The question in words, with zone and cutoff, and as known when.")
    async def question(self, info: Info) -> str:
        return await self._words(info)

    @field("How many count.")
    async def count(self, info: Info) -> ActivityCount:
        return count_of(Count(self.row.count_least, self.row.count_most), await self._words(info))

    @field("How many more would count but for an exclusion from billing, at most.")
    def excluded(self) -> int:
        return self.row.excluded

    @field("The contract term in force on the date, as it was known; null without one.")
    async def term(self, info: Info) -> Annotated[ContractTerm, strawberry.lazy("schema.contracts")] | None:
        from schema.contracts import contract_term

        if self.row.term_id is None:
            return None
        return await contract_term(info, self.organization_row, self.row.term_id, to_microseconds(self.row.known_at))

    @field("How many people are licensed; null without a term.")
    def licensed(self) -> int | None:
        return self.row.licensed

    @field("What each person beyond that costs; null without a term.")
    def unit_price(self) -> ShownMoney | None:
        price = self._price()
        return ShownMoney.of(price) if price else None

    @field("How many count beyond what is licensed: 403 − 400 = 3, never less than none. Null without a term.")
    async def overage(self, info: Info) -> ActivityCount | None:
        overage = self._overage()
        return overage and count_of(overage, await self._words(info))

    @field("What the overage costs; null without a term.")
    def overage_amount(self) -> MoneyBounds | None:
        price, overage = self._price(), self._overage()
        if price is None or overage is None:
            return None
        return MoneyBounds.of(price * overage.least, price * overage.most)

    def _price(self) -> Money | None:
        minor, currency = self.row.unit_price_minor, self.row.currency
        return Money(minor, currency) if minor is not None and currency is not None else None

    def _overage(self) -> Count | None:
        least, most = self.row.overage_least, self.row.overage_most
        return Count(least, most) if least is not None and most is not None else None

    async def _words(self, info: Info) -> str:
        product = await self.product().name(info)
        return words_of(self.row, self.organization_row.calendar, self.organization_row.name, product)


@strawberry.type(description="What a snapshot would say if it were taken. Nothing is written, and nothing is billed.")
class BillingPreview(BillingCount):
    pass


@strawberry.type(description="Somebody who was counted, and the window that made it so, with its dates as known then.")
class SnapshotEntry:
    row: strawberry.Private[EntryRow]
    organization_row: strawberry.Private[OrganizationRow]
    snapshot_known_at: strawberry.Private[dt.datetime]

    @field("Who, with personal data as it is now; all of it null once it was erased. Activity is as known then.")
    def learner(self) -> Learner:
        personal = self.row[1:8]
        row = LearnerRow(*personal)
        known_at = to_microseconds(self.snapshot_known_at)
        return Learner(row=row, organization_row=self.organization_row, known_at=known_at)

    @field("Since when; null if that was lost.")
    def activated_at(self) -> dt.datetime | None:
        return instant_unless_lost(self.row.from_earliest, self.row.from_latest)

    @field("The first active day; null if that was lost.")
    def activated_on(self) -> dt.date | None:
        start = self.activated_at()
        return self.organization_row.calendar.day_of(start) if start else None

    @field("Until when, not included, as known then; null if it had not ended, or that was lost.")
    def deactivated_at(self) -> dt.datetime | None:
        return instant_unless_lost(self.row.to_earliest, self.row.to_latest)

    @field("The local day of the end: the first day no longer active, for an end at midnight.")
    def deactivated_on(self) -> dt.date | None:
        end = self.deactivated_at()
        return self.organization_row.calendar.day_of(end) if end else None

    @field("The last local day touched: for an end at midnight the day before.")
    def last_active_on(self) -> dt.date | None:
        end = self.deactivated_at()
        return self.organization_row.calendar.last_day_before(end) if end else None

    @field("Whether the person counts whatever the lost dates were; false if they only may.")
    def certain(self) -> bool:
        return bool(self.row.certain)

    @field("How well the dates were known.")
    def quality(self) -> Quality:
        start, latest_start, end, latest_end = map(from_microseconds, self.row[8:12])
        return quality_of(Bounds(start, latest_start, end, latest_end))

    @field("The earliest that it can have started; null if nothing bounds it.")
    def earliest(self) -> dt.datetime | None:
        return instant_or_none(self.row.from_earliest)

    @field("The latest that it can have ended; null if nothing bounds it.")
    def latest(self) -> dt.datetime | None:
        return instant_or_none(self.row.to_latest)


Certain = Annotated[
    bool | None, strawberry.argument(description="True: only who counts for certain; false: only who may count.")
]
Until = Annotated[ActivityMoment | None, strawberry.argument(description="Until when; now if left out.")]


@strawberry.type(description="A count frozen for a bill, with everybody who was counted. It never changes.")
class BillingSnapshot(Node, BillingCount):
    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("BillingSnapshot", self.row.organization_id, self.row.id))

    @field("Whether it is what is billed, or the same question asked again.")
    def kind(self) -> SnapshotKind:
        return self.row.kind

    @field("When it was frozen.")
    def recorded_at(self) -> dt.datetime:
        return self.row.recorded_at

    @field("Who froze it.")
    def recorded_by(self) -> str:
        return self.row.actor

    @field("Everybody who was counted, by name; who has none, because it was erased, first.")
    async def entries(
        self,
        info: Info,
        search: Search = strawberry.UNSET,
        certain: Certain = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[SnapshotEntry]:
        whom = Whom((given(search) or "").strip() or None, given(certain))
        page = paging((self.id(), "entries", whom), first, after, last, before, str, int)
        asked = EntriesPage(page.limit, page.backward, page.beyond)
        key, loaders = SnapshotKey(self.row.organization_id, self.row.id), info.context.loaders
        rows: list[EntryRow] = await loaders.rows(entries_of, whom, asked).load(key)

        async def total() -> int:
            return await loaders.values(entry_totals, whom).load(key)

        nodes = [(self._entry(row), (row.name_key, row.learner_id)) for row in rows]
        return connection_of(nodes, page, total)

    @field("Whether history as known then gives this very count with these very people. Anything else is an alarm.")
    async def reproduces(self, info: Info) -> bool:
        return await info.context.loaders.values(reproduce).load(self._key_row())

    @field("How many the same question counts as known at a time: «billed 403, now known 402».")
    async def count_now(self, info: Info, known_at: KnownAt = strawberry.UNSET) -> ActivityCount:
        at = await self._known_at(info, known_at)
        count = await info.context.loaders.values(counts_known).load((self._key_row(), at))
        product = await self.product().name(info)
        row = self.row._replace(known_at=at)
        return count_of(count, words_of(row, self.organization_row.calendar, self.organization_row.name, product))

    @field("Person by person what is known otherwise at a time, with the act that made it so, oldest first.")
    async def drift(
        self,
        info: Info,
        known_at: KnownAt = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[SnapshotDifference, strawberry.lazy("schema.drift")]]:
        from schema.drift import differences_page

        at = await self._known_at(info, known_at)
        page = paging((self.id(), "drift", given(known_at)), first, after, last, before, int, int)
        return await differences_page(info, self.organization_row, (self._key_row(), at), page)

    @field("The people between this count and who is active at a moment. It begins with the people of the snapshot.")
    async def bridge(
        self, info: Info, to: Until = strawberry.UNSET, known_at: KnownAt = strawberry.UNSET
    ) -> Annotated[CountBridge, strawberry.lazy("schema.bridges")]:
        from schema.bridges import bridge_from_snapshot

        return await bridge_from_snapshot(info, self, to or None, given(known_at))

    def _entry(self, row: EntryRow) -> SnapshotEntry:
        return SnapshotEntry(row=row, organization_row=self.organization_row, snapshot_known_at=self.row.known_at)

    @field("The signed checkpoint that sealed it; null while it is not sealed yet.")
    async def checkpoint(self, info: Info) -> Annotated[Checkpoint, strawberry.lazy("schema.evidence")] | None:
        from schema.evidence import checkpoint_of

        return await checkpoint_of(info, SnapshotKey(self.row.organization_id, self.row.id))

    @field("The evidence packs about it, the newest first.")
    async def evidence_packs(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[Annotated[EvidencePack, strawberry.lazy("schema.evidence")]]:
        from schema.evidence import packs_page

        page = paging((self.id(), "evidencePacks"), first, after, last, before, int)
        return await packs_page(info, SnapshotKey(self.row.organization_id, self.row.id), page)

    async def _known_at(self, info: Info, known_at: dt.datetime | None) -> dt.datetime:
        context = info.context
        known = await as_known_at(context.run, self.organization_row, known_at or None, context.now)
        return from_microseconds(known.at_us)

    def _key_row(self) -> SnapshotRow:
        """The row as a key: where it stood in its list is of no account."""
        return self.row._replace(place=0)


async def snapshot_by_key(info: Info, key: SnapshotKey) -> BillingSnapshot | None:
    """The snapshot, for whoever may see all of its organization."""
    organization = await organization_by_id(info, key.organization_id)
    rows = await info.context.loaders.rows(snapshots_by_id).load(key) if organization else []
    return BillingSnapshot(row=rows[0], organization_row=organization) if organization and rows else None
