"""The lines of a statement as a file: /exports/statements/{id}/lines.csv, for whom the statement is there."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from models.errors import BadId, NotFound
from resolvers.loaders.statements import StatementRow, statement_of
from resolvers.papers.statement_csv import statement_csv
from resolvers.principal import Principal
from schema.ids import decode_id
from server.database import Database
from server.downloads import attached, refused


def statement_export_routes(database: Database, guard: Sequence[Middleware] = ()) -> list[Route]:
    """`guard` lets known callers through only, and leaves who they are in `request.state.principal`."""

    async def lines(request: Request) -> Response:
        principal = request.state.principal
        try:
            statement = await _seen(database, principal, request.path_params["statement_id"])
        except (BadId, NotFound):
            return refused(NotFound("statement").message, 404)
        name = f"{statement.number.lower()}-{statement.month:%Y-%m}.csv"
        text = statement_csv(database.reading, principal, statement)
        return StreamingResponse(text, media_type="text/csv; charset=utf-8", headers=attached(name))

    return [Route("/exports/statements/{statement_id}/lines.csv", lines, middleware=guard)]


async def _seen(database: Database, principal: Principal, given_id: str) -> StatementRow:
    program_id, statement_id = decode_id(given_id, "Statement", 2)
    async with database.reading() as connection:
        statement = await statement_of(connection, program_id, statement_id)
    principal.must_see_in(program_id, statement.organization_id, "statement")
    return statement
