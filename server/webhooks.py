"""What gateways tell by themselves: POST /webhooks/stripe/{program}. Nothing is believed that they did not sign."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from models.errors import NotFound
from resolvers.gateways.gateway import BadNotice, Gateways
from resolvers.payments.notices import take_notice
from resolvers.vouchers.codes import CodeKeys
from server.auth import Clock
from server.body import BodyTooLarge, read_body
from server.database import Database

log = structlog.get_logger()

MOST_BYTES = 65_536


def webhook_routes(database: Database, gateways: Gateways, code_keys: CodeKeys | None, clock: Clock) -> list[Route]:
    """A gateway that hears anything but 200 tells it again, for days."""

    async def take(request: Request) -> Response:
        name, slug = request.path_params["gateway"], request.path_params["program"]
        if name not in gateways:
            return PlainTextResponse("There is no such gateway here.", 404)
        try:
            notice = gateways[name].read_notice(await read_body(request, MOST_BYTES), request.headers)
            await database.run(lambda session: take_notice(session, code_keys, clock(), slug, name, notice))
        except BodyTooLarge:
            return PlainTextResponse(f"A notice has at most {MOST_BYTES:,} bytes.", 413)
        except BadNotice as problem:
            log.warning("webhook.refused", gateway=name, reason=str(problem))
            return PlainTextResponse(f"Refused: {problem}.", 400)
        except NotFound:
            return PlainTextResponse("There is no such program.", 404)
        return PlainTextResponse("Kept.")

    return [Route("/webhooks/{gateway}/{program}", take, methods=["POST"])]
