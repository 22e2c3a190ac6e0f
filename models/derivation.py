"""How windows come from beliefs: the statements that derive them, for any number of learners of an organization.

    beliefs held now -> coalesced per scope -> activity met with each membership and access -> windows

They are the same for one mutation and for an import of a million rows. What has a lost date is derived apart, in
plain Python, since it is rare and each case is its own (`uncertain_windows`).

Each statement is built once: building one takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import (
    CTE,
    BigInteger,
    BindParameter,
    ColumnElement,
    Insert,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert
from sqlalchemy.sql.expression import FromClause

from models.activity import FormerWindow, UncertainWindow, Window
from models.base import Instant
from models.batches import asked
from models.history import Belief, Held, Quality
from models.interval import Bounds, Interval, intersections

ORGANIZATION: BindParameter[int] = bindparam("organization_id", type_=BigInteger)
RECORDED_AT = bindparam("recorded_at", type_=Instant)
BELIEF = Belief.__table__
WINDOW = Window.__table__
FORMER = FormerWindow.__table__
UNCERTAIN = UncertainWindow.__table__
KEY = ("organization_id", "scope_id", "learner_id", "to_at")
SHAPE = ("scope_id", "learner_id", "from_at", "to_at", "previous_to")


@cache
def learners_named() -> CTE:
    """The learners given as the parameter `learners`."""
    return asked("learners", "learner_id")


@cache
def held_now() -> Select[Any]:
    """Of each fact of the named learners what was believed of it last by the recorded time, if it then held.

    While an act records, that is all; a rebuild plays the acts back, each at its own time.
    """
    later = BELIEF.alias("later")
    superseded = exists().where(
        later.c.organization_id == BELIEF.c.organization_id,
        later.c.fact_id == BELIEF.c.fact_id,
        later.c.recorded_at > BELIEF.c.recorded_at,
        later.c.recorded_at <= RECORDED_AT,
    )
    return select(BELIEF).where(
        BELIEF.c.organization_id == ORGANIZATION,
        tuple_(BELIEF.c.fact_id, BELIEF.c.recorded_at).in_(_beliefs_of_learners_named()),
        BELIEF.c.recorded_at <= RECORDED_AT,
        BELIEF.c.holds,
        ~superseded,
    )


def derived_windows() -> Select[Any]:
    """The windows of the named learners in every scope, in the order of SHAPE, as their beliefs held now make them."""
    coalesced = _coalesced(held_now().where(BELIEF.c.quality == Quality.EXACT))
    windows = union_all(_activity(coalesced), _activity_within(coalesced)).cte("met")
    previous_to = func.lag(windows.c.to_at, type_=Instant).over(
        partition_by=(windows.c.scope_id, windows.c.learner_id), order_by=windows.c.from_at
    )
    return select(
        windows.c.scope_id, windows.c.learner_id, windows.c.from_at, windows.c.to_at, previous_to.label("previous_to")
    )


def _coalesced(beliefs: Select[Any]) -> CTE:
    """Gaps and islands: a belief starts an island unless an earlier one of its scope reaches it."""
    held = beliefs.cte("held")
    order = (held.c.from_earliest, held.c.to_latest)
    of_one = (held.c.scope_id, held.c.learner_id)
    reached = func.max(held.c.to_latest).over(partition_by=of_one, order_by=order, rows=(None, -1))
    marked = select(
        *of_one,
        held.c.from_earliest.label("from_at"),
        held.c.to_latest.label("to_at"),
        case((held.c.from_earliest <= reached, 0), else_=1).label("starts"),
    ).cte("marked")
    numbered = select(
        marked,
        func.sum(marked.c.starts)
        .over(
            partition_by=(marked.c.scope_id, marked.c.learner_id),
            order_by=(marked.c.from_at, marked.c.to_at),
            rows=(None, 0),
        )
        .label("island"),
    ).cte("numbered")
    return (
        select(
            numbered.c.scope_id,
            numbered.c.learner_id,
            func.min(numbered.c.from_at).label("from_at"),
            func.max(numbered.c.to_at).label("to_at"),
        )
        .group_by(numbered.c.scope_id, numbered.c.learner_id, numbered.c.island)
        .cte("coalesced")
    )


def _activity(coalesced: CTE) -> Select[Any]:
    return select(coalesced).where(coalesced.c.scope_id == ORGANIZATION)


def _activity_within(coalesced: CTE) -> Select[Any]:
    """Activity while a member, or while having access. What two coalesced lists share needs no coalescing."""
    activity = _activity(coalesced).cte("activity")
    return select(
        coalesced.c.scope_id,
        coalesced.c.learner_id,
        case((activity.c.from_at > coalesced.c.from_at, activity.c.from_at), else_=coalesced.c.from_at).label(
            "from_at"
        ),
        case((activity.c.to_at < coalesced.c.to_at, activity.c.to_at), else_=coalesced.c.to_at).label("to_at"),
    ).where(
        coalesced.c.scope_id != ORGANIZATION,
        coalesced.c.learner_id == activity.c.learner_id,
        coalesced.c.from_at < activity.c.to_at,
        coalesced.c.to_at > activity.c.from_at,
    )


def current_windows() -> Select[Any]:
    """The windows of the named learners as they stand in the table, in the order of SHAPE."""
    return select(*(WINDOW.c[name] for name in SHAPE)).where(
        WINDOW.c.organization_id == ORGANIZATION,
        tuple_(WINDOW.c.scope_id, WINDOW.c.learner_id).in_(_scopes_of_learners_named()),
    )


def _scopes_of_learners_named() -> Select[Any]:
    """Where they can have windows: wherever something was ever believed of them. Found by an index, without a scan."""
    believed = BELIEF.alias("believed")
    return select(believed.c.scope_id, believed.c.learner_id).where(_of_learners_named(believed)).distinct()


def _beliefs_of_learners_named() -> Select[Any]:
    """The keys of all that was ever believed of them, from the index that leads with the learner."""
    believed = BELIEF.alias("believed")
    return select(believed.c.fact_id, believed.c.recorded_at).where(_of_learners_named(believed))


def _of_learners_named(beliefs: FromClause) -> ColumnElement[bool]:
    """By organization and learner at once, so that SQLite takes the index that holds both and not the primary key."""
    named = select(ORGANIZATION, learners_named().c.learner_id)
    return tuple_(beliefs.c.organization_id, beliefs.c.learner_id).in_(named)


def _no_longer_so() -> Select[Any]:
    stale = current_windows().except_(derived_windows()).subquery("stale")
    return select(stale.c.scope_id, stale.c.learner_id, stale.c.to_at)


def _is_stale() -> Any:
    return and_(
        WINDOW.c.organization_id == ORGANIZATION,
        tuple_(WINDOW.c.scope_id, WINDOW.c.learner_id, WINDOW.c.to_at).in_(_no_longer_so()),
    )


@cache
def keep_former_windows() -> Insert:
    """First: what is no longer so is kept as it was known until now."""
    columns = [*KEY, "from_at", "previous_to", "known_from"]
    kept = select(*(WINDOW.c[name] for name in columns), RECORDED_AT.label("known_until")).where(_is_stale())
    return insert(FORMER).from_select([*columns, "known_until"], kept)


@cache
def remove_stale_windows() -> ReturningDelete[int, int, int]:
    """Then it leaves the current windows; gives each, for the levels."""
    return delete(WINDOW).where(_is_stale()).returning(*_spans())


@cache
def add_derived_windows(of_new_learners: bool = False) -> ReturningInsert[int, int, int]:
    """Last: what is newly so is added; gives each. For learners who had no window at all nothing need be compared."""
    derived = derived_windows() if of_new_learners else derived_windows().except_(current_windows())
    new = derived.subquery("new")
    rows = select(ORGANIZATION, *(new.c[name] for name in SHAPE), RECORDED_AT)
    return insert(WINDOW).from_select(["organization_id", *SHAPE, "known_from"], rows).returning(*_spans())


def _spans() -> tuple[ColumnElement[int], ColumnElement[int], ColumnElement[int]]:
    """Scope, start and end of a window that is written, as the integers that they are in the table."""
    return (WINDOW.c.scope_id, type_coerce(WINDOW.c.from_at, BigInteger), type_coerce(WINDOW.c.to_at, BigInteger))


# ------------------------------------------------------------------------------------ what has lost a date


@cache
def learners_with_uncertainty() -> Select[Any]:
    """The named learners with a belief that is not exact, held now or formerly, once for each such belief.

    Asked for each of them once, SQLite reads all beliefs of the organization, in an order that needs no sorting.
    """
    return select(BELIEF.c.learner_id).where(
        BELIEF.c.organization_id == ORGANIZATION,
        tuple_(BELIEF.c.fact_id, BELIEF.c.recorded_at).in_(_beliefs_of_learners_named()),
        BELIEF.c.quality != Quality.EXACT,
    )


def uncertain_windows(held: Held) -> list[tuple[int, Bounds]]:
    """The windows of one learner, as (scope, bounds), of which a date is lost.

    A lost date never reaches past a known end, because there the learner had left; a membership lost together with
    the activity (a roster row without its start) is bounded with it. What an exact window holds anyway is left out.
    """
    own = held.organization_id
    activity = _known_and_not(held, own)
    found = [(own, bounds) for bounds in activity[1]]
    for scope_id in sorted({fact.scope_id for fact in held.facts} - {own}):
        found += [(scope_id, bounds) for bounds in _met(activity, _known_and_not(held, scope_id))]
    return found


KnownAndNot: TypeAlias = tuple[list[Interval], list[Bounds]]


def _known_and_not(held: Held, scope_id: int) -> KnownAndNot:
    known = held.windows(scope_id)
    lost_with_activity = {fact.bounds for fact in held.activity}
    activity = held.windows(held.organization_id)
    unsure: list[Bounds] = []
    for bounds in (fact.bounds for fact in held.of(scope_id) if not fact.bounds.is_exact):
        limits = sorted({*known, *(activity if bounds in lost_with_activity else [])})
        bounded = bounds.short_of_known_ends(limits)
        if not _held_by(known, bounded) and bounded not in unsure:
            unsure.append(bounded)
    return known, unsure


def _held_by(known: Iterable[Interval], bounds: Bounds) -> bool:
    widest = bounds.widest
    return any(window.start <= widest.start and widest.end <= window.end for window in known)


def _met(activity: KnownAndNot, membership: KnownAndNot) -> list[Bounds]:
    """Activity and membership met, where at least one of the two is unsure."""
    certain = intersections(activity[0], membership[0])
    found: list[Bounds] = []
    for one, other in _unsure_pairs(activity, membership):
        common = one.intersect(other)
        if common and not _held_by(certain, common) and common not in found:
            found.append(common)
    return found


def _unsure_pairs(activity: KnownAndNot, membership: KnownAndNot) -> Iterable[tuple[Bounds, Bounds]]:
    known_activity, unsure_activity = activity
    known_membership, unsure_membership = membership
    yield from ((a, Bounds.exactly(m)) for a in unsure_activity for m in known_membership)
    yield from ((Bounds.exactly(a), m) for a in known_activity for m in unsure_membership)
    yield from ((a, m) for a in unsure_activity for m in unsure_membership)
