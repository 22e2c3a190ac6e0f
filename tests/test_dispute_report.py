"""The report on disputes: cases, how they ended, what was at stake, and how much time was saved."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from models.cases import DisputeOutcome
from models.disputes import DisputeOrigin, DisputeState
from models.interval import UTC, BillingCalendar
from models.money import Money
from resolvers.disputes.reporting import LocalDays, reported
from resolvers.disputes.resolving import withdraw
from resolvers.disputes.working import add_minutes
from resolvers.loaders.dispute_figures import CaseFigures
from schema.ids import encode_id
from server.database import Database
from tests.asking import ask
from tests.questioned import questioned_bill

SEPTEMBER = LocalDays(dt.date(2017, 9, 1), dt.date(2017, 9, 30))
CALENDARS = {1: BillingCalendar.of("America/Chicago"), 2: BillingCalendar.of("Pacific/Kiritimati")}
ASKED = """
query($first: Date!, $through: Date!) { disputeReport(dates: {from: $first, through: $through}) {
  opened undecided resolved foundByDrift minutes medianMinutes
  outcomes { outcome cases }
  money { atStake { amount currency } credited { amount currency } }
  minutesPerCaseBefore { min max } minutesSaved { min max }
  organizations { organization { id } opened resolved minutes }
} }
"""


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_case(
    opened: str,
    resolved: str | None = None,
    *,
    how: DisputeState = DisputeState.UPHELD,
    organization: int = 1,
    minutes: int = 10,
    currency: str | None = "USD",
    origin: DisputeOrigin = DisputeOrigin.CLIENT,
) -> CaseFigures:
    return CaseFigures(
        organization,
        origin,
        how if resolved else None,
        at(opened),
        at(resolved) if resolved else None,
        currency,
        3000 if currency else 0,
        1000 if currency else 0,
        minutes,
    )


def test_a_case_belongs_to_the_local_days_of_its_organization() -> None:
    evening, morning = "2017-08-31T12:00", "2017-09-01T04:59"
    report = reported([a_case(evening), a_case(morning)], CALENDARS, SEPTEMBER)
    assert report.opened == 0
    report = reported([a_case(evening, organization=2), a_case("2017-09-01T05:00")], CALENDARS, SEPTEMBER)
    assert report.opened == 2


def test_a_case_opened_before_and_resolved_within_is_resolved_but_not_opened() -> None:
    report = reported([a_case("2017-08-10T12:00", "2017-09-10T12:00")], CALENDARS, SEPTEMBER)
    assert (report.opened, report.undecided, report.resolved) == (0, 0, 1)
    report = reported([a_case("2017-09-10T12:00")], CALENDARS, SEPTEMBER)
    assert (report.opened, report.undecided, report.resolved, report.median_minutes) == (1, 1, 0, None)


def test_minutes_saved_are_two_to_three_hours_of_five_people_less_what_was_spent() -> None:
    cases = [a_case("2017-09-02T12:00", "2017-09-03T12:00", minutes=minutes) for minutes in (1, 5, 30)]
    report = reported(cases, CALENDARS, SEPTEMBER)
    assert (report.minutes, report.median_minutes) == (36, 5.0)
    assert report.saved == (3 * 600 - 36, 3 * 900 - 36)


def test_currencies_never_mix() -> None:
    cases = [a_case("2017-09-02T12:00", "2017-09-03T12:00", currency=currency) for currency in ("USD", "JPY", "USD")]
    report = reported(cases, CALENDARS, SEPTEMBER)
    assert [(one.at_stake, one.credited) for one in report.money] == [
        (Money(3000, "JPY"), Money(1000, "JPY")),
        (Money(6000, "USD"), Money(2000, "USD")),
    ]


def test_what_the_nightly_check_found_is_only_counted() -> None:
    drift = a_case("2017-09-02T12:00", "2017-09-03T12:00", origin=DisputeOrigin.DRIFT, currency=None, minutes=999)
    report = reported([drift], CALENDARS, SEPTEMBER)
    assert (report.opened, report.resolved, report.found_by_drift) == (0, 0, 1)
    assert (report.minutes, report.saved, report.money, report.organizations) == (0, (0, 0), (), ())


def test_the_ten_organizations_with_the_most_cases_come_first() -> None:
    calendars = dict.fromkeys(range(1, 13), CALENDARS[1])
    cases = [a_case("2017-09-02T12:00", organization=number) for number in calendars for _ in range(number)]
    report = reported(cases, calendars, SEPTEMBER)
    assert [(one.organization_id, one.opened) for one in report.organizations] == [(n, n) for n in range(12, 2, -1)]


async def test_the_figures_are_those_of_the_cases(database: Database) -> None:
    bill, other = await questioned_bill(database), await questioned_bill(database)
    upheld, partial = await bill.opened(1), await other.opened(3)
    await bill.step(add_minutes, upheld, 8, "read the pack")
    await bill.resolved(upheld, minutes=2)
    await other.resolved(partial, DisputeOutcome.PARTIAL, {other.line: 2}, minutes=20)
    withdrawn = await bill.opened(2)
    await bill.step(withdraw, withdrawn, "found them", by=bill.client)
    await bill.opened(1)
    await bill.drifted()
    assert await report(database) == {
        "opened": 4,
        "undecided": 1,
        "resolved": 3,
        "foundByDrift": 1,
        "minutes": 30,
        "medianMinutes": 10.0,
        "outcomes": [
            {"outcome": "UPHELD", "cases": 1},
            {"outcome": "PARTIAL", "cases": 1},
            {"outcome": "REJECTED", "cases": 0},
            {"outcome": "WITHDRAWN", "cases": 1},
        ],
        "money": [
            {
                "atStake": {"amount": "60.00", "currency": "USD"},
                "credited": {"amount": "30.00", "currency": "USD"},
            }
        ],
        "minutesPerCaseBefore": {"min": 600, "max": 900},
        "minutesSaved": {"min": 1770, "max": 2670},
        "organizations": [
            {"organization": {"id": encode_id("Organization", one.billed.tenant.id)}, **figures}
            for one, figures in (
                (bill, {"opened": 3, "resolved": 2, "minutes": 10}),
                (other, {"opened": 1, "resolved": 1, "minutes": 20}),
            )
        ],
    }
    nothing = await report(database, "2025-01-01", "2025-12-30")
    assert (nothing["opened"], nothing["money"], nothing["medianMinutes"]) == (0, [], None)


async def report(database: Database, first: str = "2026-01-01", through: str = "2026-01-01") -> dict[str, Any]:
    answer = await ask(database, ASKED, first=first, through=through)
    assert answer.errors == []
    found: dict[str, Any] = answer.data["disputeReport"]
    return found


@pytest.mark.parametrize(
    ("first", "through", "code"),
    [("2026-01-02", "2026-01-01", "EMPTY_RANGE"), ("1492-01-01", "2026-01-01", "DATE_OUT_OF_RANGE")],
)
async def test_days_that_cannot_be_are_refused(sqlite_database: Database, first: str, through: str, code: str) -> None:
    answer = await ask(sqlite_database, ASKED, first=first, through=through)
    assert answer.errors == [code]
