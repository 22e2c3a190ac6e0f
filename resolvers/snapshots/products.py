"""What can be billed: an organization's seats, and access to each of its libraries."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from models.organizations import Scope, ScopeKind

PRODUCTS = (ScopeKind.ORGANIZATION, ScopeKind.LIBRARY)


@dataclass(frozen=True, slots=True)
class Products:
    """The products of an organization, seats first, and the scope of what it excludes from billing (0 if nothing)."""

    ids: tuple[int, ...]
    excluded_id: int


async def products_of(connection: AsyncConnection | AsyncSession, organization_id: int) -> Products:
    rows = await connection.execute(
        select(Scope.id, Scope.kind).where(
            Scope.organization_id == organization_id, Scope.kind.in_([*PRODUCTS, ScopeKind.EXCLUSION])
        )
    )
    kinds = {row.id: row.kind for row in rows}
    ids = sorted((i for i, kind in kinds.items() if kind in PRODUCTS), key=lambda i: (i != organization_id, i))
    return Products(tuple(ids), next((i for i, kind in kinds.items() if kind is ScopeKind.EXCLUSION), 0))
