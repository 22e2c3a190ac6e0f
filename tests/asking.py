"""Asking the schema as HTTP would, without HTTP."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from models.access import Role
from resolvers.principal import Principal
from resolvers.vouchers.codes import CodeKeys
from schema.context import Context
from schema.root import schema
from server.database import Database
from tests.code_keys import CODE_KEYS

STAFF = Principal(name="Support", role=Role.STAFF)
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Answer:
    data: dict[str, Any]
    # Of each error its code, or its message if it has none.
    errors: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


async def ask(
    database: Database,
    query: str,
    principal: Principal = STAFF,
    *,
    code_keys: CodeKeys | None = CODE_KEYS,
    **variables: Any,
) -> Answer:
    context = Context(principal, NOW, database.reading, database.run, code_keys=code_keys)
    result = await schema.execute(query, variable_values=variables, context_value=context)
    errors = result.errors or []
    codes = [getattr(getattr(e.original_error, "code", None), "name", e.message) for e in errors]
    return Answer(result.data or {}, codes, [e.message for e in errors])
