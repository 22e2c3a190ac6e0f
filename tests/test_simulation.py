"""The same history under every measure: each counts as a snapshot under it would, and bills what that says."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from models.access import Role
from models.billing import BillingSnapshot
from models.contracts import Measure
from models.errors import BillingError, BillingErrorCode, EmptyRange, QuestionError, QuestionErrorCode
from models.money import Money
from resolvers.loaders.counts import Count
from resolvers.principal import Principal
from resolvers.snapshots.simulating import Amounts, Simulated, SimulatedBill, Simulation, simulate
from resolvers.snapshots.taking import Inquiry, inquire
from server.database import Database
from tests.asking import ask
from tests.builders import STAFF, Tenant, known, lost_start, organization
from tests.test_statements import reads, statements

AT_CUTOFF, ANY_ON_DAY, DISTINCT, PEAK = (
    Measure.AT_CUTOFF,
    Measure.ANY_ON_DAY,
    Measure.DISTINCT_IN_PERIOD,
    Measure.PEAK_DAY,
)


async def simulated(tenant: Tenant, dates: str, **more: Any) -> Simulation:
    """As known now, on the billing dates from a day through another."""
    first, _, last = dates.partition("..")
    given: dict[str, Any] = {"product_id": tenant.id, "known_at": tenant.now} | more
    asked = Simulated(
        organization_id=tenant.id,
        calendar=tenant.calendar,
        first=dt.date.fromisoformat(first),
        last=dt.date.fromisoformat(last),
        **given,
    )
    async with tenant.database.reading() as connection:
        return await simulate(connection, tenant.now, asked)


def bills(simulation: Simulation, date: str) -> dict[Measure, SimulatedBill]:
    (of_date,) = (one for one in simulation.dates if one.date.isoformat() == date)
    return {bill.measure: bill for bill in of_date.bills}


def counts(simulation: Simulation, date: str) -> dict[Measure, Count]:
    return {measure: bill.counted.count for measure, bill in bills(simulation, date).items()}


async def xtra_lease(database: Database) -> Tenant:
    """Four all along, one in August until the 10th, one from the 20th through the 31st, one for an hour on 9/1."""
    tenant = await organization(database, name="Xtra Lease")
    for active in (*["2017-01-01.."] * 4, "2017-08-01..2017-08-10", "2017-08-20..2017-08-31"):
        await tenant.learner(active)
    await tenant.learner("2017-09-01T17:00Z..2017-09-01T18:00Z")
    return tenant


async def test_each_measure_counts_in_its_own_way(database: Database) -> None:
    tenant = await xtra_lease(database)
    found = await simulated(tenant, "2017-09-01..2017-09-01")
    assert {measure: count.most for measure, count in counts(found, "2017-09-01").items()} == {
        AT_CUTOFF: 4,
        ANY_ON_DAY: 5,
        DISTINCT: 6,
        PEAK: 5,
    }
    peak = bills(found, "2017-09-01")[PEAK]
    assert tenant.calendar.day_of(peak.counted.span[0]) == dt.date(2017, 8, 1)


async def test_every_count_is_what_a_snapshot_under_that_measure_freezes(database: Database) -> None:
    tenant = await xtra_lease(database)
    library, stranger = await tenant.library(), await tenant.stranger("Nobody knows since when")
    await tenant.believed(stranger, lost_start(tenant, tenant.id, "2017-08-25"), known(tenant, library, "2017-08-01.."))
    await tenant.excluded(await tenant.learner("2017-01-01.."), "2017-08-15..2017-09-15")
    for product in (tenant.id, library):
        found = await simulated(tenant, "2017-07-15..2017-10-15", product_id=product)
        assert [one.date.isoformat() for one in found.dates] == ["2017-08-01", "2017-09-01", "2017-10-01"]
        for one in found.dates:
            for bill in one.bills:
                assert bill.counted.count == await frozen(tenant, product, one.date, bill.measure)


async def frozen(tenant: Tenant, product: int, date: dt.date, measure: Measure) -> Count:
    now, inquiry = tenant.tick(), Inquiry(product, date, measure=measure)
    made = await tenant.database.run(lambda session: inquire(session, STAFF, now, tenant.id, inquiry))
    columns = (BillingSnapshot.count_least, BillingSnapshot.count_most)
    async with tenant.database.reading() as connection:
        return Count(*(await connection.execute(select(*columns).where(BillingSnapshot.id == made))).one())


async def test_what_is_over_costs_what_the_term_in_force_says(database: Database) -> None:
    tenant = await xtra_lease(database)
    await tenant.term("2017-01-01..2017-08-31", 3, price="10.00")
    await tenant.term("2017-09-01..2017-09-30", 4, price="12.50")
    found = await simulated(tenant, "2017-08-01..2017-10-01")
    august, september, october = (bills(found, f"2017-{month}-01") for month in ("08", "09", "10"))
    assert (august[AT_CUTOFF].licensed, august[AT_CUTOFF].overage) == (3, Count(2, 2))
    assert august[AT_CUTOFF].amounts == Amounts(Money(2000, "USD"), Money(2000, "USD"))
    assert (september[AT_CUTOFF].overage, september[DISTINCT].overage) == (Count(0, 0), Count(2, 2))
    assert september[AT_CUTOFF].amounts == Amounts(Money(0, "USD"), Money(0, "USD"))
    assert (october[AT_CUTOFF].licensed, october[AT_CUTOFF].overage, october[AT_CUTOFF].amounts) == (None, None, None)
    totals = {total.measure: (total.overage, total.amounts) for total in found.totals}
    assert totals[AT_CUTOFF] == (Count(2, 2), (Amounts(Money(2000, "USD"), Money(2000, "USD")),))
    assert totals[DISTINCT] == (Count(3, 3), (Amounts(Money(3500, "USD"), Money(3500, "USD")),))


async def test_currencies_are_summed_apart(database: Database) -> None:
    tenant = await xtra_lease(database)
    await tenant.term("2017-01-01..2017-08-31", 0, price="10.00")
    await tenant.term("2017-09-01..", 0, price="9.00", currency="EUR")
    found = await simulated(tenant, "2017-08-01..2017-10-01")
    at_cutoff = next(total for total in found.totals if total.measure is AT_CUTOFF)
    assert [amounts.most for amounts in at_cutoff.amounts] == [Money(7200, "EUR"), Money(5000, "USD")]


async def test_a_quantity_or_a_price_may_be_supposed(database: Database) -> None:
    tenant = await xtra_lease(database)
    yen = Money(500, "JPY")
    nothing = bills(await simulated(tenant, "2017-09-01..2017-09-01", unit_price=yen), "2017-09-01")[DISTINCT]
    assert (nothing.licensed, nothing.overage, nothing.amounts) == (None, None, None)
    both = bills(await simulated(tenant, "2017-09-01..2017-09-01", licensed=4, unit_price=yen), "2017-09-01")
    assert both[DISTINCT].amounts == Amounts(Money(1000, "JPY"), Money(1000, "JPY"))
    await tenant.term("2017-01-01..", 6, price="10.00")
    quantity = bills(await simulated(tenant, "2017-09-01..2017-09-01", licensed=0), "2017-09-01")[DISTINCT]
    assert (quantity.licensed, quantity.amounts) == (0, Amounts(Money(6000, "USD"), Money(6000, "USD")))


async def test_where_dates_are_lost_everything_is_bounds(database: Database) -> None:
    tenant = await organization(database)
    await tenant.term("2017-01-01..", 1)
    await tenant.learner("2017-01-01..")
    await tenant.believed(await tenant.stranger("Lost"), lost_start(tenant, tenant.id, "2017-09-20"))
    bill = bills(await simulated(tenant, "2017-09-01..2017-09-01"), "2017-09-01")[AT_CUTOFF]
    assert (bill.counted.count, bill.overage) == (Count(1, 2), Count(0, 1))
    assert bill.amounts == Amounts(Money(0, "USD"), Money(1250, "USD"))


async def test_terms_and_people_are_those_known_then(database: Database) -> None:
    tenant = await xtra_lease(database)
    await tenant.term("2017-01-01..", 3)
    before = tenant.now
    await tenant.learner("2017-01-01..")
    await tenant.term("2016-01-01..2016-12-31", 9)
    found = bills(await simulated(tenant, "2017-09-01..2017-09-01", known_at=before), "2017-09-01")
    assert (found[AT_CUTOFF].counted.count, found[AT_CUTOFF].overage) == (Count(4, 4), Count(1, 1))


async def test_dates_that_are_not_over_are_left_out_and_named(database: Database) -> None:
    tenant = await organization(database)
    today = tenant.calendar.day_of(tenant.now)
    assert today == dt.date(2026, 1, 1)
    found = await simulated(tenant, "2025-12-01..2026-02-28")
    assert [one.date.isoformat() for one in found.dates] == ["2025-12-01"]
    assert [date.isoformat() for date in found.not_yet] == ["2026-01-01", "2026-02-01"]


@pytest.mark.parametrize(
    ("dates", "more", "code"),
    [
        ("2017-01-01..2020-01-01", {}, QuestionErrorCode.RANGE_TOO_LONG),
        ("2017-02-01..2017-01-01", {}, QuestionErrorCode.EMPTY_RANGE),
        ("1817-02-01..2017-01-01", {}, QuestionErrorCode.DATE_OUT_OF_RANGE),
        ("2017-01-01..2017-02-01", {"licensed": -1}, BillingErrorCode.BAD_QUANTITY),
        ("2017-01-01..2017-02-01", {"unit_price": Money(-1, "USD")}, BillingErrorCode.BAD_AMOUNT),
    ],
)
async def test_nonsense_is_refused(database: Database, dates: str, more: dict[str, Any], code: object) -> None:
    tenant = await organization(database)
    with pytest.raises((BillingError, QuestionError, EmptyRange)) as refused:
        await simulated(tenant, dates, **more)
    assert refused.value.code is code


async def test_half_a_year_takes_as_many_statements_as_a_month(database: Database) -> None:
    tenant = await xtra_lease(database)
    await tenant.term("2015-01-01..", 3)

    async def ran(dates: str) -> int:
        with statements() as made:
            await simulated(tenant, dates)
        return len(reads(made))

    assert await ran("2017-09-01..2017-09-01") == await ran("2017-01-01..2017-06-30") == 4
    assert await ran("2015-01-01..2017-12-31") == 14, "one for each half year and predicate"


# ------------------------------------------------------------------------------------------- through GraphQL

SIMULATION = """
query($dates: DateRange!, $quantity: Int, $unitPrice: MoneyInput, $product: ProductKey, $knownAt: DateTime) {
  organization(by: {slug: "xtra-lease"}) {
    billingSimulation(
      dates: $dates, quantity: $quantity, unitPrice: $unitPrice, product: $product, knownAt: $knownAt
    ) {
      product { name } notYet
      months { date term { quantity } measures {
        measure peakOn licensed count { exact min max question } overage { exact } amount { min { amount } } } }
      totals { measure overage { exact } amounts { min { amount currency } max { amount } } }
    } } }"""


async def test_a_client_sees_what_each_measure_would_have_billed(database: Database) -> None:
    tenant = await xtra_lease(database)
    await tenant.term("2017-01-01..", 4)
    own = Principal(name="Ann", role=Role.ORGANIZATION, organization_id=tenant.id)
    answer = await ask(database, SIMULATION, own, dates={"from": "2017-09-01", "through": "2017-09-30"})
    assert answer.errors == []
    found = answer.data["organization"]["billingSimulation"]
    (month,) = found["months"]
    by_measure = {one.pop("measure"): one for one in month["measures"]}
    assert (month["date"], month["term"], found["notYet"]) == ("2017-09-01", {"quantity": 4}, [])
    assert by_measure["PEAK_DAY"] == {
        "peakOn": "2017-08-01",
        "licensed": 4,
        "count": {
            "exact": 5,
            "min": 5,
            "max": 5,
            "question": "Active at the billing cutoff of 2017-08-01 (00:00 America/Chicago, 2017-08-01 05:00:00 UTC), "
            "the peak from 2017-08-01 through 2017-08-31, Xtra Lease",
        },
        "overage": {"exact": 1},
        "amount": {"min": {"amount": "12.50"}},
    }
    assert (by_measure["AT_CUTOFF"]["peakOn"], by_measure["AT_CUTOFF"]["overage"]) == (None, {"exact": 0})
    totals = {one["measure"]: one for one in found["totals"]}
    assert totals["DISTINCT_IN_PERIOD"] == {
        "measure": "DISTINCT_IN_PERIOD",
        "overage": {"exact": 2},
        "amounts": [{"min": {"amount": "25.00", "currency": "USD"}, "max": {"amount": "25.00"}}],
    }


async def test_nobody_simulates_for_a_foreign_organization(database: Database) -> None:
    await xtra_lease(database)
    other = await organization(database)
    foreign = Principal(name="Ann", role=Role.ORGANIZATION, organization_id=other.id)
    answer = await ask(database, SIMULATION, foreign, dates={"from": "2017-09-01", "through": "2017-09-30"})
    assert answer.errors == ["NOT_FOUND"]
    price = {"amount": "1", "currency": "XYQ"}
    wrong = await ask(database, SIMULATION, dates={"from": "2017-09-01", "through": "2017-09-30"}, unitPrice=price)
    assert wrong.errors == ["UNKNOWN_CURRENCY"]
