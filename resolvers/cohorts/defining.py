"""Cohorts as they are asked for, and as they are kept: what its people have in common, and of which vouchers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sqlalchemy import insert, select

from models.activity import Predicate
from models.cohorts import Cohort, CohortDepartment, CohortTeam
from models.errors import NotFound, VoucherError, VoucherErrorCode
from models.interval import BillingCalendar, from_microseconds
from models.learners import sort_key
from models.organizations import ScopeKind
from models.program_events import ProgramDeed, ProgramThing
from resolvers.activity import ActivityQuestion, answerable, sane_day
from resolvers.loaders.places import SCOPE
from resolvers.loaders.voucher_programs import Reader, columns_of, voucher_program_of
from resolvers.organizations import calendars
from resolvers.programs.acting import ProgramAct, Told, add_unique, tell
from resolvers.vouchers.finding import purpose_of

COHORT = Cohort.__table__
TEAM = CohortTeam.__table__
DEPARTMENT = CohortDepartment.__table__
MOST_VALUES = 250
MOST_MONTHS = 120
DEED = "assign its vouchers"
T = TypeVar("T", int, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificationFilter:
    """Holding a certification, of that name if one is given, whose last day is in the range, or within so many months
    from the day that is asked."""

    name: str | None = None
    earliest: dt.date | None = None
    latest: dt.date | None = None
    within_months: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortFilter:
    """Every attribute that is given must hold; of several values of one, any. In teams, activity is that in them."""

    teams: tuple[int, ...] = ()
    departments: tuple[str, ...] = ()
    activity: ActivityQuestion | None = None
    certification: CertificationFilter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCohort:
    """Standing if it has a name and a budget; otherwise a filter that is asked once."""

    organization_id: int
    voucher_program_id: int
    chosen: CohortFilter
    purpose: str | None = None
    name: str | None = None
    budget_minor: int | None = None


class FoundCohort(NamedTuple):
    """As it is in this transaction."""

    program_id: int
    id: int
    organization_id: int
    name: str | None
    voucher_program_id: int
    purpose: str | None
    activity: Predicate | None
    activity_from: dt.datetime | None
    activity_to: dt.datetime | None
    certification_key: str | None
    earliest_expiry: dt.date | None
    latest_expiry: dt.date | None
    expires_within_months: int | None
    budget_minor: int | None
    spent_minor: int
    standing_from: dt.datetime | None
    stopped_at: dt.datetime | None
    last_run_on: dt.date | None
    teams: tuple[int, ...] = ()
    departments: tuple[str, ...] = ()

    @property
    def by_certification(self) -> bool:
        given = (self.certification_key, self.earliest_expiry, self.latest_expiry, self.expires_within_months)
        return any(one is not None for one in given)

    @property
    def is_running(self) -> bool:
        return self.standing_from is not None and self.stopped_at is None


async def find_cohort(connection: Reader, program_id: int, cohort_id: int) -> FoundCohort | None:
    own = COHORT.c.program_id == program_id, COHORT.c.id == cohort_id
    row = (await connection.execute(select(*columns_of(COHORT, FoundCohort)).where(*own))).one_or_none()
    if row is None:
        return None
    of_teams = TEAM.c.program_id == program_id, TEAM.c.cohort_id == cohort_id
    of_departments = DEPARTMENT.c.program_id == program_id, DEPARTMENT.c.cohort_id == cohort_id
    teams = await connection.execute(select(TEAM.c.team_id).where(*of_teams))
    departments = await connection.execute(select(DEPARTMENT.c.department_key).where(*of_departments))
    return FoundCohort._make((*row, tuple(teams.scalars()), tuple(departments.scalars())))


async def must_own_cohort(act: ProgramAct, cohort_id: int) -> FoundCohort:
    """For whoever acts for its organization. Nobody else learns that there is one, but its program."""
    found = await find_cohort(act.session, act.program_id, cohort_id)
    if found is None:
        raise NotFound("cohort", "cohort")
    act.principal.must_see_in(act.program_id, found.organization_id, "cohort", "cohort")
    act.principal.must_own(found.organization_id, DEED)
    return found


async def today_of(act: ProgramAct, organization_id: int) -> dt.date:
    """The day in the organization's zone."""
    return (await _calendar(act, organization_id)).day_of(act.now)


async def add_cohort(act: ProgramAct, new: NewCohort) -> FoundCohort:
    act.principal.must_see_in(act.program_id, new.organization_id, "organization", "organization")
    act.principal.must_own(new.organization_id, DEED)
    await voucher_program_of(act.session, act.program_id, new.voucher_program_id, "voucherProgram")
    chosen, cohort_id = new.chosen, act.keys.take()
    row = _row(act, cohort_id, new, await _calendar(act, new.organization_id))
    teams = await _known_teams(act, new.organization_id, chosen.teams)
    departments = _distinct("departments", map(sort_key, map(str.strip, chosen.departments)))
    await add_unique(act.session, COHORT, row)
    own = {"program_id": act.program_id, "cohort_id": cohort_id}
    if teams:
        in_organization = {**own, "organization_id": new.organization_id}
        await act.session.execute(insert(TEAM), [{**in_organization, "team_id": team} for team in teams])
    if departments:
        await act.session.execute(insert(DEPARTMENT), [{**own, "department_key": one} for one in departments])
    if new.name is not None:
        defined = Told(thing=ProgramThing.COHORT, thing_id=cohort_id, deed=ProgramDeed.DEFINED, after=new.name)
        await tell(act, defined)
    return await must_own_cohort(act, cohort_id)


def _row(act: ProgramAct, cohort_id: int, new: NewCohort, calendar: BillingCalendar) -> dict[str, object]:
    activity = new.chosen.activity
    asked = answerable(activity, calendar, "filter", "activity") if activity else None
    return {
        "program_id": act.program_id,
        "id": cohort_id,
        "organization_id": new.organization_id,
        "name": new.name,
        "voucher_program_id": new.voucher_program_id,
        "purpose": purpose_of(new.purpose),
        "activity": asked.predicate if asked else None,
        "activity_from": from_microseconds(asked.a) if asked else None,
        "activity_to": from_microseconds(asked.b) if asked else None,
        **_certification(new.chosen.certification),
        "budget_minor": new.budget_minor,
        "spent_minor": 0,
        "defined_by": act.principal.name,
        "defined_at": act.now,
    }


def _certification(asked: CertificationFilter | None) -> dict[str, object]:
    one = asked or CertificationFilter()
    name = one.name.strip() if one.name is not None else None
    dates = [sane_day(day, "filter", "certification") for day in (one.earliest, one.latest) if day]
    if asked and not (name or dates or one.within_months is not None):
        raise bad_cohort("Give the certification's name, or when it expires.", "filter", "certification")
    if dates and one.within_months is not None:
        raise bad_cohort("Give days, or a number of months, not both.", "filter", "certification")
    if one.earliest and one.latest and one.earliest > one.latest:
        raise bad_cohort("The last day comes before the first.", "filter", "certification")
    if one.within_months is not None and not 0 <= one.within_months <= MOST_MONTHS:
        raise bad_cohort(f"Give 0 to {MOST_MONTHS} months.", "filter", "certification", "expiresWithinMonths")
    return {
        "certification_key": sort_key(name) if name else None,
        "earliest_expiry": one.earliest,
        "latest_expiry": one.latest,
        "expires_within_months": one.within_months,
    }


async def _known_teams(act: ProgramAct, organization_id: int, asked: Iterable[int]) -> list[int]:
    teams = _distinct("teams", asked)
    own = SCOPE.c.organization_id == organization_id, SCOPE.c.kind == ScopeKind.TEAM, SCOPE.c.id.in_(teams)
    if teams and len((await act.session.execute(select(SCOPE.c.id).where(*own))).all()) < len(teams):
        raise NotFound("team", "filter", "teams")
    return teams


def _distinct(field: str, values: Iterable[T]) -> list[T]:
    found = sorted(set(values))
    if len(found) > MOST_VALUES:
        raise bad_cohort(f"Give at most {MOST_VALUES}.", "filter", field)
    return found


def bad_cohort(message: str, *field: str) -> VoucherError:
    return VoucherError(VoucherErrorCode.BAD_COHORT, message, *field)


async def _calendar(act: ProgramAct, organization_id: int) -> BillingCalendar:
    return (await calendars(act.session, [organization_id]))[organization_id]
