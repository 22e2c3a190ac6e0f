"""How an operation is run, and what is told of it as the client sees it.

This is the seam between the server and whatever runs documents.
"""

from __future__ import annotations

from dataclasses import dataclass

import strawberry
from graphql import GraphQLError, GraphQLSyntaxError

from resolvers.principal import Principal
from schema.errors import ShownError, log_errors, shown
from schema.execution.documents import OperationContext, may_introspect
from schema.execution.engine import planned_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an operation gave. A request error has no data at all, which is not the same as `null`."""

    data: dict[str, object] | None
    errors: list[ShownError]
    extensions: dict[str, object]
    is_request_error: bool

    def content(self) -> dict[str, object]:
        told: dict[str, object] = {"errors": self.errors} if self.errors else {}
        if not self.is_request_error:
            told["data"] = self.data
        return told | ({"extensions": self.extensions} if self.extensions else {})


async def answer_to(schema: strawberry.Schema, context: OperationContext) -> Answer:
    if context.compiled and (data := await planned_answer(schema, context)) is not None:
        return _told(context.principal, context.request_id, data, [], {})
    asked = context.operation.asked
    result = await schema.execute(
        asked.query,
        variable_values=asked.variables,
        context_value=context,
        operation_name=asked.operation_name,
    )
    return _told(context.principal, context.request_id, result.data, result.errors or [], result.extensions or {})


def answer_to_bad_syntax(error: GraphQLSyntaxError, principal: Principal, request_id: str) -> Answer:
    log_errors([error])
    return _told(principal, request_id, None, [error], {})


def _told(
    principal: Principal,
    request_id: str,
    data: dict[str, object] | None,
    errors: list[GraphQLError],
    extensions: dict[str, object],
) -> Answer:
    # Suggestions would tell the schema's names to those who may not look them up.
    suggest = may_introspect(principal)
    return Answer(
        data=data,
        errors=[shown(error, request_id, with_suggestions=suggest) for error in errors],
        extensions=extensions,
        # What went wrong while a field ran has that field's path.
        is_request_error=data is None and all(error.path is None for error in errors),
    )
