"""What an organization's staged lines say of certifications, recorded for all lines at once.

What is known already is dropped first, and so is what a later line says otherwise; what is left is news. Parameters are
those of `statements`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Insert,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from models.certifications import Certification
from models.roster import StagedCertification
from resolvers.recording import Recording
from resolvers.roster.statements.parameters import (
    IMPORT,
    MATCHED,
    ORGANIZATION,
    PROFILE,
    RECORDED_AT,
    REFUSAL,
    STAGED,
    of_the_import,
)

CERTIFICATION = Certification.__table__
NAMED = StagedCertification.__table__
FIRST = bindparam("first_certification", type_=BigInteger)


@dataclass(frozen=True, slots=True)
class Certified:
    """How many certifications were news, and how many lines told nothing else that was."""

    names: int = 0
    lines_else_the_same: int = 0


async def any_named(session: AsyncSession, parameters: dict[str, object]) -> bool:
    return await session.scalar(_any_named(), parameters) is not None


async def record_certifications(recording: Recording, parameters: dict[str, object]) -> Certified:
    """The learners of the lines have their profiles by now."""
    session = recording.session
    await session.execute(_drop_what_is_known(), parameters)
    names = await session.scalar(_count_names(), parameters) or 0
    if not names:
        return Certified()
    keys = {"first_certification": recording.keys.take(names)}
    await session.execute(_supersede(), parameters)
    await session.execute(_record(), parameters | keys)
    return Certified(names, await session.scalar(_count_lines(), parameters) or 0)


def certified_lines(organization_id: int, import_id: int) -> Select[Any]:
    """The lines of a fold whose matched lines were kept, of which a certification was news."""
    return select(NAMED.c.line).where(NAMED.c.organization_id == organization_id, NAMED.c.import_id == import_id)


@cache
def _any_named() -> Select[Any]:
    return select(NAMED.c.line).where(of_the_import(NAMED)).limit(1)


@cache
def _count_names() -> Select[Any]:
    return select(func.count()).select_from(NAMED).where(of_the_import(NAMED))


@cache
def _count_lines() -> Select[Any]:
    named = select(NAMED.c.line).where(of_the_import(NAMED))
    same = MATCHED.c.known_to == MATCHED.c.to_at
    return select(func.count()).select_from(MATCHED).where(of_the_import(MATCHED), same, MATCHED.c.line.in_(named))


def _of_learners(*columns: ColumnElement[Any]) -> Select[Any]:
    """What the lines name, beside their learners."""
    line = and_(of_the_import(STAGED), STAGED.c.line == NAMED.c.line)
    person = and_(PROFILE.c.organization_id == ORGANIZATION, PROFILE.c.external_id == STAGED.c.external_id)
    return select(*columns).select_from(NAMED.join(STAGED, line).join(PROFILE, person)).where(of_the_import(NAMED))


def _is_same_name() -> ColumnElement[bool]:
    return and_(
        CERTIFICATION.c.organization_id == ORGANIZATION,
        CERTIFICATION.c.learner_id == PROFILE.c.learner_id,
        CERTIFICATION.c.name_key == NAMED.c.name_key,
        CERTIFICATION.c.superseded_at.is_(None),
    )


@cache
def _drop_what_is_known() -> Delete:
    """Of several lines the last one is right. A refused line says nothing."""
    refused = exists().where(REFUSAL.c.import_id == IMPORT, REFUSAL.c.line == NAMED.c.line)
    by_learner = (PROFILE.c.learner_id, NAMED.c.name_key)
    place = func.row_number().over(partition_by=by_learner, order_by=NAMED.c.line.desc()).label("place")
    columns = (PROFILE.c.learner_id, NAMED.c.line, NAMED.c.name_key, NAMED.c.expires_on)
    told = _of_learners(*columns, place).where(~refused).subquery("told")
    held = CERTIFICATION.alias("held")
    same = and_(
        held.c.organization_id == ORGANIZATION,
        held.c.learner_id == told.c.learner_id,
        held.c.name_key == told.c.name_key,
        held.c.superseded_at.is_(None),
    )
    otherwise = or_(held.c.id.is_(None), held.c.expires_on.is_distinct_from(told.c.expires_on))
    news = select(told.c.line, told.c.name_key).select_from(told.outerjoin(held, same))
    kept = news.where(told.c.place == 1, otherwise).subquery("news")
    is_news = exists().where(kept.c.line == NAMED.c.line, kept.c.name_key == NAMED.c.name_key)
    return delete(NAMED).where(of_the_import(NAMED), ~is_news)


@cache
def _supersede() -> Update:
    replaced = _of_learners(CERTIFICATION.c.id).join(CERTIFICATION, _is_same_name())
    return (
        update(CERTIFICATION)
        .where(CERTIFICATION.c.organization_id == ORGANIZATION, CERTIFICATION.c.superseded_at.is_(None))
        .where(CERTIFICATION.c.id.in_(replaced))
        .values(superseded_at=RECORDED_AT)
    )


@cache
def _record() -> Insert:
    by = (PROFILE.c.learner_id, NAMED.c.name_key)
    key = FIRST - 1 + func.row_number().over(order_by=by)
    said = (NAMED.c.name, NAMED.c.name_key, NAMED.c.expires_on)
    rows = _of_learners(ORGANIZATION, key, PROFILE.c.learner_id, *said, RECORDED_AT)
    columns = ["organization_id", "id", "learner_id", "name", "name_key", "expires_on", "recorded_at"]
    return insert(CERTIFICATION).from_select(columns, rows)
