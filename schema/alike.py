"""Things that came as rows: made one by one for those who ask for one, and otherwise left as they came.

A list of hundreds of learners is their rows and what they share. Whoever works through all of them, as a plan does,
asks for a thing that stands for each in turn, or for the rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Made(Sequence[T]):
    """A sequence whose elements are made when they are asked for. None is missing."""

    def __contains__(self, thing: object) -> bool:
        return thing is not None and super().__contains__(thing)


@dataclass(frozen=True, slots=True)
class Run(Generic[T]):
    """Things that share all but their rows."""

    make: Callable[[Any], T]
    rows: Sequence[Any]


class Alike(Made[T]):
    """Things of one type, in runs of which each differs in its row alone: the attribute of that name."""

    __slots__ = ("_ends", "_runs")

    def __init__(self, runs: Iterable[Run[T]]) -> None:
        self._runs = [run for run in runs if run.rows]
        self._ends = list(accumulate(len(run.rows) for run in self._runs))

    @classmethod
    def of(cls, make: Callable[[Any], T], rows: Sequence[Any]) -> Alike[T]:
        return cls([Run(make, rows)])

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[T]:
        for run in self._runs:
            yield from map(run.make, run.rows)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return self._part(place)
        at = place if place >= 0 else len(self) + place
        if not 0 <= at < len(self):
            raise IndexError(place)
        number = bisect_right(self._ends, at)
        run = self._runs[number]
        return run.make(run.rows[at - self._ends[number]])

    def _part(self, part: slice) -> Sequence[T]:
        if len(self._runs) == 1:
            (run,) = self._runs
            return Alike([Run(run.make, run.rows[part])])
        return list(self)[part] if self._runs else []

    @property
    def runs(self) -> Sequence[Run[T]]:
        return self._runs


class Lists(Made[Sequence[T]]):
    """Many lists as one: all of their things, and how many of these each list has."""

    __slots__ = ("ends", "things")

    def __init__(self, things: Sequence[T], lengths: Iterable[int]) -> None:
        self.things = things
        self.ends = list(accumulate(lengths))

    @classmethod
    def joined(cls, lists: Sequence[Sequence[T]]) -> Lists[T]:
        return cls(joined(lists), map(len, lists))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> Sequence[T]: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Sequence[T]]: ...

    def __getitem__(self, place: int | slice) -> Sequence[T] | Sequence[Sequence[T]]:
        if isinstance(place, slice):
            return [self[at] for at in range(len(self))[place]]
        end = self.ends[place]
        at = range(len(self))[place]
        return self.things[self.ends[at - 1] if at else 0 : end]

    def each(self, of_things: Sequence[Any]) -> list[Sequence[Any]]:
        """What came of all things, by the lists in which these are."""
        return [of_things[start:end] for start, end in zip([0, *self.ends], self.ends, strict=False)]


def joined(lists: Sequence[Sequence[T]]) -> Sequence[T]:
    if lists and all(isinstance(one, Alike) for one in lists):
        return Alike([run for one in lists for run in one.runs])  # type: ignore[attr-defined]
    return [thing for one in lists for thing in one]


def runs_of(things: Sequence[T]) -> Iterator[tuple[T, Sequence[Any]]]:
    """A thing that stands for all of its run, and the rows of these; of other things each with its own row."""
    if isinstance(things, Alike):
        for run in things.runs:
            yield run.make(run.rows[0]), run.rows
    else:
        for thing in things:
            yield thing, (thing.row,)  # type: ignore[attr-defined]


def rows_of(things: Sequence[object]) -> Sequence[Any]:
    """The rows of things that came as such."""
    if not isinstance(things, Alike):
        return [thing.row for thing in things]  # type: ignore[attr-defined]
    return things.runs[0].rows if len(things.runs) == 1 else [row for run in things.runs for row in run.rows]


def kinds_of(things: Sequence[object]) -> set[type]:
    return {type(run.make(run.rows[0])) for run in things.runs} if isinstance(things, Alike) else set(map(type, things))


def in_turn(things: Sequence[T]) -> Iterable[T]:
    """Each of the things, one after the other: of a run the same one with another row. For who keeps none of them."""
    return _in_turn(things) if isinstance(things, Alike) else things


def _in_turn(things: Alike[T]) -> Iterator[T]:
    for run in things.runs:
        standing: Any = run.make(run.rows[0])
        for row in run.rows:
            standing.row = row
            yield standing
