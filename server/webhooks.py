"""What gateways tell by themselves: POST /webhooks/stripe/{program}. Nothing is believed that they did not sign: what
a hosted page posts without a signature is looked up at its gateway. A payer's browser comes back to …/return.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from models.errors import NotFound
from resolvers.gateways.gateway import Answer, BadNotice, Declined, Gateways, NotThere, Succeeded
from resolvers.payments.notices import take_notice, verify_hearsay
from resolvers.vouchers.codes import CodeKeys
from server.auth import Clock
from server.body import BodyRefused, read_body
from server.database import Database

log = structlog.get_logger()

MOST_BYTES = 65_536


def webhook_routes(database: Database, gateways: Gateways, code_keys: CodeKeys | None, clock: Clock) -> list[Route]:
    """A gateway that hears anything but 200 tells it again, for days."""

    async def heard(name: str, slug: str, body: bytes, headers: Mapping[str, str]) -> Answer | NotThere | None:
        """What the gateway says of a payment now, where it had to be asked."""
        notice = gateways[name].read_notice(body, headers)
        if notice.is_hearsay:
            return await verify_hearsay(database.run, gateways[name], code_keys, clock(), slug, notice)
        await database.run(lambda session: take_notice(session, code_keys, clock(), slug, name, notice))
        return notice.answer

    async def come_back(request: Request) -> Response:
        name, slug = request.path_params["gateway"], request.path_params["program"]
        try:
            body = await read_body(request, MOST_BYTES)
            answer = await heard(name, slug, body, request.headers) if name in gateways else None
        except (BodyRefused, BadNotice, NotFound):
            answer = None
        return PlainTextResponse(_told(answer), headers={"Cache-Control": "no-store"})

    async def take(request: Request) -> Response:
        name, slug = request.path_params["gateway"], request.path_params["program"]
        if name not in gateways:
            return PlainTextResponse("There is no such gateway here.", 404)
        try:
            await heard(name, slug, await read_body(request, MOST_BYTES), request.headers)
        except BodyRefused:
            return PlainTextResponse(f"A notice has at most {MOST_BYTES:,} bytes, and comes at once.", 413)
        except BadNotice as problem:
            log.warning("webhook.refused", gateway=name, reason=str(problem))
            return PlainTextResponse(f"Refused: {problem}.", 400)
        except NotFound:
            return PlainTextResponse("There is no such program.", 404)
        return PlainTextResponse("Kept.")

    return [
        Route("/webhooks/{gateway}/{program}", take, methods=["POST"]),
        Route("/webhooks/{gateway}/{program}/return", come_back, methods=["GET", "POST"]),
    ]


def _told(answer: Answer | NotThere | None) -> str:
    """Nothing that names the payment or what it is for: the address is open to everybody."""
    if isinstance(answer, Succeeded):
        return "Your payment has arrived. You can close this page and go on where you came from."
    if isinstance(answer, Declined):
        return "The card was declined, and nothing was charged. Go back to where you came from to pay otherwise."
    return "Nothing is known of a payment yet. Go back to where you came from: it shows what has arrived."
