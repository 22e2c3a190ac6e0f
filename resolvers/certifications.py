"""Certifications of one learner: that it is held, until which day, and that it is no more. Rosters say it of many.

Each is a belief: what was said before stays as what was held until then. Who said it is told by the act of that time.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.errors import HistoryError, HistoryErrorCode, NotFound
from models.history import Source
from models.learners import sort_key
from resolvers.activity import sane_day
from resolvers.database import Outrun
from resolvers.erasure.recognising import refuse_erased
from resolvers.history import Who, Written, find_learner
from resolvers.loaders.certifications import CERTIFICATION
from resolvers.loaders.learners import LearnerKey
from resolvers.principal import Principal
from resolvers.recording import Recording, add_act, begin_recording, end_recording

LONGEST_NAME = 200


class Held(NamedTuple):
    """What is known of a certification now."""

    id: int
    expires_on: dt.date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certifying:
    who: Who
    name: str
    # The last day on which it is valid; None if it never expires.
    expires_on: dt.date | None = None


async def set_certification(
    session: AsyncSession, principal: Principal, now: dt.datetime, given: Certifying
) -> Written:
    """The learner holds it until that day, whatever was held before."""
    recording, learner_id = await _begin(session, principal, now, given.who)
    name, expires_on = _name_of(given.name), given.expires_on and sane_day(given.expires_on, "expiresOn")
    held = await _held(recording, learner_id, name)
    if held is not None and held.expires_on == expires_on:
        return _written(recording, learner_id, changed=False)
    if held is not None:
        await _supersede(recording, held)
    row = {"id": recording.keys.take(), "name": name, "name_key": sort_key(name), "expires_on": expires_on}
    about = {"organization_id": recording.organization_id, "learner_id": learner_id}
    await session.execute(insert(CERTIFICATION), {**about, **row, "recorded_at": recording.recorded_at})
    return await _end(recording, principal, learner_id)


async def end_certification(
    session: AsyncSession, principal: Principal, now: dt.datetime, who: Who, name: str
) -> Written:
    """The learner holds it no more: it was withdrawn, or never was. What only expires needs no end."""
    recording, learner_id = await _begin(session, principal, now, who)
    held = await _held(recording, learner_id, _name_of(name))
    if held is None:
        await _must_have_been(recording, learner_id, _name_of(name))
        return _written(recording, learner_id, changed=False)
    await _supersede(recording, held)
    return await _end(recording, principal, learner_id)


async def _begin(session: AsyncSession, principal: Principal, now: dt.datetime, who: Who) -> tuple[Recording, int]:
    principal.must_see(who.organization_id, "learner", "learner")
    recording = await begin_recording(session, who.organization_id, now)
    learner_id = await find_learner(recording, who)
    await refuse_erased(session, who.organization_id, learner_id)
    return recording, learner_id


def _name_of(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise HistoryError(HistoryErrorCode.BAD_NAME, HistoryErrorCode.BAD_NAME.value, "name")
    return name


async def _held(recording: Recording, learner_id: int, name: str) -> Held | None:
    statement = select(CERTIFICATION.c.id, CERTIFICATION.c.expires_on).where(
        CERTIFICATION.c.organization_id == recording.organization_id,
        CERTIFICATION.c.learner_id == learner_id,
        CERTIFICATION.c.name_key == sort_key(name),
        CERTIFICATION.c.superseded_at.is_(None),
    )
    row = (await recording.session.execute(statement)).one_or_none()
    return row and Held(*row)


async def _must_have_been(recording: Recording, learner_id: int, name: str) -> None:
    former = exists().where(
        CERTIFICATION.c.organization_id == recording.organization_id,
        CERTIFICATION.c.learner_id == learner_id,
        CERTIFICATION.c.name_key == sort_key(name),
    )
    if not await recording.session.scalar(select(former)):
        raise NotFound("certification", "name")


async def _supersede(recording: Recording, held: Held) -> None:
    superseded = await recording.session.execute(
        update(CERTIFICATION)
        .where(CERTIFICATION.c.organization_id == recording.organization_id, CERTIFICATION.c.id == held.id)
        .where(CERTIFICATION.c.superseded_at.is_(None))
        .values(superseded_at=recording.recorded_at)
        .returning(CERTIFICATION.c.id)
    )
    if superseded.one_or_none() is None:
        raise Outrun


async def _end(recording: Recording, principal: Principal, learner_id: int) -> Written:
    await add_act(recording, principal.name, Source.API)
    await end_recording(recording)
    return _written(recording, learner_id, changed=True)


def _written(recording: Recording, learner_id: int, *, changed: bool) -> Written:
    return Written(LearnerKey(recording.organization_id, learner_id), recording.recorded_at, changed)
