"""A bare route with our authentication and the statement of our Point, through our database.

Left out: the document, and the organization, which ours looks up because the learner's days are those of its zone.
"""

from __future__ import annotations

from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.ids import parse_id
from resolvers.loaders.learners import LearnerKey, learners_by_id
from server.app import utc_now
from server.auth import Authentication
from server.database import Database
from server.settings import Settings
from tests.benchmarks.rivals.serving import serve


class BareRoute:
    def __init__(self, database: Path) -> None:
        settings = Settings.model_validate({"database_url": f"sqlite:///{database}"})
        self._database = Database.open(settings.database_url)
        self._authentication = Authentication(self._database, settings, utc_now)

    async def respond(self, request: Request) -> Response:
        caller = await self._authentication.caller(request)
        if caller is None:
            return Response(status_code=401)
        given = orjson.loads(await request.body())["variables"]["learner"]
        key = LearnerKey(*parse_id(given)[1])
        async with self._database.reading() as connection:
            (row,) = await learners_by_id(connection, [key])
        if row is None or not caller.principal.may_see(row.organization_id):
            return Response(status_code=404)
        known = {"name": row.name or None, "email": row.email or None, "externalId": row.external_id or None}
        node = {"id": given, **known, "department": row.department or None}
        return Response(orjson.dumps({"data": {"node": node}}), media_type="application/json")


def make(database: Path) -> Starlette:
    return Starlette(routes=[Route("/graphql", BareRoute(database).respond, methods=["POST"])])


if __name__ == "__main__":
    serve(make)
