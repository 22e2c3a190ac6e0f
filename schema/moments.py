"""Where a page of a list begins that is ordered by when something happened. Anybody can make up its cursor."""

from __future__ import annotations

import datetime as dt

from models.errors import BadCursor
from models.interval import from_microseconds
from schema.pagination import Paging


def moment_and_key(page: Paging) -> tuple[dt.datetime, int] | None:
    """Beyond which row the page begins; None if it is the first."""
    if page.beyond is None:
        return None
    moment, key = page.beyond
    return moment_of(page, moment), key


def moment_of(page: Paging, moment: int) -> dt.datetime:
    try:
        return from_microseconds(moment)
    except (ValueError, OverflowError) as problem:
        raise BadCursor("before" if page.backward else "after") from problem
