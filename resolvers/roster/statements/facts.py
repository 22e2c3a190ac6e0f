"""What the lines of an import say of activity and membership: new facts, and the ends of known ones."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Select,
    Update,
    and_,
    case,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    true,
    union_all,
    update,
)

from models.history import Quality
from models.interval import BEGINNING, FOREVER
from resolvers.roster.statements.parameters import (
    BELIEF,
    BELIEF_COLUMNS,
    FIRST_FACT,
    FIRST_LEARNER,
    IDENTITY,
    LINE,
    MATCHED,
    ORGANIZATION,
    RECORDED_AT,
    before_it,
    earlier_one,
    last_belief,
    of_the_import,
    quality_of,
)

Part = Literal["activity", "membership"]


def _fact_made_by_hand(scope_id: ColumnElement[int]) -> Any:
    """A live exact fact of the line's learner, in a scope and from the line's start, that no roster line made."""
    owner = LINE.alias("owner")
    owned = exists().where(
        owner.c.organization_id == ORGANIZATION,
        owner.c.learner_id == MATCHED.c.learner_id,
        or_(owner.c.activity_fact_id == BELIEF.c.fact_id, owner.c.membership_fact_id == BELIEF.c.fact_id),
    )
    return (
        select(func.min(BELIEF.c.fact_id))
        .where(
            BELIEF.c.organization_id == ORGANIZATION,
            BELIEF.c.learner_id == MATCHED.c.learner_id,
            BELIEF.c.scope_id == scope_id,
            BELIEF.c.from_earliest == MATCHED.c.from_at,
            BELIEF.c.quality == Quality.EXACT,
            BELIEF.c.holds,
            last_belief(BELIEF),
            ~owned,
        )
        .scalar_subquery()
    )


def _new_of_known() -> ColumnElement[bool]:
    return and_(of_the_import(MATCHED), MATCHED.c.known_to.is_(None), MATCHED.c.learner_id < FIRST_LEARNER)


@cache
def adopt_memberships() -> Update:
    """A membership that a mutation made already is the new line's own: no second fact of the same."""
    found = func.coalesce(_fact_made_by_hand(MATCHED.c.team_id), MATCHED.c.membership_fact_id)
    return update(MATCHED).where(_new_of_known()).values(membership_fact_id=found)


@cache
def adopt_activities() -> Update:
    """Likewise for activity; of several lines with one start the first team's adopts it."""
    other = MATCHED.alias("other")
    is_first = ~exists().where(
        of_the_import(other),
        other.c.learner_id == MATCHED.c.learner_id,
        other.c.from_at == MATCHED.c.from_at,
        other.c.known_to.is_(None),
        other.c.team_id < MATCHED.c.team_id,
    )
    found = func.coalesce(_fact_made_by_hand(ORGANIZATION), MATCHED.c.activity_fact_id)
    return update(MATCHED).where(_new_of_known(), is_first).values(activity_fact_id=found)


@cache
def believe_new_facts() -> Insert:
    """Both facts of each new line."""
    parts = union_all(*(_new_facts(part) for part in ("activity", "membership")))
    return insert(BELIEF).from_select(BELIEF_COLUMNS, parts)


def _new_facts(part: Part) -> Select[Any]:
    fact_id, scope_id = _fact(part)
    return select(
        ORGANIZATION,
        fact_id,
        RECORDED_AT,
        MATCHED.c.learner_id,
        scope_id,
        MATCHED.c.from_at,
        MATCHED.c.from_latest,
        MATCHED.c.to_at,
        MATCHED.c.to_at,
        quality_of(MATCHED.c.from_at, MATCHED.c.from_latest),
        true(),
    ).where(of_the_import(MATCHED), fact_id >= FIRST_FACT)


def _fact(part: Part) -> tuple[ColumnElement[int], ColumnElement[int]]:
    if part == "activity":
        return MATCHED.c.activity_fact_id, ORGANIZATION
    return MATCHED.c.membership_fact_id, MATCHED.c.team_id


@cache
def believe_otherwise(part: Part) -> Insert:
    """A line that says another end, or adopted a fact, corrects it where that is held otherwise.

    Only the end is news. A start that was corrected by hand stays, unless the new end leaves no room for it.
    """
    said = _said_otherwise(part).subquery("said")
    rows = select(
        ORGANIZATION,
        said.c.fact_id,
        RECORDED_AT,
        said.c.learner_id,
        said.c.scope_id,
        said.c.from_earliest,
        said.c.from_latest,
        said.c.to_at,
        said.c.to_at,
        quality_of(said.c.from_earliest, said.c.from_latest),
        true(),
    )
    return insert(BELIEF).from_select(BELIEF_COLUMNS, rows)


def _said_otherwise(part: Part) -> Select[Any]:
    fact_id, scope_id = _fact(part)
    held = BELIEF.alias("held")
    keeps_start = and_(held.c.holds, held.c.from_earliest < MATCHED.c.to_at, held.c.from_earliest != MATCHED.c.from_at)
    return (
        select(
            fact_id.label("fact_id"),
            MATCHED.c.learner_id,
            scope_id.label("scope_id"),
            case((keeps_start, held.c.from_earliest), else_=MATCHED.c.from_at).label("from_earliest"),
            case(
                (keeps_start, earlier_one(held.c.from_latest, before_it(MATCHED.c.to_at))),
                (_was_active_once(held), earlier_one(held.c.from_latest, MATCHED.c.from_latest)),
                else_=MATCHED.c.from_latest,
            ).label("from_latest"),
            MATCHED.c.to_at,
        )
        .select_from(MATCHED)
        .join(held, and_(held.c.organization_id == ORGANIZATION, held.c.fact_id == fact_id, last_belief(held)))
        .where(
            of_the_import(MATCHED),
            # Plus nothing: else SQLite bounds the beliefs' key by it too, and reads all of them for every line.
            (fact_id + 0) < FIRST_FACT,
            or_(MATCHED.c.known_to.is_(None), MATCHED.c.known_to != MATCHED.c.to_at),
            or_(held.c.holds == false(), held.c.to_earliest != MATCHED.c.to_at, held.c.to_latest != MATCHED.c.to_at),
        )
    )


def _was_active_once(held: FromClause) -> ColumnElement[bool]:
    """Its start was lost and it was active when last imported: it had begun by then, whatever its end."""
    return and_(held.c.holds, held.c.from_earliest == BEGINNING, MATCHED.c.known_to == FOREVER)


@cache
def insert_roster_lines() -> Insert:
    columns = ["organization_id", *IDENTITY, "to_at", "activity_fact_id", "membership_fact_id"]
    rows = select(*(MATCHED.c[name] for name in columns)).where(of_the_import(MATCHED), MATCHED.c.known_to.is_(None))
    return insert(LINE).from_select(columns, rows)


@cache
def correct_roster_lines() -> Update:
    return (
        update(LINE)
        .where(
            LINE.c.organization_id == ORGANIZATION,
            of_the_import(MATCHED),
            *(LINE.c[name] == MATCHED.c[name] for name in IDENTITY),
            MATCHED.c.known_to != MATCHED.c.to_at,
        )
        .values(to_at=MATCHED.c.to_at)
    )
