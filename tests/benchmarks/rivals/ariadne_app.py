"""Ariadne over rows: the schema in its own language, dataloaders, and the statements of rivals/sql."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import orjson
from aiodataloader import DataLoader
from ariadne import InterfaceType, ObjectType, QueryType, ScalarType, SchemaBindable, make_executable_schema
from ariadne.asgi import GraphQL
from graphql import GraphQLResolveInfo
from starlette.applications import Starlette
from starlette.routing import Route

from models.ids import encode_id, parse_id, unpacked
from tests.benchmarks.rivals.days import day_of, instant, zone_named
from tests.benchmarks.rivals.given import Activity, cutoff_of, span_of
from tests.benchmarks.rivals.serving import serve
from tests.benchmarks.rivals.statements import read_only, statement

Node: TypeAlias = dict[str, Any]
Info: TypeAlias = "GraphQLResolveInfo[dict[str, Loaders]]"
SCHEMA = Path(__file__).parent / "schema.graphql"
SQL = {name: statement(name) for name in ("organization", "team", "teams", "learner", "learners", "windows", "counts")}


class Page(NamedTuple):
    """What a list is asked for; of teams that ask for the same one statement reads all."""

    organization_id: int
    since: int
    until: int
    most: int
    after_name: str
    after_learner: int


# ------------------------------------------------------------------------------------------------ batches


class Loaders:
    """Of one request."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._pages: dict[Page, DataLoader[str, list[Node]]] = {}
        self._counts: dict[tuple[int, int], DataLoader[str, Node]] = {}
        self._windows: dict[int, DataLoader[str, list[Node]]] = {}

    def rows(self, name: str, **given: object) -> list[Node]:
        return [dict(row) for row in self._connection.execute(SQL[name], given)]

    def page(self, page: Page) -> DataLoader[str, list[Node]]:
        return self._once(self._pages, page, partial(self._load_page, page))

    def counts(self, organization_id: int, at: int) -> DataLoader[str, Node]:
        return self._once(self._counts, (organization_id, at), partial(self._load_counts, organization_id, at))

    def windows(self, organization_id: int) -> DataLoader[str, list[Node]]:
        return self._once(self._windows, organization_id, partial(self._load_windows, organization_id))

    def _once(self, made: dict[Any, DataLoader[str, Any]], key: object, load: Callable[..., Any]) -> Any:
        if key not in made:
            made[key] = DataLoader(load)
        return made[key]

    async def _load_page(self, page: Page, teams: Sequence[str]) -> list[list[Node]]:
        asked = page._asdict()
        rows = self.rows("learners", organization=asked.pop("organization_id"), teams=f"[{','.join(teams)}]", **asked)
        return grouped(rows, "team", teams)

    async def _load_counts(self, organization_id: int, at: int, teams: Sequence[str]) -> list[Node]:
        rows = self.rows("counts", organization=organization_id, at=at, teams=f"[{','.join(teams)}]")
        found = {row["team"]: row for row in rows}
        return [found[key] for key in teams]

    async def _load_windows(self, organization_id: int, learners: Sequence[str]) -> list[list[Node]]:
        rows = self.rows("windows", organization=organization_id, learners=f"[{','.join(learners)}]")
        return grouped(rows, "learner", learners)


def grouped(rows: Sequence[Node], column: str, keys: Sequence[str]) -> list[list[Node]]:
    groups: dict[str, list[Node]] = {key: [] for key in keys}
    for row in rows:
        groups[row[column]].append(row)
    return [groups[key] for key in keys]


def loaders_of(info: Info) -> Loaders:
    loaders: Loaders = info.context["loaders"]
    return loaders


# ---------------------------------------------------------------------------------------------- resolvers


def organization_of(loaders: Loaders, key: int) -> Node:
    return {"kind": "Organization", "organization_id": key, **loaders.rows("organization", organization=key)[0]}


def resolve_organization(_: None, info: Info, by: dict[str, str]) -> Node:
    return organization_of(loaders_of(info), parse_id(by["id"])[1][0])


def resolve_node(_: None, info: Info, id: str) -> Node | None:  # noqa: A002
    kind, (organization_id, key) = parse_id(id)
    loaders = loaders_of(info)
    if kind == "Learner":
        rows = loaders.rows("learner", organization=organization_id, learner=key)
        return _within({"organization_id": organization_id, "zone": ""}, kind, rows[0]) if rows else None
    rows = loaders.rows("team", organization=organization_id, team=key)
    return _within(organization_of(loaders, organization_id), kind, rows[0]) if rows else None


def resolve_type(found: Node, *_: object) -> str:
    kind: str = found["kind"]
    return kind


def resolve_organization_id(found: Node, _: Info) -> str:
    return encode_id("Organization", found["organization_id"])


def resolve_teams(found: Node, info: Info, first: int) -> Node:
    rows = loaders_of(info).rows("teams", organization=found["organization_id"], most=first)
    return {"nodes": [_within(found, "Team", row) for row in rows]}


async def resolve_learners(found: Node, info: Info, activity: Activity, first: int, after: str | None = None) -> Node:
    position = orjson.loads(unpacked(after))[1:] if after else ("", 0)
    page = Page(found["organization_id"], *span_of(activity, found["zone"]), first + 1, *position)
    rows = await loaders_of(info).page(page).load(found["key"])
    nodes = [_within(found, "Learner", row) for row in rows[:first]]
    return {"nodes": nodes, "pageInfo": {"hasNextPage": len(rows) > first}}


async def resolve_active_count(found: Node, info: Info, activity: Activity) -> Node:
    at = cutoff_of(activity, found["zone"])
    row = await loaders_of(info).counts(found["organization_id"], at).load(found["key"])
    exact, surely, perhaps = row["exact"], row["surely"], row["perhaps"]
    return {"exact": exact + surely if surely == perhaps else None, "min": exact + surely, "max": exact + perhaps}


async def resolve_windows(found: Node, info: Info, first: int) -> Node:
    rows = await loaders_of(info).windows(found["organization_id"]).load(found["key"])
    return {"nodes": [{"from": instant(row["from_at"]), "to": instant(row["to_at"])} for row in rows[:first]]}


async def resolve_activated_on(found: Node, info: Info) -> dt.date | None:
    rows = await loaders_of(info).windows(found["organization_id"]).load(found["key"])
    started = rows[-1]["from_at"] if rows else None
    return None if started is None else day_of(started, zone_named(found["zone"]))


def told_date(day: dt.date) -> str:
    return day.isoformat()


def told_instant(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _within(of: Node, kind: str, row: Node) -> Node:
    keys = {"organization_id": of["organization_id"], "zone": of["zone"], "key": row["id"]}
    given = {"externalId": row.get("external_id")}
    return {**row, **given, "kind": kind, **keys, "id": encode_id(kind, of["organization_id"], int(row["id"]))}


def bound() -> list[SchemaBindable]:
    """The resolvers at their fields."""
    query, node = QueryType(), InterfaceType("Node", resolve_type)
    organization, team, learner = (ObjectType(name) for name in ("Organization", "Team", "Learner"))
    query.set_field("organization", resolve_organization)
    query.set_field("node", resolve_node)
    organization.set_field("id", resolve_organization_id)
    organization.set_field("teams", resolve_teams)
    team.set_field("learners", resolve_learners)
    team.set_field("activeCount", resolve_active_count)
    learner.set_field("windows", resolve_windows)
    learner.set_field("activatedOn", resolve_activated_on)
    scalars = [ScalarType("Date", serializer=told_date), ScalarType("DateTime", serializer=told_instant)]
    return [query, node, organization, team, learner, *scalars]


def make(database: Path) -> Starlette:
    schema = make_executable_schema(SCHEMA.read_text(encoding="utf-8"), bound())
    connection = read_only(database)
    connection.row_factory = sqlite3.Row
    graphql = GraphQL(schema, context_value=lambda request, _: {"request": request, "loaders": Loaders(connection)})
    return Starlette(routes=[Route("/graphql", graphql)])


if __name__ == "__main__":
    serve(make)
