"""Documents are read once and run often: what is remembered of one is what validation says of it in a schema."""

from __future__ import annotations

from typing import NoReturn

import strawberry

from models.access import Role
from resolvers.principal import Principal
from schema.context import Context
from schema.execution.documents import (
    LONGEST_KEPT,
    MOST_MISTAKES,
    TOO_ENTANGLED,
    KeptDocuments,
    read_document,
)
from schema.execution.stock import Schema
from tests.asking import NOW


@strawberry.type
class Query:
    @strawberry.field
    def double(self, of: int) -> int:
        return 2 * of


@strawberry.type
class OtherQuery:
    @strawberry.field
    def half(self, of: int) -> int:
        return of // 2


DOUBLE = "query Double($of: Int!) { double(of: $of) }"


def no_reading() -> NoReturn:
    raise AssertionError("nothing here reads")


async def no_writing(step: object) -> NoReturn:
    raise AssertionError("nothing here writes")


async def asked(schema: Schema, text: str, **variables: object) -> tuple[object, list[str]]:
    context = Context(Principal(name="Support", role=Role.STAFF), NOW, no_reading, no_writing)
    result = await schema.execute(text, variable_values=variables, context_value=context)
    return result.data, [error.message for error in result.errors or []]


async def test_the_same_document_answers_each_time_what_is_asked_with_it() -> None:
    schema = Schema(Query)
    assert [await asked(schema, DOUBLE, of=n) for n in (2, 21)] == [({"double": 4}, []), ({"double": 42}, [])]
    assert (await asked(schema, DOUBLE))[1] != []


async def test_what_is_valid_in_one_schema_is_looked_at_again_in_another() -> None:
    assert (await asked(Schema(Query), DOUBLE, of=2))[1] == []
    assert (await asked(Schema(OtherQuery), DOUBLE, of=2))[1] == ["Cannot query field 'double' on type 'OtherQuery'."]


async def test_a_mistake_is_told_every_time() -> None:
    schema = Schema(Query)
    for text, mistake in [("{ treble }", "Cannot query field 'treble' on type 'Query'."), ("{", "Syntax Error")]:
        answers = [await asked(schema, text) for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[0][1][0].startswith(mistake)


def test_only_documents_of_a_usual_length_are_kept() -> None:
    usual, long = "{ double(of: 1) }", "{ double(of: 1) }" + " " * LONGEST_KEPT
    assert read_document(usual) is read_document(usual)
    assert read_document(long) is not read_document(long)


def test_the_documents_that_are_kept_are_those_used_last() -> None:
    kept = KeptDocuments(most_characters=2 * len(DOUBLE) + 1)
    first, second = kept.read(DOUBLE, None), kept.read(DOUBLE.replace("$of", "$on"), None)
    assert kept.read(DOUBLE, None) is first
    kept.read(DOUBLE.replace("$of", "$to"), None)
    assert kept.read(DOUBLE, None) is first
    assert kept.read(DOUBLE.replace("$of", "$on"), None) is not second


async def test_of_many_mistakes_a_few_are_told_and_of_one_what_was_meant() -> None:
    many = await asked(Schema(Query), "{" + " ".join(f"dubble{n}" for n in range(50)) + "}")
    assert many[1] == [
        *(f"Cannot query field 'dubble{n}' on type 'Query'." for n in range(MOST_MISTAKES)),
        "Too many validation errors, error limit reached. Validation aborted.",
    ]
    one = await asked(Schema(Query), "{ dubble }")
    assert one[1] == ["Cannot query field 'dubble' on type 'Query'. Did you mean 'double'?"]


async def test_what_cannot_be_compared_quickly_is_a_mistake() -> None:
    assert (await asked(Schema(Query), "{" + "double(of: 1) " * 300 + "}"))[1] == [TOO_ENTANGLED]
