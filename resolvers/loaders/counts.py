"""How many learners answer a question with yes: each person once, between bounds where dates were lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, distinct, func, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE, FromClause

from models.activity import Predicate, exact_edges
from models.batches import as_parameter, asked
from resolvers.loaders.answers import answering_in, answers_exactly, answers_uncertainly
from resolvers.loaders.as_known import CURRENT, FORMER, UNCERTAIN, in_scope, known, satisfies
from resolvers.loaders.levels import level_of, levels_answer


class Question(NamedTuple):
    """One question about one scope, as known at a recorded time. `b` is unused by ACTIVE_AT."""

    organization_id: int
    scope_id: int
    a: int
    b: int
    known_at: int


class Count(NamedTuple):
    """People, each once: `least` whom every completion of lost dates counts, `most` whom some completion does."""

    least: int
    most: int


async def counts(connection: AsyncConnection, questions: Sequence[Question], predicate: Predicate) -> list[Count]:
    """How many learners answer each question with yes, in the order of the questions."""
    rows = await connection.execute(
        _counts(predicate), {"keys": as_parameter((n, *q) for n, q in enumerate(questions))}
    )
    found = {row[0]: Count(row[1] + row[2], row[1] + row[3]) for row in rows}
    return [found[place] for place in range(len(questions))]


@lru_cache
def _counts(predicate: Predicate) -> Select[Any]:
    keys = asked("keys", "place", *Question._fields)
    exact = _exact_count(predicate, keys)
    surely, perhaps = (_uncertain_count(predicate, keys, surely=surely) for surely in (True, False))
    if predicate is Predicate.ACTIVE_AT:
        answered, least, most = levels_answer(keys), level_of("least", keys), level_of("most", keys)
        exact, surely, perhaps = (
            case((answered, level), else_=scanned) for level, scanned in ((0, exact), (least, surely), (most, perhaps))
        )
    return select(keys.c.place, exact, surely, perhaps)


def _exact_count(predicate: Predicate, keys: CTE) -> ColumnElement[int]:
    if predicate is Predicate.ACTIVATED_WITHIN:
        both = union_all(*(answering_in(window, predicate, keys, None) for window in (CURRENT, FORMER))).subquery()
        return select(func.count(distinct(both.c.learner_id))).scalar_subquery()
    current, former = (
        select(func.count())
        .select_from(window)
        .where(
            in_scope(window, keys),
            satisfies(predicate, exact_edges(window), keys, surely=True),
            known(window, keys),
            _first_of_its_learner(predicate, window, keys),
        )
        .correlate(keys)
        .scalar_subquery()
        for window in (CURRENT, FORMER)
    )
    return current + former


def _first_of_its_learner(predicate: Predicate, window: FromClause, keys: CTE) -> ColumnElement[bool]:
    """Counts people and not windows without a DISTINCT: an earlier window that ends after `a` would match too."""
    if predicate.once_a_learner:
        return true()
    return or_(window.c.previous_to.is_(None), window.c.previous_to <= keys.c.a)


def _uncertain_count(predicate: Predicate, keys: CTE, *, surely: bool) -> ColumnElement[int]:
    matching = answers_uncertainly(predicate, keys, surely=surely)
    matching = matching.where(~answers_exactly(predicate, keys, UNCERTAIN.c.learner_id))
    return matching.with_only_columns(func.count(distinct(UNCERTAIN.c.learner_id))).correlate(keys).scalar_subquery()
