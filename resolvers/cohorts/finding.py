"""Finding the people of a cohort, with the verdict on each: one statement, whatever the size of the organization.

Who belongs is joined from sets, as there may be many; what is asked of those who do is looked up for them alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.sql.expression import CTE

from models.activity import Predicate
from models.base import Instant
from models.batches import OneOf, as_parameter, asked
from models.certifications import Certification
from models.cohorts import BulkAssignment, Verdict
from models.erasure import Erasure
from models.interval import FOREVER_US, months_later, to_microseconds
from models.learners import Learner, Profile
from models.vouchers import VoucherStanding
from resolvers.cohorts.defining import FoundCohort
from resolvers.loaders.answers import answers_exactly, answers_uncertainly, answers_where
from resolvers.snapshots.products import products_of
from resolvers.vouchers.moving import ASSIGNMENT, VOUCHER

LEARNER = Learner.__table__
PROFILE = Profile.__table__
CERTIFICATION = Certification.__table__
ERASURE = Erasure.__table__
BULK = BulkAssignment.__table__
AT_ONCE = 2_000
SCOPED = ("organization_id", "scope_id", "a", "b", "known_at")
KNOWN_NOW = FOREVER_US - 1
"""A moment before the end of time: what is known now."""


class Belonging(NamedTuple):
    """Somebody who belongs, whether they are given a voucher, and the attributes by which they were chosen."""

    learner_id: int
    verdict: Verdict
    department_key: str | None
    # Of several teams the one that was made first.
    team_id: int | None
    # Of several certifications the one that ends first.
    expires_on: dt.date | None
    certifications: int | None

    @property
    def attributes(self) -> tuple[object, ...]:
        return (self.verdict.name, *self[2:])


class Shape(NamedTuple):
    """What of a cohort the statement itself depends on."""

    activity: Predicate | None
    by_team: bool
    by_department: bool
    by_certification: bool
    certification_named: bool
    from_day: bool
    through_day: bool
    standing: bool


async def people(
    connection: AsyncConnection | AsyncSession, cohort: FoundCohort, as_of: dt.date, now: dt.datetime
) -> AsyncIterator[Sequence[Belonging]]:
    """Part by part, in the order of their keys, so that no more than a part is in memory."""
    statement, parameters = await statement_of(connection, cohort, as_of, now)
    found = await connection.stream(statement, parameters, execution_options={"yield_per": AT_ONCE})
    async for part in found.partitions():
        yield [Belonging(row[0], Verdict[row[1]], *row[2:]) for row in part]


async def statement_of(
    connection: AsyncConnection | AsyncSession, cohort: FoundCohort, as_of: dt.date, now: dt.datetime
) -> tuple[Select[Any], dict[str, object]]:
    """The statement that finds them, with its parameters."""
    excluded_id = (await products_of(connection, cohort.organization_id)).excluded_id
    earliest, latest = _days(cohort, as_of)
    return _people(_shape(cohort, earliest, latest)), _parameters(cohort, excluded_id, earliest, latest, now)


def _days(cohort: FoundCohort, as_of: dt.date) -> tuple[dt.date | None, dt.date | None]:
    """Between which days a certification ends, both included."""
    if cohort.expires_within_months is None:
        return cohort.earliest_expiry, cohort.latest_expiry
    return as_of, months_later(as_of, cohort.expires_within_months)


def _shape(cohort: FoundCohort, earliest: dt.date | None, latest: dt.date | None) -> Shape:
    return Shape(
        activity=cohort.activity,
        by_team=bool(cohort.teams),
        by_department=bool(cohort.departments),
        by_certification=cohort.by_certification,
        certification_named=cohort.certification_key is not None,
        from_day=earliest is not None,
        through_day=latest is not None,
        standing=cohort.name is not None,
    )


def _parameters(
    cohort: FoundCohort, excluded_id: int, earliest: dt.date | None, latest: dt.date | None, now: dt.datetime
) -> dict[str, object]:
    own, at = cohort.organization_id, to_microseconds(now)
    scopes = cohort.teams or (own,)
    a, b = (to_microseconds(one) if one else 0 for one in (cohort.activity_from, cohort.activity_to))
    return {
        "program": cohort.program_id,
        "organization": own,
        "cohort": cohort.id,
        "voucher_program": cohort.voucher_program_id,
        "now": now,
        "here": as_parameter([(own, own, at, FOREVER_US, KNOWN_NOW)]),
        "excluded": as_parameter([(own, excluded_id, at, at, KNOWN_NOW)]),
        "member": as_parameter([(own, scope, at, at, KNOWN_NOW) for scope in scopes]),
        "question": as_parameter([(own, scope, a, b, KNOWN_NOW) for scope in scopes]),
        "departments": as_parameter([(one,) for one in cohort.departments]),
        "certification": cohort.certification_key,
        "earliest": earliest,
        "latest": latest,
    }


# ------------------------------------------------------------------------------------------------ the statement


@lru_cache
def _people(shape: Shape) -> Select[Any]:
    """Columns in the order of Belonging. Who answers a question only perhaps belongs, but is not certain to."""
    joined: FromClause = LEARNER
    department: ColumnElement[Any] = null()
    team, answer, held = _teams(shape), _answers(shape), _certifications(shape)
    if shape.by_department:
        joined, department = joined.join(PROFILE, _is_profile()), PROFILE.c.department_key
    for one in (team, answer, held):
        if one is not None:
            joined = joined.join(one, one.c.learner_id == LEARNER.c.id)
    placed = answer if answer is not None and shape.by_team else team
    columns = (
        LEARNER.c.id,
        _verdict(shape, [one for one in (team, answer) if one is not None], held).label("verdict"),
        department,
        placed.c.scope_id if placed is not None else null(),
        held.c.expires_on if held is not None else null(),
        held.c.certifications if held is not None else null(),
    )
    found = select(*columns).select_from(joined).where(LEARNER.c.organization_id == _number("organization"))
    if shape.by_department:
        found = found.where(OneOf(PROFILE.c.department_key, "departments"))
    return found.order_by(LEARNER.c.id)


def _teams(shape: Shape) -> Subquery | None:
    """Members at the moment; where activity is asked for too, in the very team in which it is asked."""
    if not shape.by_team or shape.activity is not None:
        return None
    return _once_each(answers_where(Predicate.ACTIVE_AT, asked("member", *SCOPED)).subquery("members"), "team")


def _answers(shape: Shape) -> Subquery | None:
    if shape.activity is None:
        return None
    answers = answers_where(shape.activity, asked("question", *SCOPED)).subquery("answers")
    if not shape.by_team:
        return _once_each(answers, "answer")
    members = answers_where(Predicate.ACTIVE_AT, asked("member", *SCOPED)).subquery("members")
    same = and_(members.c.learner_id == answers.c.learner_id, members.c.scope_id == answers.c.scope_id)
    certain = (answers.c.certain * members.c.certain).label("certain")
    both = select(answers.c.learner_id, answers.c.scope_id, certain).join(members, same)
    return _once_each(both.subquery("both"), "answer")


def _once_each(rows: Subquery, name: str) -> Subquery:
    columns = (rows.c.learner_id, func.min(rows.c.scope_id).label("scope_id"))
    certain = func.max(rows.c.certain).label("certain")
    return select(*columns, certain).group_by(rows.c.learner_id).subquery(name)


def _certifications(shape: Shape) -> Subquery | None:
    if not shape.by_certification:
        return None
    c = CERTIFICATION.c
    found = select(
        c.learner_id,
        func.min(c.expires_on).label("expires_on"),
        func.count().label("certifications"),
        func.max(c.recorded_at).label("recorded_at"),
    ).where(c.organization_id == _number("organization"), c.superseded_at.is_(None))
    if shape.certification_named:
        found = found.where(c.name_key == bindparam("certification", type_=Text))
    if shape.from_day:
        found = found.where(c.expires_on >= bindparam("earliest", type_=Date))
    if shape.through_day:
        found = found.where(c.expires_on <= bindparam("latest", type_=Date))
    return found.group_by(c.learner_id).subquery("held")


def _verdict(shape: Shape, answers: Sequence[Subquery], held: Subquery | None) -> ColumnElement[str]:
    """The first that holds, in the order of the verdicts."""
    here, excluded = asked("here", *SCOPED), asked("excluded", *SCOPED)
    whens = [
        (_is_erased(), Verdict.ERASED),
        (~_perhaps(Predicate.ACTIVE_DURING, here), Verdict.NOT_IN_ORGANIZATION),
        (_perhaps(Predicate.ACTIVE_AT, excluded), Verdict.EXCLUDED),
        *((one.c.certain == 0, Verdict.UNCERTAIN) for one in answers),
        (_has_voucher(), Verdict.HAS_VOUCHER),
    ]
    if shape.standing:
        whens.append((_was_given(held), Verdict.ALREADY_GIVEN))
    return case(*((when, literal(verdict.name)) for when, verdict in whens), else_=literal(Verdict.ELIGIBLE.name))


def _perhaps(predicate: Predicate, keys: CTE) -> ColumnElement[bool]:
    """Whether the learner answers the question of the one key with yes, or may."""
    exactly = answers_exactly(predicate, keys, LEARNER.c.id)
    perhaps = exists(answers_uncertainly(predicate, keys, LEARNER.c.id, surely=False))
    return exists(select(keys.c.scope_id).where(or_(exactly, perhaps)).correlate(LEARNER))


def _is_profile() -> ColumnElement[bool]:
    return and_(PROFILE.c.organization_id == LEARNER.c.organization_id, PROFILE.c.learner_id == LEARNER.c.id)


def _is_erased() -> ColumnElement[bool]:
    return exists().where(ERASURE.c.organization_id == LEARNER.c.organization_id, ERASURE.c.learner_id == LEARNER.c.id)


def _has_voucher() -> ColumnElement[bool]:
    """One that is theirs and in force, however it names them."""
    in_force = and_(
        ASSIGNMENT.c.program_id == _number("program"),
        VOUCHER.c.program_id == ASSIGNMENT.c.program_id,
        VOUCHER.c.id == ASSIGNMENT.c.voucher_id,
        VOUCHER.c.assignment_id == ASSIGNMENT.c.id,
        VOUCHER.c.voucher_program_id == _number("voucher_program"),
        VOUCHER.c.standing == VoucherStanding.LIVE,
        VOUCHER.c.expires_at > bindparam("now", type_=Instant),
    )
    as_learner = exists().where(in_force, _is_assigned())
    as_person = exists().where(in_force, ASSIGNMENT.c.person_id == LEARNER.c.person_id)
    return or_(as_learner, and_(LEARNER.c.person_id.is_not(None), as_person))


def _is_assigned() -> ColumnElement[bool]:
    return and_(ASSIGNMENT.c.organization_id == LEARNER.c.organization_id, ASSIGNMENT.c.learner_id == LEARNER.c.id)


def _was_given(held: Subquery | None) -> ColumnElement[bool]:
    """By the cohort itself; what was learned of their certification since makes them belong to it anew."""
    of_cohort = and_(
        ASSIGNMENT.c.program_id == _number("program"),
        BULK.c.program_id == ASSIGNMENT.c.program_id,
        BULK.c.id == ASSIGNMENT.c.bulk_assignment_id,
        BULK.c.cohort_id == _number("cohort"),
    )
    since = [ASSIGNMENT.c.assigned_at >= held.c.recorded_at] if held is not None else []
    return exists().where(of_cohort, _is_assigned(), *since)


def _number(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger)
