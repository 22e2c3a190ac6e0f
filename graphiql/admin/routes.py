"""The routes of the admin's pages: the only part of it that knows HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from graphiql.admin.agreements import AgreementPage, AgreementsPage
from graphiql.admin.billing_month import BillingMonthPage
from graphiql.admin.client_billing import ClientBillingPage
from graphiql.admin.cohorts import CohortPreviewPage, CohortsPage
from graphiql.admin.dispute_list import DisputesPage
from graphiql.admin.dispute_report import DisputeReportPage
from graphiql.admin.disputes import DisputePage
from graphiql.admin.invitations import InvitationsPage
from graphiql.admin.invoices import InvoicePage
from graphiql.admin.learner import LearnerPage
from graphiql.admin.learners import LearnersPage
from graphiql.admin.organizations import OrganizationsPage
from graphiql.admin.pages import (
    BadAddress,
    Execute,
    Form,
    Page,
    Refusal,
    Variables,
    Visit,
    explorer_link,
    refusals_of,
    refusals_of_payload,
    status_of,
)
from graphiql.admin.programs import ProgramPage, ProgramsPage
from graphiql.admin.promotions import PromotionsPage
from graphiql.admin.snapshots import SnapshotPage
from graphiql.admin.statements import ProgramStatementsPage, StatementPage, StatementsPage
from graphiql.admin.voucher import VoucherPage
from graphiql.admin.voucher_orders import VoucherOrderPage, VoucherOrdersPage
from graphiql.admin.vouchers import VouchersPage
from graphiql.admin.wording import FILTERS
from graphiql.operations import Operation

ReadForm = Callable[[Request], Awaitable[Form]]
PAGES: tuple[type[Page], ...] = (
    *(OrganizationsPage, LearnersPage, LearnerPage),
    *(BillingMonthPage, ClientBillingPage, SnapshotPage, InvoicePage),
    # The report's address is not that of a dispute.
    *(DisputesPage, DisputeReportPage, DisputePage),
    *(VouchersPage, VoucherPage, VoucherOrdersPage, VoucherOrderPage),
    *(CohortsPage, CohortPreviewPage, InvitationsPage),
    *(StatementsPage, StatementPage, AgreementsPage, AgreementPage),
    *(ProgramsPage, ProgramPage, ProgramStatementsPage, PromotionsPage),
)
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
NOT_THERE = Refusal("There is no such thing that you may see.", "NOT_FOUND")
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters.update(FILTERS)


def admin_routes(
    execute: Execute,
    operations: Sequence[Operation],
    clock: Callable[[], dt.datetime],
    own_form: ReadForm,
    guard: Sequence[Middleware] = (),
) -> list[Route]:
    """The pages. `guard` lets known callers through only, and leaves who they are in `request.state.principal`;
    `own_form` reads a form, if it was sent from a page of ours."""
    named = {operation.name: operation for operation in operations}
    return [_route(_Endpoint(page, named, execute, clock, own_form), guard) for page in PAGES]


def _route(endpoint: _Endpoint, guard: Sequence[Middleware]) -> Route:
    methods = ["GET", "POST"] if endpoint.page.deeds else ["GET"]
    return Route(endpoint.page.path, endpoint.respond, methods=methods, middleware=guard)


class _Endpoint:
    """One page at its address."""

    def __init__(
        self,
        page: type[Page],
        operations: Mapping[str, Operation],
        execute: Execute,
        clock: Callable[[], dt.datetime],
        own_form: ReadForm,
    ) -> None:
        self.page = page
        self._operation = operations[page.operation]
        self._deeds = {name: (deed, operations[deed.operation]) for name, deed in page.deeds.items()}
        self._execute = execute
        self._clock = clock
        self._own_form = own_form

    async def respond(self, request: Request) -> Response:
        visit = Visit(
            principal=request.state.principal,
            today=self._clock().date(),
            path=request.path_params,
            query=request.query_params,
        )
        page = self.page(visit)
        if request.method != "POST":
            return await self._show(page, request, [])
        page.sent = await self._own_form(request)
        done = await self._do(page, request)
        if isinstance(done, str):
            return RedirectResponse(done, 303, headers=HEADERS)
        return await self._show(page, request, done)

    async def _do(self, page: Page, request: Request) -> str | list[Refusal]:
        """Where to go once it is done, or why it was refused; nothing of either where it only looked."""
        name = page.sent.get("deed", "")
        if name not in self._deeds:
            return [Refusal("This form does nothing that is known here. Open the page again.", "BAD_ADDRESS")]
        deed, operation = self._deeds[name]
        try:
            variables = page.deed_variables(name, page.sent)
        except BadAddress as problem:
            return [Refusal(str(problem), "BAD_ADDRESS")]
        data, refusals = await self._run(operation, variables, request)
        payload: Mapping[str, object] = (data or {}).get(deed.mutation) or {}  # type: ignore[assignment]
        refusals += refusals_of_payload(payload)
        if deed.looks:
            page.seen = {} if refusals else payload
            return refusals
        return refusals or page.after(name, payload)

    async def _show(self, page: Page, request: Request, refused: Sequence[Refusal]) -> Response:
        data, variables, refusals = await self._answer(page, request)
        refusals = [*refused, *refusals]
        shown = {"principal": page.visit.principal, "section": page.section}
        if data is None or not page.is_found(data):
            refusals = refusals or [NOT_THERE]
            return _rendered("refused.html", shown | {"refusals": refusals}, status_of(refusals))
        if request.method == "GET" and not refusals and (address := page.elsewhere(data)):
            return RedirectResponse(address, 303, headers=HEADERS)
        shown["refusals"] = refusals
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
            data, also = await self._run(self._operation, form, request)
            return data, form, [Refusal(str(problem), "BAD_ADDRESS"), *also]
        data, refusals = await self._run(self._operation, variables, request)
        if data is None:
            data, also = await self._run(self._operation, page.variables_of_form(), request)
            refusals = list(dict.fromkeys([*refusals, *also]))
        return data, variables, refusals

    async def _run(
        self, operation: Operation, variables: Variables, request: Request
    ) -> tuple[Mapping[str, object] | None, list[Refusal]]:
        """The data, None if not even the form can be shown; and why something is missing."""
        state = request.state
        answer = await self._execute(operation, variables, state.principal, getattr(state, "request_id", ""))
        data: Mapping[str, object] | None = answer.get("data")  # type: ignore[assignment]  # the shape of GraphQL
        return data, refusals_of(answer)


def _rendered(template: str, shown: Mapping[str, object], status: int) -> Response:
    return HTMLResponse(TEMPLATES.get_template(template).render(shown), status, headers=HEADERS)
