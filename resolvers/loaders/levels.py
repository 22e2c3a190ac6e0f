"""Whether daily levels can answer a question, and what they say."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, select, type_coerce
from sqlalchemy.sql.expression import CTE

from models.levels import Bound, is_quarter, level_at
from models.organizations import OrganizationClock

CLOCK = OrganizationClock.__table__


def levels_answer(keys: CTE) -> ColumnElement[bool]:
    """Whether the key asks about a whole quarter of an hour, as every cutoff named by one is, and nothing was recorded
    since the time as of which it asks: both are read in one statement, so that nobody records in between.
    """
    recorded_at = select(type_coerce(CLOCK.c.recorded_at, BigInteger)).where(
        CLOCK.c.organization_id == keys.c.organization_id
    )
    return and_(is_quarter(keys.c.a), recorded_at.correlate(keys).scalar_subquery() <= keys.c.known_at)


def level_of(bound: Bound, keys: CTE) -> Any:
    """How many people the key counts, at least or at most."""
    return level_at(bound, keys.c.organization_id, keys.c.scope_id, keys.c.a)
