"""How an act becomes history: its recorded time, its beliefs, and the windows derived from them, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Row, bindparam, case, insert, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from models.activity import UncertainWindow
from models.base import Instant
from models.batches import as_parameter
from models.derivation import (
    add_derived_windows,
    held_now,
    keep_former_windows,
    learners_named,
    learners_with_uncertainty,
    remove_stale_windows,
    uncertain_windows,
)
from models.errors import NotFound
from models.history import Act, Belief, Change, Fact, Held, Source, quality_of
from models.interval import FOREVER, MICROSECOND, Bounds
from models.keys import Keys
from models.organizations import OrganizationClock
from resolvers.levels import LevelChanges, Span, changes_by_lost, write_levels
from resolvers.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Recording:
    """An act under way in one organization: nobody else records there until the transaction ends."""

    session: AsyncSession
    organization_id: int
    recorded_at: dt.datetime
    keys: Keys
    levels: LevelChanges = field(default_factory=LevelChanges)
    """What it changed of them, written when it ends."""


async def begin_recording(session: AsyncSession, organization_id: int, now: dt.datetime) -> Recording:
    """Takes the organization's next recorded time, which is also its lock: it is later than any given out before."""
    recording = await _begin_recording(session, organization_id, now)
    if recording is None:
        raise NotFound("organization")
    return recording


async def begin_recording_unchanged(
    session: AsyncSession, organization_id: int, now: dt.datetime, recorded_through_us: int
) -> Recording | None:
    """The same, if nothing was recorded since what was read at that time (microseconds); None otherwise."""
    return await _begin_recording(session, organization_id, now, recorded_through_us)


async def _begin_recording(
    session: AsyncSession, organization_id: int, now: dt.datetime, unchanged_since_us: int | None = None
) -> Recording | None:
    parameters = {"organization": organization_id, "now": now}
    if unchanged_since_us is not None:
        parameters["unchanged_since"] = unchanged_since_us
    taken = await _next_time(unchanged=unchanged_since_us is not None).first(session, parameters)
    if taken is None:
        return None
    (recorded_at,) = taken
    return Recording(session, organization_id, recorded_at, Keys(recorded_at))


@lru_cache
def _next_time(*, unchanged: bool) -> Prepared:
    """Every act begins with it."""
    return Prepared(lambda: _take_next_time(unchanged=unchanged))


def _take_next_time(*, unchanged: bool) -> ReturningUpdate[Any]:
    clock, now = OrganizationClock.__table__, bindparam("now", type_=Instant)
    following = case((clock.c.recorded_at >= now, type_coerce(clock.c.recorded_at, BigInteger) + 1), else_=now)
    taken = update(clock).where(clock.c.organization_id == bindparam("organization", type_=BigInteger))
    if unchanged:
        since: BindParameter[int] = bindparam("unchanged_since", type_=BigInteger)
        taken = taken.where(type_coerce(clock.c.recorded_at, BigInteger) == since)
    return taken.values(recorded_at=following).returning(clock.c.recorded_at)


async def end_recording(recording: Recording) -> None:
    """Moves the levels with the windows, and the clock past the keys that were taken: no later act takes them again."""
    await write_levels(recording.session, recording.organization_id, recording.levels)
    if recording.keys.used_until <= recording.recorded_at:
        return
    clock = OrganizationClock.__table__
    await recording.session.execute(
        update(clock)
        .where(clock.c.organization_id == recording.organization_id)
        .values(recorded_at=recording.keys.used_until + MICROSECOND)
    )


async def held_of(recording: Recording, learner_ids: Iterable[int]) -> dict[int, Held]:
    """What is held now of each learner."""
    wanted = list(learner_ids)
    parameters = {
        "organization_id": recording.organization_id,
        "recorded_at": recording.recorded_at,
        "learners": as_parameter((i,) for i in wanted),
    }
    rows = (await recording.session.execute(held_now(), parameters)).all()
    facts: dict[int, list[Fact]] = {learner_id: [] for learner_id in wanted}
    for row in rows:
        facts[row.learner_id].append(Fact(row.fact_id, row.scope_id, _bounds(row)))
    return {learner_id: Held(recording.organization_id, tuple(of_one)) for learner_id, of_one in facts.items()}


def _bounds(row: Row[Any]) -> Bounds:
    return Bounds(row.from_earliest, row.from_latest, row.to_earliest, row.to_latest)


async def record(
    recording: Recording,
    learner_id: int,
    changes: Sequence[Change],
    actor: str,
    source: Source,
    reason: str | None = None,
) -> None:
    """Writes the act and its beliefs, and derives the learner's windows anew. Without a change nothing is written."""
    await record_all(recording, {learner_id: changes}, actor, source, reason)


async def record_all(
    recording: Recording,
    changes: Mapping[int, Sequence[Change]],
    actor: str,
    source: Source,
    reason: str | None = None,
) -> None:
    """The same for many learners at once: it is one act, recorded at one time."""
    beliefs = [_belief(recording, learner_id, change) for learner_id, of_one in changes.items() for change in of_one]
    if not beliefs:
        return
    await add_act(recording, actor, source, reason)
    await recording.session.execute(insert(Belief), beliefs)
    await derive_windows(recording, [learner_id for learner_id, of_one in changes.items() if of_one])
    await end_recording(recording)


async def add_act(recording: Recording, actor: str, source: Source, reason: str | None = None) -> None:
    await recording.session.execute(
        insert(Act).values(
            organization_id=recording.organization_id,
            recorded_at=recording.recorded_at,
            actor=actor,
            source=source,
            reason=reason,
        )
    )


def _belief(recording: Recording, learner_id: int, change: Change) -> dict[str, object]:
    return {
        "organization_id": recording.organization_id,
        "fact_id": change.fact_id if change.fact_id is not None else recording.keys.take(),
        "recorded_at": recording.recorded_at,
        "learner_id": learner_id,
        "scope_id": change.scope_id,
        "from_earliest": change.bounds.from_earliest,
        "from_latest": change.bounds.from_latest,
        "to_earliest": change.bounds.to_earliest,
        "to_latest": change.bounds.to_latest,
        "quality": quality_of(change.bounds),
        "holds": change.holds,
    }


async def derive_windows(recording: Recording, learner_ids: Sequence[int], *, all_new: bool = False) -> None:
    """Makes the current windows of these learners what their beliefs say, and keeps what is no longer so.

    `all_new` promises that none of them has had a window or an uncertain belief: then there is nothing to compare.
    The levels follow when the recording ends.
    """
    parameters: dict[str, object] = {
        "organization_id": recording.organization_id,
        "recorded_at": recording.recorded_at,
        "learners": as_parameter((i,) for i in learner_ids),
    }
    unsure = sorted(set((await recording.session.execute(learners_with_uncertainty(), parameters)).scalars()))
    if unsure and not all_new:
        await _change_levels_by_lost(recording, unsure, by=-1)
    if not all_new:
        await recording.session.execute(keep_former_windows(), parameters)
        removed = await recording.session.execute(remove_stale_windows(), parameters)
        recording.levels.add(map(Span._make, removed), by=-1)
    added = await recording.session.execute(add_derived_windows(of_new_learners=all_new), parameters)
    recording.levels.add(map(Span._make, added))
    if unsure:
        await _derive_uncertain_windows(recording, unsure)
        await _change_levels_by_lost(recording, unsure, by=1)


async def _change_levels_by_lost(recording: Recording, learner_ids: Sequence[int], by: int) -> None:
    """Taken off before their windows change, and added once they have."""
    if not recording.levels.are_many:
        for change in await changes_by_lost(recording.session, recording.organization_id, learner_ids):
            recording.levels.change(change, by)


async def _derive_uncertain_windows(recording: Recording, learner_ids: Sequence[int]) -> None:
    held = await held_of(recording, learner_ids)
    known = await _known_uncertain_windows(recording, learner_ids)
    ended: list[dict[str, object]] = []
    added: list[dict[str, object]] = []
    for learner_id, of_one in held.items():
        derived, before = uncertain_windows(of_one), known.get(learner_id, {})
        ended += [key for window, key in before.items() if window not in derived]
        new = [window for window in derived if window not in before]
        added += [_uncertain_row(recording, learner_id, number, *window) for number, window in enumerate(new)]
    await _write_uncertain_windows(recording, ended, added)


async def _known_uncertain_windows(
    recording: Recording, learner_ids: Sequence[int]
) -> dict[int, dict[tuple[int, Bounds], dict[str, object]]]:
    """Of each learner the current uncertain windows, with the key of the row of each."""
    table = UncertainWindow.__table__
    rows = await recording.session.execute(
        select(table).where(
            table.c.organization_id == recording.organization_id,
            table.c.learner_id.in_(select(learners_named().c.learner_id)),
            table.c.known_until == FOREVER,
        ),
        {"learners": as_parameter((i,) for i in learner_ids)},
    )
    found: dict[int, dict[tuple[int, Bounds], dict[str, object]]] = {}
    for row in rows:
        bounds = Bounds(row.from_earliest, row.from_latest, row.to_earliest, row.to_latest, row.may_be_empty)
        key = {name: getattr(row, name) for name in ("scope_id", "learner_id", "known_from", "number")}
        found.setdefault(row.learner_id, {})[row.scope_id, bounds] = key
    return found


def _uncertain_row(
    recording: Recording, learner_id: int, number: int, scope_id: int, bounds: Bounds
) -> dict[str, object]:
    return {
        "organization_id": recording.organization_id,
        "scope_id": scope_id,
        "learner_id": learner_id,
        "known_from": recording.recorded_at,
        "number": number,
        "known_until": FOREVER,
        "quality": quality_of(bounds),
        "from_earliest": bounds.from_earliest,
        "from_latest": bounds.from_latest,
        "to_earliest": bounds.to_earliest,
        "to_latest": bounds.to_latest,
        "may_be_empty": bounds.may_be_empty,
    }


async def _write_uncertain_windows(
    recording: Recording, ended: Sequence[dict[str, object]], added: Sequence[dict[str, object]]
) -> None:
    table = UncertainWindow.__table__
    for key in ended:
        same = [table.c[name] == value for name, value in key.items()]
        await recording.session.execute(
            update(table)
            .where(table.c.organization_id == recording.organization_id, *same)
            .values(known_until=recording.recorded_at)
        )
    if added:
        await recording.session.execute(insert(table), added)
