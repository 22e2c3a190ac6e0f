"""Receipts: /receipts/{id}, a page without any script, and /receipts/{id}.pdf; for the person who paid, the program's
people and staff.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.errors import BadId, NotFound
from resolvers.papers.receipt_pdf import ABOUT_LEFT, facts, named, receipt_pdf, sums
from resolvers.papers.words import local_instant
from resolvers.receipts import WHAT, Receipt, load_receipt
from schema.ids import decode_id
from server.database import Database
from server.downloads import attached, refused
from server.pages import PAGE_HEADERS, TEMPLATES


def receipt_routes(database: Database, guard: Sequence[Middleware] = ()) -> list[Route]:
    """`guard` lets known callers through only, and leaves who they are in `request.state.principal`."""

    async def found(request: Request) -> Receipt:
        program_id, order_id = decode_id(request.path_params["order_id"], "FeeOrder", 2)
        async with database.reading() as connection:
            return await load_receipt(connection, request.state.principal, program_id, order_id)

    async def page(request: Request) -> Response:
        try:
            receipt = await found(request)
        except (BadId, NotFound):
            return refused(NotFound(WHAT).message, 404)
        shown = {"receipt": receipt, "facts": facts(receipt), "sums": sums(receipt), "named": named}
        shown |= {"about_left": ABOUT_LEFT, "local": local_instant, "pdf": f"{request.url.path}.pdf"}
        return TEMPLATES.TemplateResponse(request, "receipt.html", shown, headers=PAGE_HEADERS)

    async def paper(request: Request) -> Response:
        try:
            receipt = await found(request)
        except (BadId, NotFound):
            return refused(NotFound(WHAT).message, 404)
        written = await asyncio.to_thread(receipt_pdf, receipt)
        name = f"receipt-{receipt.reference.lower()}.pdf"
        return Response(written, media_type="application/pdf", headers=attached(name))

    return [
        Route("/receipts/{order_id}.pdf", paper, middleware=guard),
        Route("/receipts/{order_id}", page, middleware=guard),
    ]
