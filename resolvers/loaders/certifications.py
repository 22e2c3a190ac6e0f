"""Reading the certifications of learners, many learners at a time, as known at a recorded time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Date, Select, Text, and_, bindparam, exists, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.base import Instant
from models.batches import as_keys, asked
from models.certifications import Certification
from models.learners import sort_key

CERTIFICATION = Certification.__table__


class CertificationsKey(NamedTuple):
    """A learner, as known at a recorded time in microseconds."""

    organization_id: int
    learner_id: int
    known_at: int


class CertificationRow(NamedTuple):
    place: int
    id: int
    name: str
    # The last day on which it is valid; None if it never expires.
    expires_on: dt.date | None
    recorded_at: dt.datetime


async def certifications_of_learners(
    connection: AsyncConnection | AsyncSession, keys: Sequence[CertificationsKey]
) -> list[CertificationRow]:
    """What each learner was held to hold, by name."""
    return [CertificationRow._make(row) for row in await connection.execute(_of_learners(), as_keys(keys))]


@lru_cache
def _of_learners() -> Select[Any]:
    keys = asked("keys", "place", *CertificationsKey._fields)
    same = and_(
        CERTIFICATION.c.organization_id == keys.c.organization_id,
        CERTIFICATION.c.learner_id == keys.c.learner_id,
        was_held_at(type_coerce(keys.c.known_at, Instant)),
    )
    columns = (CERTIFICATION.c[name] for name in CertificationRow._fields[1:])
    found = select(keys.c.place, *columns).select_from(keys.join(CERTIFICATION, same))
    return found.order_by(keys.c.place, CERTIFICATION.c.name_key)


def was_held_at(known_at: ColumnElement[dt.datetime]) -> ColumnElement[bool]:
    """Whether a certification was held to be so as known then."""
    superseded = CERTIFICATION.c.superseded_at
    return and_(CERTIFICATION.c.recorded_at <= known_at, or_(superseded.is_(None), superseded > known_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """Who holds a certification: of a name, or any; whose last day lies in a range, or whatever it is."""

    name: str | None = None
    # Both included. What never expires is in no range.
    expires_from: dt.date | None = None
    expires_through: dt.date | None = None

    @property
    def shape(self) -> tuple[bool, bool, bool]:
        """What of it the statement itself depends on."""
        return self.name is not None, self.expires_from is not None, self.expires_through is not None

    def parameters(self) -> dict[str, object]:
        days = {"expires_from": self.expires_from, "expires_through": self.expires_through}
        return {"certification": sort_key((self.name or "").strip()), **days}


def is_certified(
    shape: tuple[bool, bool, bool],
    organization: ColumnElement[int],
    learner: ColumnElement[int],
    known_at: ColumnElement[dt.datetime],
) -> ColumnElement[bool]:
    """Whether a learner holds what `Certified` asks for, with its parameters."""
    asks = (
        CERTIFICATION.c.name_key == bindparam("certification", type_=Text),
        CERTIFICATION.c.expires_on >= bindparam("expires_from", type_=Date),
        CERTIFICATION.c.expires_on <= bindparam("expires_through", type_=Date),
    )
    held = exists().where(
        CERTIFICATION.c.organization_id == organization,
        CERTIFICATION.c.learner_id == learner,
        was_held_at(known_at),
        *(one for is_asked, one in zip(shape, asks, strict=True) if is_asked),
    )
    return held.correlate_except(CERTIFICATION)
