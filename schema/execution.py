"""How a document runs: it is parsed once, its operation chosen, and Strawberry's answer told as the client sees it.

This is the seam between the server and Strawberry: whatever runs documents later, `answer_to` stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import orjson
import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    parse,
    visit,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext

from models.access import Role
from resolvers.principal import Principal
from schema.context import Context
from schema.errors import RequestErrorCode, RequestRefused, ShownError, log_errors, shown

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

INTROSPECTION = {"__schema", "__type"}
# Portals send the same few documents, and to parse and validate one takes longer than many an answer. A tree may take
# 300 bytes for each character of its text, so these two also bound the memory that somebody can make us keep.
DOCUMENTS_KEPT = 128
LONGEST_KEPT = 4_000
NUL, ESCAPED_NUL = "\0", "\\u0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client sends, with the names that GraphQL over HTTP gives it."""

    query: str
    variables: dict[str, JSON]
    operation_name: str | None = None


class Document:
    """A parsed document, which remembers of which schemas it was found to be a valid one."""

    def __init__(self, node: DocumentNode) -> None:
        self.node = node
        self._valid_in: set[GraphQLSchema] = set()

    def mistakes(self, execution: ExecutionContext) -> list[GraphQLError]:
        schema = execution.schema._schema
        if schema in self._valid_in:
            return []
        found = validate_document(schema, self.node, execution.validation_rules)
        if not found:
            self._valid_in.add(schema)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is to be run: one operation of a document that has been parsed."""

    asked: Asked
    document: Document
    kind: OperationType


@dataclass(kw_only=True)
class OperationContext(Context):
    operation: Operation


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


# ------------------------------------------------------------------------------------------------ before


def read_operation(asked: Asked, principal: Principal, most_tokens: int) -> Operation:
    """The operation that is meant. Raises GraphQLSyntaxError, or RequestRefused if it is unclear or not allowed."""
    _refuse_nul(asked)
    document = read_document(asked.query, most_tokens)
    chosen = _chosen(document.node, asked.operation_name)
    if chosen.operation is OperationType.SUBSCRIPTION:
        raise RequestRefused(RequestErrorCode.UNSUPPORTED_OPERATION)
    if not may_introspect(principal) and _introspects(document.node):
        raise RequestRefused(RequestErrorCode.INTROSPECTION_REFUSED)
    return Operation(asked=asked, document=document, kind=chosen.operation)


def read_document(text: str, most_tokens: int | None = None) -> Document:
    """Raises GraphQLSyntaxError, which is not remembered."""
    read = _read_document if len(text) <= LONGEST_KEPT else _read_document.__wrapped__
    return read(text, most_tokens)


@lru_cache(maxsize=DOCUMENTS_KEPT)
def _read_document(text: str, most_tokens: int | None) -> Document:
    return Document(parse(text, max_lexical_tokens=most_tokens, max_comments=most_tokens))


def _refuse_nul(asked: Asked) -> None:
    """PostgreSQL keeps no text with a NUL in it, and no name or date has one."""
    if NUL in asked.query or ESCAPED_NUL in asked.query or ESCAPED_NUL in orjson.dumps(asked.variables).decode():
        raise RequestRefused(RequestErrorCode.MALFORMED_REQUEST, "No text may hold the character U+0000.")


def _chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is not None:
        operations = [node for node in operations if node.name is not None and node.name.value == name]
    if len(operations) == 1:
        return operations[0]
    raise RequestRefused(RequestErrorCode.UNCLEAR_OPERATION, _why_unclear(len(operations), name))


def _why_unclear(found: int, name: str | None) -> str:
    if name is None:
        return "The document has several operations: say in operationName which to run." if found else "No operation."
    return f"The document has {found or 'no'} operations named {name}; operationName must name one."


def may_introspect(principal: Principal) -> bool:
    """The schema is described to those who build on it; an individual's portal has its operations already."""
    return principal.role is not Role.INDIVIDUAL


def _introspects(document: DocumentNode) -> bool:
    look = _Introspection()
    visit(document, look)
    return look.found


class _Introspection(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.found = self.found or node.name.value in INTROSPECTION


# ------------------------------------------------------------------------------------------------ running


class KnownDocuments(SchemaExtension):
    """Hands Strawberry the document that was parsed already, and has one that was valid not validated again."""

    _document: Document | None = None

    def on_parse(self) -> Iterator[None]:
        execution = self.execution_context
        if isinstance(execution.context, OperationContext):
            self._document = execution.context.operation.document
        elif execution.query:
            # Strawberry parses again what cannot be parsed, and answers with what is wrong.
            with suppress(GraphQLSyntaxError):
                self._document = read_document(execution.query)
        if self._document is not None:
            execution.graphql_document = self._document.node
        yield

    def on_validate(self) -> Iterator[None]:
        if self._document is not None:
            self.execution_context.pre_execution_errors = self._document.mistakes(self.execution_context)
        yield


class Schema(strawberry.Schema):
    """Strawberry's schema with our log: its own writes a traceback for everything that a client gets wrong."""

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        return [KnownDocuments(), *super().get_extensions(sync)]

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        log_errors(errors)


async def answer_to(schema: strawberry.Schema, context: OperationContext) -> Answer:
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
