"""A simulation of bills: the same history under every measure, side by side."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import strawberry

from models.contracts import Measure
from models.interval import from_microseconds
from resolvers.activity import as_known
from resolvers.lists import AsKnown
from resolvers.loaders.counts import Count
from resolvers.loaders.places import OrganizationRow
from resolvers.snapshots.simulating import (
    Simulated,
    SimulatedBill,
    SimulatedDate,
    SimulatedTotal,
    Simulation,
    simulate,
)
from resolvers.snapshots.words import measured
from schema.billable import BillableProduct
from schema.context import Info
from schema.contracts import ContractTerm, contract_term
from schema.fields import field
from schema.money import MoneyBounds, MoneyInput
from schema.questions import ActivityCount, DateRange, count_of


@dataclass(frozen=True, slots=True)
class AskedSimulation:
    """Of whom, of what and as known when."""

    organization: OrganizationRow
    product_id: int
    known: AsKnown


@strawberry.type(description="A billing date under one measure.")
class SimulatedMeasure:
    bill: strawberry.Private[SimulatedBill]
    asked: strawberry.Private[AskedSimulation]

    @field("How people are counted.")
    def measure(self) -> Measure:
        return self.bill.measure

    @field("How many count.")
    def count(self) -> ActivityCount:
        return self._bounds(self.bill.counted.count)

    @field("Of a peak the first day that provably reached it; null of any other measure.")
    def peak_on(self) -> dt.date | None:
        if self.bill.measure is not Measure.PEAK_DAY:
            return None
        return self.asked.organization.calendar.day_of(self.bill.counted.span[0])

    @field("How many people would be licensed; null without a term or a quantity.")
    def licensed(self) -> int | None:
        return self.bill.licensed

    @field("How many count beyond that, never less than none; null without a quantity.")
    def overage(self) -> ActivityCount | None:
        return self._bounds(self.bill.overage) if self.bill.overage else None

    @field("What those would cost; null without a price.")
    def amount(self) -> MoneyBounds | None:
        return MoneyBounds.of(self.bill.amounts.least, self.bill.amounts.most) if self.bill.amounts else None

    def _bounds(self, count: Count) -> ActivityCount:
        calendar = self.asked.organization.calendar
        words = measured(self.bill.measure, self.bill.date, self.bill.counted.span[0], calendar)
        return count_of(count, as_known(f"{words}, {self.asked.organization.name}", self.asked.known.asked))


@strawberry.type(description="A billing date under every measure, side by side.")
class SimulatedMonth:
    simulated: strawberry.Private[SimulatedDate]
    asked: strawberry.Private[AskedSimulation]

    @field("The billing date: the first local day of a month.")
    def date(self) -> dt.date:
        return self.simulated.date

    @field("The contract term in force then, as known; null without one.")
    async def term(self, info: Info) -> ContractTerm | None:
        term, asked = self.simulated.term, self.asked
        return await contract_term(info, asked.organization, term.id, asked.known.at_us) if term else None

    @field("Each measure.")
    def measures(self) -> list[SimulatedMeasure]:
        return [SimulatedMeasure(bill=bill, asked=self.asked) for bill in self.simulated.bills]


@strawberry.type(description="All billing dates under one measure.")
class SimulatedMeasureTotal:
    total: strawberry.Private[SimulatedTotal]

    @field("How people are counted.")
    def measure(self) -> Measure:
        return self.total.measure

    @field("How many people beyond what is licensed, of all dates together.")
    def overage(self) -> ActivityCount:
        return count_of(self.total.overage, "The overages of all dates together")

    @field("What those would cost, of each currency; empty without a price.")
    def amounts(self) -> list[MoneyBounds]:
        return [MoneyBounds.of(amounts.least, amounts.most) for amounts in self.total.amounts]


@strawberry.type(description="What each measure would have billed. Nothing is written, and nothing is billed.")
class BillingSimulation:
    simulation: strawberry.Private[Simulation]
    asked: strawberry.Private[AskedSimulation]

    @field("What is counted.")
    def product(self) -> BillableProduct:
        return BillableProduct(organization_row=self.asked.organization, product_id=self.asked.product_id)

    @field("Each billing date.")
    def months(self) -> list[SimulatedMonth]:
        return [SimulatedMonth(simulated=one, asked=self.asked) for one in self.simulation.dates]

    @field("Each measure over all of these dates.")
    def totals(self) -> list[SimulatedMeasureTotal]:
        return [SimulatedMeasureTotal(total=one) for one in self.simulation.totals]

    @field("Billing dates that are left out, since not all that would be counted has happened.")
    def not_yet(self) -> list[dt.date]:
        return list(self.simulation.not_yet)


async def billing_simulation(
    info: Info,
    asked: AskedSimulation,
    dates: DateRange,
    quantity: int | None,
    unit_price: MoneyInput | None,
) -> BillingSimulation:
    simulated = Simulated(
        organization_id=asked.organization.organization_id,
        calendar=asked.organization.calendar,
        product_id=asked.product_id,
        first=dates.from_,
        last=dates.through,
        known_at=from_microseconds(asked.known.at_us),
        licensed=quantity,
        unit_price=unit_price.money("unitPrice") if unit_price else None,
    )
    async with info.context.reading() as connection:
        simulation = await simulate(connection, info.context.now, simulated)
    return BillingSimulation(simulation=simulation, asked=asked)
