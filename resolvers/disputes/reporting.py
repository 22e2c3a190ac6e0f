"""The report on disputes: how many, how they ended, what was at stake, and how much time was saved."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy.ext.asyncio import AsyncConnection

from models.cases import minutes_saved
from models.disputes import DisputeOrigin, DisputeState
from models.errors import EmptyRange
from models.interval import DAY, UTC, BillingCalendar
from models.money import Money
from resolvers.activity import sane_day
from resolvers.loaders.dispute_figures import CaseFigures, case_figures
from resolvers.organizations import calendars
from resolvers.principal import Principal

MOST_ORGANIZATIONS = 10


@dataclass(frozen=True, slots=True)
class LocalDays:
    """Days of each organization's own zone, both included."""

    first: dt.date
    through: dt.date


@dataclass(frozen=True, slots=True)
class MoneyReport:
    """Of the resolved cases of one currency."""

    at_stake: Money
    credited: Money


@dataclass(frozen=True, slots=True)
class OrganizationReport:
    organization_id: int
    opened: int
    resolved: int
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Cases of clients; those that the nightly check opened are only counted. Minutes are those of resolved cases."""

    dates: LocalDays
    opened: int
    undecided: int
    resolved: int
    found_by_drift: int
    outcomes: dict[DisputeState, int]
    money: tuple[MoneyReport, ...]
    minutes: int
    median_minutes: float | None
    saved: tuple[int, int]
    # Those with the most cases opened first.
    organizations: tuple[OrganizationReport, ...]


async def dispute_report(connection: AsyncConnection, principal: Principal, dates: LocalDays) -> Report:
    principal.must_be_staff("see the report on disputes")
    first, through = sane_day(dates.first, "dates", "from"), sane_day(dates.through, "dates", "through")
    if through < first:
        raise EmptyRange(first, through, "dates")
    # No zone is further from UTC than a day.
    cases = await case_figures(connection, _midnight(first - DAY), _midnight(through + 2 * DAY))
    of_days = await calendars(connection, {case.organization_id for case in cases})
    return reported(cases, of_days, dates)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), UTC)


def reported(cases: Sequence[CaseFigures], calendars: Mapping[int, BillingCalendar], dates: LocalDays) -> Report:
    def within(case: CaseFigures, instant: dt.datetime | None) -> bool:
        on = instant and calendars[case.organization_id].day_of(instant)
        return on is not None and dates.first <= on <= dates.through

    opened = [case for case in cases if within(case, case.opened_at)]
    of_clients = [case for case in cases if case.origin is not DisputeOrigin.DRIFT]
    resolved = [case for case in of_clients if within(case, case.resolved_at)]
    started = [case for case in opened if case.origin is not DisputeOrigin.DRIFT]
    minutes = sum(case.minutes for case in resolved)
    return Report(
        dates=dates,
        opened=len(started),
        undecided=sum(1 for case in started if case.resolution is None),
        resolved=len(resolved),
        found_by_drift=len(opened) - len(started),
        outcomes=dict(Counter(case.resolution for case in resolved if case.resolution)),
        money=_money(resolved),
        minutes=minutes,
        median_minutes=float(median(case.minutes for case in resolved)) if resolved else None,
        saved=minutes_saved(len(resolved), minutes),
        organizations=_organizations(started, resolved),
    )


def _money(resolved: Sequence[CaseFigures]) -> tuple[MoneyReport, ...]:
    currencies = sorted({case.currency for case in resolved if case.currency})
    return tuple(
        MoneyReport(
            Money(sum(case.at_stake_minor for case in resolved if case.currency == currency), currency),
            Money(sum(case.credited_minor for case in resolved if case.currency == currency), currency),
        )
        for currency in currencies
    )


def _organizations(opened: Sequence[CaseFigures], resolved: Sequence[CaseFigures]) -> tuple[OrganizationReport, ...]:
    starts = Counter(case.organization_id for case in opened)
    ends = Counter(case.organization_id for case in resolved)
    minutes: Counter[int] = Counter()
    for case in resolved:
        minutes[case.organization_id] += case.minutes
    most_first = sorted(starts.keys() | ends.keys(), key=lambda one: (-starts[one], -ends[one], one))
    return tuple(
        OrganizationReport(one, starts[one], ends[one], minutes[one]) for one in most_first[:MOST_ORGANIZATIONS]
    )
