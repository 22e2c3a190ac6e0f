"""The same history under every measure, side by side: what each would have counted and billed, month by month.

Nothing is written. The counts are those that a snapshot would freeze, half a year of them asked at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from models.billing import countable_from, counted_by, overage_of
from models.contracts import Measure, Term, term_on
from models.errors import BillingError, BillingErrorCode, EmptyRange, QuestionError, QuestionErrorCode
from models.interval import BillingCalendar
from models.money import Money
from resolvers.activity import sane_day
from resolvers.loaders.counts import Count
from resolvers.loaders.terms import held_terms
from resolvers.snapshots.counting import Counted, ToCount, counted
from resolvers.snapshots.products import products_of

MOST_MONTHS = 36
# A peak asks about each day of a month.
MONTHS_A_STATEMENT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What is asked: of a product, the first days of months from a local day through another, as known then."""

    organization_id: int
    calendar: BillingCalendar
    product_id: int
    first: dt.date
    last: dt.date
    known_at: dt.datetime
    # In place of what the term in force says.
    licensed: int | None = None
    unit_price: Money | None = None


@dataclass(frozen=True, slots=True)
class Amounts:
    """What would be billed at least, which is what is billed, and at most."""

    least: Money
    most: Money

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.least + other.least, self.most + other.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedBill:
    """One date under one measure. Without a quantity there is no overage, and without a price no amount."""

    measure: Measure
    date: dt.date
    counted: Counted
    licensed: int | None
    overage: Count | None
    amounts: Amounts | None


@dataclass(frozen=True, slots=True)
class SimulatedDate:
    """A date under every measure, and the term in force."""

    date: dt.date
    term: Term | None
    bills: tuple[SimulatedBill, ...]


@dataclass(frozen=True, slots=True)
class SimulatedTotal:
    """All dates under one measure: how many people over, and the amounts of each currency."""

    measure: Measure
    overage: Count
    amounts: tuple[Amounts, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    dates: tuple[SimulatedDate, ...]
    totals: tuple[SimulatedTotal, ...]
    # Of these not all that would be counted has happened.
    not_yet: tuple[dt.date, ...]


async def simulate(connection: AsyncConnection, now: dt.datetime, asked: Simulated) -> Simulation:
    """What each measure would have billed; dates that are not over yet are left out, and named."""
    _refuse_nonsense(asked)
    wanted = _first_days(asked.first, asked.last)
    over = [date for date in wanted if all(countable_from(m, date, asked.calendar) <= now for m in Measure)]
    terms = (await held_terms(connection, [asked.organization_id], asked.known_at))[asked.organization_id]
    excluded_id = (await products_of(connection, asked.organization_id)).excluded_id
    found = await _counts(connection, asked, excluded_id, over)
    dates = tuple(_date(asked, term_on(terms, asked.product_id, date), date, found) for date in over)
    totals = tuple(_total(measure, dates) for measure in Measure)
    return Simulation(dates, totals, tuple(date for date in wanted if date not in over))


Found = dict[tuple[dt.date, Measure], Counted]


async def _counts(connection: AsyncConnection, asked: Simulated, excluded_id: int, dates: Sequence[dt.date]) -> Found:
    """Every measure of every date; so many a statement that none of them takes long."""
    found: Found = {}
    for first in range(0, len(dates), MONTHS_A_STATEMENT):
        cases = [(date, measure) for date in dates[first : first + MONTHS_A_STATEMENT] for measure in Measure]
        counts = await counted(connection, [_to_count(asked, excluded_id, *case) for case in cases])
        found |= zip(cases, counts, strict=True)
    return found


def _refuse_nonsense(asked: Simulated) -> None:
    if sane_day(asked.first, "dates", "from") > sane_day(asked.last, "dates", "through"):
        raise EmptyRange(asked.first, asked.last, "dates")
    if asked.licensed is not None and asked.licensed < 0:
        raise BillingError(BillingErrorCode.BAD_QUANTITY, BillingErrorCode.BAD_QUANTITY.value, "quantity")
    if asked.unit_price is not None and asked.unit_price.amount_minor < 0:
        raise BillingError(BillingErrorCode.BAD_AMOUNT, "A unit price is not negative.", "unitPrice")


def _first_days(first: dt.date, last: dt.date) -> list[dt.date]:
    """The billing dates of the range."""
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    days = [day for month in months if first <= (day := dt.date(month // 12, month % 12 + 1, 1)) <= last]
    if len(days) > MOST_MONTHS:
        raise QuestionError(
            QuestionErrorCode.RANGE_TOO_LONG,
            f"{len(days)} months were asked for; a simulation takes at most {MOST_MONTHS}.",
            "dates",
        )
    return days


def _to_count(asked: Simulated, excluded_id: int, date: dt.date, measure: Measure) -> ToCount:
    by = counted_by(measure, date, asked.calendar)
    return ToCount(
        organization_id=asked.organization_id,
        product_id=asked.product_id,
        excluded_id=excluded_id,
        predicate=by.predicate,
        spans=by.spans,
        known_at=asked.known_at,
    )


def _date(asked: Simulated, term: Term | None, date: dt.date, found: Found) -> SimulatedDate:
    licensed = asked.licensed if asked.licensed is not None else term.licensed if term else None
    price = asked.unit_price or (Money(term.unit_price_minor, term.currency) if term else None)
    bills = (_bill(date, measure, found[date, measure], licensed, price) for measure in Measure)
    return SimulatedDate(date, term, tuple(bills))


def _bill(date: dt.date, measure: Measure, count: Counted, licensed: int | None, price: Money | None) -> SimulatedBill:
    overage = None
    if licensed is not None:
        overage = Count(overage_of(count.count.least, licensed), overage_of(count.count.most, licensed))
    return SimulatedBill(
        measure=measure,
        date=date,
        counted=count,
        licensed=licensed,
        overage=overage,
        amounts=Amounts(price * overage.least, price * overage.most) if price and overage else None,
    )


def _total(measure: Measure, dates: Sequence[SimulatedDate]) -> SimulatedTotal:
    bills = [bill for date in dates for bill in date.bills if bill.measure is measure]
    overages = [bill.overage for bill in bills if bill.overage]
    overage = Count(sum(one.least for one in overages), sum(one.most for one in overages))
    return SimulatedTotal(measure, overage, _sums(bill.amounts for bill in bills if bill.amounts))


def _sums(amounts: Iterable[Amounts]) -> tuple[Amounts, ...]:
    """One of each currency, since they never mix."""
    sums: dict[str, Amounts] = {}
    for one in amounts:
        currency = one.least.currency
        sums[currency] = sums[currency] + one if currency in sums else one
    return tuple(sums[currency] for currency in sorted(sums))
