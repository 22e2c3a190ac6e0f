"""What can be billed: an organization's seats, and access to each of its libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.batches import as_parameter, asked
from models.organizations import Scope, ScopeKind

PRODUCTS = (ScopeKind.ORGANIZATION, ScopeKind.LIBRARY)


@dataclass(frozen=True, slots=True)
class Products:
    """The products of an organization, seats first, and the scope of what it excludes from billing (0 if nothing)."""

    ids: tuple[int, ...]
    excluded_id: int


async def products_of(connection: AsyncConnection | AsyncSession, organization_id: int) -> Products:
    return (await products_of_each(connection, [organization_id]))[organization_id]


async def products_of_each(
    connection: AsyncConnection | AsyncSession, organization_ids: Sequence[int]
) -> Mapping[int, Products]:
    rows = await connection.execute(_scopes(), {"keys": as_parameter((i,) for i in organization_ids)})
    kinds: dict[int, dict[int, ScopeKind]] = {organization_id: {} for organization_id in organization_ids}
    for row in rows:
        kinds[row.organization_id][row.id] = row.kind
    return {organization_id: _products(organization_id, of_one) for organization_id, of_one in kinds.items()}


@lru_cache
def _scopes() -> Select[int, int, ScopeKind]:
    keys = asked("keys", "organization_id")
    own = Scope.organization_id.in_(select(keys.c.organization_id))
    kinds = Scope.kind.in_([*PRODUCTS, ScopeKind.EXCLUSION])
    return select(Scope.organization_id, Scope.id, Scope.kind).where(own, kinds)


def _products(organization_id: int, kinds: Mapping[int, ScopeKind]) -> Products:
    ids = sorted((i for i, kind in kinds.items() if kind in PRODUCTS), key=lambda i: (i != organization_id, i))
    return Products(tuple(ids), next((i for i, kind in kinds.items() if kind is ScopeKind.EXCLUSION), 0))


async def excluded_scopes(connection: AsyncConnection | AsyncSession, organization_ids: Sequence[int]) -> list[int]:
    """The scope of what each organization excludes, in their order; 0 if nothing."""
    found = await products_of_each(connection, organization_ids)
    return [found[organization_id].excluded_id for organization_id in organization_ids]
