"""Strawberry's schema as we run it: with our log, and with documents that were read before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import strawberry
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionContext

from models.remembered import remembered
from schema.errors import log_errors
from schema.execution.documents import Document, OperationContext, read_document


class RememberedNames(NameConverter):
    """Strawberry asks for the names of an input's fields whenever somebody gives one."""

    def __init__(self) -> None:
        super().__init__()
        self._remembered = remembered(super().apply_naming_config)

    def apply_naming_config(self, name: str) -> str:
        return self._remembered(name)


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
            self.execution_context.pre_execution_errors = self._document.mistakes(self.execution_context.schema._schema)
        yield


class Schema(strawberry.Schema):
    """Strawberry's schema with our log: its own writes a traceback for everything that a client gets wrong."""

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        return [KnownDocuments(), *super().get_extensions(sync)]

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        log_errors(errors)
