"""Standing cohorts: defined, tried, started; from then on they assign by themselves, once a local day, in a budget."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.cohorts import BulkState
from models.errors import VoucherError, VoucherErrorCode
from models.money import Money
from models.program_events import ProgramDeed, ProgramThing
from resolvers.cohorts.defining import (
    COHORT,
    FoundCohort,
    NewCohort,
    add_cohort,
    bad_cohort,
    must_own_cohort,
    today_of,
)
from resolvers.cohorts.giving import give
from resolvers.cohorts.previewing import BULK, VALID_FOR, write_bulk
from resolvers.cohorts.surveying import Stock, Survey, soonest, survey
from resolvers.database import Outrun, Reading, Writing
from resolvers.loaders.voucher_programs import voucher_program_of
from resolvers.organizations import calendars, named
from resolvers.principal import Principal
from resolvers.programs.acting import ProgramAct, Told, begin_act, tell


async def define(act: ProgramAct, new: NewCohort, budget: Money) -> int:
    """The cohort. It assigns nothing before it was tried and started."""
    name = named(new.name or "")
    await _refuse_odd_budget(act, new.voucher_program_id, budget)
    taken = exists().where(
        COHORT.c.program_id == act.program_id,
        COHORT.c.organization_id == new.organization_id,
        COHORT.c.name == name,
    )
    act.principal.must_see_in(act.program_id, new.organization_id, "organization", "organization")
    if (await act.session.execute(select(taken))).scalar_one():
        raise VoucherError(VoucherErrorCode.TAKEN, f"Another cohort is named {name}.", "name")
    cohort = NewCohort(
        organization_id=new.organization_id,
        voucher_program_id=new.voucher_program_id,
        chosen=new.chosen,
        purpose=new.purpose,
        name=name,
        budget_minor=budget.amount_minor,
    )
    return (await add_cohort(act, cohort)).id


async def start(act: ProgramAct, cohort_id: int) -> int:
    """The cohort; one that assigns already is left as it is."""
    cohort = await must_own_cohort(act, cohort_id)
    if cohort.is_running:
        return cohort.id
    _refuse_unnamed(cohort)
    await _refuse_untried(act, cohort)
    await _set(act, cohort, standing_from=act.now, stopped_at=None)
    await _tell(act, cohort, ProgramDeed.COHORT_STARTED, after=await _budget_words(act, cohort))
    return cohort.id


async def stop(act: ProgramAct, cohort_id: int) -> int:
    """The cohort; what it has assigned stays assigned."""
    cohort = await must_own_cohort(act, cohort_id)
    if cohort.is_running:
        await _stop(act, cohort, None)
    return cohort.id


async def set_budget(act: ProgramAct, cohort_id: int, budget: Money) -> int:
    """The cohort. What it has spent already cannot be more than its budget."""
    cohort = await must_own_cohort(act, cohort_id)
    _refuse_unnamed(cohort)
    await _refuse_odd_budget(act, cohort.voucher_program_id, budget)
    if cohort.budget_minor == budget.amount_minor:
        return cohort.id
    changed = await act.session.execute(
        update(COHORT)
        .where(_is(act, cohort), COHORT.c.spent_minor <= budget.amount_minor)
        .values(budget_minor=budget.amount_minor)
        .returning(COHORT.c.id)
    )
    if changed.scalar_one_or_none() is None:
        spent = Money(cohort.spent_minor, budget.currency)
        raise bad_cohort(f"It has assigned {spent} already, which is more than {budget}.", "budget")
    before = str(Money(cohort.budget_minor or 0, budget.currency))
    await _tell(act, cohort, ProgramDeed.BUDGET_SET, before=before, after=str(budget))
    return cohort.id


def _is(act: ProgramAct, cohort: FoundCohort) -> ColumnElement[bool]:
    return (COHORT.c.program_id == act.program_id) & (COHORT.c.id == cohort.id)


async def _set(act: ProgramAct, cohort: FoundCohort, **values: dt.datetime | None) -> None:
    await act.session.execute(update(COHORT).where(_is(act, cohort)).values(**values))


async def _stop(act: ProgramAct, cohort: FoundCohort, why: str | None) -> None:
    await _set(act, cohort, stopped_at=act.now)
    await _tell(act, cohort, ProgramDeed.COHORT_STOPPED, said=why)


async def _tell(
    act: ProgramAct,
    cohort: FoundCohort,
    deed: ProgramDeed,
    *,
    said: str | None = None,
    before: str | None = None,
    after: str | None = None,
) -> None:
    thing = ProgramThing.COHORT
    await tell(act, Told(thing=thing, thing_id=cohort.id, deed=deed, said=said, before=before, after=after))


def _refuse_unnamed(cohort: FoundCohort) -> None:
    if cohort.name is None:
        raise bad_cohort("This filter was asked once. Define a cohort with a name and a budget.", "cohort")


async def _refuse_untried(act: ProgramAct, cohort: FoundCohort) -> None:
    tried = exists().where(
        BULK.c.program_id == act.program_id,
        BULK.c.cohort_id == cohort.id,
        BULK.c.state == BulkState.PREVIEWED,
        BULK.c.previewed_at > act.now - VALID_FOR,
    )
    if not (await act.session.execute(select(tried))).scalar_one():
        raise VoucherError(VoucherErrorCode.DRY_RUN_FIRST, VoucherErrorCode.DRY_RUN_FIRST.value, "cohort")


async def _refuse_odd_budget(act: ProgramAct, voucher_program_id: int, budget: Money) -> None:
    terms = await voucher_program_of(act.session, act.program_id, voucher_program_id, "voucherProgram")
    if budget.currency != terms.currency:
        raise bad_cohort(f"The vouchers are in {terms.currency}: give the budget in it.", "budget")
    if budget.amount_minor < 0:
        raise bad_cohort("A budget is not below zero.", "budget")


async def _budget_words(act: ProgramAct, cohort: FoundCohort) -> str:
    terms = await voucher_program_of(act.session, act.program_id, cohort.voucher_program_id)
    left = Money((cohort.budget_minor or 0) - cohort.spent_minor, terms.currency)
    return f"{left} of its budget left"


# ------------------------------------------------------------------------------------------------ by itself


class Running(NamedTuple):
    program_id: int
    cohort_id: int
    organization_id: int
    last_run_on: dt.date | None


async def assign_standing(reading: Reading, run: Writing, principal: Principal, now: dt.datetime) -> int:
    """How many vouchers were assigned. Any number of workers may ask at once: each cohort runs once a local day."""
    async with reading() as connection:
        due = await _due(connection, now)
    return sum([await run(partial(_run_one, principal=principal, now=now, running=one)) for one in due])


async def _due(connection: AsyncConnection, now: dt.datetime) -> list[Running]:
    columns = (COHORT.c.program_id, COHORT.c.id, COHORT.c.organization_id, COHORT.c.last_run_on)
    standing = COHORT.c.standing_from.is_not(None), COHORT.c.stopped_at.is_(None)
    running = [Running._make(row) for row in await connection.execute(select(*columns).where(*standing))]
    days = await calendars(connection, {one.organization_id for one in running}) if running else {}
    return [one for one in running if one.last_run_on != days[one.organization_id].day_of(now)]


async def _run_one(session: AsyncSession, principal: Principal, now: dt.datetime, running: Running) -> int:
    act = await begin_act(session, principal, now, running.program_id)
    today = await today_of(act, running.organization_id)
    if not await _begin(act, running, today):
        return 0
    cohort = await must_own_cohort(act, running.cohort_id)
    found = await survey(session, cohort, today, now)
    if not found.eligible:
        return 0
    stock = await _affordable(act, cohort, len(found.eligible))
    if stock:
        await _assign(act, cohort, today, found, stock)
    if len(stock) < len(found.eligible):
        await _stop(act, cohort, await _why_short(act, cohort, found, len(stock)))
    return len(stock)


async def _begin(act: ProgramAct, running: Running, today: dt.date) -> bool:
    """Whether nobody else has begun the run of this day; the cohort may have been stopped meanwhile."""
    begun = await act.session.execute(
        update(COHORT)
        .where(COHORT.c.program_id == act.program_id, COHORT.c.id == running.cohort_id)
        .where(COHORT.c.standing_from.is_not(None), COHORT.c.stopped_at.is_(None))
        .where(func.coalesce(COHORT.c.last_run_on, dt.date.min) < today)
        .values(last_run_on=today)
        .returning(COHORT.c.id)
    )
    return begun.scalar_one_or_none() is not None


async def _affordable(act: ProgramAct, cohort: FoundCohort, most: int) -> Stock:
    """As many of the stock as the budget pays for."""
    stock = await soonest(act.session, cohort, act.now, most)
    return stock.worth((cohort.budget_minor or 0) - cohort.spent_minor)


async def _assign(act: ProgramAct, cohort: FoundCohort, today: dt.date, found: Survey, stock: Stock) -> None:
    """To those first who have been learners the longest."""
    await _spend(act, cohort, sum(stock.values_minor))
    bulk_id = await write_bulk(act, cohort, today, found, BulkState.COMMITTED, assigned=len(stock))
    await give(act, cohort, bulk_id, found.eligible[: len(stock)], stock)
    told = f"{len(stock):,} of {len(found.eligible):,} people who newly belong"
    await _tell(act, cohort, ProgramDeed.COHORT_ASSIGNED, said=cohort.purpose, after=told)


async def _spend(act: ProgramAct, cohort: FoundCohort, value_minor: int) -> None:
    spent = await act.session.execute(
        update(COHORT)
        .where(_is(act, cohort), COHORT.c.spent_minor + value_minor <= COHORT.c.budget_minor)
        .values(spent_minor=COHORT.c.spent_minor + value_minor)
        .returning(COHORT.c.id)
    )
    if spent.scalar_one_or_none() is None:
        raise Outrun


async def _why_short(act: ProgramAct, cohort: FoundCohort, found: Survey, assigned: int) -> str:
    ended = "stock" if assigned == found.in_stock else "budget"
    people = len(found.eligible)
    return f"Its {ended} has ended: {assigned:,} of {people:,} people who newly belong were given a voucher"
