"""Things that came as rows are, to everybody who looks at them, the list that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.alike import Alike, Lists, Run, in_turn, joined, kinds_of, runs_of


@dataclass
class Thing:
    row: int
    shared: str


RUNS = st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 9), max_size=4)), max_size=4)


def thing(shared: str, row: int) -> Thing:
    return Thing(row, shared)


def alike(runs: Sequence[tuple[str, Sequence[int]]]) -> Alike[Thing]:
    return Alike(Run(partial(thing, shared), rows) for shared, rows in runs)


def plain(runs: Sequence[tuple[str, Sequence[int]]]) -> list[Thing]:
    return [Thing(row, shared) for shared, rows in runs for row in rows]


@given(RUNS)
def test_things_alike_are_the_list_of_them(runs: list[tuple[str, list[int]]]) -> None:
    things, listed = alike(runs), plain(runs)
    assert list(things) == listed
    assert len(things) == len(listed)
    assert [things[place] for place in range(-len(listed), len(listed))] == listed * 2
    assert [(one.row, one.shared) for one in in_turn(things)] == [(one.row, one.shared) for one in listed]
    assert [(row, one.shared) for one, rows in runs_of(things) for row in rows] == [
        (one.row, one.shared) for one in listed
    ]
    assert kinds_of(things) == set(map(type, listed))
    assert None not in things
    with pytest.raises(IndexError):
        _ = things[len(listed)]


@given(RUNS, st.slices(8))
def test_a_part_of_things_alike_is_that_part_of_the_list(runs: list[tuple[str, list[int]]], part: slice) -> None:
    assert list(alike(runs)[part]) == plain(runs)[part]


@given(st.lists(RUNS, max_size=4), st.booleans())
def test_lists_as_one_come_apart_again(of_lists: list[list[tuple[str, list[int]]]], are_plain: bool) -> None:
    lists: list[Sequence[Thing]] = [plain(runs) if are_plain else alike(runs) for runs in of_lists]
    expected = [plain(runs) for runs in of_lists]
    assert list(joined(lists)) == [one for own in expected for one in own]
    together = Lists.joined(lists)
    assert [list(one) for one in together] == expected
    assert [list(one) for one in together[::-1]] == expected[::-1]
    assert together.each([one.row for one in together.things]) == [[one.row for one in own] for own in expected]


def test_who_works_through_all_things_makes_one_of_each_run() -> None:
    made: list[int] = []

    def make(shared: str, row: int) -> Thing:
        made.append(row)
        return thing(shared, row)

    things = Alike([Run(partial(make, "a"), [1, 2, 3]), Run(partial(make, "b"), [4, 5])])
    assert [one.row for one in things[:4]] == [1, 2, 3, 4]
    made.clear()
    assert [one.row for one in in_turn(things)] == [1, 2, 3, 4, 5]
    assert made == [1, 4]
