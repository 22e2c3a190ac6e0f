"""Who counts for a bill must be who brute force finds: active at an instant asked about that no exclusion holds.

The stories are those of `test_activity_properties`; of memberships exclusions are made, of which both ends are known,
as they are of every exclusion that can be recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.activity import Predicate
from models.interval import to_microseconds
from resolvers.loaders.billable import BillableKey, BillableOneKey, billable, billable_counts, billable_of
from resolvers.loaders.counts import Count
from server.database import Database
from tests.brute_force import Oracle
from tests.test_activity_properties import (
    LEARNERS,
    LIBRARY,
    OWN,
    TEAM,
    Asked,
    Deed,
    Stage,
    Story,
    Told,
    edges_among,
    moments_of,
    ranges_of,
    stories,
)

EXCLUSION = 2
FIRST_OF_OURS = 1_000
PRODUCTS = (OWN, LIBRARY)
# By these a bill counts; of the others it is enough that they answer as they do everywhere.
BILLED_BY = (Predicate.ACTIVE_AT, Predicate.ACTIVE_DURING)

Answers = dict[int, bool]


def with_known_exclusions(story: Story) -> Story:
    deeds = (replace(deed, told=tuple(_known(told) for told in deed.told)) for deed in story.deeds)
    return replace(story, deeds=tuple(deeds))


def _known(told: Told) -> Told:
    if told.scope not in (TEAM, EXCLUSION):
        return told
    if told.edges is None:
        return replace(told, scope=EXCLUSION)
    first, last = max(told.edges[0], 1), told.edges[3]
    return replace(told, scope=EXCLUSION, edges=(first, first, last, last))


@st.composite
def of_somebody_uncertain(draw: st.DrawFn, marks: int) -> tuple[Deed, ...]:
    """Somebody of whom a date is lost, with an exclusion beside it: else such a meeting is rare."""
    lost = draw(edges_among(marks).filter(lambda edges: edges[:2] != edges[1::-1] or edges[2:] != edges[:1:-1]))
    known = [draw(edges_among(marks)) for _ in range(draw(st.integers(1, 2)))]
    told = [Told(FIRST_OF_OURS, OWN, lost)]
    told += [Told(FIRST_OF_OURS + n, EXCLUSION, edges) for n, edges in enumerate(known, start=1)]
    return tuple(Deed(LEARNERS[-1], (one,), False) for one in told)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Story, dict[Predicate, list[Asked]]]:
    story = draw(stories())
    deeds = (*story.deeds, *draw(of_somebody_uncertain(len(story.marks))))
    story = with_known_exclusions(replace(story, deeds=deeds))
    spans = {p: moments_of(story) if p is Predicate.ACTIVE_AT else ranges_of(story) for p in Predicate}
    return story, {p: draw(st.lists(st.sampled_from(s), min_size=3, max_size=5, unique=True)) for p, s in spans.items()}


def excluded_ticks(oracle: Oracle, known_at: int, learner: int) -> set[int]:
    held = [box for scope, box in oracle.held(known_at, learner) if scope == EXCLUSION]
    return {tick for box in held for tick in range(box.from_earliest, box.to_latest)}


def billed(oracle: Oracle, known_at: int, learner: int, scope: int, asked: set[int]) -> tuple[bool, bool]:
    """Whether a learner certainly, and whether possibly, is active at one of the ticks that are not excluded."""
    left = asked - excluded_ticks(oracle, known_at, learner)
    windows = oracle.windows(known_at, learner, scope)
    if any(not left.isdisjoint(range(box.from_earliest, box.to_latest)) for box in windows.exact):
        return True, True
    answers = [
        (not box.may_be_empty, [not left.isdisjoint(range(start, end)) for start, end in box.completions()])
        for box in windows.unsure
    ]
    return any(whole and all(found) for whole, found in answers), any(any(found) for _, found in answers)


@given(case=cases())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_who_counts_is_who_is_active_and_not_excluded(
    database: Database, case: tuple[Story, dict[Predicate, list[Asked]]]
) -> None:
    story, asked = case
    stage = await Stage.of(database, story)
    await stage.tell(story.deeds)
    for predicate in BILLED_BY:
        await compare(stage, predicate, asked[predicate])


async def compare(stage: Stage, predicate: Predicate, spans: Sequence[Asked]) -> None:
    oracle, story = stage.oracle, stage.story
    asked = list(product(stage.moments, PRODUCTS, spans))
    keys = [key(stage, scope, span, known_at, excluded_id=stage.scopes[EXCLUSION]) for known_at, scope, span in asked]
    async with stage.tenant.database.reading() as connection:
        rows = await billable(connection, keys, predicate)
        counts = await billable_counts(connection, keys, predicate)
    assert max(Counter((row.place, row.learner_id) for row in rows).values(), default=1) == 1, "people, each once"
    found: list[Answers] = [{} for _ in keys]
    for row in rows:
        found[row.place][stage.learners.index(row.learner_id)] = bool(row.certain)
    for one, answers, count in zip(asked, found, counts, strict=True):
        known_at, scope, span = one
        a, b = story.tick_of(span.a), story.tick_of(span.b)
        ticks = {a} if predicate is Predicate.ACTIVE_AT else set(range(a, b))
        expected = {n: billed(oracle, known_at, n, scope, ticks) for n in LEARNERS}
        assert answers == {n: sure for n, (sure, possible) in expected.items() if possible}, (predicate, one)
        assert count == Count(sum(answers.values()), len(answers)), (predicate, one)
    await compare_one_by_one(stage, predicate, keys, found)


def key(stage: Stage, scope: int, span: Asked, known_at: int, *, excluded_id: int = 0) -> BillableKey:
    a, b = to_microseconds(span.a), to_microseconds(span.b)
    return BillableKey(stage.tenant.id, stage.scopes[scope], excluded_id, a, b, known_at)


async def compare_one_by_one(
    stage: Stage, predicate: Predicate, keys: Sequence[BillableKey], found: Sequence[Answers]
) -> None:
    """Asked of one learner alone the answer is the same."""
    some = slice(None, None, 5)
    of_each = [BillableOneKey(*key, learner) for key in keys[some] for learner in stage.learners]
    async with stage.tenant.database.reading() as connection:
        alone = await billable_of(connection, of_each, predicate)
    expected = [answers.get(n) for answers in found[some] for n in LEARNERS]
    assert [row and bool(row.certain) for row in alone] == expected


@given(case=cases())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_without_exclusions_every_question_is_answered_as_everywhere(
    database: Database, case: tuple[Story, dict[Predicate, list[Asked]]]
) -> None:
    story, asked = case
    stage = await Stage.of(database, story)
    await stage.tell(story.deeds)
    oracle = stage.oracle
    for predicate, spans in asked.items():
        cases_ = list(product(stage.moments, (*PRODUCTS, EXCLUSION), spans[:2]))
        keys = [key(stage, scope, span, known_at) for known_at, scope, span in cases_]
        async with database.reading() as connection:
            counts = await billable_counts(connection, keys, predicate)
        for one, count in zip(cases_, counts, strict=True):
            known_at, scope, span = one
            ticks = story.tick_of(span.a), story.tick_of(span.b)
            assert count == oracle.count(predicate.name, known_at, LEARNERS, scope, *ticks), (predicate, one)
