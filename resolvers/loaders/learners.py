"""Reading learners by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_keys, asked
from models.learners import Learner, Profile
from resolvers.prepared import FEW_KEYS, prepared

PROFILE = Profile.__table__
LEARNER = Learner.__table__


class LearnerKey(NamedTuple):
    organization_id: int
    learner_id: int


class LearnerRow(NamedTuple):
    """What is known of a person, and by what a list has them in order."""

    organization_id: int
    learner_id: int
    external_id: str
    name: str
    email: str
    department: str
    position: str
    # The account of the person, if the learner was claimed; only read by id.
    person_id: int | None = None


async def learners_by_id(connection: AsyncConnection, keys: Sequence[LearnerKey]) -> list[LearnerRow | None]:
    """In the order of the keys; None for one that does not exist."""
    rows = await _learners_by_id.rows(connection, as_keys(keys), is_short=len(keys) <= FEW_KEYS)
    found = {place: LearnerRow._make(own) for place, *own in rows}
    return [found.get(place) for place in range(len(keys))]


@prepared
def _learners_by_id() -> Select[Any]:
    named = asked("keys", "place", *LearnerKey._fields)
    own = and_(PROFILE.c.organization_id == named.c.organization_id, PROFILE.c.learner_id == named.c.learner_id)
    same = and_(LEARNER.c.organization_id == named.c.organization_id, LEARNER.c.id == named.c.learner_id)
    personal = (PROFILE.c[name] for name in LearnerRow._fields[:6])
    columns = (named.c.place, *personal, PROFILE.c.name_key.label("position"), LEARNER.c.person_id)
    return select(*columns).select_from(named).join(PROFILE, own).join(LEARNER, same)


async def learners_of_person(connection: AsyncConnection, person_id: int) -> list[LearnerKey]:
    """The learners that a person is, one an organization."""
    mine = select(LEARNER.c.organization_id, LEARNER.c.id).where(LEARNER.c.person_id == person_id)
    return [LearnerKey._make(row) for row in await connection.execute(mine.order_by(*mine.selected_columns))]
