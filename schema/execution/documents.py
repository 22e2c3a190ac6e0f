"""Documents: parsed once, validated once, one operation chosen, and who may ask it decided before anything runs."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from models.access import Role
from resolvers.principal import Principal
from schema.context import Context
from schema.errors import RequestErrorCode, RequestRefused

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

INTROSPECTION = {"__schema", "__type"}
# Portals send the same few documents, and to parse and validate one takes longer than many an answer. A tree may take
# 300 bytes for each character of its text, so these also bound the memory that somebody can make us keep.
CHARACTERS_KEPT = 400_000
LONGEST_KEPT = 16_000
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
# Somebody mends a few mistakes at once, and each may take milliseconds to be told.
MOST_MISTAKES = 3
# Whether fields with one name agree is asked of each pair of them. Of our own documents none needs ten such questions.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 20_000
ABORTED = "Validation aborted."
TOO_ENTANGLED = "The document asks for the same names too often to be checked. Ask for each field once."
NUL, ESCAPED_NUL = "\0", "\\u0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client sends, with the names that GraphQL over HTTP gives it."""

    query: str
    variables: dict[str, JSON]
    operation_name: str | None = None
    # Whether the server was given this document beforehand.
    trusted: bool = False


class Document:
    """A parsed document, which remembers what validation had against it in each schema."""

    def __init__(self, node: DocumentNode) -> None:
        self.node = node
        self._mistakes: dict[GraphQLSchema, list[GraphQLError]] = {}

    def mistakes(self, schema: GraphQLSchema) -> list[GraphQLError]:
        if schema not in self._mistakes:
            self._mistakes[schema] = self._found_in(schema)
        return [*self._mistakes[schema]]

    def _found_in(self, schema: GraphQLSchema) -> list[GraphQLError]:
        found = self._validate(schema, hide_suggestions=True)
        # What was meant instead is looked up among all names there are, so not for many mistakes.
        if len(found) == 1 and not _is_aborted(found[0]):
            return self._validate(schema, hide_suggestions=False)
        return [GraphQLError(TOO_ENTANGLED) if _is_aborted(error) else error for error in found]

    def _validate(self, schema: GraphQLSchema, *, hide_suggestions: bool) -> list[GraphQLError]:
        return validate(schema, self.node, RULES, max_errors=MOST_MISTAKES, hide_suggestions=hide_suggestions)

    @cached_property
    def introspects(self) -> bool:
        """Whether any of it asks about the schema."""
        waiting = [each.selection_set for each in self.node.definitions if isinstance(each, WITH_FIELDS)]
        while waiting:
            for selection in waiting.pop().selections:
                if isinstance(selection, FieldNode) and selection.name.value in INTROSPECTION:
                    return True
                if isinstance(selection, WITH_SELECTIONS) and selection.selection_set:
                    waiting.append(selection.selection_set)
        return False


WITH_FIELDS = OperationDefinitionNode | FragmentDefinitionNode
WITH_SELECTIONS = FieldNode | InlineFragmentNode


def _is_aborted(error: GraphQLError) -> bool:
    return isinstance(error, ValidationAbortedError) and error.message == ABORTED


class KeptDocuments:
    """The documents used last, by their text and the tokens that it might have, as long as they are not too much."""

    def __init__(self, most_characters: int = CHARACTERS_KEPT) -> None:
        self._most = most_characters
        self._characters = 0
        self._documents: OrderedDict[tuple[str, int | None], Document] = OrderedDict()

    def read(self, text: str, most_tokens: int | None) -> Document:
        document = self._documents.get((text, most_tokens))
        if document is None:
            document = Document(parse(text, max_lexical_tokens=most_tokens, max_comments=most_tokens))
            self._keep(text, most_tokens, document)
        else:
            self._documents.move_to_end((text, most_tokens))
        return document

    def _keep(self, text: str, most_tokens: int | None, document: Document) -> None:
        if len(text) > LONGEST_KEPT:
            return
        self._documents[text, most_tokens] = document
        self._characters += len(text)
        while self._characters > self._most:
            (oldest, _), _ = self._documents.popitem(last=False)
            self._characters -= len(oldest)


_kept = KeptDocuments()


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
    """The operation that is meant. Raises GraphQLSyntaxError, or RequestRefused if it is unclear or not allowed. A
    trusted document may have any number of tokens."""
    _refuse_nul(asked)
    document = read_document(asked.query, None if asked.trusted else most_tokens)
    chosen = _chosen(document.node, asked.operation_name)
    if chosen.operation is OperationType.SUBSCRIPTION:
        raise RequestRefused(RequestErrorCode.UNSUPPORTED_OPERATION)
    if not asked.trusted and not may_introspect(principal) and document.introspects:
        raise RequestRefused(RequestErrorCode.INTROSPECTION_REFUSED)
    return Operation(asked=asked, document=document, node=chosen)


def read_document(text: str, most_tokens: int | None = None) -> Document:
    """Raises GraphQLSyntaxError, which is not remembered."""
    return _kept.read(text, most_tokens)


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
