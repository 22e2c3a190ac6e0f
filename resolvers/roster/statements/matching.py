"""Lines of an import find their teams, their learners and what they said before; those that contradict others go."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Select,
    String,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.sql.dml import ReturningDelete

from models.organizations import ScopeKind
from resolvers.roster.statements.parameters import (
    FIRST_FACT,
    FIRST_LEARNER,
    IDENTITY,
    IMPORT,
    LINE,
    MATCHED,
    ORGANIZATION,
    PROFILE,
    REFUSAL,
    SAID,
    SCOPE,
    STAGED,
    of_the_import,
)


@cache
def unknown_teams() -> Select[Any]:
    names = select(STAGED.c.team).where(of_the_import(STAGED)).distinct().subquery("named")
    known = exists().where(
        SCOPE.c.organization_id == ORGANIZATION, SCOPE.c.kind == ScopeKind.TEAM, SCOPE.c.name == names.c.team
    )
    return select(names.c.team).where(~known).order_by(names.c.team)


@cache
def insert_scopes() -> Insert:
    return insert(SCOPE)


@cache
def match_lines() -> Insert:
    """Each staged line with its team, its learner (new ones get keys in the order of their external ids), what its
    identity said before, and its facts. Written in the order of the key, and so is all that is read from it.
    """
    found = _with_learners().subquery("found")
    before = LINE.alias("before")
    place = func.row_number().over(order_by=[found.c[name] for name in (*IDENTITY, "line")])
    # The second part of a pair stands beside the first, so that both are written in the order of their keys.
    fact = FIRST_FACT + 2 * (place - 1)
    rows = (
        select(
            ORGANIZATION,
            IMPORT,
            *(found.c[name] for name in (*IDENTITY, "line", "from_latest", "to_at")),
            before.c.to_at,
            func.coalesce(before.c.activity_fact_id, fact),
            func.coalesce(before.c.membership_fact_id, fact + 1),
            found.c.tells,
        )
        .select_from(found)
        .outerjoin(
            before,
            and_(
                before.c.organization_id == ORGANIZATION,
                before.c.learner_id == found.c.known_learner,
                before.c.team_id == found.c.team_id,
                before.c.from_at == found.c.from_at,
            ),
        )
        .order_by(*(found.c[name] for name in (*IDENTITY, "line")))
    )
    columns = ["organization_id", "import_id", *IDENTITY, "line", "from_latest", "to_at", "known_to"]
    return insert(MATCHED).from_select([*columns, "activity_fact_id", "membership_fact_id", "tells"], rows)


def _with_learners() -> Select[Any]:
    profile = PROFILE.alias("known")
    nobody = profile.c.learner_id.is_(None)
    number = func.dense_rank().over(partition_by=case((nobody, 1), else_=0), order_by=STAGED.c.external_id)
    team = and_(SCOPE.c.organization_id == ORGANIZATION, SCOPE.c.kind == ScopeKind.TEAM, SCOPE.c.name == STAGED.c.team)
    person = and_(profile.c.organization_id == ORGANIZATION, profile.c.external_id == STAGED.c.external_id)
    return (
        select(
            func.coalesce(profile.c.learner_id, FIRST_LEARNER - 1 + number).label("learner_id"),
            profile.c.learner_id.label("known_learner"),
            SCOPE.c.id.label("team_id"),
            STAGED.c.from_earliest.label("from_at"),
            STAGED.c.line,
            STAGED.c.from_latest,
            STAGED.c.to_at,
            and_(~nobody, or_(*(_otherwise(profile, name) for name in SAID))).label("tells"),
        )
        .select_from(STAGED)
        .join(SCOPE, team)
        .outerjoin(profile, person)
        .where(of_the_import(STAGED))
    )


def _otherwise(profile: FromClause, name: str) -> ColumnElement[bool]:
    """An empty cell says nothing."""
    return and_(STAGED.c[name] != "", STAGED.c[name] != profile.c[name])


@cache
def any_identity_twice() -> Select[Any]:
    return (
        select(MATCHED.c.learner_id)
        .where(of_the_import(MATCHED))
        .group_by(*(MATCHED.c[name] for name in IDENTITY))
        .having(func.count() > 1)
        .limit(1)
    )


def _first_of_each() -> Any:
    """Of each identity that comes more than once, the first line and how many."""
    return (
        select(*(MATCHED.c[name] for name in IDENTITY), func.min(MATCHED.c.line).label("line"))
        .where(of_the_import(MATCHED))
        .group_by(*(MATCHED.c[name] for name in IDENTITY))
        .having(func.count() > 1)
        .subquery("first_line")
    )


@cache
def refuse_contradictions() -> Insert:
    first_line, first = _first_of_each(), MATCHED.alias("first_one")
    rows = select(
        IMPORT,
        MATCHED.c.line,
        literal("deactivated_on"),
        literal("The same team, learner and start stand in line ")
        + cast(first_line.c.line, String)
        + literal(", with another end."),
        literal("Keep the line that is right."),
    ).where(
        of_the_import(MATCHED),
        of_the_import(first),
        *(MATCHED.c[name] == first_line.c[name] for name in IDENTITY),
        *(first.c[name] == first_line.c[name] for name in (*IDENTITY, "line")),
        MATCHED.c.to_at != first.c.to_at,
    )
    return (
        insert(REFUSAL).from_select(["import_id", "line", "column", "problem", "mend"], rows).returning(REFUSAL.c.line)
    )


@cache
def drop_later_copies() -> ReturningDelete[int]:
    earlier = MATCHED.alias("earlier")
    is_later = exists().where(
        of_the_import(earlier),
        *(earlier.c[name] == MATCHED.c[name] for name in IDENTITY),
        earlier.c.line < MATCHED.c.line,
    )
    return delete(MATCHED).where(of_the_import(MATCHED), is_later).returning(MATCHED.c.line)


@cache
def count_matched() -> Select[Any]:
    """How many lines are new (and how many of these of a known learner), say another end, or say the same."""
    is_new = MATCHED.c.known_to.is_(None)
    counts = {
        "new": is_new,
        "new_of_known": and_(is_new, MATCHED.c.learner_id < FIRST_LEARNER),
        "corrected": MATCHED.c.known_to != MATCHED.c.to_at,
        "same": MATCHED.c.known_to == MATCHED.c.to_at,
    }
    columns = [func.coalesce(func.sum(case((test, 1), else_=0)), 0).label(name) for name, test in counts.items()]
    return select(*columns).where(of_the_import(MATCHED))
