"""Random histories, told act by act, must give the answers that brute force finds: on both databases, in any zone.

A story is a few days around a change of clocks, a handful of learners, two teams and a library, and acts that believe,
correct, retract and lose dates, each recorded at its own time. Every question is asked as known at each of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product, takewhile
from operator import itemgetter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.activity import Predicate
from models.history import Change, Source
from models.interval import BEGINNING, FOREVER, MICROSECOND, Bounds, from_microseconds, to_microseconds
from resolvers.activity import ActivityQuestion, At, CutoffOf, Days, Instants, Span, answerable
from resolvers.loaders.counts import Question, counts
from resolvers.loaders.learner_lists import (
    LearnersKey,
    LearnersPage,
    ListPart,
    Who,
    certainties,
    learner_totals,
    learners_of,
)
from resolvers.loaders.windows import WindowRow, WindowsKey, WindowsPage, windows_of_learners
from resolvers.recording import begin_recording, record
from schema.ids import encode_id
from server.database import Database
from tests.asking import ask
from tests.brute_force import PER_MARK, Believed, Box, Oracle, first_minute
from tests.builders import Tenant, organization

# A first day of four, among which the clocks change, at midnight in some places; Samoa skips the third altogether.
PLACES = [
    ("UTC", dt.date(2017, 8, 30)),
    ("America/Chicago", dt.date(2017, 3, 11)),
    ("America/Chicago", dt.date(2017, 11, 4)),
    ("America/Sao_Paulo", dt.date(2017, 10, 13)),
    ("America/Sao_Paulo", dt.date(2017, 2, 17)),
    ("America/Havana", dt.date(2017, 11, 4)),
    ("America/St_Johns", dt.date(2006, 10, 28)),
    ("Asia/Beirut", dt.date(2017, 3, 25)),
    ("Pacific/Apia", dt.date(2011, 12, 28)),
    ("Pacific/Kiritimati", dt.date(2017, 8, 30)),
]
CUTOFFS = [dt.time(), dt.time(2, 30), dt.time(17)]
NAMES = ["Ada", "ada", "Émile", "Bo"]
LEARNERS = range(len(NAMES))
OWN, TEAM, OTHER_TEAM, LIBRARY = SCOPES = range(4)
DAYS = 4

Edges = tuple[int, int, int, int]


# ---------------------------------------------------------------------------------------------- stories


@dataclass(frozen=True)
class Told:
    """One belief of an act: of which fact, in which scope, between which marks; None if it never was."""

    fact: int
    scope: int
    edges: Edges | None


@dataclass(frozen=True)
class Deed:
    """An act of some learner; recorded when a clock that may have stood still says so."""

    learner: int
    told: tuple[Told, ...]
    clock_stands_still: bool


@dataclass(frozen=True)
class Story:
    zone: str
    cutoff: dt.time
    days: tuple[dt.date, ...]
    marks: tuple[dt.datetime, ...]
    deeds: tuple[Deed, ...]

    def start_of(self, day: dt.date) -> dt.datetime:
        return first_minute(self.zone, day, dt.time())

    def tick_of(self, instant: dt.datetime) -> int:
        """The place of an instant among the marks, which one microsecond before or after it shares with many."""
        for step in (0, 1, -1):
            if instant - step * MICROSECOND in self.marks:
                return self.marks.index(instant - step * MICROSECOND) * PER_MARK + step
        raise AssertionError(f"{instant} is no mark")


def the_days(zone: str, first: dt.date) -> tuple[dt.date, ...]:
    """Days that exist: one that a zone skips has no instant."""
    days = [first + dt.timedelta(days=n) for n in range(DAYS)]
    starts = [first_minute(zone, day, dt.time()) for day in (*days, days[-1] + dt.timedelta(days=1))]
    return tuple(day for day, start, following in zip(days, starts, starts[1:], strict=False) if start < following)


def the_marks(zone: str, days: Sequence[dt.date], cutoff: dt.time) -> tuple[dt.datetime, ...]:
    after = days[-1] + dt.timedelta(days=1)
    starts = {first_minute(zone, day, dt.time()) for day in (*days, after)}
    cutoffs = {first_minute(zone, day, cutoff) for day in days}
    return (BEGINNING, *sorted(starts | cutoffs), FOREVER)


@st.composite
def edges_among(draw: st.DrawFn, marks: int) -> Edges:
    """Mostly known dates; now and then a start or an end that is lost, or lies between two marks."""
    pairs: list[tuple[int, int]] = list(combinations(range(1, marks - 1), 2))
    neighbours = list(pairwise(range(1, marks - 1)))
    start, end = draw(st.sampled_from(pairs + neighbours * 3))
    never = marks - 1
    known: list[Edges] = [(start, start, end, end), (start, start, never, never)]
    lost: list[Edges] = [(0, end, end, end), (start, start, start, never), (0, start, start, end)]
    bounded: list[Edges] = [(start, end, end, end), (start, start, start, end), (start, end, never, never)]
    return draw(st.sampled_from([*known * 4, *lost, *bounded, (start, end, end, never)]))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    zone, first = draw(st.sampled_from(PLACES))
    cutoff = draw(st.sampled_from(CUTOFFS))
    days = the_days(zone, first)
    marks = the_marks(zone, days, cutoff)
    facts: dict[int, tuple[int, int]] = {}
    deeds = [draw(deeds_of(facts, len(marks))) for _ in range(draw(st.integers(1, 9)))]
    return Story(zone, cutoff, days, marks, tuple(deeds))


@st.composite
def deeds_of(draw: st.DrawFn, facts: dict[int, tuple[int, int]], marks: int) -> Deed:
    """What a learner was told to have been: new, corrected or never so; now and then in two scopes with one span."""
    # Mostly the same one, so that windows of one learner meet.
    learner = draw(st.sampled_from([*LEARNERS, 0, 0, 0, 0]))
    edges = draw(edges_among(marks))
    known = [fact for fact, (of, _) in facts.items() if of == learner]
    corrects = draw(st.booleans())
    if known and corrects:
        fact = draw(st.sampled_from(known))
        retracted = draw(st.integers(0, 3)) == 0
        told = [Told(fact, facts[fact][1], None if retracted else edges)]
    else:
        scopes = draw(st.sets(st.sampled_from(SCOPES), min_size=1, max_size=3))
        told = [_new(facts, learner, scope, edges) for scope in sorted(scopes)]
    return Deed(learner, tuple(told), draw(st.booleans()))


def _new(facts: dict[int, tuple[int, int]], learner: int, scope: int, edges: Edges) -> Told:
    fact = len(facts) + 1
    facts[fact] = (learner, scope)
    return Told(fact, scope, edges)


# ---------------------------------------------------------------------------------------------- telling


@dataclass
class Stage:
    """A story as it is told to a database, and the beliefs that brute force keeps of it."""

    story: Story
    tenant: Tenant
    scopes: list[int]
    learners: list[int]
    beliefs: list[Believed]

    @classmethod
    async def of(cls, database: Database, story: Story) -> Stage:
        tenant = await organization(database, zone=story.zone, cutoff=story.cutoff)
        scopes = [tenant.id, await tenant.team(), await tenant.team(), await tenant.library()]
        return cls(story, tenant, scopes, [await tenant.stranger(name) for name in NAMES], [])

    async def tell(self, deeds: Sequence[Deed]) -> None:
        """Each act at a recorded time of its own, all in one transaction so that it is quick."""

        async def write(session: AsyncSession) -> list[dt.datetime]:
            return [await self._record(session, deed) for deed in deeds]

        recorded = await self.tenant.database.run(write)
        for deed, at in zip(deeds, recorded, strict=True):
            self.beliefs += [self._believed(deed, told, to_microseconds(at)) for told in deed.told]

    async def _record(self, session: AsyncSession, deed: Deed) -> dt.datetime:
        now = self.tenant.now if deed.clock_stands_still else self.tenant.tick()
        recording = await begin_recording(session, self.tenant.id, now)
        changes = [self._change(told) for told in deed.told]
        await record(recording, self.learners[deed.learner], changes, "A story", Source.API)
        return recording.recorded_at

    def _change(self, told: Told) -> Change:
        marks = self.story.marks
        bounds = Bounds.possible(*(marks[edge] for edge in told.edges or (0, 0, 1, 1)))
        assert bounds is not None
        return Change(self.scopes[told.scope], bounds, told.fact, holds=told.edges is not None)

    def _believed(self, deed: Deed, told: Told, at: int) -> Believed:
        if told.edges is None:
            return Believed(at, told.fact, deed.learner, told.scope, None)
        a, b, c, d = (edge * PER_MARK for edge in told.edges)
        return Believed(at, told.fact, deed.learner, told.scope, (a, b, c, d))

    @property
    def oracle(self) -> Oracle:
        return Oracle(self.beliefs, len(self.story.marks))

    @property
    def moments(self) -> list[int]:
        """Each recorded time, and the moment before it: what was known between two."""
        recorded = sorted({belief.recorded_at for belief in self.beliefs})
        return [moment for at in recorded for moment in (at - 1, at)]


# --------------------------------------------------------------------------------------------- questions


@dataclass(frozen=True)
class Asked:
    """A span as a person asks for it, and the edges that brute force finds for it."""

    span: Span
    a: dt.datetime
    b: dt.datetime


def moments_of(story: Story) -> list[Asked]:
    cutoffs = [(day, first_minute(story.zone, day, story.cutoff)) for day in story.days]
    inner = story.marks[1:-1]
    beside = [mark + step * MICROSECOND for mark in inner for step in (-1, 0, 1)]
    return [*(Asked(CutoffOf(day), at, at) for day, at in cutoffs), *(Asked(At(at), at, at) for at in beside)]


def ranges_of(story: Story) -> list[Asked]:
    pairs = [(first, last) for first in story.days for last in story.days if first <= last]
    days = [Asked(Days(a, b), story.start_of(a), story.start_of(b + dt.timedelta(days=1))) for a, b in pairs]
    inner = story.marks[1:-1]
    exact = [Asked(Instants(a, b + MICROSECOND), a, b + MICROSECOND) for a in inner for b in inner if a <= b]
    return [*days, *exact]


@st.composite
def tales(draw: st.DrawFn) -> tuple[Story, dict[Predicate, list[Asked]], int]:
    """A story, what to ask of it, and how much of it is told before the first questions."""
    story = draw(stories())
    asked = {
        predicate: draw(
            st.lists(
                st.sampled_from(moments_of(story) if predicate is Predicate.ACTIVE_AT else ranges_of(story)),
                min_size=2,
                max_size=3,
                unique=True,
            )
        )
        for predicate in Predicate
    }
    return story, asked, draw(st.integers(1, len(story.deeds)))


# ------------------------------------------------------------------------------------------------ answers


@dataclass
class Comparison:
    """All questions about what was told so far, asked of the database and of brute force."""

    stage: Stage
    oracle: Oracle
    connection: AsyncConnection
    moments: list[int]

    async def windows_and_counts(self, asked: dict[Predicate, list[Asked]]) -> None:
        await self.windows()
        for predicate, spans in asked.items():
            await self.counts(predicate, spans)

    async def who_and_when(self, asked: dict[Predicate, list[Asked]]) -> None:
        for predicate, spans in asked.items():
            await self.lists(predicate, spans)
            await self.lists_in_both(predicate, spans[:2])
            await self.windows_that_answer(predicate, spans[0])
        await self.pages(Predicate.ACTIVE_DURING, asked[Predicate.ACTIVE_DURING][0])

    def _edges(self, predicate: Predicate, asked: Asked) -> tuple[int, int]:
        """The edges of a question as the product reads them, which are those of brute force to the microsecond."""
        read = answerable(ActivityQuestion(predicate, asked.span), self.stage.tenant.calendar)
        assert (read.a, read.b) == (to_microseconds(asked.a), to_microseconds(asked.b)), asked
        return read.a, read.b

    def _ticks(self, asked: Asked) -> tuple[int, int]:
        return self.stage.story.tick_of(asked.a), self.stage.story.tick_of(asked.b)

    async def counts(self, predicate: Predicate, spans: Sequence[Asked]) -> None:
        cases = list(product(self.moments, SCOPES, spans))
        questions = [
            Question(self.stage.tenant.id, self.stage.scopes[scope], *self._edges(predicate, asked), known_at)
            for known_at, scope, asked in cases
        ]
        found = await counts(self.connection, questions, predicate)
        for case, count in zip(cases, found, strict=True):
            known_at, scope, asked = case
            expected = self.oracle.count(predicate.name, known_at, LEARNERS, scope, *self._ticks(asked))
            assert (count.least, count.most) == expected, (predicate, case)

    async def lists(self, predicate: Predicate, spans: Sequence[Asked]) -> None:
        """Who, in order, with what certainty; and how many the list says it holds."""
        for whole in (True, False):
            scopes = [scope for scope in SCOPES if (scope == OWN) is whole]
            cases = list(product(self.moments, scopes, spans))
            keys = [self._key(predicate, case[0], (case[1],), case[2]) for case in cases]
            who = Who(predicate=predicate, whole_organization=whole)
            found = await self._listed(keys, who)
            totals = await learner_totals(self.connection, keys, who)
            for case, listed, total in zip(cases, found, totals, strict=True):
                known_at, scope, asked = case
                expected = self._expected(predicate, known_at, (scope,), asked)
                assert (listed, total) == (expected, len(expected)), (predicate, case)

    async def lists_in_both(self, predicate: Predicate, spans: Sequence[Asked]) -> None:
        cases = list(product(self.moments[-3:], ((TEAM, LIBRARY), (TEAM, OTHER_TEAM), (LIBRARY, OTHER_TEAM)), spans))
        keys = [self._key(predicate, *case) for case in cases]
        who = Who(predicate=predicate, whole_organization=False, in_two_scopes=True)
        for case, listed in zip(cases, await self._listed(keys, who), strict=True):
            assert listed == self._expected(predicate, *case), (predicate, case)

    def _key(self, predicate: Predicate, known_at: int, scopes: tuple[int, ...], asked: Asked) -> LearnersKey:
        one, other = [*(self.stage.scopes[scope] for scope in scopes), 0][:2]
        return LearnersKey(self.stage.tenant.id, one, other, *self._edges(predicate, asked), known_at)

    async def _listed(self, keys: Sequence[LearnersKey], who: Who) -> list[list[tuple[int, bool]]]:
        pages = await learners_of(self.connection, list(map(ListPart, keys)), who, LearnersPage(100))
        ids = [[row.learner_id for row in page] for page in pages]
        certain = await certainties(self.connection, dict(zip(keys, ids, strict=True)), who)
        return [
            [(self.stage.learners.index(learner), surely) for learner, surely in zip(own, certain[key], strict=True)]
            for key, own in zip(keys, ids, strict=True)
        ]

    def _expected(
        self, predicate: Predicate, known_at: int, scopes: tuple[int, ...], asked: Asked
    ) -> list[tuple[int, bool]]:
        ticks = self._ticks(asked)
        answers = {
            learner: self.oracle.answer(predicate.name, known_at, learner, scopes[0], *ticks)
            if len(scopes) == 1
            else self.oracle.answer_in_both(predicate.name, known_at, learner, (scopes[0], scopes[1]), *ticks)
            for learner in in_order(LEARNERS)
        }
        return [(learner, certain) for learner, (certain, possible) in answers.items() if possible]

    async def windows(self) -> None:
        cases = list(product(self.moments, LEARNERS, SCOPES))
        keys = [
            WindowsKey(self.stage.tenant.id, self.stage.scopes[scope], self.stage.learners[learner], 0, 0, known_at)
            for known_at, learner, scope in cases
        ]
        rows = await windows_of_learners(self.connection, keys, WindowsPage(None, 100))
        for place, case in enumerate(cases):
            mine = [row for row in rows if row.place == place]
            expected = self.oracle.windows(*case)
            assert {self._box(row) for row in mine} == {*expected.exact, *expected.unsure}, case
            assert len(mine) == len(expected.exact) + len(expected.unsure), case
            assert all(row.known_from <= case[0] < row.known_until for row in mine), case

    async def windows_that_answer(self, predicate: Predicate, asked: Asked) -> None:
        """Those of which some completion does, in the order of their ends, or the other way round."""
        cases = list(product(self.moments[-2:], LEARNERS, SCOPES))
        ids = [(self.stage.scopes[scope], self.stage.learners[learner]) for _, learner, scope in cases]
        edges = self._edges(predicate, asked)
        keys = [WindowsKey(self.stage.tenant.id, *pair, *edges, case[0]) for case, pair in zip(cases, ids, strict=True)]
        for newest_first in (False, True):
            page = WindowsPage(predicate, 100, newest_first=newest_first)
            rows = await windows_of_learners(self.connection, keys, page)
            for place, case in enumerate(cases):
                found = [self._box(row) for row in rows if row.place == place]
                expected = self.oracle.windows_that_answer(predicate.name, *case, *self._ticks(asked))
                assert sorted(found) == sorted(expected), (predicate, case)
                ends = [(box.to_latest, box.from_earliest) for box in found]
                assert ends == sorted(ends, reverse=newest_first), (predicate, case)

    async def pages(self, predicate: Predicate, asked: Asked) -> None:
        """Paged forward and backward, each learner of a list comes once, in order."""
        known_at = self.moments[-1]
        for scope, size in product((OWN, TEAM), (1, 2)):
            key = self._key(predicate, known_at, (scope,), asked)
            who = Who(predicate=predicate, whole_organization=scope == OWN)
            expected = [learner for learner, _ in self._expected(predicate, known_at, (scope,), asked)]
            assert await self._walked(key, who, LearnersPage(size)) == expected
            assert await self._walked(key, who, LearnersPage(size, descending=True)) == expected[::-1]

    async def _walked(self, key: LearnersKey, who: Who, page: LearnersPage) -> list[int]:
        walked: list[int] = []
        part = ListPart(key)
        while rows := (await learners_of(self.connection, [part], who, page))[0]:
            walked += [self.stage.learners.index(row.learner_id) for row in rows]
            assert len(walked) <= len(LEARNERS), "a page came again"
            part = ListPart(key, (rows[-1].position, rows[-1].learner_id))
        return walked

    def _box(self, row: WindowRow) -> Box:
        edges = (row.from_earliest, row.from_latest, row.to_earliest, row.to_latest)
        ticks = [self.stage.story.tick_of(from_microseconds(edge)) for edge in edges]
        return Box(ticks[0], ticks[1], ticks[2], ticks[3], bool(row.may_be_empty))


def in_order(learners: Iterable[int]) -> list[int]:
    """By name without regard to case, then in the order in which they were made."""
    return sorted(learners, key=lambda learner: (NAMES[learner].casefold(), learner))


# ------------------------------------------------------------------------------------------ day by day

DAILY = """
query ($scopes: [ID!]!, $dates: DateRange!, $knownAt: DateTime!) {
  nodes(ids: $scopes) { ... on ActivityScope {
    activitySeries(dates: $dates, knownAt: $knownAt) {
      day active { exact min max } joined { exact min max } left { exact min max }
    }
    activityPeak(dates: $dates, knownAt: $knownAt) { count { exact min max } firstDate days }
  } }
}
"""
Counted = dict[str, int | None]


async def compare_day_by_day(stage: Stage, known_at: int) -> None:
    """Series and peaks of every scope, as the API answers them."""
    days, oracle = days_in_a_row(stage.story), stage.oracle
    kinds = zip(("Team", "Team", "Library"), stage.scopes[1:], strict=True)
    ids = [encode_id("Organization", stage.tenant.id), *(encode_id(kind, stage.tenant.id, i) for kind, i in kinds)]
    dates = {"from": days[0].isoformat(), "through": days[-1].isoformat()}
    known = from_microseconds(known_at).isoformat()
    answer = await ask(stage.tenant.database, DAILY, scopes=ids, dates=dates, knownAt=known)
    assert answer.errors == []
    for scope, found in zip(SCOPES, answer.data["nodes"], strict=True):
        series = [of_day(stage.story, oracle, scope, day, known_at) for day in days]
        assert found == {"activitySeries": series, "activityPeak": peak_of(series)}, (scope, known_at)


def days_in_a_row(story: Story) -> list[dt.date]:
    """The days until one that the zone skipped."""
    follows = (day == story.days[0] + n * dt.timedelta(days=1) for n, day in enumerate(story.days))
    return [day for day, _ in takewhile(itemgetter(1), zip(story.days, follows, strict=True))]


def of_day(story: Story, oracle: Oracle, scope: int, day: dt.date, known_at: int) -> dict[str, object]:
    cutoff = story.tick_of(first_minute(story.zone, day, story.cutoff))
    edges = [story.tick_of(story.start_of(on)) for on in (day, day + dt.timedelta(days=1))]
    active = oracle.count("ACTIVE_AT", known_at, LEARNERS, scope, cutoff, cutoff)
    joined = oracle.count("ACTIVATED_WITHIN", known_at, LEARNERS, scope, *edges)
    left = oracle.count("DEACTIVATED_WITHIN", known_at, LEARNERS, scope, *edges)
    return {"day": day.isoformat(), "active": counted(active), "joined": counted(joined), "left": counted(left)}


def counted(count: tuple[int, int]) -> Counted:
    return {"exact": count[0] if count[0] == count[1] else None, "min": count[0], "max": count[1]}


def peak_of(series: Sequence[dict[str, Any]]) -> dict[str, object]:
    least, most = (max(day["active"][bound] for day in series) for bound in ("min", "max"))
    reached = [day["day"] for day in series if day["active"]["min"] == least]
    return {"count": counted((least, most)), "firstDate": reached[0], "days": len(reached)}


# -------------------------------------------------------------------------------------------------- rules


@given(tale=tales())
@settings(
    # Each example asks some thousand questions.
    max_examples=settings().max_examples * 3 // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_every_answer_is_what_brute_force_finds_and_stays_so(
    database: Database, tale: tuple[Story, dict[Predicate, list[Asked]], int]
) -> None:
    """Windows and counts are asked after some of the acts, and all is after the others, as known at each time."""
    story, asked, told_first = tale
    stage = await Stage.of(database, story)
    await stage.tell(story.deeds[:told_first])
    async with database.reading() as connection:
        await Comparison(stage, stage.oracle, connection, stage.moments).windows_and_counts(asked)
    await stage.tell(story.deeds[told_first:])
    async with database.reading() as connection:
        comparison = Comparison(stage, stage.oracle, connection, stage.moments)
        await comparison.windows_and_counts(asked)
        await comparison.who_and_when(asked)
    for known_at in (stage.moments[-1], stage.moments[len(stage.moments) // 2]):
        await compare_day_by_day(stage, known_at)
