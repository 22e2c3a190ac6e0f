"""Reading when learners were erased, many at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.batches import as_parameter, asked
from models.erasure import Erasure
from resolvers.loaders.learners import LearnerKey

ERASURE = Erasure.__table__


class ErasureRow(NamedTuple):
    place: int
    recorded_at: dt.datetime


async def erasures_of_learners(connection: AsyncConnection, keys: Sequence[LearnerKey]) -> list[ErasureRow]:
    """Of each learner the erasure, if there was one."""
    parameters = {"keys": as_parameter((place, *key) for place, key in enumerate(keys))}
    return [ErasureRow(*row) for row in await connection.execute(_erasures_of_learners(), parameters)]


@lru_cache
def _erasures_of_learners() -> Select[Any]:
    keys = asked("keys", "place", "organization_id", "learner_id")
    same = (ERASURE.c.organization_id == keys.c.organization_id) & (ERASURE.c.learner_id == keys.c.learner_id)
    return select(keys.c.place, ERASURE.c.recorded_at).select_from(keys).join(ERASURE, same)
