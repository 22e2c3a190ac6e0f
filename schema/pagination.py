"""Pages of lists: Relay connections whose cursors say where in a total order a row stands."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar, overload

import orjson
import strawberry

from models.errors import BadCursor, BadPageSize
from schema.alike import Alike, Lists, Made, joined, runs_of
from schema.fields import field, given
from schema.ids import packed, unpacked

DEFAULT_SIZE = 50
LARGEST_SIZE = 100

N = TypeVar("N")
E = TypeVar("E", bound="OfPage")
# The values by which a row is ordered, of the kinds that `paging` was told and checks.
Position = tuple[Any, ...]

First = Annotated[
    int | None, strawberry.argument(description="The first so many rows, 1 to 100; 50 if neither first nor last.")
]
After = Annotated[str | None, strawberry.argument(description="With first: begin after the row of this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="The last so many rows, 1 to 100.")]
Before = Annotated[str | None, strawberry.argument(description="With last: end before the row of this cursor.")]
# first, after, last and before, as a list is asked with them.
PageAsked: TypeAlias = tuple[int | None, str | None, int | None, str | None]


class Paging(NamedTuple):
    """Which page of a list is asked for. `of` names the list and its order, so that no other's cursor fits."""

    of: Sequence[object]
    size: int
    backward: bool
    beyond: Position | None

    @property
    def limit(self) -> int:
        """One row more than the page tells whether any follow."""
        return self.size + 1

    def nodes(self, *lists: Sequence[N]) -> list[Sequence[N]]:
        """Of what was read of each list in the order of paging, one too many perhaps: the rows of the page in the
        list's order.
        """
        nodes = [read if len(read) <= self.size else read[: self.size] for read in lists]
        return [read[::-1] for read in nodes] if self.backward else nodes

    def cursor(self, position: Position) -> str:
        return packed(orjson.dumps([name_of_list(self.of), *position]).decode())


def name_of_list(of: Sequence[object]) -> str:
    return hashlib.sha256(orjson.dumps([str(part) for part in of])).hexdigest()[:12]


@dataclass(slots=True)
class Page(Generic[N]):
    """What was read of a list, in the list's order. Cursors are made when they are asked for: most never are."""

    nodes: Sequence[N]
    position_at: Callable[[int], Position]
    paging: Paging
    more: bool

    @classmethod
    def of(cls, read: Sequence[N], position_of: Callable[[N], Position], paging: Paging) -> Page[N]:
        """From what was read in the order of paging, one too many perhaps."""
        (nodes,) = paging.nodes(read)
        return cls(nodes, lambda place: position_of(nodes[place]), paging, len(read) > paging.size)

    def cursor_at(self, place: int) -> str:
        return self.paging.cursor(self.position_at(place))


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    page: strawberry.Private[Page[Any]]

    @field("Whether rows follow; only known when paging forward.")
    def has_next_page(self) -> bool:
        return self.page.more if not self.page.paging.backward else self.page.paging.beyond is not None

    @field("Whether rows precede; only known when paging backward.")
    def has_previous_page(self) -> bool:
        return self.page.more if self.page.paging.backward else self.page.paging.beyond is not None

    @field("The cursor of the first row of the page.")
    def start_cursor(self) -> str | None:
        return self.page.cursor_at(0) if self.page.nodes else None

    @field("The cursor of the last row of the page.")
    def end_cursor(self) -> str | None:
        return self.page.cursor_at(len(self.page.nodes) - 1) if self.page.nodes else None


class OfPage(Protocol):
    """An edge: which row of a page it is."""

    @property
    def page(self) -> Page[Any]: ...

    @property
    def row(self) -> int: ...


def nodes_along(edges: Sequence[E]) -> list[tuple[E, Sequence[Any]]]:
    """The nodes of each run of edges, which follow each other on a page, with an edge of it."""
    return [(edge, edge.page.nodes[rows[0] : rows[-1] + 1]) for edge, rows in runs_of(edges)]


async def nodes_at(edges: Sequence[OfPage], _: object) -> Sequence[Any]:
    return joined([nodes for _, nodes in nodes_along(edges)])


@strawberry.type(description="A row of a list, with its cursor.")
class Edge(Generic[N]):
    page: strawberry.Private[Page[Any]]
    row: strawberry.Private[int]

    @field("The thing itself.", batch=nodes_at)
    def node(self) -> N:
        node: N = self.page.nodes[self.row]
        return node

    @field("Where it stands in this list, in this order.")
    def cursor(self) -> str:
        return self.page.cursor_at(self.row)


def edges_of(page: Page[N]) -> Sequence[Edge[N]]:
    return Alike.of(lambda row: Edge(page=page, row=row), range(len(page.nodes)))


async def nodes_of(connections: Sequence[Connection[N]], _: object) -> Sequence[Sequence[N]]:
    if isinstance(connections, Pages):
        return connections.lists
    return [connection.page.nodes for connection in connections]


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    page: strawberry.Private[Page[Any]]
    total: strawberry.Private[Callable[[], Awaitable[int]]]

    @field("The rows of this page, in order.")
    def edges(self) -> Sequence[Edge[N]]:
        return edges_of(self.page)

    @field("Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo(page=self.page)

    @field("The rows of this page, without their cursors.", batch=nodes_of)
    def nodes(self) -> Sequence[N]:
        return self.page.nodes

    @field("How many rows the whole list has; counted only when asked for.")
    async def total_count(self) -> int:
        return await self.total()


class Pages(Made[Connection[N]]):
    """The pages of many lists: what they hold, and each as a connection if that is asked for."""

    def __init__(self, lists: Lists[N], make: Callable[[int], Connection[N]]) -> None:
        self.lists = lists
        self._make = make

    def __len__(self) -> int:
        return len(self.lists)

    @overload
    def __getitem__(self, place: int) -> Connection[N]: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Connection[N]]: ...

    def __getitem__(self, place: int | slice) -> Connection[N] | Sequence[Connection[N]]:
        places = range(len(self))[place]
        return self._make(places) if isinstance(places, int) else list(map(self._make, places))


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
    cursor, field = (before, "before") if last is not None else (after, "after")
    beyond = _position(cursor, name_of_list(of), field, kinds) if cursor else None
    return Paging(of, size, last is not None, beyond)


def _position(cursor: str, of: str, field: str, kinds: Sequence[type]) -> Position:
    try:
        name, *position = orjson.loads(unpacked(cursor))
    except (ValueError, TypeError) as problem:
        raise BadCursor(field) from problem
    if name != of or [type(part) for part in position] != list(kinds) or any("\0" in str(part) for part in position):
        raise BadCursor(field)
    return tuple(position)


def page_of(nodes: Sequence[tuple[N, Position]], paging: Paging) -> Page[N]:
    """From nodes with their positions, in the order of paging, one too many perhaps."""
    pairs = Page.of(nodes, itemgetter(1), paging)
    return Page([node for node, _ in pairs.nodes], pairs.position_at, paging, pairs.more)


def connection_of(
    nodes: Sequence[tuple[N, Position]], paging: Paging, total: Callable[[], Awaitable[int]]
) -> Connection[N]:
    return Connection(page=page_of(nodes, paging), total=total)
