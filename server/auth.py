"""Who is asking: a bearer token or a signed-in browser becomes a principal."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from models.access import TokenUse
from resolvers.principal import Principal
from resolvers.tokens import Issued, principal_by
from server.body import BodyTooLarge, BodyTooSlow, read_body
from server.database import Database
from server.settings import Settings

Clock = Callable[[], dt.datetime]

COOKIE = "countersign"
HOME = "/"
FORM_BYTES = 16_384
MOST_FIELDS = 50
# A path of our own: no second slash or backslash, which browsers read as another host, and nothing they skip.
LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


@dataclass(frozen=True, slots=True)
class Caller:
    principal: Principal
    # A browser adds its cookie to what other sites make it send, so less is trusted than with a token.
    by_cookie: bool


class Authentication:
    """Finds the caller of a request, and keeps the session cookie."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.public_host = urlsplit(settings.public_url).netloc if settings.public_url else None
        self._secure = settings.secure_cookies
        # The prefix makes browsers refuse the cookie from any other host, and without https.
        self.cookie = f"__Host-{COOKIE}" if settings.secure_cookies else COOKIE
        self._session = re.compile(rf"(?:^|;) *{self.cookie}=([\w-]+) *(?:;|$)", re.ASCII)

    async def caller(self, request: Request) -> Caller | None:
        """A header that was sent is what counts, even where it is wrong and a cookie beside it would do."""
        header = request.headers.get("authorization")
        secret = self.session_of(request) if header is None else _bearer(header)
        use = TokenUse.SESSION if header is None else TokenUse.API
        # From where they ask, for the events that they cause.
        origin = request.client.host if request.client else ""
        principal = await self._principal(secret, use, origin) if secret else None
        if principal is None:
            return None
        request.state.principal = principal
        return Caller(principal, by_cookie=header is None)

    def session_of(self, request: Request) -> str:
        """What our cookie holds. Read by a search: Python's own parser takes seconds over a cookie of backslashes."""
        found = self._session.search(request.headers.get("cookie", ""))
        return found[1] if found else ""

    async def _principal(self, secret: str, use: TokenUse, origin: str) -> Principal | None:
        async with self.database.reading() as connection:
            return await principal_by(connection, self.clock(), secret, use, origin)

    def remember(self, response: Response, session: Issued) -> None:
        response.set_cookie(
            self.cookie,
            session.secret,
            max_age=int((session.expires_at - self.clock()).total_seconds()),
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(self.cookie, httponly=True, secure=self._secure, samesite="lax")

    def is_own_form(self, request: Request) -> bool:
        """Whether a form was sent from a page of ours: other sites may not sign a browser in as somebody else."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in {"same-origin", "none"}
        origin = request.headers.get("origin")
        return origin is None or urlsplit(origin).netloc in {request.headers.get("host"), self.public_host}

    async def own_form(self, request: Request) -> dict[str, str]:
        """What was typed into a form of a page of ours."""
        if not self.is_own_form(request):
            raise HTTPException(403, "This form was sent from another site. Open the page here and send it again.")
        try:
            body = await read_body(request, FORM_BYTES)
        except BodyTooLarge as problem:
            raise HTTPException(413, f"A form here has at most {FORM_BYTES:,} bytes.") from problem
        except BodyTooSlow as problem:
            raise HTTPException(408, "The form did not arrive in time.", {"Connection": "close"}) from problem
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS))


class SignedIn:
    """Lets known callers through to a page, which finds them as `request.state.principal`; others sign in first."""

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if await self._authentication.caller(request):
            await self._app(scope, receive, send)
        else:
            await _to_sign_in(request)(scope, receive, send)


def _to_sign_in(request: Request) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return PlainTextResponse("Sign in first: /sign-in\n", 401)
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(asked, safe='/')}", 303)


def _bearer(header: str) -> str:
    scheme, _, secret = header.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def local_path(wanted: str) -> str:
    """Where to go after signing in: a path of this server, whatever was asked for."""
    return wanted if LOCAL_PATH.fullmatch(wanted) else HOME
