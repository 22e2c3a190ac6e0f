"""Which voucher pays how much of which line of a cart.

Of all the ways to do it the one that leaves least due; of these the one that wastes least value; of these the one that
spends what expires first. Pure and deterministic: the same cart is always paid in the same way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True, slots=True)
class Line:
    """So much is due for it."""

    number: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A voucher that may pay."""

    id: int
    # No more than this, of what it is worth: of it, a redemption forfeits what it leaves.
    most_minor: int
    worth_minor: int
    forfeits_rest: bool
    # The numbers of the lines that it may pay.
    lines: frozenset[int]
    expires_at: dt.datetime


Amounts = Mapping[int, Mapping[int, int]]
"""Of an offer's id, of a line's number, in minor units. What pays nothing is left out."""


def allocate(lines: Sequence[Line], offers: Sequence[Offer]) -> Amounts:
    """How much of which line each offer pays; at most ten offers or so, since every set of them is looked at."""
    by_expiry = sorted(offers, key=lambda offer: (offer.expires_at, offer.id))
    covers = _covers(lines, by_expiry)
    order = min(_orders(by_expiry), key=lambda order: _badness(by_expiry, covers, order))
    used = {by_expiry[place]: minor for place, minor in _used(covers, order)}
    return _spread(lines, used)


def _covers(lines: Sequence[Line], offers: Sequence[Offer]) -> list[int]:
    """How much every set of offers can pay together; a set is a number with a bit for each offer.

    As much as the smallest cut lets through: whichever part of the set pays at most what its lines need, and the others
    at most what they have.
    """
    sets = range(1 << len(offers))
    has = [sum(offer.most_minor for offer in _members(offers, each)) for each in sets]
    may_pay = [(sum(1 << place for place, o in enumerate(offers) if line.number in o.lines), line) for line in lines]
    needed = [sum(line.amount_minor for who, line in may_pay if who & each) for each in sets]
    least = [need - have for need, have in zip(needed, has, strict=True)]
    for place in range(len(offers)):
        for each in sets:
            if each >> place & 1:
                least[each] = min(least[each], least[each ^ 1 << place])
    return [have + short for have, short in zip(has, least, strict=True)]


def _members(offers: Sequence[Offer], each: int) -> Iterator[Offer]:
    return (offer for place, offer in enumerate(offers) if each >> place & 1)


def _orders(offers: Sequence[Offer]) -> Iterator[list[int]]:
    """Who pays before whom: of those that forfeit their rest any set, since each that is used wastes something; then
    all that keep it. Among themselves those that expire first."""
    forfeiting = [place for place, offer in enumerate(offers) if offer.forfeits_rest]
    keeping = [place for place, offer in enumerate(offers) if not offer.forfeits_rest]
    for chosen in range(1 << len(forfeiting)):
        yield [place for bit, place in enumerate(forfeiting) if chosen >> bit & 1] + keeping


def _used(covers: Sequence[int], order: Sequence[int]) -> Iterator[tuple[int, int]]:
    """What each pays when those before it have paid as much as they can, without paying less for it."""
    sets = list(accumulate((1 << place for place in order), initial=0))
    for place, (before, after) in zip(order, pairwise(sets), strict=True):
        yield place, covers[after] - covers[before]


def _badness(offers: Sequence[Offer], covers: Sequence[int], order: Sequence[int]) -> tuple[int, int, list[int]]:
    """Less paid, then more wasted, then less spent of what expires first."""
    used = dict(_used(covers, order))
    wasted = sum(
        offer.worth_minor - used[place]
        for place, offer in enumerate(offers)
        if offer.forfeits_rest and used.get(place, 0)
    )
    return -sum(used.values()), wasted, [-used.get(place, 0) for place in range(len(offers))]


# ------------------------------------------------------------------------------------------- on which lines


def _spread(lines: Sequence[Line], used: Mapping[Offer, int]) -> Amounts:
    """Puts what each pays on lines, earlier lines first; who came before makes room where it can pay elsewhere."""
    paid: dict[int, dict[int, int]] = {}
    left = {line.number: line.amount_minor for line in sorted(lines, key=lambda line: line.number)}
    payers = {offer.id: offer for offer in used}
    for offer, minor in used.items():
        paid[offer.id] = {}
        unpaid = minor
        while unpaid:
            unpaid -= _pay_some(offer, unpaid, payers, paid, left)
    return {offer_id: amounts for offer_id, amounts in paid.items() if amounts}


def _pay_some(
    offer: Offer, minor: int, payers: Mapping[int, Offer], paid: dict[int, dict[int, int]], left: dict[int, int]
) -> int:
    """Along one way from the offer to a line that still needs something, through payers that move to another line."""
    way = _way(offer, payers, paid, left)
    moved = [paid[mover][old] for (_, old), (mover, _) in pairwise(way)]
    amount = min(minor, left[way[-1][1]], *moved)
    for (_, old), (mover, _) in pairwise(way):
        _add(paid[mover], old, -amount)
    for payer, line in way:
        _add(paid[payer], line, amount)
    left[way[-1][1]] -= amount
    return amount


def _way(
    offer: Offer, payers: Mapping[int, Offer], paid: Mapping[int, Mapping[int, int]], left: Mapping[int, int]
) -> list[tuple[int, int]]:
    """The shortest: each step is an offer and the line that it takes, from which the next one moves away."""
    ways, seen = [[(offer.id, line)] for line in left if line in offer.lines], set(offer.lines)
    for way in ways:
        end = way[-1][1]
        if left[end]:
            return way
        for mover in (payers[payer] for payer, amounts in paid.items() if amounts.get(end)):
            further = [line for line in left if line in mover.lines and line not in seen]
            seen.update(further)
            ways.extend([*way, (mover.id, line)] for line in further)
    raise AssertionError("what the offers can cover together was counted wrongly")


def _add(amounts: dict[int, int], line: int, minor: int) -> None:
    amounts[line] = amounts.get(line, 0) + minor
    if not amounts[line]:
        del amounts[line]
