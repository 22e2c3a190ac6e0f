"""Reading who was counted: pages of a snapshot's entries by name, for many snapshots at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, bindparam, func, select, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import CTE

from models.batches import as_parameter, asked, first_rows_of_each
from models.billing import SnapshotEntry
from models.learners import Profile
from resolvers.loaders.learner_lists import found_by_search
from resolvers.loaders.snapshots import SnapshotKey

ENTRY = SnapshotEntry.__table__
PROFILE = Profile.__table__


@dataclass(frozen=True, slots=True)
class Whom:
    """Which entries belong to a list: with a text in the person's data, and certain ones, uncertain ones or all."""

    search: str | None = None
    certain: bool | None = None


@dataclass(frozen=True, slots=True)
class EntriesPage:
    limit: int
    descending: bool = False
    # The name and key of the learner beyond whom the page begins.
    beyond: tuple[str, int] | None = None


class EntryRow(NamedTuple):
    """Somebody who was counted, with personal data as it is now, and the window as it was known; in microseconds."""

    place: int
    organization_id: int
    learner_id: int
    external_id: str
    name: str
    email: str
    department: str
    name_key: str
    from_earliest: int
    from_latest: int
    to_earliest: int
    to_latest: int
    certain: bool


async def entries_of(
    connection: AsyncConnection, keys: Sequence[SnapshotKey], whom: Whom, page: EntriesPage
) -> list[EntryRow]:
    """A page of the entries of each snapshot, flat and by name; who has none, because it was erased, comes first."""
    statement = _page(connection.dialect.name, bool(whom.search), whom.certain, page.descending, bool(page.beyond))
    name_key, learner_id = page.beyond or ("", 0)
    parameters = _parameters(keys, whom) | {"most": page.limit, "name_key": name_key, "learner_id": learner_id}
    return [EntryRow._make(row) for row in await connection.execute(statement, parameters)]


async def entry_totals(connection: AsyncConnection, keys: Sequence[SnapshotKey], whom: Whom) -> list[int]:
    """How many entries each list holds, in the order of the keys."""
    rows = await connection.execute(_total(bool(whom.search), whom.certain), _parameters(keys, whom))
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(keys))]


def _parameters(keys: Sequence[SnapshotKey], whom: Whom) -> dict[str, object]:
    search = whom.search and whom.search.casefold()
    return {"keys": as_parameter((n, *key) for n, key in enumerate(keys)), "search": search}


@lru_cache
def _page(dialect: str, searched: bool, certain: bool | None, descending: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", *SnapshotKey._fields)
    by = (PROFILE.c.name_key, PROFILE.c.learner_id)
    personal = (PROFILE.c[name] for name in EntryRow._fields[1:8])
    edges = (type_coerce(ENTRY.c[name], BigInteger).label(name) for name in EntryRow._fields[8:12])
    page = select(*personal, *edges, ENTRY.c.certain).join_from(ENTRY, PROFILE, _same_learner())
    page = page.where(_belongs(keys, searched, certain))
    if resumed:
        beyond = tuple_(bindparam("name_key", type_=Text), bindparam("learner_id", type_=BigInteger))
        page = page.where(tuple_(*by) < beyond if descending else tuple_(*by) > beyond)
    page = page.order_by(*(column.desc() if descending else column.asc() for column in by))
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _total(searched: bool, certain: bool | None) -> Select[Any]:
    keys = asked("keys", "place", *SnapshotKey._fields)
    total = select(func.count()).select_from(ENTRY)
    if searched:
        total = total.join(PROFILE, _same_learner())
    return select(keys.c.place, total.where(_belongs(keys, searched, certain)).correlate(keys).scalar_subquery())


def _same_learner() -> ColumnElement[bool]:
    return and_(ENTRY.c.organization_id == PROFILE.c.organization_id, ENTRY.c.learner_id == PROFILE.c.learner_id)


def _belongs(keys: CTE, searched: bool, certain: bool | None) -> ColumnElement[bool]:
    belongs = and_(ENTRY.c.organization_id == keys.c.organization_id, ENTRY.c.snapshot_id == keys.c.snapshot_id)
    if certain is not None:
        belongs = and_(belongs, ENTRY.c.certain if certain else ~ENTRY.c.certain)
    return and_(belongs, found_by_search()) if searched else belongs
