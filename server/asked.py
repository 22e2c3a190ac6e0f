"""What a client asks, out of a body or an address: which document, which of its operations, with which variables."""

from collections.abc import Mapping

import orjson
from starlette.requests import Request

from schema.errors import RequestErrorCode, RequestRefused
from schema.execution.documents import JSON, Asked
from schema.execution.trusted import TrustedDocuments, is_hash_of
from server.query_string import UnreadableAddress, parameters_of

PERSISTED_VERSION = 1


def in_address(request: Request) -> JSON:
    """The parameters of a GET, where variables and extensions are JSON texts."""
    try:
        told = parameters_of(request.scope["query_string"])
    except UnreadableAddress:
        raise _malformed("The address must be text in UTF-8, percent-encoded, with few parameters.") from None
    parameters: dict[str, JSON] = {**told}
    for name in ("variables", "extensions"):
        if text := told.get(name):
            parameters[name] = read_json(text.encode(), name)
    return parameters


def read_json(text: bytes, what: str) -> JSON:
    try:
        value: JSON = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise RequestRefused(RequestErrorCode.MALFORMED_REQUEST, f"{what} cannot be read as JSON: {problem}") from None
    return value


def read_asked(sent: JSON, trusted: TrustedDocuments) -> Asked:
    if isinstance(sent, list):
        raise _malformed("Send one operation a request: arrays of them are not taken.")
    if not isinstance(sent, dict):
        raise _malformed('The body must be a JSON object, as {"query": "{ viewer { name } }"}.')
    name = sent.get("operationName")
    if not isinstance(name, str | None):
        raise _malformed("`operationName` must be a text, or left out.")
    query = _query(sent, _document_id(sent), trusted)
    return Asked(query=query, variables=_object(sent, "variables"), operation_name=name or None)


def _query(sent: Mapping[str, JSON], document_id: str | None, trusted: TrustedDocuments) -> str:
    query = sent.get("query")
    if query is None and document_id is not None:
        return trusted.named(document_id)
    if not isinstance(query, str):
        raise _malformed("`query` must be a text with a GraphQL document.")
    if document_id is not None and not is_hash_of(query, document_id):
        raise _malformed("The hash is not the SHA-256 of the document beside it.")
    return query


def _document_id(sent: Mapping[str, JSON]) -> str | None:
    """The hash of a document, in either of the forms in which clients send it."""
    persisted = _object(_object(sent, "extensions"), "persistedQuery")
    if persisted and persisted.get("version") != PERSISTED_VERSION:
        raise _malformed(f"`persistedQuery` must have version {PERSISTED_VERSION}.")
    found = persisted.get("sha256Hash", sent.get("documentId"))
    if not isinstance(found, str | None):
        raise _malformed("The id of a document must be a text: the SHA-256 of the document.")
    return found


def _object(sent: Mapping[str, JSON], name: str) -> dict[str, JSON]:
    value = sent.get(name)
    if not isinstance(value, dict | None):
        raise _malformed(f"`{name}` must be a JSON object, or left out.")
    return value or {}


def _malformed(message: str) -> RequestRefused:
    return RequestRefused(RequestErrorCode.MALFORMED_REQUEST, message)
