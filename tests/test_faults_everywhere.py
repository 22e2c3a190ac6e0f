"""A fault at every position that an answer has: the answer is graphql-core's own, with its nulls, paths and errors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from enum import Enum
from typing import Any, TypeVar

import orjson
import pytest
import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.schema.config import StrawberryConfig
from structlog.testing import capture_logs

from models.errors import NotAllowed, NotFound
from schema.context import Info
from schema.execution.stock import Schema
from schema.fields import field
from schema.pagination import Connection, Page, paging
from schema.scalars import SCALARS
from tests.alike import alike
from tests.asking import STAFF
from tests.differing import COMPILED, Told, told
from tests.generated_documents import Written

THE_SECOND = 2
# What the fields give instead, by their names; of books the second one does.
INSTEAD: dict[str, Callable[[], object]] = {}
T = TypeVar("T")


def given(name: str, usual: T, number: int = THE_SECOND) -> T:
    return INSTEAD[name]() if name in INSTEAD and number == THE_SECOND else usual  # type: ignore[return-value]


@strawberry.enum
class Binding(Enum):
    HARD = "between boards"
    SOFT = "in paper"


@strawberry.interface
class Named:
    number: strawberry.Private[int]

    @field("What it is called.")
    def name(self) -> str:
        return given("name", f"name {self.number}", self.number)


@strawberry.type
class Author(Named):
    @field("When they were born.")
    def born(self) -> dt.date | None:
        return given("born", dt.date(1900, 1, self.number), self.number)


@strawberry.type
class Stranger:
    """Of which the schema says nothing that fits."""

    number: strawberry.Private[int]
    name: str = "nobody"


async def _authors(books: Sequence[Book], info: Info) -> list[list[Author]]:
    found = [given("authors", [Author(number=book.number)] * 2, book.number) for book in books]
    return found[:-1] if "authors of all" in INSTEAD else found


async def _editor(books: Sequence[Book], info: Info) -> list[Author | None]:
    found: list[Author | None] = [given("editor", Author(number=book.number), book.number) for book in books]
    return found[:-1] if "editors of all" in INSTEAD else found


@strawberry.type
class Book(Named):
    @field("A leaf that may be null.")
    def subtitle(self) -> str | None:
        return given("subtitle", "or not", self.number)

    @field("A whole number.")
    def pages(self) -> int:
        return given("pages", 300 + self.number, self.number)

    @field("One of few.")
    def binding(self) -> Binding:
        return given("binding", Binding.HARD, self.number)

    @field("An instant.")
    def printed_at(self) -> dt.datetime | None:
        return given("printed_at", dt.datetime(2017, 9, self.number, tzinfo=dt.UTC), self.number)

    @field("A leaf that waits.")
    async def summary(self) -> str:
        return given("summary", "long", self.number)

    @field("A list of leaves.")
    def tags(self) -> list[str]:
        return given("tags", ["a", given("tag", "b", self.number)], self.number)

    @field("A list of leaves that may be null, if there is one.")
    def notes(self) -> list[str | None] | None:
        return given("notes", [None, given("note", "n", self.number)], self.number)

    @field("An object.")
    def publisher(self) -> Author:
        return given("publisher", Author(number=self.number), self.number)

    @field("An object that may be null, and waits.")
    async def translator(self) -> Author | None:
        return given("translator", Author(number=self.number), self.number)

    @field("Objects of a batch.", batch=_authors)
    async def authors(self, info: Info) -> list[Author]:
        return (await _authors([self], info))[0]

    @field("An object of a batch.", batch=_editor)
    async def editor(self, info: Info) -> Author | None:
        return (await _editor([self], info))[0]

    @field("Of several types.")
    def related(self) -> list[Named | None]:
        return given("related", [Author(number=1), given("relation", Book(number=9), self.number)], self.number)


@strawberry.type
class Query:
    @field("A page of books.")
    def books(self) -> Connection[Book]:
        page = paging(("books",), 3, None, None, None, int)
        books = [Book(number=number) for number in (1, 2, 3)]
        books[1] = given("item", books[1])
        listed = Page(given("nodes", books), lambda place: (place,), page, more=False)
        return given("books", Connection(page=listed, total=_total))

    @field("A book.")
    async def book(self) -> Book | None:
        return given("book", Book(number=THE_SECOND))


async def _total() -> int:
    return given("total", 3)


SCHEMA = Schema(Query, types=[Author, Book], config=StrawberryConfig(scalar_map=SCALARS))
DOCUMENT = """
{ books { edges { cursor node { ...Of } } nodes { number: pages ...Of } totalCount pageInfo { endCursor hasNextPage } }
  book { ...Of } }
fragment Of on Book { __typename name subtitle pages binding printedAt summary tags notes publisher { ...Who }
  translator { ...Who } authors { ...Who } editor { name } related { __typename name ... on Author { born } } }
fragment Who on Author { name born }
"""
OF_BATCHES = "{ books { nodes { authors { name } editor { name } } } }"
LEAVES = ("name", "born", "subtitle", "pages", "binding", "printed_at", "summary", "tag", "note", "total")
THINGS = ("publisher", "translator", "editor", "relation", "item", "book", "books")
LISTS = ("tags", "notes", "authors", "related", "nodes")


def raising(problem: Exception) -> Callable[[], object]:
    def fail() -> object:
        raise problem

    return fail


FAULTS: dict[str, Callable[[], object]] = {
    "null": lambda: None,
    "object": lambda: {"name": "a dict"},
    "float": lambda: 3.5,
    "huge": lambda: 1 << 40,
    "true": lambda: True,
    "text": lambda: "LEATHER",
    "naive": lambda: dt.datetime(2017, 9, 1),  # noqa: DTZ001
    "nothing": list,
    "nulls": lambda: [None, None],
    "generator": lambda: (text for text in ("a", "b")),
    "author": lambda: Author(number=7),
    "broken": raising(RuntimeError("what the disk said")),
    "refused": raising(NotAllowed("Only others may.")),
    "not found": raising(NotFound("book", "by")),
}

STRANGERS: dict[str, Callable[[], object]] = {
    "stranger": lambda: Stranger(number=1),
    "strangers": lambda: [Stranger(number=1)],
}


def nothing_to_read() -> AbstractAsyncContextManager[AsyncConnection]:
    raise AssertionError("there is no database")


async def nothing_to_write(step: Any) -> Any:
    raise AssertionError("there is no database")


@contextmanager
def a_fault(position: str, fault: str) -> Iterator[None]:
    INSTEAD[position] = (FAULTS | STRANGERS)[fault]
    try:
        yield
    finally:
        INSTEAD.clear()


async def answered(query: str = DOCUMENT, *, compiled: bool) -> tuple[Told, int]:
    """And how much of it was logged."""
    with capture_logs() as logged:
        document = Written(query=query, variables={})
        answer = await told(nothing_to_read, nothing_to_write, document, STAFF, compiled=compiled, schema=SCHEMA)
    return answer, len(logged)


async def test_without_a_fault_the_plan_answers() -> None:
    (by_plan, logged), (by_graphql_core, _) = await answered(compiled=True), await answered(compiled=False)
    assert (by_plan.ran, logged) == (COMPILED, 0)
    assert by_plan.content == by_graphql_core.content


@pytest.mark.parametrize("position", [*LEAVES, *THINGS, *LISTS])
async def test_with_a_fault_the_answer_is_graphql_cores_own(position: str) -> None:
    for fault in FAULTS:
        with a_fault(position, fault):
            by_plan, logged = await answered(compiled=True)
            by_graphql_core, logged_by_it = await answered(compiled=False)
        shown = f"{fault}, {by_plan.ran}\n{by_plan.content.decode()}\n{by_graphql_core.content.decode()}"
        assert alike(by_plan.content, by_graphql_core.content), shown
        assert logged == logged_by_it, shown


@pytest.mark.parametrize(
    ("position", "fault"),
    [
        *((one, "stranger") for one in ("publisher", "translator", "editor", "item", "book")),
        *((one, "strangers") for one in ("authors", "nodes")),
    ],
)
async def test_a_thing_of_another_class_is_refused_as_graphql_core_refuses_it(position: str, fault: str) -> None:
    with a_fault(position, fault):
        by_plan, _ = await answered(compiled=True)
        by_graphql_core, _ = await answered(compiled=False)
    assert alike(by_plan.content, by_graphql_core.content)


@pytest.mark.parametrize(
    ("position", "fault"),
    [
        ("publisher", "stranger"),
        ("authors", "strangers"),
        ("related", "strangers"),
        ("authors", "true"),
        ("name", "object"),
        ("pages", "huge"),
        ("binding", "text"),
        ("binding", "null"),
    ],
)
async def test_what_fits_no_type_is_a_fault_of_ours_and_masked(position: str, fault: str) -> None:
    document = Written(query=DOCUMENT, variables={})
    with a_fault(position, fault), capture_logs() as logged:
        answer = await told(nothing_to_read, nothing_to_write, document, STAFF, compiled=False, schema=SCHEMA)
    errors = orjson.loads(answer.content)["errors"]
    assert {(one["message"], one["extensions"]["code"]) for one in errors} == {("Internal error", "INTERNAL")}
    assert [line["event"] for line in logged] == ["graphql.failed"] * len(errors)
    assert all(line["exc_info"] for line in logged)


@pytest.mark.parametrize("position", ["authors of all", "editors of all"])
async def test_a_batch_that_brings_too_little_is_no_shorter_answer(position: str) -> None:
    with a_fault(position, "nothing"):
        by_plan, _ = await answered(OF_BATCHES, compiled=True)
        by_graphql_core, _ = await answered(OF_BATCHES, compiled=False)
    assert alike(by_plan.content, by_graphql_core.content)
