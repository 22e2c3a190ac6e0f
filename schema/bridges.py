"""The bridge between two counts, as clients see it: named people, each with what happened, when and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import strawberry

from models.errors import EmptyRange
from models.interval import BEGINNING, from_microseconds, to_microseconds
from resolvers.activity import answerable
from resolvers.lists import AsKnown, NamedScope, as_known_at, in_words
from resolvers.loaders.learners import LearnerKey
from resolvers.loaders.places import OrganizationRow
from resolvers.snapshots.bridging import Bridge, Mover, bridges, from_snapshot
from resolvers.snapshots.causes import BridgeAsked, Cause, End, Movement
from resolvers.snapshots.products import excluded_scopes
from resolvers.snapshots.words import words_of
from schema.billable import BillableProduct
from schema.context import Info
from schema.drift import Learning, part_of
from schema.fields import field
from schema.learners import Learner
from schema.nodes import learner_by_key
from schema.pagination import After, Before, Connection, First, Last, Paging, connection_of, paging
from schema.questions import ActivityCount, ActivityFilter, ActivityMoment, count_of, question_of
from schema.scalars import described
from schema.snapshots import BillingCount

described(Movement, "What somebody on a bridge did.", "BridgeMovement")
described(Cause, "What made somebody join, leave or pass.", "BridgeCause")


@strawberry.type(description="Somebody on a bridge.")
class BridgePerson:
    mover: strawberry.Private[Mover]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Who.")
    async def learner(self, info: Info) -> Learner | None:
        return await learner_by_key(info, LearnerKey(self.organization_row.organization_id, self.mover.learner_id))

    @field("Whether they joined, left or passed.")
    def movement(self) -> Movement:
        return self.mover.movement

    @field("What made it so; null of who is uncertain.")
    def cause(self) -> Cause | None:
        return self.mover.cause

    @field("Whether lost dates leave nothing open about it.")
    def certain(self) -> bool:
        return self.mover.certain

    @field("When they came or, of who left, went; null if that was lost, or never was.")
    def at(self) -> dt.datetime | None:
        return self.mover.at

    @field("The local day of that instant.")
    def on(self) -> dt.date | None:
        return self.organization_row.calendar.day_of(self.mover.at) if self.mover.at else None

    @field("Of who passed: when they went again.")
    def until(self) -> dt.datetime | None:
        return self.mover.until

    @field("The act that made it so.")
    def learned(self) -> Learning | None:
        learned = self.mover.learned
        return Learning(learned=learned) if learned else None


@dataclass(frozen=True, slots=True)
class Ends:
    """Both questions of a bridge in words."""

    opening: str
    closing: str


@strawberry.type(
    description="Between two counts, in people: opening + joined − left = closing, of the provable counts."
)
class CountBridge:
    # By what was asked, so that a cursor fits the next page of the same question.
    name: strawberry.Private[tuple[object, ...]]
    found: strawberry.Private[Bridge]
    words: strawberry.Private[Ends]
    organization_row: strawberry.Private[OrganizationRow]

    @field("Both questions, in words.")
    def question(self) -> str:
        return f"From: {self.words.opening}. To: {self.words.closing}."

    @field("The count that it begins with.")
    def opening(self) -> ActivityCount:
        return count_of(self.found.opening, self.words.opening)

    @field("The count that it ends with.")
    def closing(self) -> ActivityCount:
        return count_of(self.found.closing, self.words.closing)

    @field("How many count at closing and did not at opening.")
    def joined_count(self) -> int:
        return len(self.found.joined)

    @field("How many counted at opening and do not at closing.")
    def left_count(self) -> int:
        return len(self.found.left)

    @field("How many came and went in between.")
    def passed_count(self) -> int:
        return len(self.found.passed)

    @field("Who joined, by when.")
    def joined(
        self,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[BridgePerson]:
        return self._page(self.found.joined, self._paging("joined", first, after, last, before))

    @field("Who left, by when; who never was active after all comes first.")
    def left(
        self,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[BridgePerson]:
        return self._page(self.found.left, self._paging("left", first, after, last, before))

    @field("Who came and went in between, by when they came. They are in neither count.")
    def passed(
        self,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[BridgePerson]:
        return self._page(self.found.passed, self._paging("passed", first, after, last, before))

    @field("Who may have counted at an end, since dates are lost, and is in neither provable count.")
    def uncertain(
        self,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[BridgePerson]:
        return self._page(self.found.uncertain, self._paging("uncertain", first, after, last, before))

    def _paging(self, part: str, first: int | None, after: str | None, last: int | None, before: str | None) -> Paging:
        return paging((*self.name, part), first, after, last, before, int, int)

    def _page(self, movers: Sequence[Mover], page: Paging) -> Connection[BridgePerson]:
        async def total() -> int:
            return len(movers)

        rows = part_of(movers, _position, page)
        nodes = [(BridgePerson(mover=one, organization_row=self.organization_row), _position(one)) for one in rows]
        return connection_of(nodes, page, total)


def _position(mover: Mover) -> tuple[int, int]:
    return to_microseconds(mover.at or BEGINNING), mover.learner_id


# --------------------------------------------------------------------------------------------------- asking


async def count_bridge(
    info: Info,
    organization: OrganizationRow,
    product_id: int,
    moments: tuple[ActivityMoment, ActivityMoment],
    known_at: dt.datetime | None,
) -> CountBridge:
    """Between two moments, both as known at one time."""
    context = info.context
    context.principal.must_see(organization.organization_id, "organization")
    known = await as_known_at(context.run, organization, known_at, context.now)
    name = await BillableProduct(organization_row=organization, product_id=product_id).name(info)
    scopes = [NamedScope(product_id, name)]
    ends, words = zip(*(_end(organization, one, known, scopes) for one in moments), strict=True)
    key = BridgeAsked(
        organization_id=organization.organization_id,
        product_id=product_id,
        excluded_id=await _excluded(info, organization),
        opening=ends[0],
        closing=ends[1],
    )
    asked = (organization.organization_id, product_id, moments, known_at)
    return await _bridge(info, organization, key, Ends(*words), asked)


async def bridge_from_snapshot(
    info: Info, snapshot: BillingCount, to: ActivityMoment | None, known_at: dt.datetime | None
) -> CountBridge:
    """From the people of a snapshot to who is active at a moment, or now, as known at a time."""
    context, organization = info.context, snapshot.organization_row
    known = await as_known_at(context.run, organization, known_at, context.now)
    product = snapshot.product()
    name = await product.name(info)
    moment = to or ActivityMoment(at=context.now)
    end, words = _end(organization, moment, known, [NamedScope(product.product_id, name)])
    excluded_id = await _excluded(info, organization)
    key = from_snapshot(snapshot.row._replace(place=0), excluded_id, end.a, end.known_at)
    opening = words_of(snapshot.row, organization.calendar, organization.name, name)
    asked = (organization.organization_id, snapshot.row.id, to, known_at)
    return await _bridge(info, organization, key, Ends(opening, words), asked)


async def _bridge(
    info: Info, organization: OrganizationRow, key: BridgeAsked, words: Ends, name: tuple[object, ...]
) -> CountBridge:
    if key.opening.b > key.closing.a:
        raise EmptyRange(key.opening.b.isoformat(), key.closing.a.isoformat(), "to")
    found: Bridge = await info.context.loaders.values(bridges).load(key)
    return CountBridge(name=name, found=found, words=words, organization_row=organization)


def _end(
    organization: OrganizationRow, moment: ActivityMoment, known: AsKnown, scopes: Sequence[NamedScope]
) -> tuple[End, str]:
    """Who is active at a moment, with the question in words."""
    asked = answerable(question_of(ActivityFilter(active_at=moment)), organization.calendar, "to")
    end = End.at(from_microseconds(asked.a), from_microseconds(known.at_us))
    return end, in_words(asked.words, organization, scopes, known)


async def _excluded(info: Info, organization: OrganizationRow) -> int:
    return await info.context.loaders.values(excluded_scopes).load(organization.organization_id)
