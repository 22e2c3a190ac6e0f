"""How an error reaches the client, and how it reaches the log: the one place where both are decided.

Expected refusals of mutations are in their payloads (`schema.payloads`). What is here stands in the answer's `errors`:
each with `extensions.code`, and with `extensions.requestId`, by which the log of the server can be searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NotRequired, TypedDict

import structlog
from graphql import FieldNode, GraphQLError, GraphQLSyntaxError

from models.errors import DomainError

log = structlog.get_logger()
SUGGESTION = " Did you mean"


class RequestErrorCode(Enum):
    """Why a request was not answered. The domain's own codes stand beside these, with the same names as in payloads."""

    UNAUTHENTICATED = "Nobody is signed in. Send a token, or sign in."
    PREFLIGHT_REQUIRED = "A signed-in browser must ask by POST, with JSON or the header x-countersign-preflight."
    MUTATION_BY_GET = "GET only asks. Send mutations by POST."
    BODY_TOO_LARGE = "The request is longer than the server reads. Send less at once."
    BODY_TOO_SLOW = "The request did not arrive in time. Send it again, all of it."
    UNSUPPORTED_MEDIA_TYPE = "The body must be application/json in UTF-8, not packed, and the content-type must say so."
    MALFORMED_REQUEST = "The request is not a JSON object with a query in it."
    UNCLEAR_OPERATION = "It is not clear which operation of the document is meant."
    UNSUPPORTED_OPERATION = "Subscriptions are not offered here."
    INTROSPECTION_REFUSED = "Introspection is for staff and partners."
    PERSISTED_QUERY_NOT_FOUND = "No trusted document has this hash. Send the document itself."
    UNTRUSTED_DOCUMENT = "Only documents that the server was given beforehand are run here."
    GRAPHQL_PARSE_FAILED = "The document is not GraphQL."
    GRAPHQL_VALIDATION_FAILED = "The document or its variables do not fit the schema."
    TOO_COMPLEX = "The document or its variables hold more than is allowed. Ask for less at once."
    TOO_COSTLY = "The operation may cost more than is allowed. Ask for fewer or smaller pages."
    SEVERAL_MONEY_MUTATIONS = "An operation moves money once. Send each mutation with an idempotencyKey on its own."
    THROTTLED = "Too much was asked for in a short time. Wait as long as the answer says, then go on."
    TIMEOUT = "The operation took too long. Ask for less at once."
    INTERNAL = "Something went wrong on the server. It is logged under the request id."


class RequestRefused(Exception):
    """A request that is refused before or instead of running an operation."""

    def __init__(self, code: RequestErrorCode, message: str | None = None) -> None:
        super().__init__(message or code.value)
        self.code = code
        self.message = message or code.value


class Extensions(TypedDict):
    code: str
    requestId: str
    field: NotRequired[list[str]]


class Location(TypedDict):
    line: int
    column: int


class ShownError(TypedDict):
    message: str
    extensions: Extensions
    locations: NotRequired[list[Location]]
    path: NotRequired[list[str | int]]


def shown(error: GraphQLError, request_id: str, *, with_suggestions: bool) -> ShownError:
    """The error as the client sees it."""
    message, extensions = _told(error, request_id)
    told: ShownError = {
        "message": message if with_suggestions else message.split(SUGGESTION)[0],
        "extensions": extensions,
    }
    if error.locations:
        told["locations"] = [{"line": location.line, "column": location.column} for location in error.locations]
    if error.path is not None:
        told["path"] = list(error.path)
    return told


def shown_refusal(refusal: RequestRefused, request_id: str) -> ShownError:
    return {"message": refusal.message, "extensions": {"code": refusal.code.name, "requestId": request_id}}


def _told(error: GraphQLError, request_id: str) -> tuple[str, Extensions]:
    cause, code = error.original_error, code_of(error)
    if isinstance(cause, DomainError):
        extensions: Extensions = {"code": code, "requestId": request_id}
        return cause.message, extensions | {"field": cause.field} if cause.field else extensions
    message = "Internal error" if is_unexpected(error) else error.message
    return message, {"code": code, "requestId": request_id}


def code_of(error: GraphQLError) -> str:
    """The name of the member of the domain's enum, or of RequestErrorCode."""
    if isinstance(error.original_error, DomainError):
        return error.original_error.code.name
    return _request_code_of(error).name


def _request_code_of(error: GraphQLError) -> RequestErrorCode:
    if is_unexpected(error):
        return RequestErrorCode.INTERNAL
    if isinstance(error, GraphQLSyntaxError):
        return RequestErrorCode.GRAPHQL_PARSE_FAILED
    return RequestErrorCode.GRAPHQL_VALIDATION_FAILED


def is_unexpected(error: GraphQLError) -> bool:
    """Whether this is a fault of ours: an exception that no rule raises, from a field or from around the execution.

    A value that does not fit its type has an exception behind it too, but it names the place in the document and no
    path in the answer, as nothing has run yet.
    """
    if error.original_error is None or isinstance(error.original_error, DomainError):
        return False
    if isinstance(error.original_error, GraphQLError):
        return _is_of_what_a_field_gave(error)
    return error.path is not None or not error.nodes


def _is_of_what_a_field_gave(error: GraphQLError) -> bool:
    """While it runs, graphql-core itself refuses what fits no type: of an argument at the value that the client wrote,
    of what our function gave at the field."""
    return error.path is not None and all(isinstance(node, FieldNode) for node in error.nodes or ())


def log_errors(errors: Sequence[GraphQLError]) -> None:
    """A fault of ours is logged whole. What a client did wrong is a line, without the message: it may quote names and
    addresses that were sent."""
    for error in errors:
        if is_unexpected(error):
            log.error("graphql.failed", path=error.path, exc_info=error.original_error)
        else:
            log.info("graphql.refused", path=error.path, code=code_of(error))
