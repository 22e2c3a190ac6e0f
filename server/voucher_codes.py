"""Codes as a file: /exports/voucher-orders/{id}/codes.csv, for the organization that owns them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.codes import spaced
from models.errors import BadId, NotFound, VoucherError
from resolvers.programs.acting import begin_act
from resolvers.spreadsheets import BYTE_ORDER_MARK, as_csv
from resolvers.vouchers.codes import CodeKeys
from resolvers.vouchers.revealing import RevealedOrder, reveal_order
from schema.ids import decode_id
from server.database import Database
from server.downloads import attached, refused

HEADER = ("code", "purpose")


def voucher_code_routes(
    database: Database, code_keys: CodeKeys | None, clock: Callable[[], dt.datetime], guard: Sequence[Middleware] = ()
) -> list[Route]:
    """`guard` lets known callers through only, and leaves who they are in `request.state.principal`."""

    async def codes(request: Request) -> Response:
        try:
            program_id, order_id = decode_id(request.path_params["order_id"], "VoucherOrder", 2)

            async def step(session: AsyncSession) -> RevealedOrder:
                act = await begin_act(session, request.state.principal, clock(), program_id)
                return await reveal_order(act, code_keys, order_id)

            revealed = await database.run(step)
        except (BadId, NotFound):
            return refused(NotFound("voucher order").message, 404)
        except VoucherError as refusal:
            return refused(refusal.message, 403)
        name = f"{revealed.order.number.lower()}-codes.csv"
        return Response(csv_of(revealed), media_type="text/csv; charset=utf-8", headers=attached(name))

    return [Route("/exports/voucher-orders/{order_id}/codes.csv", codes, middleware=guard)]


def csv_of(revealed: RevealedOrder) -> str:
    """Written once the events of it are: whatever is downloaded was told."""
    rows = [HEADER, *((spaced(one.code), one.purpose or "") for one in revealed.codes)]
    return BYTE_ORDER_MARK + as_csv(rows)
