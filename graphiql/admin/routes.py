"""The routes of the admin's pages: the only part of it that knows HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from graphiql.admin.learners import LearnersPage
from graphiql.admin.organizations import OrganizationsPage
from graphiql.admin.pages import (
    BadAddress,
    Execute,
    Page,
    Refusal,
    Variables,
    Visit,
    explorer_link,
    refusals_of,
    status_of,
)
from graphiql.operations import Operation
from resolvers.principal import Principal

PAGES: tuple[type[Page], ...] = (OrganizationsPage, LearnersPage)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
        # These do not fall back to default-src.
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # The pages are about people.
    "Cache-Control": "no-store",
}
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def admin_routes(
    execute: Execute,
    operations: Sequence[Operation],
    clock: Callable[[], dt.datetime],
    guard: Sequence[Middleware] = (),
) -> list[Route]:
    """The pages. `guard` lets known callers through only, and leaves who they are in `request.state.principal`."""
    named = {operation.name: operation for operation in operations}
    return [
        Route(page.path, _Endpoint(page, named[page.operation], execute, clock).respond, middleware=guard)
        for page in PAGES
    ]


class _Endpoint:
    """One page at its address."""

    def __init__(
        self, page: type[Page], operation: Operation, execute: Execute, clock: Callable[[], dt.datetime]
    ) -> None:
        self._page = page
        self._operation = operation
        self._execute = execute
        self._clock = clock

    async def respond(self, request: Request) -> Response:
        principal: Principal = request.state.principal
        page = self._page(
            Visit(
                principal=principal,
                today=self._clock().date(),
                path=request.path_params,
                query=request.query_params,
            )
        )
        data, variables, refusals = await self._answer(page, request)
        shown = {"principal": principal, "refusals": refusals}
        if data is None or not page.is_found(data):
            return _rendered("refused.html", shown, status_of(refusals))
        shown |= {"page": page, "data": data, "explorer": explorer_link(self._operation.name, variables)}
        return _rendered(page.template, shown | dict(page.content(data)), status_of(refusals))

    async def _answer(
        self, page: Page, request: Request
    ) -> tuple[Mapping[str, object] | None, Variables, list[Refusal]]:
        """What the page shows, with what was asked; where that was refused, what its form needs to ask again."""
        try:
            variables = page.variables()
        except BadAddress as problem:
            form = page.variables_of_form()
            data, also = await self._run(form, request)
            return data, form, [Refusal(str(problem), "BAD_ADDRESS"), *also]
        data, refusals = await self._run(variables, request)
        if data is None:
            data, also = await self._run(page.variables_of_form(), request)
            refusals = list(dict.fromkeys([*refusals, *also]))
        return data, variables, refusals

    async def _run(self, variables: Variables, request: Request) -> tuple[Mapping[str, object] | None, list[Refusal]]:
        """The data, None if not even the form can be shown; and why something is missing."""
        state = request.state
        answer = await self._execute(self._operation, variables, state.principal, getattr(state, "request_id", ""))
        data: Mapping[str, object] | None = answer.get("data")  # type: ignore[assignment]  # the shape of GraphQL
        return data, refusals_of(answer)


def _rendered(template: str, shown: Mapping[str, object], status: int) -> Response:
    return HTMLResponse(TEMPLATES.get_template(template).render(shown), status, headers=HEADERS)
