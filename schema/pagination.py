"""Pages of lists: Relay connections whose cursors say where in a total order a row stands."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import orjson
import strawberry

from models.errors import BadCursor, BadPageSize
from schema.fields import field, given
from schema.ids import packed, unpacked

DEFAULT_SIZE = 50
LARGEST_SIZE = 100

N = TypeVar("N")
# The values by which a row is ordered, of the kinds that `paging` was told and checks.
Position = tuple[Any, ...]

First = Annotated[
    int | None, strawberry.argument(description="The first so many rows, 1 to 100; 50 if neither first nor last.")
]
After = Annotated[str | None, strawberry.argument(description="With first: begin after the row of this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="The last so many rows, 1 to 100.")]
Before = Annotated[str | None, strawberry.argument(description="With last: end before the row of this cursor.")]


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether rows follow; only known when paging forward.")
    has_previous_page: bool = strawberry.field(description="Whether rows precede; only known when paging backward.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first row of the page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last row of the page.")


@strawberry.type(description="A row of a list, with its cursor.")
class Edge(Generic[N]):
    node: N = strawberry.field(description="The thing itself.")
    cursor: str = strawberry.field(description="Where it stands in this list, in this order.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    edges: list[Edge[N]] = strawberry.field(description="The rows of this page, in order.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the list.")
    total: strawberry.Private[Callable[[], Awaitable[int]]]

    @field("The rows of this page, without their cursors.")
    def nodes(self) -> list[N]:
        return [edge.node for edge in self.edges]

    @field("How many rows the whole list has; counted only when asked for.")
    async def total_count(self) -> int:
        return await self.total()


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is asked for. `of` names the list and its order, so that no other's cursor fits."""

    of: str
    size: int
    backward: bool
    beyond: Position | None

    @property
    def limit(self) -> int:
        """One row more than the page tells whether any follow."""
        return self.size + 1

    def cursor(self, position: Position) -> str:
        return packed(orjson.dumps([self.of, *position]).decode())


def paging(
    of: Sequence[object], first: int | None, after: str | None, last: int | None, before: str | None, *kinds: type
) -> Paging:
    """The page asked for of the list named by `of`, whose positions are values of these kinds."""
    first, after, last, before = given(first), given(after), given(last), given(before)
    if (first is not None and last is not None) or (after and before) or (last is None and before):
        raise BadPageSize("Give first, with after, to page forward, or last, with before, to page backward.", "first")
    if after and last is not None:
        raise BadPageSize("after goes with first; to page backward give last, with before.", "after")
    size = DEFAULT_SIZE if first is None and last is None else first if first is not None else last
    if size is None or not 1 <= size <= LARGEST_SIZE:
        raise BadPageSize(f"A page holds 1 to {LARGEST_SIZE} rows, not {size}.", "first" if last is None else "last")
    name = hashlib.sha256(orjson.dumps([str(part) for part in of])).hexdigest()[:12]
    cursor, field = (before, "before") if last is not None else (after, "after")
    beyond = _position(cursor, name, field, kinds) if cursor else None
    return Paging(name, size, last is not None, beyond)


def _position(cursor: str, of: str, field: str, kinds: Sequence[type]) -> Position:
    try:
        name, *position = orjson.loads(unpacked(cursor))
    except (ValueError, TypeError) as problem:
        raise BadCursor(field) from problem
    if name != of or [type(part) for part in position] != list(kinds) or any("\0" in str(part) for part in position):
        raise BadCursor(field)
    return tuple(position)


def edges_and_info(nodes: Sequence[tuple[N, Position]], page: Paging) -> tuple[list[tuple[N, str]], PageInfo]:
    """The rows of the page in the order of the list, from rows read in the order of paging, one too many perhaps."""
    kept = list(nodes[: page.size])
    more = len(nodes) > page.size
    if page.backward:
        kept.reverse()
    rows = [(node, page.cursor(position)) for node, position in kept]
    info = PageInfo(
        has_next_page=more if not page.backward else page.beyond is not None,
        has_previous_page=more if page.backward else page.beyond is not None,
        start_cursor=rows[0][1] if rows else None,
        end_cursor=rows[-1][1] if rows else None,
    )
    return rows, info


def connection_of(
    nodes: Sequence[tuple[N, Position]], page: Paging, total: Callable[[], Awaitable[int]]
) -> Connection[N]:
    rows, info = edges_and_info(nodes, page)
    return Connection(edges=[Edge(node=node, cursor=cursor) for node, cursor in rows], page_info=info, total=total)
