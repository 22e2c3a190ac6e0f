"""What the lines of an import say of people: new learners, and profiles that are told otherwise."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    Update,
    and_,
    case,
    exists,
    func,
    insert,
    select,
    update,
)

from models.learners import Learner
from resolvers.roster.statements.parameters import (
    FIRST_LEARNER,
    MATCHED,
    ORGANIZATION,
    PROFILE,
    SAID,
    STAGED,
    of_the_import,
)


@cache
def insert_learners() -> Insert:
    # Grouped along the key: SQLite would keep a table of its own of all that are distinct.
    new = (
        select(ORGANIZATION, MATCHED.c.learner_id)
        .where(of_the_import(MATCHED), MATCHED.c.learner_id >= FIRST_LEARNER)
        .group_by(MATCHED.c.learner_id)
    )
    return insert(Learner.__table__).from_select(["organization_id", "id"], new)


@cache
def insert_profiles() -> Insert:
    """From the last line of each new learner; a cell that is empty there from the last line where it is not. Found
    along the key, so that nothing is sorted.
    """
    last, later = MATCHED.alias("last_line"), MATCHED.alias("later")
    is_last = ~exists().where(of_the_import(later), later.c.learner_id == last.c.learner_id, later.c.line > last.c.line)
    said = [*SAID, *(f"{name}_key" for name in SAID)]
    cells = [_last_said(name, last.c.learner_id) for name in said]
    rows = (
        select(ORGANIZATION, last.c.learner_id, STAGED.c.external_id, *cells)
        .select_from(last)
        .join(STAGED, and_(of_the_import(STAGED), STAGED.c.line == last.c.line))
        .where(of_the_import(last), last.c.learner_id >= FIRST_LEARNER, is_last)
        .order_by(last.c.learner_id)
    )
    return insert(PROFILE).from_select(["organization_id", "learner_id", "external_id", *said], rows)


def _last_said(name: str, learner_id: ColumnElement[int]) -> ColumnElement[str]:
    return case((STAGED.c[name] != "", STAGED.c[name]), else_=func.coalesce(_said(name, learner_id), ""))


def _said(name: str, learner_id: ColumnElement[int]) -> Any:
    """What the last line of a learner in which this cell is not empty says there; NULL if none does."""
    lines, staged = MATCHED.alias("told"), STAGED.alias("telling")
    return (
        select(staged.c[name])
        .select_from(lines)
        .join(staged, and_(of_the_import(staged), staged.c.line == lines.c.line))
        .where(of_the_import(lines), lines.c.learner_id == learner_id, staged.c[name] != "")
        .order_by(lines.c.line.desc())
        .limit(1)
        .scalar_subquery()
    )


@cache
def anybody_told_otherwise() -> Select[Any]:
    return select(MATCHED.c.line).where(of_the_import(MATCHED), MATCHED.c.tells).limit(1)


@cache
def update_profiles() -> Update:
    told = select(MATCHED.c.learner_id).where(of_the_import(MATCHED), MATCHED.c.tells)
    columns = [PROFILE.c[name] for said in SAID for name in (said, f"{said}_key")]
    return (
        update(PROFILE)
        .where(PROFILE.c.organization_id == ORGANIZATION, PROFILE.c.learner_id.in_(told))
        .values({column: func.coalesce(_said(column.name, PROFILE.c.learner_id), column) for column in columns})
    )
