"""What a promotion takes off: exact, half up, within its cap, and the remainder on the largest line."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from models.products import ProductRule
from models.promotions import BASIS_POINTS, PromotedLine, PromotionTerms, benefit

ANY = ProductRule((), ())
FEE, LATE_FEE = 1, 2


def line(number: int, amount_minor: int, product_id: int = FEE) -> PromotedLine:
    return PromotedLine(number, product_id, amount_minor)


def percent(
    points: int, *, most: int | None = None, left: int | None = None, rule: ProductRule = ANY
) -> PromotionTerms:
    return PromotionTerms(rule=rule, basis_points_off=points, most_off_minor=most, left_minor=left)


def test_a_percentage_is_rounded_half_up_on_each_line() -> None:
    assert benefit(percent(5_000), [line(1, 1), line(2, 3), line(3, 4)]) == {1: 1, 2: 2, 3: 2}
    assert benefit(percent(1_250), [line(1, 3), line(2, 4)]) == {2: 1}


def test_beyond_the_cap_each_line_has_its_share_and_the_largest_the_remainder() -> None:
    assert benefit(percent(10_000, most=100), [line(1, 100), line(2, 100), line(3, 101)]) == {1: 33, 2: 33, 3: 34}
    assert benefit(percent(10_000, most=100), [line(1, 100), line(2, 100), line(3, 100)]) == {1: 34, 2: 33, 3: 33}
    assert benefit(percent(5_000, most=5_000, left=700), [line(1, 12_500)]) == {1: 700}


def test_what_the_largest_line_cannot_take_goes_to_the_next() -> None:
    assert benefit(percent(10_000, most=2), [line(1, 1), line(2, 1), line(3, 1)]) == {1: 1, 2: 1}


def test_an_amount_is_taken_off_line_by_line() -> None:
    terms = PromotionTerms(rule=ANY, amount_off_minor=15_000)
    assert benefit(terms, [line(2, 5_000), line(1, 12_500)]) == {1: 12_500, 2: 2_500}
    assert benefit(terms, [line(1, 9_000)]) == {1: 9_000}
    capped = PromotionTerms(rule=ANY, amount_off_minor=15_000, most_off_minor=14_000, left_minor=13_000)
    assert benefit(capped, [line(1, 12_500), line(2, 5_000)]) == {1: 12_500, 2: 500}


def test_an_excluded_line_has_nothing_taken_off_whatever_is_left() -> None:
    rule = ProductRule((), (LATE_FEE,))
    lines = [line(1, 5_000, LATE_FEE), line(2, 12_500)]
    assert benefit(percent(5_000, rule=rule), lines) == {2: 6_250}
    assert benefit(PromotionTerms(rule=rule, amount_off_minor=20_000), lines) == {2: 12_500}
    assert benefit(percent(5_000, left=0), lines) == {}


AMOUNTS = st.integers(0, 50_000) | st.integers(0, 10**13)
LINES = st.lists(st.tuples(AMOUNTS, st.sampled_from((FEE, LATE_FEE))), max_size=50)
BOUNDS = st.none() | st.integers(0, 60_000)
RULES = st.sampled_from((ANY, ProductRule((FEE,), ()), ProductRule((), (LATE_FEE,))))


def numbered(parts: Sequence[tuple[int, int]]) -> list[PromotedLine]:
    return [line(number, amount, product) for number, (amount, product) in enumerate(parts, 1)]


def half_up(exact: Fraction) -> int:
    return floor(exact + Fraction(1, 2))


@given(LINES, st.integers(1, BASIS_POINTS), BOUNDS, BOUNDS, RULES)
def test_a_percentage_against_exact_fractions(
    parts: list[tuple[int, int]], points: int, most: int | None, left: int | None, rule: ProductRule
) -> None:
    lines, terms = numbered(parts), percent(points, most=most, left=left, rule=rule)
    off = benefit(terms, lines)
    eligible = {one.number: one.amount_minor for one in lines if rule.admits(one.product_id)}
    uncapped = {number: half_up(Fraction(amount * points, BASIS_POINTS)) for number, amount in eligible.items()}
    whole, cap = sum(uncapped.values()), min(bound for bound in (most, left, 10**18) if bound is not None)
    assert sum(off.values()) == min(whole, cap)
    assert all(0 < minor <= uncapped[number] <= eligible[number] for number, minor in off.items())
    assert benefit(terms, lines[::-1]) == off
    by_size = sorted(uncapped, key=lambda number: (-uncapped[number], number))
    exact = {number: Fraction(uncapped[number] * min(whole, cap), whole or 1) for number in eligible}
    more = [off.get(number, 0) - floor(exact[number]) for number in by_size]
    assert 0 <= sum(more) < max(len(more), 1)
    # All that the rounding left is on the largest, and on the next only if the largest has all that it may have.
    assert all(
        more[place] == 0 for place in range(1, len(more)) if off.get(by_size[place - 1]) != uncapped[by_size[place - 1]]
    )


@given(LINES, st.integers(1, 10**6), BOUNDS, BOUNDS, RULES)
def test_an_amount_is_used_up_before_a_later_line_has_any(
    parts: list[tuple[int, int]], amount: int, most: int | None, left: int | None, rule: ProductRule
) -> None:
    lines = numbered(parts)
    terms = PromotionTerms(rule=rule, amount_off_minor=amount, most_off_minor=most, left_minor=left)
    off = benefit(terms, lines)
    eligible = {one.number: one.amount_minor for one in lines if rule.admits(one.product_id)}
    cap = min(bound for bound in (amount, most, left) if bound is not None)
    assert sum(off.values()) == min(cap, sum(eligible.values()))
    assert all(0 < minor <= eligible[number] for number, minor in off.items())
    last = max(off, default=0)
    assert all(off.get(number, 0) == minor for number, minor in eligible.items() if number < last)
