"""Closing who is absent from a roster that is complete for its teams: first shown, then done if it was confirmed.

Nobody is closed by a file alone. The preview has a digest; only what has the digest that was confirmed is closed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Insert,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from models.base import Instant
from models.errors import RosterError, RosterErrorCode
from models.history import Belief, Source
from models.interval import to_microseconds
from models.learners import Profile
from models.organizations import Organization, Scope
from models.roster import MatchedLine, RosterLine, StagedCertification
from resolvers.organizations import calendars
from resolvers.recording import Recording, add_act, begin_recording, derive_windows, end_recording
from resolvers.roster.deriving import in_chunks
from resolvers.roster.staging import ImportRun
from resolvers.roster.statements.parameters import (
    BELIEF_COLUMNS,
    IDENTITY,
    ORGANIZATION,
    RECORDED_AT,
    before_it,
    earlier_one,
    last_belief,
    of_the_import,
    quality_of,
)

LINE = RosterLine.__table__
MATCHED = MatchedLine.__table__
CERTIFIED = StagedCertification.__table__
BELIEF = Belief.__table__
CLOSING_AT = bindparam("closing_at", type_=Instant)
MOST_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Closing:
    """One membership that would be closed."""

    organization: str
    team: str
    external_id: str
    # When it began (BEGINNING if that was lost), what its end is held to be (FOREVER if open), and what it would be.
    from_at: dt.datetime
    to_at: dt.datetime
    closes_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ClosingPreview:
    """Whom a complete roster would close. The first thousand are listed; the count and the digest are of all."""

    digest: str
    count: int
    first: tuple[Closing, ...]
    # Of each organization the digest of its own part, by its key.
    parts: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """What is looked at in one organization."""

    organization_id: int
    import_id: int
    closing_at: dt.datetime

    @property
    def parameters(self) -> dict[str, object]:
        return {
            "tenant": self.organization_id,
            "run": self.import_id,
            "closing_at": self.closing_at,
        }


async def preview_closings(session: AsyncSession, run: ImportRun, first_day_inactive: dt.date) -> ClosingPreview:
    """Memberships of the file's teams that began before that day, last beyond it, and are not in the file."""
    if run.rows_refused:
        raise RosterError(
            RosterErrorCode.NOT_COMPLETE,
            f"{run.rows_refused:,} lines were refused, so the file does not name everybody. Mend them first.",
            "file",
        )
    parts: list[tuple[int, str]] = []
    shown: list[Closing] = []
    total = 0
    for organization_id in await organizations_matched(session, run.id):
        part = await _part(session, run.id, organization_id, first_day_inactive)
        digest, count = await _digest(session, part)
        parts.append((organization_id, digest))
        total += count
        shown += await _shown(session, part, MOST_SHOWN - len(shown))
    together = hashlib.sha256(" ".join(digest for _, digest in parts).encode()).hexdigest()[:16]
    return ClosingPreview(together, total, tuple(shown), tuple(parts))


async def organizations_matched(session: AsyncSession, import_id: int) -> list[int]:
    has_lines = exists().where(MATCHED.c.organization_id == Organization.id, MATCHED.c.import_id == import_id)
    return list(await session.scalars(select(Organization.id).where(has_lines).order_by(Organization.id)))


async def _part(session: AsyncSession, import_id: int, organization_id: int, first_day_inactive: dt.date) -> _Part:
    calendar = (await calendars(session, [organization_id]))[organization_id]
    return _Part(organization_id, import_id, calendar.start_of(first_day_inactive))


async def _digest(session: AsyncSession, part: _Part) -> tuple[str, int]:
    """Of all that would be closed in an organization, row by row, and how many they are."""
    digest, count = hashlib.sha256(part.closing_at.isoformat().encode()), 0
    async for row in await session.stream(_absent(), part.parameters):
        ends = (to_microseconds(row.from_at), to_microseconds(row.to_at))
        digest.update(repr((row.learner_id, row.team_id, *ends)).encode())
        count += 1
    return digest.hexdigest(), count


@cache
def _absent() -> Select[Any]:
    """Lines of the import's teams that are not in it, and of which a fact lasts beyond the day."""
    teams = select(MATCHED.c.team_id).where(of_the_import(MATCHED)).distinct()
    present = exists().where(of_the_import(MATCHED), *(MATCHED.c[name] == LINE.c[name] for name in IDENTITY))
    lasting = exists().where(
        BELIEF.c.organization_id == ORGANIZATION,
        BELIEF.c.fact_id.in_([LINE.c.activity_fact_id, LINE.c.membership_fact_id]),
        *_lasts(BELIEF),
    )
    return (
        select(LINE)
        .where(LINE.c.organization_id == ORGANIZATION, LINE.c.team_id.in_(teams))
        .where(LINE.c.from_at < CLOSING_AT, LINE.c.to_at > CLOSING_AT, ~present, lasting)
        .order_by(*(LINE.c[name] for name in IDENTITY))
    )


def _lasts(belief: FromClause) -> tuple[ColumnElement[bool], ...]:
    """It is held now, began before the closing day and lasts, or may last, beyond it."""
    return (
        belief.c.holds,
        belief.c.from_earliest < CLOSING_AT,
        belief.c.to_latest > CLOSING_AT,
        last_belief(belief),
    )


async def _shown(session: AsyncSession, part: _Part, most: int) -> list[Closing]:
    absent = _absent().limit(most).subquery("absent")
    names = (
        select(Organization.name, Scope.name, Profile.external_id, absent.c.from_at, absent.c.to_at, CLOSING_AT)
        .join_from(absent, Organization, Organization.id == ORGANIZATION)
        .join(Scope, and_(Scope.organization_id == ORGANIZATION, Scope.id == absent.c.team_id))
        .join(Profile, and_(Profile.organization_id == ORGANIZATION, Profile.learner_id == absent.c.learner_id))
        .order_by(*(absent.c[name] for name in IDENTITY))
    )
    rows = await session.execute(names, part.parameters)
    return [Closing(*row) for row in rows]


# --------------------------------------------------------------------------------------------- closing


async def close_absent(
    session: AsyncSession,
    now: dt.datetime,
    run: ImportRun,
    organization_id: int,
    first_day_inactive: dt.date,
    previewed: str,
) -> int:
    """Closes what a preview with this digest showed of one organization; gives how many it were."""
    part = await _part(session, run.id, organization_id, first_day_inactive)
    recording = await begin_recording(session, organization_id, now)
    digest, count = await _digest(session, part)
    if digest != previewed:
        raise preview_changed()
    if count:
        await add_act(recording, run.actor, Source.ROSTER, f"Absent from the complete roster {run.name}")
        await _close(recording, part)
        await end_recording(recording)
    await forget_matched(session, run.id, organization_id)
    return count


def preview_changed() -> RosterError:
    return RosterError(RosterErrorCode.PREVIEW_CHANGED, RosterErrorCode.PREVIEW_CHANGED.value, "confirm")


async def _close(recording: Recording, part: _Part) -> None:
    session = recording.session
    parameters = {**part.parameters, "act_at": recording.recorded_at}
    async for learners in in_chunks(recording, _learners_after(), part.parameters):
        chunk = {**parameters, "first": learners[0], "last": learners[-1]}
        for fact_id in ("activity_fact_id", "membership_fact_id"):
            await session.execute(_believe_closed(fact_id), chunk)
        await session.execute(_say_closed(), chunk)
        await derive_windows(recording, learners)


@cache
def _learners_after() -> Select[Any]:
    absent = _absent().order_by(None).where(LINE.c.learner_id > bindparam("after", type_=BigInteger)).subquery("absent")
    learners = select(absent.c.learner_id).distinct().order_by(absent.c.learner_id)
    return learners.limit(bindparam("most", type_=BigInteger))


def _absent_in_chunk() -> Select[Any]:
    return _absent().order_by(None).where(LINE.c.learner_id.between(bindparam("first"), bindparam("last")))


@cache
def _believe_closed(fact_column: str) -> Insert:
    absent = _absent_in_chunk().subquery("absent")
    from_latest = earlier_one(BELIEF.c.from_latest, before_it(CLOSING_AT))
    rows = (
        select(
            ORGANIZATION,
            BELIEF.c.fact_id,
            RECORDED_AT,
            BELIEF.c.learner_id,
            BELIEF.c.scope_id,
            BELIEF.c.from_earliest,
            from_latest,
            CLOSING_AT,
            CLOSING_AT,
            quality_of(BELIEF.c.from_earliest, from_latest),
            true(),
        )
        .select_from(absent)
        .join(BELIEF, and_(BELIEF.c.organization_id == ORGANIZATION, BELIEF.c.fact_id == absent.c[fact_column]))
        .where(*_lasts(BELIEF))
    )
    return insert(BELIEF).from_select(BELIEF_COLUMNS, rows)


@cache
def _say_closed() -> Update:
    """What was just closed ends there as far as the roster goes, so that its line, should it come again, is news."""
    closed = exists().where(
        BELIEF.c.organization_id == ORGANIZATION,
        BELIEF.c.recorded_at == RECORDED_AT,
        BELIEF.c.fact_id.in_([LINE.c.activity_fact_id, LINE.c.membership_fact_id]),
    )
    return (
        update(LINE)
        .where(LINE.c.organization_id == ORGANIZATION, closed)
        .where(LINE.c.learner_id.between(bindparam("first"), bindparam("last")))
        .values(to_at=CLOSING_AT)
    )


async def forget_matched(session: AsyncSession, import_id: int, organization_id: int) -> None:
    for table in (MATCHED, CERTIFIED):
        await session.execute(
            delete(table).where(table.c.organization_id == organization_id, table.c.import_id == import_id)
        )
