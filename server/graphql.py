"""GraphQL over HTTP: POST /graphql, and GET for queries, from the bytes of a request to those of its answer."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import orjson
import strawberry
import structlog
from graphql import GraphQLSyntaxError, OperationType
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from graphiql.operations import Operation
from resolvers.database import Reading
from resolvers.evidence.signing import Signer
from resolvers.gateways.gateway import Gateways
from resolvers.principal import Principal
from resolvers.vouchers.codes import CodeKeys
from schema.errors import RequestErrorCode, RequestRefused, shown_refusal
from schema.execution.admission import Admission, Admitted
from schema.execution.answers import Answer, answer_to, answer_to_bad_syntax
from schema.execution.counting import actual_cost
from schema.execution.documents import JSON, Asked, OperationContext
from schema.execution.engine import plan_told
from schema.execution.throttle import Throttled
from schema.execution.trusted import TrustedDocuments
from server.asked import in_address, read_asked, read_json
from server.auth import Authentication
from server.body import BodyTooLarge, BodyTooSlow, read_body
from server.documents import limits_of, throttle_of
from server.explaining import explained, is_to_explain
from server.media_types import (
    GRAPHQL_RESPONSE,
    PLAIN_JSON,
    is_said_to_be_json,
    is_said_to_be_readable,
    media_type_for,
)
from server.settings import Settings

log = structlog.get_logger()

PREFLIGHT = "x-countersign-preflight"
# Whoever sends this pays what came rather than what might have come, and waits until it is counted.
COST, ACTUAL = "x-countersign-cost", "actual"
HOW_TO_SIGN_IN = (
    "Nobody is signed in, or the token does not work. Send the header `Authorization: Bearer cs_…`; whoever runs this "
    'server makes a token with `python3 -m server token issue --role staff --name "Your name"`. In a browser, open '
    "/sign-in."
)
STATUS = {
    RequestErrorCode.UNAUTHENTICATED: 401,
    RequestErrorCode.PREFLIGHT_REQUIRED: 403,
    RequestErrorCode.MUTATION_BY_GET: 405,
    RequestErrorCode.BODY_TOO_SLOW: 408,
    RequestErrorCode.BODY_TOO_LARGE: 413,
    RequestErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    RequestErrorCode.THROTTLED: 429,
    RequestErrorCode.TIMEOUT: 504,
}
# The request was well made, and only what it asks is refused: in plain JSON that is 200, as of any GraphQL error.
OF_THE_DOCUMENT = {
    RequestErrorCode.PERSISTED_QUERY_NOT_FOUND,
    RequestErrorCode.UNTRUSTED_DOCUMENT,
    RequestErrorCode.GRAPHQL_VALIDATION_FAILED,
    RequestErrorCode.TOO_COMPLEX,
    RequestErrorCode.TOO_COSTLY,
    RequestErrorCode.SEVERAL_MONEY_MUTATIONS,
    RequestErrorCode.THROTTLED,
}
HEADERS = {
    RequestErrorCode.UNAUTHENTICATED: {"WWW-Authenticate": "Bearer"},
    RequestErrorCode.MUTATION_BY_GET: {"Allow": "POST"},
    RequestErrorCode.BODY_TOO_SLOW: {"Connection": "close"},
}


class GraphQLEndpoint:
    """`respond` answers a request; `execute` answers a page of our own, which runs one of the named operations."""

    def __init__(
        self,
        schema: strawberry.Schema,
        authentication: Authentication,
        settings: Settings,
        signer: Signer | None = None,
        code_keys: CodeKeys | None = None,
        gateways: Gateways | None = None,
        trusted: TrustedDocuments | None = None,
    ) -> None:
        self._schema = schema
        self._trusted = trusted or TrustedDocuments()
        self._admission = Admission(schema._schema, limits_of(settings), self._trusted)
        self._throttle = throttle_of(settings)
        self._authentication = authentication
        self._settings = settings
        self._signer = signer
        self._code_keys = code_keys
        self._gateways = gateways or {}

    async def respond(self, request: Request) -> Response:
        media_type = media_type_for(request.headers.getlist("accept"))
        try:
            answer = await self._answer_request(request)
        except RequestRefused as refusal:
            return _refused(refusal, media_type, request.state.request_id)
        status = 400 if answer.is_request_error and media_type == GRAPHQL_RESPONSE else 200
        return _response(answer.content(), media_type, status)

    async def execute(
        self, operation: Operation, variables: dict[str, JSON], principal: Principal, request_id: str
    ) -> Mapping[str, object]:
        """What POST /graphql would answer to the same."""
        asked = Asked(query=operation.query, variables=variables, operation_name=operation.name)
        try:
            return (await self._answer(principal, asked, request_id)).content()
        except RequestRefused as refusal:
            return _content(refusal, request_id)

    async def _answer_request(self, request: Request) -> Answer:
        """Who asks is known before anything of the body is read."""
        caller = await self._authentication.caller(request)
        if caller is None:
            raise RequestRefused(RequestErrorCode.UNAUTHENTICATED, HOW_TO_SIGN_IN)
        if caller.by_cookie and not _is_preflighted(request):
            raise RequestRefused(RequestErrorCode.PREFLIGHT_REQUIRED)
        posted = request.method == "POST"
        asked = read_asked(await self._posted(request) if posted else in_address(request), self._trusted)
        counted = request.headers.get(COST) == ACTUAL
        explain = is_to_explain(request, caller.principal)
        return await self._answer(
            caller.principal, asked, request.state.request_id, may_change=posted, counted=counted, explain=explain
        )

    async def _answer(
        self,
        principal: Principal,
        asked: Asked,
        request_id: str,
        *,
        may_change: bool = True,
        counted: bool = False,
        explain: bool = False,
    ) -> Answer:
        """Runs one operation; raises RequestRefused if it is not clear or not allowed, or if it takes too long."""
        try:
            admitted = self._admission.admit(asked, principal)
        except GraphQLSyntaxError as error:
            return answer_to_bad_syntax(error, principal, request_id)
        if admitted.operation.kind is OperationType.MUTATION and not may_change:
            raise RequestRefused(RequestErrorCode.MUTATION_BY_GET)
        cost = self._throttle.take(principal, admitted.cost)
        context = self._context(principal, admitted, request_id)
        answering = self._in_time(context)
        if explain:
            answering = explained(context, answering, lambda: plan_told(self._schema, context))
        answer = await answering
        if counted:
            actual = actual_cost(admitted.operation, self._admission.prices, answer.data)
            cost = self._throttle.give_back(principal, cost, actual)
        return replace(answer, extensions={**answer.extensions, "cost": cost})

    def _context(self, principal: Principal, admitted: Admitted, request_id: str) -> OperationContext:
        database = self._authentication.database
        return OperationContext(
            principal=principal,
            now=self._authentication.clock(),
            reading=bounded(database.reading, self._settings.connections_per_request),
            run=database.run,
            request_id=request_id,
            signer=self._signer,
            code_keys=self._code_keys,
            gateways=self._gateways,
            operation=admitted.operation,
            compiled=self._settings.compiled,
        )

    async def _in_time(self, context: OperationContext) -> Answer:
        try:
            async with asyncio.timeout(self._settings.operation_timeout_seconds):
                return await answer_to(self._schema, context)
        except TimeoutError as problem:
            seconds = f"{self._settings.operation_timeout_seconds:g} seconds"
            message = f"The operation took longer than {seconds}. Ask for less at once."
            if context.operation.kind is OperationType.MUTATION:
                message = f"The operation took longer than {seconds}. Look whether it was done before you repeat it."
            raise RequestRefused(RequestErrorCode.TIMEOUT, message) from problem

    async def _posted(self, request: Request) -> JSON:
        if not is_said_to_be_readable(request.headers):
            raise RequestRefused(RequestErrorCode.UNSUPPORTED_MEDIA_TYPE)
        most_bytes = self._settings.max_body_bytes
        try:
            body = await read_body(request, most_bytes, self._settings.request_timeout_seconds)
        except BodyTooLarge as problem:
            message = f"A request here has at most {most_bytes:,} bytes. Send less at once."
            raise RequestRefused(RequestErrorCode.BODY_TOO_LARGE, message) from problem
        except BodyTooSlow as problem:
            raise RequestRefused(RequestErrorCode.BODY_TOO_SLOW) from problem
        return read_json(body, "The body")


def bounded(reading: Reading, most: int) -> Reading:
    """The same reading for one operation, which may not take more of the connections than this at once."""
    places = asyncio.Semaphore(most)
    return lambda: _InItsPlace(places, reading())


@dataclass(slots=True)
class _InItsPlace:
    """A reading that waits for a place, and gives it back. Each operation has several: as an asynchronous generator
    it would take as long as a statement does."""

    places: asyncio.Semaphore
    reading: AbstractAsyncContextManager[AsyncConnection]

    async def __aenter__(self) -> AsyncConnection:
        await self.places.acquire()
        try:
            return await self.reading.__aenter__()
        except BaseException:
            self.places.release()
            raise

    async def __aexit__(self, *problem: Any) -> bool | None:
        try:
            return await self.reading.__aexit__(*problem)
        finally:
            self.places.release()


def _is_preflighted(request: Request) -> bool:
    """Whether no other site can have made a browser send this: it would first have to ask, and is not allowed."""
    if request.method != "POST":
        return False
    return PREFLIGHT in request.headers or is_said_to_be_json(request.headers)


def _refused(refusal: RequestRefused, media_type: str, request_id: str) -> Response:
    status = STATUS.get(refusal.code, 400)
    if refusal.code in OF_THE_DOCUMENT and media_type == PLAIN_JSON:
        status = 200
    headers = HEADERS.get(refusal.code)
    if isinstance(refusal, Throttled):
        headers = {"Retry-After": str(refusal.wait_seconds)}
    return _response(_content(refusal, request_id), media_type, status, headers)


def _content(refusal: RequestRefused, request_id: str) -> dict[str, object]:
    log.info("graphql.refused", code=refusal.code.name)
    errors: dict[str, object] = {"errors": [shown_refusal(refusal, request_id)]}
    return errors | ({"extensions": {"cost": refusal.cost}} if isinstance(refusal, Throttled) else {})


def _response(
    content: Mapping[str, object], media_type: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    own = {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store"}
    return Response(orjson.dumps(content), status, headers={**own, **(headers or {})})
