"""Which documents this server takes: the limits of its settings, and the documents that it was given to trust."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import orjson
from graphql import GraphQLError, GraphQLSchema

from graphiql.operations import Operation
from models.access import Role
from resolvers.principal import Principal
from schema.errors import RequestRefused
from schema.execution.admission import Admission
from schema.execution.documents import JSON, Asked
from schema.execution.limits import Limits
from schema.execution.throttle import Throttle
from schema.execution.trusted import TrustedDocuments, hash_of, is_hash_of
from server.settings import Settings

WHOEVER = Principal(name="The server at its start", role=Role.STAFF)
ACCEPTED = "a folder of .graphql files, or a JSON file that names each document by its SHA-256, as {hash: document}"


class TrustedDocumentError(Exception):
    """A document that was given to trust cannot be run here; the message names the file, and what is wrong."""

    def __init__(self, path: Path, problem: str, document: str = "") -> None:
        super().__init__(f"{path}{f', {document}' if document else ''}: {problem}")


def limits_of(settings: Settings) -> Limits:
    return Limits(
        tokens=settings.max_query_tokens,
        characters=settings.max_query_characters,
        definitions=settings.max_query_definitions,
        depth=settings.max_query_depth,
        fields=settings.max_query_fields,
        aliases=settings.max_query_aliases,
        root_fields=settings.max_root_fields,
        directives=settings.max_query_directives,
        list_items=settings.max_list_items,
        value_depth=settings.max_value_depth,
        cost=settings.max_query_cost,
    )


def throttle_of(settings: Settings) -> Throttle:
    """A full bucket is enough for any operation that is allowed at all."""
    return Throttle(max(settings.cost_available, settings.max_query_cost), settings.cost_restored_per_second)


def trusted_documents(settings: Settings, own: Iterable[Operation], schema: GraphQLSchema) -> TrustedDocuments:
    """Our own operations, and those of the folder in the settings. Raises TrustedDocumentError."""
    given = _read(settings.trusted_documents) if settings.trusted_documents else {}
    trusted = TrustedDocuments.of(
        [*(operation.query for operation in own), *given.values()], only=settings.documents == "trusted"
    )
    if settings.trusted_documents:
        _check(settings.trusted_documents, given, Admission(schema, limits_of(settings), trusted))
    return trusted


def manifest(trusted: TrustedDocuments) -> str:
    """The documents by their hashes, as clients and another server can read them."""
    return orjson.dumps(trusted.texts, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


def _read(path: Path) -> dict[str, str]:
    """Each document, under the name by which a mistake in it is told."""
    if path.is_dir():
        return {str(file.relative_to(path)): _text(file) for file in sorted(path.rglob("*.graphql"))}
    if path.is_file():
        return _in_manifest(path)
    raise TrustedDocumentError(path, f"there is nothing here; it must be {ACCEPTED}")


def _text(path: Path) -> str:
    try:
        # As it is in the file, to the last byte: else it would have another hash.
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise TrustedDocumentError(path, "this is not UTF-8 text") from None


def _in_manifest(path: Path) -> dict[str, str]:
    try:
        found: JSON = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as problem:
        raise TrustedDocumentError(path, f"this is not JSON: {problem}") from None
    if not isinstance(found, dict):
        raise TrustedDocumentError(path, f"it must be {ACCEPTED}")
    return {identifier: _named(path, identifier, text) for identifier, text in found.items()}


def _named(path: Path, identifier: str, text: JSON) -> str:
    if not isinstance(text, str):
        raise TrustedDocumentError(path, "this is not the text of a document", identifier)
    if not is_hash_of(text, identifier):
        raise TrustedDocumentError(path, f"the SHA-256 of this document is {hash_of(text)}", identifier)
    return text


def _check(path: Path, documents: dict[str, str], admission: Admission) -> None:
    """Each is valid and within the limits, but for its tokens; what it costs is seen when it is asked."""
    for name, text in documents.items():
        try:
            mistakes = admission.mistakes_in(Asked(query=text, variables={}), WHOEVER)
        except (GraphQLError, RequestRefused) as problem:
            raise TrustedDocumentError(path, problem.message, name) from None
        if mistakes:
            raise TrustedDocumentError(path, mistakes[0].message, name)
