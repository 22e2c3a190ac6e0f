"""What the statements of a fold share: which lines, of whom and when.

Their parameters: tenant (the organization) and run (the import) say which lines; act_at is when the act is recorded;
learners and facts from the keys first_learner and first_fact on are new. None has the name of a column, since
SQLAlchemy keeps these for the values of an UPDATE.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    case,
    exists,
    literal,
    type_coerce,
)

from models.base import Instant
from models.history import Belief, Quality
from models.interval import BEGINNING
from models.learners import Profile
from models.organizations import Scope
from models.roster import MatchedLine, RosterLine, RosterRefusal, StagedLine

ORGANIZATION: BindParameter[int] = bindparam("tenant", type_=BigInteger)
IMPORT: BindParameter[int] = bindparam("run", type_=BigInteger)
RECORDED_AT = bindparam("act_at", type_=Instant)
FIRST_LEARNER: BindParameter[int] = bindparam("first_learner", type_=BigInteger)
FIRST_FACT: BindParameter[int] = bindparam("first_fact", type_=BigInteger)
STAGED = StagedLine.__table__
MATCHED = MatchedLine.__table__
LINE = RosterLine.__table__
SCOPE = Scope.__table__
PROFILE = Profile.__table__
BELIEF = Belief.__table__
REFUSAL = RosterRefusal.__table__
IDENTITY = ("learner_id", "team_id", "from_at")
SAID = ("name", "email", "department")
BELIEF_COLUMNS = [
    *("organization_id", "fact_id", "recorded_at", "learner_id", "scope_id"),
    *("from_earliest", "from_latest", "to_earliest", "to_latest", "quality", "holds"),
]


def of_the_import(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.organization_id == ORGANIZATION, table.c.import_id == IMPORT)


def last_belief(belief: FromClause) -> ColumnElement[bool]:
    later = BELIEF.alias("later")
    return ~exists().where(
        later.c.organization_id == ORGANIZATION,
        later.c.fact_id == belief.c.fact_id,
        later.c.recorded_at > belief.c.recorded_at,
    )


def quality_of(from_earliest: ColumnElement[Any], from_latest: ColumnElement[Any]) -> ColumnElement[Any]:
    """As `models.history.quality_of` says of bounds with one end."""
    return case(
        (from_earliest == from_latest, literal(Quality.EXACT, BELIEF.c.quality.type)),
        (from_earliest == BEGINNING, literal(Quality.LOST, BELIEF.c.quality.type)),
        else_=literal(Quality.BOUNDED, BELIEF.c.quality.type),
    )


def before_it(instant: ColumnElement[Any]) -> ColumnElement[Any]:
    return type_coerce(type_coerce(instant, BigInteger) - 1, Instant)


def earlier_one(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """LEAST and SQLite's MIN of two are not one spelling."""
    return case((one < other, one), else_=other)
