"""How an operation runs once HTTP has parsed its document: the seam between the server and Strawberry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import strawberry
from graphql import DocumentNode, GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext, ExecutionResult

from schema.context import Context
from schema.errors import log_errors

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is to be run: one operation of a document that has been parsed."""

    query: str
    document: DocumentNode
    variables: dict[str, JSON]
    name: str | None


@dataclass(kw_only=True)
class OperationContext(Context):
    operation: Operation


class ParsedBefore(SchemaExtension):
    """Hands Strawberry the document that HTTP has parsed already, as parsing is what takes longest before the fields."""

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context.context
        if isinstance(context, OperationContext):
            self.execution_context.graphql_document = context.operation.document
        yield


class Schema(strawberry.Schema):
    """Strawberry's schema with our log: its own writes a traceback for everything that a client gets wrong."""

    async def run(self, context: OperationContext) -> ExecutionResult:
        operation = context.operation
        return await self.execute(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.name,
        )

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        return [ParsedBefore(), *super().get_extensions(sync)]

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        log_errors(errors)
