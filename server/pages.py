"""The pages that sign a browser in and out: plain forms, without any script."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from resolvers.address_limits import AskedTooOften
from resolvers.outbox.letters import Letter, Mailer, Taken
from resolvers.outbox.sending import without_secret
from resolvers.sign_in_mail import LINK_VALID, SignInLink, count_request, link_for
from resolvers.tokens import Issued, LinkState, link_state, sign_in_with_link, sign_in_with_token, sign_out
from server.auth import HOME, Authentication, local_path

log = structlog.get_logger()

TEMPLATES = Jinja2Templates(Path(__file__).parent / "templates")
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
DEAD_TOKEN = "This token does not work: it is unknown, expired or revoked. Was all of it copied?"  # noqa: S105


@dataclass(frozen=True, slots=True)
class LinkDesk:
    """Who writes the letters with links to sign in, and who carries them."""

    writes: Callable[[SignInLink], Letter]
    mailer: Mailer


def sign_in_routes(authentication: Authentication, desk: LinkDesk | None) -> list[Route]:
    """Without a desk no links are sent, and none are offered."""
    pages = _SignInPages(authentication, desk)
    return [
        Route("/sign-in", pages.ask, methods=["GET"]),
        Route("/sign-in", pages.use_token, methods=["POST"]),
        Route("/sign-in/{code}", pages.show_link, methods=["GET"]),
        Route("/sign-in/{code}", pages.use_link, methods=["POST"]),
        Route("/sign-in-link", pages.send_link, methods=["POST"]),
        Route("/sign-out", pages.leave, methods=["POST"]),
    ]


class _SignInPages:
    def __init__(self, authentication: Authentication, desk: LinkDesk | None) -> None:
        self._authentication = authentication
        self._database = authentication.database
        self._desk = desk

    async def ask(self, request: Request) -> Response:
        """Where a token is pasted, or where somebody who is signed in signs out."""
        caller = await self._authentication.caller(request)
        onward = local_path(request.query_params.get("next", HOME))
        principal = caller.principal if caller else None
        return _page(request, onward=onward, principal=principal, sends_links=self._desk is not None)

    async def use_token(self, request: Request) -> Response:
        form = await self._authentication.own_form(request)
        token, onward, now = form.get("token", "").strip(), local_path(form.get("next", HOME)), self._now()
        session = await self._database.run(lambda step: sign_in_with_token(step, now, token))
        if session is None:
            return _page(request, 403, onward=onward, problem=DEAD_TOKEN)
        return self._enter(session, onward)

    async def show_link(self, request: Request) -> Response:
        """A page with one button: mail scanners open every link, and must not use it up."""
        state = await self._link_state(request)
        if state is LinkState.READY:
            return _page(request, link=True)
        return _page(request, 403, problem=state.value)

    async def use_link(self, request: Request) -> Response:
        await self._authentication.own_form(request)
        code, now = request.path_params["code"], self._now()
        session = await self._database.run(lambda step: sign_in_with_link(step, now, code))
        if session is None:
            return _page(request, 403, problem=(await self._link_state(request)).value)
        return self._enter(session, HOME)

    async def send_link(self, request: Request) -> Response:
        """The same answer whether or not there is such an account, and it comes before anybody looks."""
        form = await self._authentication.own_form(request)
        if self._desk is None:
            return _page(request, 404, problem="This server sends no mail.")
        typed, origin = form.get("email", "").strip(), request.client.host if request.client else ""
        try:
            await count_request(self._database.run, self._now(), origin, typed)
        except AskedTooOften as refusal:
            return _page(request, 429, problem=str(refusal), sends_links=True)
        minutes = LINK_VALID // dt.timedelta(minutes=1)
        response = _page(request, asked_for_link=typed, link_minutes=minutes)
        response.background = BackgroundTask(self._send, self._desk, typed)
        return response

    async def _send(self, desk: LinkDesk, typed: str) -> None:
        now = self._now()
        link = await self._database.run(lambda step: link_for(step, now, typed))
        if link is None:
            return
        letter = desk.writes(link)
        outcome = await desk.mailer.send(letter, now)
        if not isinstance(outcome, Taken):
            failure = without_secret(outcome.reason, letter.secret)
            log.warning("sign-in link not taken", outcome=type(outcome).__name__, failure=failure)

    async def leave(self, request: Request) -> Response:
        await self._authentication.own_form(request)
        cookie, now = self._authentication.session_of(request), self._now()
        await self._database.run(lambda step: sign_out(step, now, cookie))
        response = RedirectResponse("/sign-in", 303)
        self._authentication.forget(response)
        return response

    def _now(self) -> dt.datetime:
        return self._authentication.clock()

    async def _link_state(self, request: Request) -> LinkState:
        async with self._database.reading() as connection:
            return await link_state(connection, self._now(), request.path_params["code"])

    def _enter(self, session: Issued, onward: str) -> Response:
        response = RedirectResponse(onward, 303, headers={"Cache-Control": "no-store"})
        self._authentication.remember(response, session)
        return response


def _page(request: Request, status: int = 200, onward: str = HOME, **shown: object) -> Response:
    return TEMPLATES.TemplateResponse(
        request, "sign_in.html", {"next": onward, **shown}, status_code=status, headers=PAGE_HEADERS
    )
