"""Who answers a question with yes: conditions and selects for statements that list, count or look for learners."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    case,
    exists,
    literal,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.expression import CTE, FromClause

from models.activity import Edges, Predicate, exact_edges, uncertain_edges
from models.base import Instant
from resolvers.loaders.as_known import CURRENT, FORMER, UNCERTAIN, in_scope, known, known_windows, satisfies


def answers_exactly(
    predicate: Predicate | None,
    keys: FromClause,
    learner: ColumnElement[int] | None = None,
    *,
    one_by_one: bool = False,
) -> ColumnElement[bool]:
    """Whether an exact window known then answers the question of the key with yes, of one learner if given."""
    matching = (answering_in(window, predicate, keys, learner) for window in (CURRENT, FORMER))
    if one_by_one and learner is not None:
        matching = (_matching_one(window, predicate, keys, learner) for window in (CURRENT, FORMER))
    return or_(*map(exists, matching))


def answering_in(
    window: FromClause, predicate: Predicate | None, keys: FromClause, learner: ColumnElement[int] | None
) -> Select[Any]:
    matching = select(window.c.learner_id).where(
        in_scope(window, keys), satisfies(predicate, exact_edges(window), keys, surely=True), known(window, keys)
    )
    matching = matching if learner is None else matching.where(window.c.learner_id == learner)
    return matching.correlate_except(window)


def _matching_one(
    window: FromClause, predicate: Predicate | None, keys: FromClause, learner: ColumnElement[int]
) -> Select[Any]:
    """The same, found by the learner's key for each learner anew, however many there are. PostgreSQL expects few rows
    of any key: unless none is to be skipped it reads those of all learners once, and unless nothing is added to the
    edges it reads them in the index by dates.
    """
    start, end = (type_coerce(type_coerce(window.c[name], BigInteger) + 0, Instant) for name in ("from_at", "to_at"))
    edges = Edges(start, start, end, end)
    matching = select(window.c.learner_id).where(
        in_scope(window, keys), window.c.learner_id == learner, satisfies(predicate, edges, keys, surely=True)
    )
    return matching.where(known(window, keys)).offset(0).correlate_except(window)


def answers_uncertainly(
    predicate: Predicate | None,
    keys: FromClause,
    learner: ColumnElement[int] | None = None,
    *,
    surely: bool,
    one_by_one: bool = False,
) -> Select[Any]:
    """The learners of whom an uncertain window surely, or else possibly, answers the question with yes."""
    matching = select(UNCERTAIN.c.learner_id).where(
        in_scope(UNCERTAIN, keys),
        satisfies(predicate, uncertain_edges(UNCERTAIN), keys, surely=False),
        known(UNCERTAIN, keys),
    )
    if surely:
        # What is sure is possible: said as well, since the index is led by the ends that are possible.
        certain = satisfies(predicate, uncertain_edges(UNCERTAIN), keys, surely=True)
        matching = matching.where(certain, ~UNCERTAIN.c.may_be_empty)
    if learner is not None:
        matching = matching.where(UNCERTAIN.c.learner_id == learner)
    if one_by_one:
        # As of exact windows: without it PostgreSQL reads those of everybody, to look each learner up among them.
        matching = matching.offset(0)
    return matching.correlate_except(UNCERTAIN)


def answers_who(predicate: Predicate, keys: CTE) -> CompoundSelect[Any]:
    """All learners of the scope of a key of whom some completion answers the question with yes."""
    exact = (answering_in(window, predicate, keys, None) for window in (CURRENT, FORMER))
    return union_all(*exact, answers_uncertainly(predicate, keys, surely=False))


def answers_where(predicate: Predicate, keys: CTE) -> CompoundSelect[Any]:
    """The same, each with the scope in which they do, and whether that is so whatever the lost dates were. Somebody may
    be named more than once."""

    def told(who: Select[Any], window: FromClause, *, certain: bool) -> Select[Any]:
        return who.add_columns(window.c.scope_id, literal(int(certain)).label("certain"))

    exact = (told(answering_in(window, predicate, keys, None), window, certain=True) for window in (CURRENT, FORMER))
    lost = (answers_uncertainly(predicate, keys, surely=surely) for surely in (True, False))
    surely, perhaps = (told(who, UNCERTAIN, certain=certain) for who, certain in zip(lost, (True, False), strict=True))
    return union_all(*exact, surely, perhaps)


def answers_in_both(
    predicate: Predicate | None, keys: CTE, learner: ColumnElement[int], *, surely: bool
) -> ColumnElement[bool]:
    """Whether what a learner's windows of two scopes share (active in the team and with the library) answers yes."""
    one, other = (
        known_windows(keys, scope, learner).subquery(name)
        for scope, name in ((keys.c.scope_id, "one"), (keys.c.other_scope_id, "other"))
    )
    shared = Edges(
        later(one.c.from_earliest, other.c.from_earliest),
        later(one.c.from_latest, other.c.from_latest),
        earlier(one.c.to_earliest, other.c.to_earliest),
        earlier(one.c.to_latest, other.c.to_latest),
    )
    meets = shared.from_earliest < shared.to_latest
    if surely:
        meets = and_(
            one.c.from_latest < other.c.to_earliest,
            other.c.from_latest < one.c.to_earliest,
            ~or_(one.c.may_be_empty, other.c.may_be_empty),
        )
    inside = Edges(
        shared.from_earliest,
        earlier(shared.from_latest, shared.to_latest - 1),
        later(shared.to_earliest, shared.from_earliest + 1),
        shared.to_latest,
    )
    both = select(one.c.known_from).select_from(one.join(other, true()))
    shares = both.where(meets, satisfies(predicate, inside, keys, surely=surely))
    # The windows are those of the one key that is asked about: without this, of all keys of the batch.
    return exists(shares.correlate_except(one, other))


def later(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((one > other, one), else_=other)


def earlier(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((one < other, one), else_=other)
