"""Keys made by the application: 64-bit integers that grow with time and are unique within a tenant.

A key is the recorded time of the act that made it, shifted left, plus a count. Recorded times of one organization
strictly increase and are taken under its lock (`models.organizations.OrganizationClock`), so no two acts share keys.
"""

from __future__ import annotations

import datetime as dt
import secrets

from models.interval import UTC, from_microseconds, to_microseconds

ERA_US = to_microseconds(dt.datetime(2010, 1, 1, tzinfo=UTC))
RANDOM_BITS = 21
COUNT_BITS = 11
"""2,048 keys a microsecond, and room until the year 2152 in a signed 64-bit integer."""


class Keys:
    """The keys of one act; take as many as it needs."""

    def __init__(self, recorded_at: dt.datetime) -> None:
        self._next = (to_microseconds(recorded_at) - ERA_US) << COUNT_BITS

    @classmethod
    def scattered(cls, now: dt.datetime) -> Keys:
        """Keys of an act that no lock puts in order, as in a program: should two acts ever meet, the primary key
        refuses the second, which is then tried again with others."""
        keys = cls(now)
        keys._next = reference_key(now)
        return keys

    def take(self, count: int = 1) -> int:
        """The first of `count` consecutive keys."""
        first = self._next
        self._next += count
        return first

    @property
    def used_until(self) -> dt.datetime:
        """The recorded time below which every key may be taken: the clock must not be behind it."""
        return from_microseconds(((self._next - 1) >> COUNT_BITS) + ERA_US)


def reference_key(now: dt.datetime) -> int:
    """A key for the few rows that have no tenant: organizations and persons. The millisecond, and 21 random bits,
    since there is no lock under which to count.
    """
    return ((to_microseconds(now) - ERA_US) // 1_000 << RANDOM_BITS) + secrets.randbelow(1 << RANDOM_BITS)
