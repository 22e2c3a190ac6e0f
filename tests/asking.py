"""Asking the schema as HTTP would, without HTTP."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLSyntaxError

from models.access import Role
from resolvers.principal import Principal
from resolvers.vouchers.codes import CodeKeys
from schema.context import Context
from schema.errors import RequestRefused
from schema.execution.documents import Asked, OperationContext, read_operation
from schema.execution.engine import planned_answer
from schema.root import schema
from server.database import Database
from tests.code_keys import CODE_KEYS

STAFF = Principal(name="Support", role=Role.STAFF)
MOST_TOKENS = 10_000
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
    planned = await _by_plan(context, Asked(query=query, variables=variables))
    if planned is not None:
        return Answer(planned)
    result = await schema.execute(query, variable_values=variables, context_value=context)
    errors = result.errors or []
    codes = [getattr(getattr(e.original_error, "code", None), "name", e.message) for e in errors]
    return Answer(result.data or {}, codes, [e.message for e in errors])


async def _by_plan(context: Context, asked: Asked) -> dict[str, Any] | None:
    """As the engine answers it; None where it leaves that to graphql-core."""
    try:
        operation = read_operation(asked, context.principal, MOST_TOKENS)
    except (GraphQLSyntaxError, RequestRefused, TypeError):  # half a surrogate never comes by HTTP
        return None
    own = {name: getattr(context, name) for name in ("principal", "now", "reading", "run", "code_keys")}
    return await planned_answer(schema, OperationContext(**own, operation=operation))
