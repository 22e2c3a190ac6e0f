"""The engine: answers a query by its plan, or leaves it to graphql-core.

The rule of safety: a plan only calls the fields' own functions. Whatever it does not expect (null where there must be
something, a wrong type, an exception, a field or directive that it does not know) hands the operation to graphql-core,
whose errors, paths and nulls are then its own.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import strawberry
from graphql.execution.values import VariableValues, get_variable_values

from schema.execution.arguments import Given
from schema.execution.documents import Document, OperationContext
from schema.execution.plan_told import told
from schema.execution.plans import Planner, ThingPlan, Unplanned, steering_variables
from schema.execution.running import PlannedInfo, Running

# Of an operation: whoever asks says by its steering variables which, and there are twice as many with each of them.
PLANS_KEPT = 8
BY_PLAN = "compiled"
LEFT = "graphql-core: "


class Plans:
    """The newest plans of one document, which go with it: for each operation and what its steering variables say."""

    def __init__(self, document: Document) -> None:
        self._steering = steering_variables(document)
        self._made: dict[object, dict[object, ThingPlan | str]] = {}

    def of(self, schema: strawberry.Schema, context: OperationContext, variables: VariableValues) -> ThingPlan:
        """Raises Unplanned, also when it is asked again."""
        operation = context.operation
        steering = VariableValues(
            {name: variables.sources[name] for name in self._steering if name in variables.sources},
            {name: variables.coerced[name] for name in self._steering if name in variables.coerced},
        )
        made = self._made.setdefault((schema, id(operation.node)), {})
        said = tuple(sorted(steering.coerced.items()))
        if said not in made:
            _make_room(made)
            try:
                made[said] = Planner(schema, operation.document, operation.node, steering).plan()
            except Unplanned as why:
                # The words alone: an exception keeps the frames, and so the requests, of all who raised it.
                made[said] = str(why)
        plan = made[said]
        if isinstance(plan, str):
            raise Unplanned(plan)
        return plan


def _make_room(made: dict[object, ThingPlan | str]) -> None:
    if len(made) >= PLANS_KEPT:
        del made[next(iter(made))]


_plans: WeakKeyDictionary[Document, Plans] = WeakKeyDictionary()


async def planned_answer(schema: strawberry.Schema, context: OperationContext) -> dict[str, Any] | None:
    """The data; None where graphql-core has to answer. `context.ran` says which, and why."""
    try:
        data = await _answer(schema, context)
    except Unplanned as why:
        context.ran = f"{LEFT}{why}"
    except Exception as unexpected:  # whatever it is: graphql-core meets it again, and tells it as it should be told
        context.ran = f"{LEFT}{type(unexpected).__name__} on the way"
    else:
        context.ran = BY_PLAN
        return data
    return None


def plan_told(schema: strawberry.Schema, context: OperationContext) -> str | None:
    """The plan that answered, in lines; None if none did."""
    if context.ran != BY_PLAN:
        return None
    return "\n".join(told(_plans[context.operation.document].of(schema, context, _variables(schema, context))))


async def _answer(schema: strawberry.Schema, context: OperationContext) -> dict[str, Any]:
    operation = context.operation
    if operation.document.mistakes(schema._schema):
        raise Unplanned("mistakes in the document")
    variables = _variables(schema, context)
    plans = _plans.get(operation.document)
    if plans is None:
        plans = _plans[operation.document] = Plans(operation.document)
    plan = plans.of(schema, context, variables)
    (data,) = await Running(PlannedInfo(context), Given(variables)).objects(plan, [None])
    return data


def _variables(schema: strawberry.Schema, context: OperationContext) -> VariableValues:
    operation = context.operation
    declared = operation.node.variable_definitions or ()
    variables = get_variable_values(schema._schema, declared, operation.asked.variables)
    if isinstance(variables, list):
        raise Unplanned("variables that do not fit")
    return variables
