"""Countersign as a web application: `create_app` puts the parts together."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from graphiql.admin.routes import admin_routes
from graphiql.explorer_pages import explorer_routes
from graphiql.operations import load_operations
from resolvers.evidence.signing import Signer
from resolvers.gateways.gateway import Gateways
from resolvers.outbox.letters import Mailer
from resolvers.vouchers.codes import CodeKeys
from server.addresses import public_address
from server.auth import Authentication, Clock, SignedIn
from server.claim_pages import claim_routes
from server.database import Database
from server.documents import trusted_documents
from server.exports import export_routes
from server.graphql import GraphQLEndpoint
from server.logs import configure_logs
from server.mail.wording import Wording
from server.packs import pack_routes
from server.pages import LinkDesk, sign_in_routes
from server.readiness import Readiness, prepare_database
from server.receipts import receipt_routes
from server.requests import Surroundings
from server.settings import ROOT, Settings
from server.statement_exports import statement_export_routes
from server.voucher_codes import voucher_code_routes
from server.voucher_exports import voucher_export_routes
from server.webhooks import webhook_routes

STYLE = ROOT / "graphiql" / "admin" / "static" / "countersign.css"
ASK_EVERY_TIME = {"Cache-Control": "no-cache"}


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def create_app(
    settings: Settings | None = None,
    *,
    schema: strawberry.Schema | None = None,
    clock: Clock = utc_now,
    signer: Signer | None = None,
    code_keys: CodeKeys | None = None,
    gateways: Gateways | None = None,
    mailer: Mailer | None = None,
    database: Database | None = None,
) -> Starlette:
    """The application; without a signer it can prove nothing, without keys of codes issue no vouchers, without gateways
    charge no cards, and without a mailer send nobody a link to sign in with. Making it connects to nothing; starting it
    prepares the database of the settings, unless it is given one that is ready."""
    settings = settings or Settings.read()
    configure_logs(settings.log_level)
    lifespan = None
    if database is None:
        database = Database.open(settings.database_url, statement_timeout_seconds=settings.statement_timeout_seconds)
        lifespan = _lifespan(settings, database)
    readiness = Readiness(database)
    authentication = Authentication(database, settings, clock)
    schema, operations = schema or _own_schema(), load_operations()
    trusted = trusted_documents(settings, operations, schema._schema)
    graphql = GraphQLEndpoint(schema, authentication, settings, signer, code_keys, gateways, trusted)
    link_desk = LinkDesk(Wording(public_address(settings)).of_sign_in, mailer) if mailer else None
    guard = [Middleware(SignedIn, authentication=authentication)]
    routes = [
        Route("/graphql", graphql.respond, methods=["GET", "POST"]),
        Route("/", _home),
        *sign_in_routes(authentication, link_desk),
        *claim_routes(authentication, code_keys),
        *explorer_routes(operations),
        *admin_routes(graphql.execute, operations, clock, authentication.own_form, guard),
        *export_routes(database, clock, guard),
        *pack_routes(database, guard),
        *receipt_routes(database, guard),
        *voucher_code_routes(database, code_keys, clock, guard),
        *voucher_export_routes(database, clock, guard),
        *statement_export_routes(database, guard),
        *webhook_routes(database, gateways or {}, code_keys, clock),
        *_health_routes(readiness),
        Route("/assets/countersign.css", _style),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Surroundings)], lifespan=lifespan)
    # A redirect that adds a slash would be built from the Host header, which anybody can choose.
    app.router.redirect_slashes = False
    app.state.readiness = readiness
    return app


def _own_schema() -> strawberry.Schema:
    from schema.root import schema  # noqa: PLC0415

    return schema


def _lifespan(settings: Settings, database: Database) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await prepare_database(settings)
        try:
            yield
        finally:
            await database.close()

    return lifespan


def _health_routes(readiness: Readiness) -> list[Route]:
    """For whoever watches over the server: is it there, and should requests be sent to it?"""

    async def live(request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(request: Request) -> Response:
        reason = await readiness.why_not()
        return JSONResponse(
            {"status": "not ready", "reason": reason} if reason else {"status": "ready"}, 503 if reason else 200
        )

    return [Route("/health/live", live), Route("/health/ready", ready)]


async def _home(request: Request) -> Response:
    return RedirectResponse("/admin", 303)


async def _style(request: Request) -> Response:
    return FileResponse(STYLE, media_type="text/css; charset=utf-8", headers=ASK_EVERY_TIME)
