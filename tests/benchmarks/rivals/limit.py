"""The limit: what can be had of Python at all. One SQL statement, rows into JSON by hand, a bare route.

Left out: whoever asks is not asked who they are, documents are not read (the operation's name chooses the statement),
nothing is validated, and List's four pages are slices of one list. Statements run where the request is, without a
thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.ids import encode_id, parse_id
from tests.benchmarks.rivals.days import day_of, instant, zone_named
from tests.benchmarks.rivals.given import Variables, cutoff_of, span_of
from tests.benchmarks.rivals.serving import serve
from tests.benchmarks.rivals.statements import read_only, statement

Told: TypeAlias = dict[str, object]
PAGE, MOST_WINDOWS = 100, 10
ORGANIZATION, TEAM, TEAMS, LEARNER = (statement(name) for name in ("organization", "team", "teams", "learner"))
LIST, NESTED, COUNTS = statement("limit_list"), statement("limit_nested"), statement("counts")


class Limit:
    def __init__(self, database: Path) -> None:
        self._connection = read_only(database)
        self._questions: dict[str, Callable[[Variables, sqlite3.Connection], Told]] = {
            "List": answer_list,
            "Nested": answer_nested,
            "Point": answer_point,
            "Counts": answer_counts,
        }

    async def respond(self, request: Request) -> Response:
        asked = orjson.loads(await request.body())
        data = self._questions[asked["operationName"]](asked["variables"], self._connection)
        return Response(orjson.dumps({"data": data}, option=orjson.OPT_UTC_Z), media_type="application/json")


def answer_list(variables: Variables, connection: sqlite3.Connection) -> Told:
    _, (organization_id, team_id) = parse_id(variables["team"])
    organization, team = {"organization": organization_id}, {"organization": organization_id, "team": team_id}
    _, zone = connection.execute(ORGANIZATION, organization).fetchone()
    _, name = connection.execute(TEAM, team).fetchone()
    since, until = span_of(variables["activity"], zone)
    rows = connection.execute(LIST, {**team, "since": since, "until": until})
    local = zone_named(zone)
    learners = [
        {
            "id": encode_id("Learner", organization_id, learner[0]),
            "name": learner[1] or None,
            "email": learner[2] or None,
            "externalId": learner[3] or None,
            "department": learner[4] or None,
            "activatedOn": None if windows[-1][5] is None else day_of(windows[-1][5], local),
            "windows": {"nodes": [_window(row[5], row[6]) for row in windows[:MOST_WINDOWS]]},
        }
        for learner, windows in ((group[0], group) for group in _groups(rows, itemgetter(0)))
    ]
    pages = {f"p{n + 1}": _page(learners[n * PAGE : (n + 1) * PAGE + 1], PAGE) for n in range(4)}
    return {"node": {"id": variables["team"], "name": name, **pages}}


def answer_nested(variables: Variables, connection: sqlite3.Connection) -> Told:
    _, (organization_id,) = parse_id(variables["organization"])
    name, zone = connection.execute(ORGANIZATION, {"organization": organization_id}).fetchone()
    since, until = span_of(variables["activity"], zone)
    rows = connection.execute(NESTED, {"organization": organization_id, "since": since, "until": until})
    teams = [
        {
            "id": encode_id("Team", organization_id, of_team[0][0]),
            "name": of_team[0][1],
            "learners": _page(
                [
                    {
                        "id": encode_id("Learner", organization_id, windows[0][2]),
                        "name": windows[0][3] or None,
                        "email": windows[0][4] or None,
                        "windows": {"nodes": [_window(row[5], row[6]) for row in windows[:MOST_WINDOWS]]},
                    }
                    for windows in _groups(of_team, itemgetter(2))
                ],
                50,
            ),
        }
        for of_team in _groups(rows, itemgetter(0))
    ]
    return {"organization": {"id": variables["organization"], "name": name, "teams": {"nodes": teams}}}


def answer_point(variables: Variables, connection: sqlite3.Connection) -> Told:
    _, (organization_id, learner_id) = parse_id(variables["learner"])
    asked = {"organization": organization_id, "learner": learner_id}
    _, name, email, external_id, department = connection.execute(LEARNER, asked).fetchone()
    known = {"name": name or None, "email": email or None, "externalId": external_id or None}
    return {"node": {"id": variables["learner"], **known, "department": department or None}}


def answer_counts(variables: Variables, connection: sqlite3.Connection) -> Told:
    _, (organization_id,) = parse_id(variables["organization"])
    organization = {"organization": organization_id}
    _, zone = connection.execute(ORGANIZATION, organization).fetchone()
    teams = connection.execute(TEAMS, {**organization, "most": 50}).fetchall()
    at = cutoff_of(variables["activity"], zone)
    keys = f"[{','.join(team for team, _ in teams)}]"
    counted = connection.execute(COUNTS, {**organization, "teams": keys, "at": at}).fetchall()
    nodes = [
        {"id": encode_id("Team", organization_id, int(team)), "name": name, "activeCount": _count(*counts[1:])}
        for (team, name), counts in zip(teams, counted, strict=True)
    ]
    return {"organization": {"id": variables["organization"], "teams": {"nodes": nodes}}}


Row: TypeAlias = tuple[Any, ...]


def _groups(rows: Iterable[Row], key: Callable[[Row], object]) -> list[list[Row]]:
    return [list(group) for _, group in groupby(rows, key)]


def _page(rows: list[Told], size: int) -> Told:
    return {"nodes": rows[:size], "pageInfo": {"hasNextPage": len(rows) > size}}


def _window(from_us: int | None, to_us: int | None) -> Told:
    return {"from": instant(from_us), "to": instant(to_us)}


def _count(exact: int, surely: int, perhaps: int) -> Told:
    return {"exact": exact + surely if surely == perhaps else None, "min": exact + surely, "max": exact + perhaps}


def make(database: Path) -> Starlette:
    return Starlette(routes=[Route("/graphql", Limit(database).respond, methods=["POST"])])


if __name__ == "__main__":
    serve(make)
