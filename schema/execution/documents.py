"""Documents: parsed once, one operation chosen, and what of them may be asked decided before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    parse,
    specified_rules,
    visit,
)
from strawberry.schema.schema import validate_document

from models.access import Role
from resolvers.principal import Principal
from schema.context import Context
from schema.errors import RequestErrorCode, RequestRefused

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

    def mistakes(self, schema: GraphQLSchema) -> list[GraphQLError]:
        if schema in self._valid_in:
            return []
        found = validate_document(schema, self.node, tuple(specified_rules))
        if not found:
            self._valid_in.add(schema)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is to be run: one operation of a document that has been parsed."""

    asked: Asked
    document: Document
    node: OperationDefinitionNode

    @property
    def kind(self) -> OperationType:
        return self.node.operation


@dataclass(kw_only=True)
class OperationContext(Context):
    operation: Operation
    # Whether a plan may answer; without, graphql-core does: the same, more slowly.
    compiled: bool = True
    # What answered: `compiled`, or `graphql-core: ` and why.
    ran: str = ""


def read_operation(asked: Asked, principal: Principal, most_tokens: int) -> Operation:
    """The operation that is meant. Raises GraphQLSyntaxError, or RequestRefused if it is unclear or not allowed."""
    _refuse_nul(asked)
    document = read_document(asked.query, most_tokens)
    chosen = _chosen(document.node, asked.operation_name)
    if chosen.operation is OperationType.SUBSCRIPTION:
        raise RequestRefused(RequestErrorCode.UNSUPPORTED_OPERATION)
    if not may_introspect(principal) and _introspects(document.node):
        raise RequestRefused(RequestErrorCode.INTROSPECTION_REFUSED)
    return Operation(asked=asked, document=document, node=chosen)


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
