"""Reading for whom organizations are responsible party: lists of them, single ones, and what was held before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, bindparam, exists, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.accounts import Account
from models.base import Instant
from models.batches import as_keys, asked, first_rows_of_each, position_in
from models.interval import Interval
from models.learners import sort_key
from models.responsibility import ResponsibleParty

PARTY = ResponsibleParty.__table__
ACCOUNT = Account.__table__
IS_HELD: ColumnElement[bool] = PARTY.c.superseded_at.is_(None)


class PartyKey(NamedTuple):
    """An organization, and a person it is or was responsible for."""

    organization_id: int
    person_id: int


class PartyRow(NamedTuple):
    """So it is, or was, held to be. The account's name and address are None once it is gone."""

    place: int
    organization_id: int
    person_id: int
    id: int
    from_at: dt.datetime
    to_at: dt.datetime
    recorded_at: dt.datetime
    recorded_by: str
    superseded_at: dt.datetime | None
    name: str | None
    email: str | None

    @property
    def window(self) -> Interval:
        return Interval(self.from_at, self.to_at)


COLUMNS = [*(PARTY.c[name] for name in PartyRow._fields[1:9]), ACCOUNT.c.name, ACCOUNT.c.email]
WITH_ACCOUNT = PARTY.outerjoin(ACCOUNT, ACCOUNT.c.person_id == PARTY.c.person_id)


async def parties_by_key(connection: AsyncConnection | AsyncSession, keys: Sequence[PartyKey]) -> list[PartyRow]:
    """What is held now of each, if anything ever was."""
    return [PartyRow._make(row) for row in await connection.execute(_recorded_of(only_held=True), as_keys(keys))]


async def recorded_of_parties(connection: AsyncConnection, keys: Sequence[PartyKey]) -> list[PartyRow]:
    """All that was ever recorded of each, the first first."""
    return [PartyRow._make(row) for row in await connection.execute(_recorded_of(only_held=False), as_keys(keys))]


@lru_cache
def _recorded_of(*, only_held: bool) -> Select[Any]:
    keys = asked("keys", "place", *PartyKey._fields)
    same = and_(PARTY.c.organization_id == keys.c.organization_id, PARTY.c.person_id == keys.c.person_id)
    rows = select(keys.c.place, *COLUMNS).select_from(WITH_ACCOUNT.join(keys, same))
    return (rows.where(IS_HELD) if only_held else rows).order_by(keys.c.place, PARTY.c.id)


def is_responsible_from(
    now: ColumnElement[dt.datetime], organization: ColumnElement[int], person: ColumnElement[int]
) -> ColumnElement[bool]:
    """Whether an organization is responsible for a person then, or is known to be later."""
    return exists().where(
        PARTY.c.organization_id == organization, PARTY.c.person_id == person, IS_HELD, PARTY.c.to_at > now
    )


# --------------------------------------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichParties:
    now: dt.datetime
    # Part of the name or the address.
    search: str | None = None
    # Whether it is in force now; None for both.
    current: bool | None = None

    def parameters(self) -> dict[str, object]:
        return {"now": self.now, "search": sort_key(self.search or "")}


@dataclass(frozen=True, slots=True)
class PartiesPage:
    """The last recorded first; `beyond` is the key of the row beyond which the page begins."""

    limit: int
    backward: bool = False
    beyond: int | None = None


async def parties_of(
    connection: AsyncConnection, organization_ids: Sequence[int], which: WhichParties, page: PartiesPage
) -> list[PartyRow]:
    """A page of the people of each organization."""
    shape = (bool(which.search), which.current)
    statement = _parties_of(connection.dialect.name, *shape, page.backward, page.beyond is not None)
    parameters = _keys(organization_ids) | which.parameters() | {"most": page.limit, "beyond": page.beyond or 0}
    return [PartyRow._make(row) for row in await connection.execute(statement, parameters)]


async def party_totals(connection: AsyncConnection, organization_ids: Sequence[int], which: WhichParties) -> list[int]:
    """How many people each organization has."""
    statement = _party_totals(bool(which.search), which.current)
    rows = await connection.execute(statement, _keys(organization_ids) | which.parameters())
    found = {row[0]: row[1] for row in rows}
    return [found[place] for place in range(len(organization_ids))]


def _keys(organization_ids: Sequence[int]) -> dict[str, object]:
    return as_keys((one,) for one in organization_ids)


@lru_cache
def _parties_of(dialect: str, searched: bool, current: bool | None, backward: bool, resumed: bool) -> Select[Any]:
    keys = asked("keys", "place", "organization_id")
    page = select(*COLUMNS).select_from(WITH_ACCOUNT)
    page = page.where(PARTY.c.organization_id == keys.c.organization_id, *_chosen(searched, current))
    if resumed:
        beyond = bindparam("beyond", type_=BigInteger)
        page = page.where(PARTY.c.id > beyond if backward else PARTY.c.id < beyond)
    page = page.order_by(PARTY.c.id.asc() if backward else PARTY.c.id.desc())
    page = page.limit(bindparam("most", type_=BigInteger)).correlate(keys)
    return first_rows_of_each(dialect, keys, "place", page)


@lru_cache
def _party_totals(searched: bool, current: bool | None) -> Select[Any]:
    keys = asked("keys", "place", "organization_id")
    total = select(func.count()).select_from(WITH_ACCOUNT)
    total = total.where(PARTY.c.organization_id == keys.c.organization_id, *_chosen(searched, current))
    return select(keys.c.place, total.correlate(keys).scalar_subquery())


def _chosen(searched: bool, current: bool | None) -> Iterator[ColumnElement[bool]]:
    yield IS_HELD
    if searched:
        term = bindparam("search", type_=Text)
        yield or_(position_in(func.lower(ACCOUNT.c.name), term) > 0, position_in(ACCOUNT.c.email_key, term) > 0)
    if current is not None:
        now = bindparam("now", type_=Instant)
        in_force = and_(PARTY.c.from_at <= now, PARTY.c.to_at > now)
        yield in_force if current else not_(in_force)
