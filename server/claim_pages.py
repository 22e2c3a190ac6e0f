"""The page behind a link that a voucher was sent by: /claim/{secret}. A plain form, without any script.

Looking at it changes nothing, for mail scanners follow links too; its button claims.
"""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.access import Role
from models.errors import VoucherError, VoucherErrorCode
from models.vouchers import AssignmentState
from resolvers.accounts import FoundAccount, account_of_person
from resolvers.principal import Principal
from resolvers.tokens import Issued, issue_sign_in_link, sign_in_with_link
from resolvers.vouchers.claiming import Claimed, Offer, claim, claim_by_link, not_usable, offer
from resolvers.vouchers.codes import CodeKeys
from server.auth import Authentication
from server.pages import PAGE_HEADERS, TEMPLATES

# The address of this page is a secret: no other page is told of it.
HEADERS = PAGE_HEADERS | {"Referrer-Policy": "no-referrer"}
STATUSES = {
    VoucherErrorCode.CLAIM_NOT_USABLE: HTTPStatus.FORBIDDEN,
    VoucherErrorCode.TOO_MANY_ATTEMPTS: HTTPStatus.TOO_MANY_REQUESTS,
}
OTHERWISE_SIGNED_IN = "You are signed in, but not as yourself. Sign out, and follow the link again."


def claim_routes(authentication: Authentication, code_keys: CodeKeys | None) -> list[Route]:
    """Without keys of codes no link works."""
    pages = _ClaimPages(authentication, code_keys)
    return [
        Route("/claim/{secret}", pages.show, methods=["GET"]),
        Route("/claim/{secret}", pages.take, methods=["POST"]),
    ]


class _ClaimPages:
    def __init__(self, authentication: Authentication, code_keys: CodeKeys | None) -> None:
        self._authentication = authentication
        self._database = authentication.database
        self._keys = code_keys

    async def show(self, request: Request) -> Response:
        return await self._show(request, await self._signed_in(request))

    async def take(self, request: Request) -> Response:
        form = await self._authentication.own_form(request)
        principal = await self._signed_in(request)
        if principal and principal.role is not Role.INDIVIDUAL:
            return _page(request, HTTPStatus.FORBIDDEN, problem=OTHERWISE_SIGNED_IN, principal=principal)
        try:
            made = await self._claim(request, principal, form.get("name", ""))
        except VoucherError as refusal:
            return await self._refused(request, principal, refusal)
        return await self._claimed(request, made, principal)

    async def _show(
        self, request: Request, principal: Principal | None, status: int = HTTPStatus.OK, problem: str | None = None
    ) -> Response:
        found, account = await self._offer(request), await self._account(principal)
        if found is None:
            return _page(request, HTTPStatus.FORBIDDEN, problem=not_usable().message)
        shown = {"offer": found, "principal": principal, "individual": principal and principal.role is Role.INDIVIDUAL}
        theirs = account is not None and account.has(found.facts.recipient)
        return _page(request, status, problem=problem, theirs=theirs, **shown)

    async def _refused(self, request: Request, principal: Principal | None, refusal: VoucherError) -> Response:
        if refusal.code in STATUSES:
            return _page(request, STATUSES[refusal.code], problem=refusal.message)
        return await self._show(request, principal, HTTPStatus.BAD_REQUEST, refusal.message)

    async def _claimed(self, request: Request, made: Claimed, principal: Principal | None) -> Response:
        waits = made.state is AssignmentState.AWAITING_APPROVAL
        response = _page(request, claimed=True, waits=waits, registered=made.registered, principal=principal)
        if made.registered:
            self._authentication.remember(response, await self._begin_session(made.registered))
        return response

    async def _signed_in(self, request: Request) -> Principal | None:
        caller = await self._authentication.caller(request)
        return caller.principal if caller else None

    async def _offer(self, request: Request) -> Offer | None:
        if self._keys is None:
            return None
        async with self._database.reading() as connection:
            return await offer(connection, self._keys, self._now(), request.path_params["secret"])

    async def _account(self, principal: Principal | None) -> FoundAccount | None:
        if principal is None or principal.person_id is None:
            return None
        async with self._database.reading() as connection:
            return await account_of_person(connection, principal.person_id)

    async def _claim(self, request: Request, principal: Principal | None, name: str) -> Claimed:
        reading, run = self._database.reading, self._database.run
        now, secret = self._now(), request.path_params["secret"]
        if self._keys is None:
            raise not_usable()
        if principal:
            return await claim(reading, run, self._keys, principal, now, secret)
        origin = request.client.host if request.client else ""
        return await claim_by_link(reading, run, self._keys, origin, now, secret, name)

    async def _begin_session(self, account: FoundAccount) -> Issued:
        """Only for who has just registered: nobody is signed in as somebody else by a mail that was forwarded."""
        principal = Principal(name=account.name, role=Role.INDIVIDUAL, person_id=account.person_id)
        now = self._now()

        async def step(session: AsyncSession) -> Issued:
            link = await issue_sign_in_link(session, now, principal)
            begun = await sign_in_with_link(session, now, link.secret)
            if begun is None:
                raise RuntimeError("a link that was just made signs in")
            return begun

        return await self._database.run(step)

    def _now(self) -> dt.datetime:
        return self._authentication.clock()


def _page(request: Request, status: int = HTTPStatus.OK, **shown: object) -> Response:
    return TEMPLATES.TemplateResponse(request, "claim.html", shown, status_code=status, headers=HEADERS)
