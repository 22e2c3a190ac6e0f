"""Thousands of random late corrections: each past count stays what it was as known then, and every bridge adds up.

One organization is told a random history, and then corrected over and over: windows begin or end otherwise, never
were, lose a date or find it again, and people are excluded, from any day on. Between corrections snapshots are taken,
of every measure. What they hold is never told again; whatever is asked of them later must still agree.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from models.contracts import Measure
from models.history import Change, Source
from models.interval import BEGINNING, DAY, FOREVER, MICROSECOND, Bounds
from resolvers.loaders.counts import Count
from resolvers.loaders.snapshots import SnapshotKey, SnapshotRow, snapshots_by_id
from resolvers.recording import begin_recording, record_all
from resolvers.snapshots.bridging import Bridge, bridges, from_snapshot
from resolvers.snapshots.causes import BridgeAsked, Cause, End
from resolvers.snapshots.comparing import to_count
from resolvers.snapshots.counting import counted
from resolvers.snapshots.drift import DifferenceKind, counts_known, differences_of_each, reproduce
from resolvers.snapshots.taking import Inquiry, inquire
from server.database import Database
from tests.builders import STAFF, Tenant, organization
from tests.conftest import is_thorough

FIRST, DAYS = dt.date(2017, 6, 1), 150
LEARNERS, CORRECTIONS_A_ROUND = 40, 250
ROUNDS = 4 if is_thorough() else 2
RANDOM_BRIDGES = 30
DATES = [dt.date(2017, 8, 1), dt.date(2017, 9, 1), dt.date(2017, 10, 1)]


@dataclass
class Teller:
    """Tells an organization random things, and remembers what is held, so that any of it can be corrected."""

    tenant: Tenant
    dice: random.Random
    exclusion: int
    library: int
    learners: Sequence[int]
    # Of each fact its learner and scope.
    facts: dict[int, tuple[int, int]] = field(default_factory=dict)
    told: int = 0

    def bounds(self) -> Bounds:
        """Mostly known dates; now and then one that is lost, or lies between two days."""
        start = self._instant(self.dice.randrange(DAYS))
        end = start + self.dice.randrange(1, 80) * DAY
        never = Bounds(start, start, FOREVER, FOREVER)
        known = [Bounds(start, start, end, end), never]
        lost = [Bounds(BEGINNING, end - MICROSECOND, end, end), Bounds(start, start, start + MICROSECOND, FOREVER)]
        bounded = [Bounds(start, start + DAY / 2, end, end), Bounds(start, start, start + DAY / 2, end)]
        return self.dice.choice([*known * 5, *lost, *bounded])

    def _instant(self, day: int) -> dt.datetime:
        return self.tenant.calendar.start_of(FIRST + day * DAY) + self.dice.choice([0, 0, 0, 7]) * DAY / 24

    def change(self) -> tuple[int, Change]:
        """Something new of somebody, or something else of a fact that is held."""
        if self.facts and self.dice.random() < 0.75:
            fact_id = self.dice.choice(list(self.facts))
            learner, scope = self.facts[fact_id]
            return learner, Change(scope, self.bounds(), fact_id, holds=self.dice.random() < 0.85)
        scopes = [self.tenant.id] * 6 + [self.library] * 2 + [self.exclusion]
        return self.dice.choice(self.learners), Change(self.dice.choice(scopes), self.bounds())

    async def tell(self, corrections: int) -> None:
        """So many acts, each recorded at its own time, in a few transactions."""
        for number in range(corrections // 10):
            await self.tenant.database.run(partial(self._tell, acts=10))
            if number % 10 == 9:
                await self.tenant.database.run(analyse)

    async def _tell(self, session: AsyncSession, acts: int) -> None:
        for _ in range(acts):
            learner, change = self.change()
            recording = await begin_recording(session, self.tenant.id, self.tenant.tick())
            fact_id = change.fact_id if change.fact_id is not None else recording.keys.take()
            told = Change(change.scope_id, change.bounds, fact_id, change.holds)
            await record_all(recording, {learner: [told]}, "Dice", Source.CORRECTION, "thrown")
            self.facts[fact_id] = (learner, change.scope_id)
            self.told += 1

    def inquiries(self) -> Iterator[Inquiry]:
        for measure in Measure:
            product = self.dice.choice([self.tenant.id, self.library])
            yield Inquiry(product, self.dice.choice(DATES), None, measure)

    async def freeze(self) -> list[SnapshotRow]:
        """A snapshot of each measure, as known now."""
        made = [await self._freeze(inquiry) for inquiry in self.inquiries()]
        async with self.tenant.database.reading() as connection:
            return await snapshots_by_id(connection, [SnapshotKey(self.tenant.id, one) for one in made])

    async def _freeze(self, inquiry: Inquiry) -> int:
        now = self.tenant.tick()
        return await self.tenant.database.run(lambda s: inquire(s, STAFF, now, self.tenant.id, inquiry))


async def analyse(session: AsyncSession) -> None:
    """As PostgreSQL does by itself, though not so soon: plans for empty tables would take most of the time."""
    await session.execute(text("ANALYZE belief"))


async def teller(database: Database, seed: int) -> Teller:
    tenant = await organization(database)
    exclusion, library = await tenant.exclusion_scope(), await tenant.library()
    learners = [await tenant.stranger(f"Learner {number}") for number in range(LEARNERS)]
    dice = random.Random(seed)  # the same story each run
    return Teller(tenant, dice, exclusion, library, learners)


async def test_no_late_correction_changes_what_was_counted_as_known_then(database: Database) -> None:
    """Over a thousand corrections on each database; all past counts are asked again after every 250 of them."""
    story = await teller(database, 1)
    await story.tell(100)
    taken: list[SnapshotRow] = []
    for _ in range(ROUNDS):
        taken += await story.freeze()
        await story.tell(CORRECTIONS_A_ROUND)
        await nothing_past_has_changed(story.tenant, taken)
    assert story.told == 100 + ROUNDS * CORRECTIONS_A_ROUND
    # The corrections were no small talk: what is known now would count most of it otherwise.
    now = await counts_now(story.tenant, taken)
    assert sum(count != frozen_count(row) for row, count in zip(taken, now, strict=True)) > len(taken) / 2


async def nothing_past_has_changed(tenant: Tenant, taken: Sequence[SnapshotRow]) -> None:
    async with tenant.database.reading() as connection:
        assert all(await reproduce(connection, taken))
        then = await counts_known(connection, [(row, row.known_at) for row in taken])
    assert then == [frozen_count(row) for row in taken]


def frozen_count(row: SnapshotRow) -> Count:
    return Count(row.count_least, row.count_most)


async def counts_now(tenant: Tenant, taken: Sequence[SnapshotRow]) -> list[Count]:
    async with tenant.database.reading() as connection:
        return await counts_known(connection, [(row, tenant.now) for row in taken])


async def test_differences_are_exactly_what_leads_from_then_to_now(database: Database) -> None:
    story = await teller(database, 3)
    await story.tell(150)
    taken = [row for _ in range(2) for row in await story.freeze()]
    await story.tell(150)
    async with database.reading() as connection:
        found = await differences_of_each(connection, [(row, story.tenant.now) for row in taken])
    now = await counts_now(story.tenant, taken)
    for row, differing, count in zip(taken, found, now, strict=True):
        if row.measure is Measure.PEAK_DAY:
            continue
        added = sum(one.kind is DifferenceKind.ADDED for one in differing)
        removed = sum(one.kind is DifferenceKind.REMOVED for one in differing)
        assert row.count_most + added - removed == count.most
        sure_now = sum(one.now is not None and one.now.certain for one in differing)
        sure_then = sum(one.then is not None and one.then.certain for one in differing)
        assert row.count_least + sure_now - sure_then == count.least
        # Each was made by an act recorded since, and says by whom.
        assert all(one.learned and one.learned.recorded_at > row.known_at for one in differing)


# ------------------------------------------------------------------------------------------------------- bridges


async def test_every_bridge_adds_up(database: Database) -> None:
    """Between random moments, each as known at a random time, of seats and of a library; and from every snapshot."""
    story = await teller(database, 4)
    await story.tell(200)
    taken = await story.freeze()
    middle = story.tenant.now
    await story.tell(200)
    asked = [random_bridge(story, [middle, story.tenant.now]) for _ in range(RANDOM_BRIDGES)]
    closing = story.tenant.calendar.cutoff_of(dt.date(2017, 11, 1))
    asked += [from_snapshot(row, story.exclusion, closing, story.tenant.now) for row in taken]
    async with database.reading() as connection:
        found = await bridges(connection, asked)
    for one, about in zip(found, asked, strict=True):
        it_adds_up(one)
        who_is_who(one)
        if about.opening.known_at == about.closing.known_at:
            assert all(mover.cause is not Cause.CORRECTION or mover.learned for mover in one.left)
    assert sum(len(one.joined) + len(one.left) for one in found) > 100
    assert [one.opening for one in found[RANDOM_BRIDGES:]] == await entries_counted(story.tenant, taken)


def random_bridge(story: Teller, known: Sequence[dt.datetime]) -> BridgeAsked:
    first, second = sorted(story.dice.sample(range(DAYS), 2))
    at = [story.tenant.calendar.cutoff_of(FIRST + day * DAY) for day in (first, second)]
    known_then, known_now = sorted(story.dice.choices(known, k=2))
    return BridgeAsked(
        organization_id=story.tenant.id,
        product_id=story.dice.choice([story.tenant.id, story.library]),
        excluded_id=story.dice.choice([story.exclusion, 0]),
        opening=End.at(at[0], known_then),
        closing=End.at(at[1], known_now),
    )


def it_adds_up(found: Bridge) -> None:
    assert found.opening.least + len(found.joined) - len(found.left) == found.closing.least


def who_is_who(found: Bridge) -> None:
    """Nobody is on it twice, and everybody who moved did so by some act."""
    movers = [*found.joined, *found.left, *found.passed, *found.uncertain]
    assert len({mover.learner_id for mover in movers}) == len(movers)
    assert all(mover.cause and mover.learned for mover in [*found.joined, *found.left, *found.passed])


async def entries_counted(tenant: Tenant, taken: Sequence[SnapshotRow]) -> list[Count]:
    """How many entries each holds; of a peak those of its first day."""
    async with tenant.database.reading() as connection:
        again = await to_count(connection, [(row, row.known_at) for row in taken])
        whole = [
            type(one)(
                organization_id=one.organization_id,
                product_id=one.product_id,
                excluded_id=one.excluded_id,
                predicate=one.predicate,
                spans=((row.counted_from, row.counted_until),),
                known_at=one.known_at,
            )
            for one, row in zip(again, taken, strict=True)
        ]
        return [one.count for one in await counted(connection, whole)]
