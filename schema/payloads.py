"""How a mutation's refusals reach the client: in its payload, with the field at fault and a code of the domain."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import strawberry
from strawberry.extensions.field_extension import AsyncExtensionResolver, FieldExtension

from models.errors import DomainError
from schema.context import Info


@strawberry.type
class UserError:
    """What the refusals of all domains have. A domain's own adds the code, of its own enum."""

    field: list[str] = strawberry.field(description="The path of the input at fault.")
    message: str = strawberry.field(description="A sentence to act on.")


class Refusals(FieldExtension):
    """Turns a refusal whose code the payload's own errors know into `userErrors`; any other goes to the top."""

    def __init__(self, payload: Callable[..., object], error: Callable[..., object], codes: type[Enum]) -> None:
        self._payload, self._error, self._codes = payload, error, codes

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Info, **kwargs: Any) -> Any:
        try:
            return await next_(source, info, **kwargs)
        except DomainError as refusal:
            if refusal.code.name not in self._codes.__members__:
                raise
            code = self._codes[refusal.code.name]
            field = ["input", *refusal.field]
            return self._payload(user_errors=[self._error(field=field, message=refusal.message, code=code)])
