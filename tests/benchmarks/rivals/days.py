"""Days of a zone and instants in microseconds, as each of the Python rivals needs them."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = dt.timedelta(days=1)


@lru_cache
def zone_named(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def start_of(day: dt.date, zone: str) -> int:
    return int(dt.datetime.combine(day, dt.time(), zone_named(zone)).timestamp()) * 1_000_000


def span(first: dt.date, last: dt.date, zone: str) -> tuple[int, int]:
    """From the first day through the last, both included, as [since, until)."""
    return start_of(first, zone), start_of(last + DAY, zone)


def day_of(instant_us: int, zone: ZoneInfo) -> dt.date:
    return dt.datetime.fromtimestamp(instant_us / 1_000_000, zone).date()


def instant(instant_us: int | None) -> dt.datetime | None:
    return None if instant_us is None else dt.datetime.fromtimestamp(instant_us / 1_000_000, dt.UTC)
