"""The windows of an import's lines: at once of new learners whose lines are their windows, in chunks of all others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)

from models.activity import Window
from models.base import Instant
from models.interval import FOREVER
from models.levels import quarter_of
from models.roster import MatchedLine
from resolvers.levels import Change
from resolvers.recording import Recording, derive_windows
from resolvers.roster.statements.parameters import FIRST_LEARNER, ORGANIZATION, RECORDED_AT, of_the_import

MATCHED = MatchedLine.__table__
WINDOW_COLUMNS = ("organization_id", "scope_id", "learner_id", "from_at", "to_at", "previous_to", "known_from")
# PostgreSQL expects few rows of a statement that takes its keys as a parameter, and joins them in nested loops: small
# chunks keep these linear.
LEARNERS_A_CHUNK = 250
# Finding whose lines need more reads all of them: seldom, and without keeping a million learners in mind.
LEARNERS_FOUND_AT_ONCE = 50_000
# So many lines move so many levels that these are counted anew.
LINES_WORTH_COUNTING = 20_000
# An index by dates takes in so much of history at a time: what it changes stays in memory, and is written once.
SLICE_US = 2 * 365 * 24 * 60 * 60 * 1_000_000


async def derive_folded(recording: Recording, parameters: Mapping[str, object], new_lines: int) -> None:
    """The windows of everybody of whom an import's lines said something new."""
    await recording.session.execute(add_plain_windows(), parameters)
    if new_lines >= LINES_WORTH_COUNTING:
        recording.levels.become_many()
    else:
        await _change_levels(recording, parameters)
    for all_new, statement in ((False, known_learners_after()), (True, new_learners_after())):
        async for learners in in_chunks(recording, statement, parameters):
            await derive_windows(recording, learners, all_new=all_new)


async def _change_levels(recording: Recording, parameters: Mapping[str, object]) -> None:
    """By what plain lines made: activity in the organization and in the line's team at once."""
    changes = await recording.session.execute(changes_of_plain_lines(), parameters)
    for team_id, quarter, change in changes:
        for scope_id in (team_id, recording.organization_id):
            recording.levels.change(Change(scope_id, quarter, change, change))


async def in_chunks(
    recording: Recording, statement: Select[Any], parameters: Mapping[str, object]
) -> AsyncIterator[list[int]]:
    """The learners whom a statement gives in the order of their keys: `most` of those `after` one, in chunks."""
    last = 0
    while found := await _learners_after(recording, statement, {**parameters, "after": last}):
        last, learners = found[-1], iter(found)
        while chunk := list(islice(learners, LEARNERS_A_CHUNK)):
            yield chunk


async def _learners_after(recording: Recording, statement: Select[Any], parameters: Mapping[str, object]) -> list[int]:
    found = await recording.session.execute(statement, {**parameters, "most": LEARNERS_FOUND_AT_ONCE})
    return list(found.scalars())


# ------------------------------------------------------------------------------------------ statements


def _lines_of_new(*of_learners: ColumnElement[bool]) -> Subquery:
    """New learners' lines beside the one before. `is_odd`, where a line is not a window as it stands: a date is lost,
    or it meets the line before, or changes the team. Read along the key, which sorts nothing.
    """
    along: dict[str, Any] = {
        "partition_by": MATCHED.c.learner_id,
        "order_by": [MATCHED.c[name] for name in ("team_id", "from_at", "line")],
    }
    previous_to = func.lag(MATCHED.c.to_at, type_=Instant).over(**along)
    previous_team = func.lag(MATCHED.c.team_id, type_=BigInteger).over(**along)
    is_odd = or_(
        MATCHED.c.from_at != MATCHED.c.from_latest, previous_to >= MATCHED.c.from_at, previous_team != MATCHED.c.team_id
    )
    columns = (MATCHED.c[name] for name in ("learner_id", "team_id", "from_at", "to_at"))
    of_new = and_(of_the_import(MATCHED), MATCHED.c.learner_id >= FIRST_LEARNER, *of_learners)
    lines = select(*columns, previous_to.label("previous_to"), case((is_odd, 1), else_=0).label("is_odd"))
    return lines.where(of_new).subquery("line_of_new")


def _plain_lines() -> Subquery:
    """Those of learners with none that is odd: there is nothing to coalesce, meet or bound."""
    line = _lines_of_new()
    odd = func.max(line.c.is_odd).over(partition_by=line.c.learner_id).label("odd")
    lines = select(line, odd).subquery("marked")
    return select(lines).where(lines.c.odd == 0).subquery("plain")


@cache
def add_plain_windows() -> Insert:
    """Both windows of each line, of activity and of its team: one pass finds the lines. In the order of their scopes,
    so that what an index takes in stands together; of activity, some years of everybody and then the next ones.
    """
    plain, part = _plain_lines(), _parts()
    is_activity = part.c.part == 0
    scope_id = case((is_activity, ORGANIZATION), else_=plain.c.team_id)
    years = case((is_activity, type_coerce(plain.c.from_at, BigInteger) // SLICE_US), else_=0)
    said = (plain.c[name] for name in ("learner_id", "from_at", "to_at", "previous_to"))
    windows = select(ORGANIZATION, scope_id, *said, RECORDED_AT).select_from(plain.join(part, true()))
    in_order = windows.order_by(scope_id, years, plain.c.learner_id, plain.c.from_at)
    return insert(Window.__table__).from_select(WINDOW_COLUMNS, in_order)


def _parts() -> Subquery:
    return union_all(select(literal(0).label("part")), select(literal(1).label("part"))).subquery("parts")


@cache
def changes_of_plain_lines() -> Select[Any]:
    """By how much these windows change the level of each team, and when: dates of a roster are few."""
    plain = _plain_lines()
    edges = union_all(
        _edges_of(plain, plain.c.from_at, func.count()),
        _edges_of(plain, plain.c.to_at, -func.count()).where(plain.c.to_at < FOREVER),
    ).subquery("edges")
    place = (edges.c.team_id, quarter_of(edges.c.at).label("quarter"))
    change = cast(func.sum(edges.c.change), BigInteger)
    return select(*place, change.label("change")).group_by(*place)


def _edges_of(plain: Subquery, edge: ColumnElement[Any], change: ColumnElement[int]) -> Select[Any]:
    return select(plain.c.team_id, edge.label("at"), change.label("change")).group_by(plain.c.team_id, edge)


@cache
def new_learners_after() -> Select[Any]:
    """Those with an odd line: the others have their windows already."""
    line = _lines_of_new(MATCHED.c.learner_id > bindparam("after", type_=BigInteger))
    odd = select(line.c.learner_id).where(line.c.is_odd == 1).distinct()
    return odd.order_by(line.c.learner_id).limit(bindparam("most", type_=BigInteger))


@cache
def known_learners_after() -> Select[Any]:
    """Those of whom a line said something new."""
    return (
        select(MATCHED.c.learner_id)
        .where(
            of_the_import(MATCHED),
            MATCHED.c.learner_id > bindparam("after", type_=BigInteger),
            MATCHED.c.learner_id < FIRST_LEARNER,
            or_(MATCHED.c.known_to.is_(None), MATCHED.c.known_to != MATCHED.c.to_at),
        )
        .distinct()
        .order_by(MATCHED.c.learner_id)
        .limit(bindparam("most", type_=BigInteger))
    )
