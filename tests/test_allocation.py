"""How vouchers are laid on a cart: least due, then least waste, then what expires first; as brute force finds it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.allocation import Amounts, Line, Offer, allocate

SOON, LATER, LAST = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (1, 2, 3))


def line(number: int, amount_minor: int) -> Line:
    return Line(number, amount_minor)


def offer(
    number: int,
    most_minor: int,
    lines: Sequence[int] = (1, 2, 3),
    *,
    expires: dt.datetime = LATER,
    forfeits: bool = False,
    worth_minor: int | None = None,
) -> Offer:
    worth = most_minor if worth_minor is None else worth_minor
    return Offer(number, most_minor, worth, forfeits, frozenset(lines), expires)


def test_a_voucher_pays_no_more_than_is_due_and_for_no_line_that_it_may_not() -> None:
    lines = [line(1, 12_500), line(2, 5_000)]
    assert allocate(lines, [offer(1, 20_000, [1])]) == {1: {1: 12_500}}
    assert allocate(lines, [offer(1, 20_000)]) == {1: {1: 12_500, 2: 5_000}}
    assert allocate(lines, [offer(1, 20_000, [])]) == {}
    assert allocate([], [offer(1, 20_000)]) == {}
    assert allocate(lines, []) == {}


def test_the_one_that_may_pay_anything_makes_room_for_the_one_that_may_not() -> None:
    """Whoever came first and in whatever order they expire, nothing is left due."""
    lines = [line(1, 100), line(2, 100)]
    assert allocate(lines, [offer(1, 100, expires=SOON), offer(2, 100, [1], expires=LAST)]) == {
        1: {2: 100},
        2: {1: 100},
    }


def test_what_expires_first_is_spent_first() -> None:
    assert allocate([line(1, 100)], [offer(1, 100, expires=LATER), offer(2, 60, expires=SOON)]) == {
        2: {1: 60},
        1: {1: 40},
    }


def test_what_would_be_forfeited_is_spent_before_what_is_kept() -> None:
    keeps, forfeits = offer(1, 100, expires=SOON), offer(2, 100, forfeits=True, expires=LAST)
    assert allocate([line(1, 150)], [keeps, forfeits]) == {2: {1: 100}, 1: {1: 50}}


def test_nothing_is_forfeited_for_what_another_can_pay() -> None:
    keeps, forfeits = offer(1, 100, expires=LAST), offer(2, 80, forfeits=True, expires=SOON)
    assert allocate([line(1, 60)], [keeps, forfeits]) == {1: {1: 60}}


def test_less_due_counts_more_than_any_waste() -> None:
    keeps, forfeits = offer(1, 59), offer(2, 10_000, forfeits=True)
    assert allocate([line(1, 60)], [keeps, forfeits]) == {2: {1: 60}}


def test_a_named_amount_is_the_most_that_is_taken() -> None:
    assert allocate([line(1, 100)], [offer(1, 30, worth_minor=100)]) == {1: {1: 30}}


@pytest.mark.parametrize("forfeits", [False, True])
def test_ten_vouchers_on_fifty_lines_take_no_longer_than_a_person_notices(forfeits: bool) -> None:
    lines = [line(number, 1_000 + number) for number in range(1, 51)]
    offers = [offer(n, 4_000, range(n, 51, n), forfeits=forfeits, worth_minor=4_000 + n) for n in range(1, 11)]
    paid = allocate(lines, offers)
    assert sum(sum(amounts.values()) for amounts in paid.values()) == 40_000
    assert_allowed(lines, offers, paid)


@st.composite
def carts(draw: st.DrawFn) -> tuple[list[Line], list[Offer]]:
    lines = [line(number, draw(st.integers(0, 4))) for number in range(1, draw(st.integers(0, 3)) + 1)]
    offers = [
        offer(
            number,
            most := draw(st.integers(0, 4)),
            draw(st.lists(st.integers(1, 3), unique=True)),
            expires=draw(st.sampled_from([SOON, LATER, LAST])),
            forfeits=draw(st.booleans()),
            worth_minor=most + draw(st.integers(0, 2)),
        )
        for number in range(1, draw(st.integers(0, 3)) + 1)
    ]
    return lines, offers


@given(carts())
def test_no_other_way_to_pay_a_small_cart_is_better(cart: tuple[list[Line], list[Offer]]) -> None:
    lines, offers = cart
    paid = allocate(lines, offers)
    assert_allowed(lines, offers, paid)
    used = {offer.id: sum(paid.get(offer.id, {}).values()) for offer in offers}
    best = min(worth(offers, other) for other in every_way(lines, offers))
    assert worth(offers, used) == best


@given(carts(), st.data())
def test_the_order_in_which_they_were_entered_changes_nothing(
    cart: tuple[list[Line], list[Offer]], data: st.DataObject
) -> None:
    lines, offers = cart
    mixed = data.draw(st.permutations(lines)), data.draw(st.permutations(offers))
    assert allocate(*mixed) == allocate(lines, offers)


def assert_allowed(lines: Sequence[Line], offers: Sequence[Offer], paid: Amounts) -> None:
    of = {offer.id: offer for offer in offers}
    for offer_id, amounts in paid.items():
        assert set(amounts) <= of[offer_id].lines
        assert all(minor > 0 for minor in amounts.values())
        assert sum(amounts.values()) <= of[offer_id].most_minor
    for each in lines:
        assert sum(amounts.get(each.number, 0) for amounts in paid.values()) <= each.amount_minor


def every_way(lines: Sequence[Line], offers: Sequence[Offer]) -> Iterator[dict[int, int]]:
    """How much each offer is used, in every way to lay whole units on lines."""
    pairs = [(place, o, each) for place, o in enumerate(offers) for each in lines if each.number in o.lines]
    seen: set[tuple[int, ...]] = set()
    for amounts in product(*(range(min(o.most_minor, each.amount_minor) + 1) for _, o, each in pairs)):
        used, need = [0] * len(offers), {each.number: each.amount_minor for each in lines}
        for (place, _, each), minor in zip(pairs, amounts, strict=True):
            used[place] += minor
            need[each.number] -= minor
        fits = all(minor <= o.most_minor for minor, o in zip(used, offers, strict=True))
        if fits and min(need.values(), default=0) >= 0 and tuple(used) not in seen:
            seen.add(tuple(used))
            yield {o.id: minor for o, minor in zip(offers, used, strict=True)}


def worth(offers: Sequence[Offer], used: dict[int, int]) -> tuple[int, int, list[int]]:
    """The three wishes in their order, written as plainly as the law says them."""
    wasted = sum(o.worth_minor - used[o.id] for o in offers if o.forfeits_rest and used[o.id])
    by_expiry = sorted(offers, key=lambda o: (o.expires_at, o.id))
    return -sum(used.values()), wasted, [-used[o.id] for o in by_expiry]
