"""What surrounds every request: its id, the headers that protect, one line in the log, and the last net for errors."""

import re
import secrets
import time
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.logs import loggable

log = structlog.get_logger()

ID_HEADER = "x-request-id"
USABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# What protects any answer; a page that needs more than nothing says so in its own policy.
PROTECTION = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}
QUIET = ("/health/", "/assets/", "/explorer/assets/")


class Surroundings:
    """The outermost layer of our own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        outside = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await _Exchange(scope, send, request_id).run(self._app, receive)
        finally:
            structlog.contextvars.reset_contextvars(**outside)


class _Exchange:
    """One request and its answer, as they pass."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._status = 0
        self._began = time.perf_counter()

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        try:
            await app(self._scope, receive, self.send)
        except ClientDisconnect:
            log.info("request.abandoned")
        except Exception as problem:
            await self._fail(problem, receive)
        finally:
            self._log()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = dict(message["headers"])
            missing = [(name, value) for name, value in PROTECTION.items() if name not in headers]
            message["headers"] = [*message["headers"], (ID_HEADER.encode(), self._request_id.encode()), *missing]
        await self._send(message)

    async def _fail(self, problem: Exception, receive: Receive) -> None:
        """A fault of ours is logged whole and told as little. An answer that has begun is left unfinished, so that the
        server cuts the connection and the client sees that it is not whole."""
        log.error("request.failed", exc_info=problem)
        if not self._status:
            error = {
                "message": "Internal error",
                "extensions": {"code": "INTERNAL", "requestId": self._request_id},
            }
            await JSONResponse({"errors": [error]}, HTTPStatus.INTERNAL_SERVER_ERROR)(self._scope, receive, self.send)

    def _log(self) -> None:
        """The path alone: what stands behind a question mark may be about people."""
        path = loggable(self._scope["path"])
        principal = self._scope["state"].get("principal")
        (log.debug if path.startswith(QUIET) else log.info)(
            "request",
            method=self._scope["method"],
            path=path,
            status=self._status,
            ms=round((time.perf_counter() - self._began) * 1_000, 1),
            principal=principal.name if principal else None,
        )


def _request_id(headers: Headers) -> str:
    """The id that a proxy in front gave, if it can be one, so that both logs can be searched by it."""
    given = headers.get(ID_HEADER, "")
    return given if USABLE_ID.fullmatch(given) else secrets.token_hex(8)
