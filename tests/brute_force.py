"""What should be so, found the long way: a list of beliefs, time cut into ticks, and every possibility tried.

It shares no code with the product. Instants are marks in order, three ticks apart: `3 k` is the k-th mark itself, and
the two ticks between it and the next stand for all instants there. The first mark is before anything, the last after
everything. Windows are the runs of ticks at which something is so; of what has a lost date every completion is listed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

PER_MARK = 3


# ----------------------------------------------------------------------------------------------- days


@lru_cache(maxsize=4096)
def first_minute(zone: str, day: dt.date, time: dt.time) -> dt.datetime:
    """The first minute at which the local clock has reached this time of this day, by trying each of three days."""
    wall = dt.datetime.combine(day, time)
    start = (wall - dt.timedelta(hours=30)).replace(tzinfo=dt.UTC)
    local = ZoneInfo(zone)
    minutes = (start + dt.timedelta(minutes=n) for n in range(72 * 60))
    return next(minute for minute in minutes if minute.astimezone(local).replace(tzinfo=None) >= wall)


# --------------------------------------------------------------------------------------------- beliefs


@dataclass(frozen=True)
class Believed:
    """One belief as it was recorded: the marks between which it began and ended, or None if it never was."""

    recorded_at: int
    fact: int
    learner: int
    scope: int
    edges: tuple[int, int, int, int] | None


@dataclass(frozen=True, order=True)
class Box:
    """A window of which a date is lost: the least and most of its completions; some may leave it empty."""

    from_earliest: int
    from_latest: int
    to_earliest: int
    to_latest: int
    may_be_empty: bool = False

    def completions(self) -> Iterator[tuple[int, int]]:
        starts = range(self.from_earliest, self.from_latest + 1)
        ends = range(self.to_earliest, self.to_latest + 1)
        return ((start, end) for start in starts for end in ends if start < end)

    @property
    def is_exact(self) -> bool:
        return len(list(self.completions())) == 1 and not self.may_be_empty


def hull(completions: Iterable[tuple[int, int]], may_be_empty: bool = False) -> Box | None:
    listed = list(completions)
    if not listed:
        return None
    starts, ends = [start for start, _ in listed], [end for _, end in listed]
    return Box(min(starts), max(starts), min(ends), max(ends), may_be_empty)


@lru_cache(maxsize=100_000)
def box_of(edges: tuple[int, int, int, int]) -> Box:
    box = hull(Box(*edges).completions())
    assert box is not None
    return box


@lru_cache(maxsize=100_000)
def meeting(one: Box, other: Box) -> Box | None:
    """What two have in common, over all pairs of completions; pairs that miss each other leave it empty.

    Between the edges and their neighbours one tick is as good as another, so those are enough.
    """
    edges = {*astuple(one)[:4], *astuple(other)[:4]}
    near = {edge + step for edge in edges for step in (-1, 0, 1)}
    mine, theirs = ([pair for pair in box.completions() if near.issuperset(pair)] for box in (one, other))
    common = {(max(a, c), min(b, d)) for a, b in mine for c, d in theirs}
    met = {(start, end) for start, end in common if start < end}
    return hull(met, may_be_empty=met != common or one.may_be_empty or other.may_be_empty)


@lru_cache(maxsize=100_000)
def without_spanning(box: Box, ends: tuple[int, ...]) -> Box:
    """The completions that span no known end; an end that every completion spans is a contradiction, and no help."""
    listed = list(box.completions())
    told = [end for end in ends if not all(start < end < to for start, to in listed)]
    kept = hull((start, to) for start, to in listed if not any(start < end < to for end in told))
    return kept or box


# ----------------------------------------------------------------------------------------- five questions

Asks = Callable[[int, int, int, int], bool]

QUESTIONS: dict[str, Asks] = {
    "ACTIVE_AT": lambda start, end, a, b: a in range(start, end),
    "ACTIVE_DURING": lambda start, end, a, b: not set(range(start, end)).isdisjoint(range(a, b)),
    "ACTIVE_THROUGHOUT": lambda start, end, a, b: set(range(start, end)).issuperset(range(a, b)),
    "ACTIVATED_WITHIN": lambda start, end, a, b: start in range(a, b),
    # Its last tick is one of the range.
    "DEACTIVATED_WITHIN": lambda start, end, a, b: end - 1 in range(a, b),
}


@lru_cache(maxsize=400_000)
def verdict(question: str, box: Box, a: int, b: int) -> tuple[bool, bool]:
    """Whether every completion answers with yes, and whether some does."""
    asks = QUESTIONS[question]
    possible = any(asks(start, end, a, b) for start, end in box.completions())
    if not possible or box.may_be_empty:
        return False, possible
    return all(asks(start, end, a, b) for start, end in box.completions()), True


# ---------------------------------------------------------------------------------------------- oracle


@dataclass(frozen=True)
class Known:
    """The windows of one learner in one scope: certain ones as runs, and boxes for the others."""

    exact: tuple[Box, ...]
    unsure: tuple[Box, ...]


class Oracle:
    """All that was ever believed in one organization, whose own scope is 0, over so many marks."""

    def __init__(self, beliefs: Sequence[Believed], marks: int) -> None:
        self._beliefs = beliefs
        self._last_tick = (marks - 1) * PER_MARK
        self._windows: dict[tuple[int, int, int], Known] = {}

    def held(self, known_at: int, learner: int) -> list[tuple[int, Box]]:
        """What was held at a recorded time: (scope, when) of each fact by its last belief."""
        last: dict[int, Believed] = {}
        for belief in sorted(self._beliefs, key=lambda belief: belief.recorded_at):
            if belief.recorded_at <= known_at:
                last[belief.fact] = belief
        mine = (belief for belief in last.values() if belief.learner == learner and belief.edges)
        return [(belief.scope, box_of(belief.edges)) for belief in mine if belief.edges]

    def windows(self, known_at: int, learner: int, scope: int) -> Known:
        key = (known_at, learner, scope)
        if key not in self._windows:
            self._windows[key] = self._find_windows(self.held(known_at, learner), scope)
        return self._windows[key]

    def _find_windows(self, held: list[tuple[int, Box]], scope: int) -> Known:
        activity = self._of_scope(held, 0)
        if scope == 0:
            return activity
        membership = self._of_scope(held, scope)
        exact = self._runs(self._ticks(activity.exact) & self._ticks(membership.exact))
        pairs = [
            *((one, other) for one in activity.unsure for other in (*membership.exact, *membership.unsure)),
            *((one, other) for one in activity.exact for other in membership.unsure),
        ]
        met = (meeting(one, other) for one, other in pairs)
        return Known(exact, self._not_held(exact, [box for box in met if box]))

    def _of_scope(self, held: list[tuple[int, Box]], scope: int) -> Known:
        mine = [box for of, box in held if of == scope]
        exact = self._runs(self._ticks(box for box in mine if box.is_exact))
        lost_with_activity = {box for of, box in held if of == 0}
        active = self._runs(self._ticks(box for of, box in held if of == 0 and box.is_exact))
        ends = tuple(sorted(box.to_latest for box in exact))
        both = tuple(sorted({*ends, *(box.to_latest for box in active)}))
        unsure = [
            without_spanning(box, both if box in lost_with_activity else ends) for box in mine if not box.is_exact
        ]
        return Known(exact, self._not_held(exact, unsure))

    def _not_held(self, exact: Sequence[Box], unsure: Sequence[Box]) -> tuple[Box, ...]:
        """Each once, without those of which every completion lies in a certain window."""
        runs = [range(box.from_earliest, box.to_latest + 1) for box in exact]
        kept = [b for b in unsure if not any(b.from_earliest in run and b.to_latest in run for run in runs)]
        return tuple(dict.fromkeys(kept))

    def _ticks(self, boxes: Iterable[Box]) -> set[int]:
        return {tick for box in boxes for tick in range(box.from_earliest, box.to_latest)}

    def _runs(self, ticks: set[int]) -> tuple[Box, ...]:
        """Each run of ticks without a gap is one window."""
        starts = [tick for tick in sorted(ticks) if tick - 1 not in ticks]
        ends = [tick + 1 for tick in sorted(ticks) if tick + 1 not in ticks]
        return tuple(Box(start, start, end, end) for start, end in zip(starts, ends, strict=True))

    # -------------------------------------------------------------------------------------- answers

    def answer(self, question: str, known_at: int, learner: int, scope: int, a: int, b: int) -> tuple[bool, bool]:
        """Whether a learner certainly, and whether possibly, answers with yes."""
        known = self.windows(known_at, learner, scope)
        return _any_of(question, (*known.exact, *known.unsure), a, b)

    def windows_that_answer(self, question: str, known_at: int, learner: int, scope: int, a: int, b: int) -> list[Box]:
        """The windows of which some completion answers with yes."""
        known = self.windows(known_at, learner, scope)
        return [box for box in (*known.exact, *known.unsure) if verdict(question, box, a, b)[1]]

    def answer_in_both(
        self, question: str, known_at: int, learner: int, scopes: tuple[int, int], a: int, b: int
    ) -> tuple[bool, bool]:
        """The same of what the windows of two scopes share."""
        one, other = (self.windows(known_at, learner, scope) for scope in scopes)
        exact = self._runs(self._ticks(one.exact) & self._ticks(other.exact))
        pairs = [
            *((mine, theirs) for mine in one.unsure for theirs in (*other.exact, *other.unsure)),
            *((mine, theirs) for mine in one.exact for theirs in other.unsure),
        ]
        met = [box for mine, theirs in pairs if (box := meeting(mine, theirs))]
        return _any_of(question, (*exact, *met), a, b)

    def count(
        self, question: str, known_at: int, learners: Iterable[int], scope: int, a: int, b: int
    ) -> tuple[int, int]:
        """How many certainly do, and how many possibly."""
        answers = [self.answer(question, known_at, learner, scope, a, b) for learner in learners]
        return sum(certain for certain, _ in answers), sum(possible for _, possible in answers)


def _any_of(question: str, boxes: Iterable[Box], a: int, b: int) -> tuple[bool, bool]:
    verdicts = [verdict(question, box, a, b) for box in boxes]
    return any(certain for certain, _ in verdicts), any(possible for _, possible in verdicts)
