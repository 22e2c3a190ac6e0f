"""What can be licensed and billed: an organization's seats, or access to one of its libraries."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.billing import SnapshotKind
from models.contracts import Measure
from models.errors import BillingErrorCode, NotFound
from models.organizations import ScopeKind
from resolvers.loaders.places import OrganizationRow, ScopeKey, ScopeRow, scopes_by_id
from schema.context import Info
from schema.fields import field
from schema.ids import decode_id
from schema.payloads import UserError
from schema.scalars import described

if TYPE_CHECKING:
    from schema.organizations import Library


class ProductKind(Enum):
    SEATS = "Learners of the organization."
    LIBRARY = "Learners who have access to a library."


described(ProductKind, "What is counted.")
described(Measure, "What is counted for the bill of a date; people, each once.", "BillingMeasure")
described(SnapshotKind, "Whether a count is billed.")
described(BillingErrorCode, "Why something about a bill was refused.")


@strawberry.type(description="A refusal: what was wrong with the input, and what to do.")
class BillingUserError(UserError):
    code: BillingErrorCode = strawberry.field(description="The reason, for programs.")


@strawberry.type(description="What an organization licenses: its seats, or access to one of its libraries.")
class BillableProduct:
    organization_row: strawberry.Private[OrganizationRow]
    product_id: strawberry.Private[int]

    @field("Seats or a library.")
    def kind(self) -> ProductKind:
        return ProductKind.SEATS if self._is_seats else ProductKind.LIBRARY

    @field("Seats, or the library's name.")
    async def name(self, info: Info) -> str:
        library = await self._library(info)
        return library.name if library else "Seats"

    @field("The library; null for seats.")
    async def library(self, info: Info) -> Annotated[Library, strawberry.lazy("schema.organizations")] | None:
        from schema.organizations import Library

        row = await self._library(info)
        return row and Library.of(self.organization_row, self.product_id, row.name)

    @property
    def _is_seats(self) -> bool:
        return self.product_id == self.organization_row.organization_id

    async def _library(self, info: Info) -> ScopeRow | None:
        if self._is_seats:
            return None
        key = ScopeKey(self.organization_row.organization_id, self.product_id)
        rows: list[ScopeRow] = await info.context.loaders.rows(scopes_by_id).load(key)
        return rows[0]


@strawberry.input(description="What is counted: give exactly one.", one_of=True)
class ProductKey:
    seats: bool | None = strawberry.field(default=strawberry.UNSET, description="Learners of the organization: true.")
    library: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Learners who have access to this library."
    )


async def product_of(info: Info, organization: OrganizationRow, given: ProductKey | None, *field_path: str) -> int:
    """The product's scope; the seats if none is named."""
    if not given or not given.library:
        return organization.organization_id
    key = ScopeKey(*decode_id(given.library, "Library", 2, *field_path))
    rows: list[ScopeRow] = await info.context.loaders.rows(scopes_by_id).load(key)
    is_own = key.organization_id == organization.organization_id
    if not is_own or not rows or rows[0].kind != ScopeKind.LIBRARY.name:
        raise NotFound("library", *field_path)
    return key.scope_id
