"""Plans are kept with their document, and no more of them than a few: whoever asks chooses how many there could be."""

from __future__ import annotations

import gc
from itertools import product
from weakref import ref

import pytest
from graphql.execution.values import VariableValues, get_variable_values

from schema.execution.documents import Asked, OperationContext, read_operation
from schema.execution.engine import PLANS_KEPT, Plans
from schema.execution.plans import ThingPlan, Unplanned
from schema.root import schema
from server.database import Database
from tests.asking import MOST_TOKENS, NOW, STAFF

SWITCHES = [f"s{n}" for n in range(PLANS_KEPT.bit_length())]
QUERY = (
    f"query ({' '.join(f'${one}: Boolean!' for one in SWITCHES)}) "
    f"{{ {' '.join(f'{one}: __typename @include(if: ${one})' for one in SWITCHES)} }}"
)


def asked(database: Database, query: str = QUERY) -> OperationContext:
    operation = read_operation(Asked(query=query, variables={}), STAFF, MOST_TOKENS)
    return OperationContext(principal=STAFF, now=NOW, reading=database.reading, run=database.run, operation=operation)


def plan_for(plans: Plans, context: OperationContext, said: tuple[bool, ...]) -> ThingPlan:
    given = dict(zip(SWITCHES, said, strict=False))
    variables = get_variable_values(schema._schema, context.operation.node.variable_definitions or (), given)
    assert isinstance(variables, VariableValues)
    return plans.of(schema, context, variables)


def test_the_newest_plans_of_an_operation_are_kept_and_no_more(sqlite_database: Database) -> None:
    context = asked(sqlite_database)
    plans = Plans(context.operation.document)
    ways = list(product((False, True), repeat=len(SWITCHES)))
    made = [plan_for(plans, context, said) for said in ways]
    newest = range(len(ways) - PLANS_KEPT, len(ways))
    assert all(plan_for(plans, context, ways[n]) is made[n] for n in newest)
    assert plan_for(plans, context, ways[0]) is not made[0]


def test_a_request_that_no_plan_answers_is_forgotten(sqlite_database: Database) -> None:
    query = "mutation { cartCreate(input: {lines: []}) { cart { id } } }"
    first = asked(sqlite_database, query)
    plans, seen = Plans(first.operation.document), []
    for _ in range(3):
        context = OperationContext(
            principal=STAFF,
            now=NOW,
            reading=sqlite_database.reading,
            run=sqlite_database.run,
            operation=first.operation,
        )
        seen.append(ref(context))
        with pytest.raises(Unplanned, match="step by step"):
            plan_for(plans, context, ())
        del context
    gc.collect()
    assert [one() for one in seen] == [None, None, None]
