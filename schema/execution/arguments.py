"""Arguments: what a field was given, as its function takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import strawberry
from graphql import GraphQLField, VariableNode, Visitor, get_nullable_type, is_leaf_type, visit
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.field import StrawberryField


@dataclass(frozen=True, slots=True)
class Given:
    """The variables of one operation, and what was made of them so far: one object, wherever one variable stands."""

    variables: VariableValues
    made: dict[tuple[str, int], object] = field(default_factory=dict)


class FieldArguments:
    """Of one field of an operation. Worked out once for all its answers if no variable stands among them."""

    def __init__(
        self, schema: strawberry.Schema, core: GraphQLField, definition: StrawberryField, details: FieldDetailsList
    ) -> None:
        self._schema = schema
        self._core = core
        self._node = details[0].node
        self._of_fragment = details[0].fragment_variable_values
        names = schema.config.name_converter
        self._arguments = {names.from_argument(argument): argument for argument in definition.arguments}
        values = {argument.name.value: argument.value for argument in self._node.arguments or ()}
        # What Strawberry leaves as it is.
        self._leaves = {
            name
            for name, argument in self._arguments.items()
            if is_leaf_type(get_nullable_type(core.args[name].type)) and not argument.is_maybe
        }
        self._variables = {name: value.name.value for name, value in values.items() if isinstance(value, VariableNode)}
        self._fixed = None if _names_variables(self._node.arguments) else self._made(Given(VariableValues({}, {})))

    def of(self, given: Given) -> Mapping[str, object]:
        """By the names that the function gives them."""
        return self._made(given) if self._fixed is None else self._fixed

    def _made(self, given: Given) -> dict[str, object]:
        values = get_argument_values(self._core, self._node, given.variables, self._of_fragment)
        return {
            argument.python_name: self._one(name, argument, values[name], given)
            for name, argument in self._arguments.items()
            if name in values
        }

    def _one(self, name: str, argument: StrawberryArgument, value: object, given: Given) -> object:
        if name in self._leaves:
            return value
        variable = self._variables.get(name)
        if variable is None:
            return self._converted(name, argument, value)
        key = (variable, id(self._core.args[name]))
        if key not in given.made:
            given.made[key] = self._converted(name, argument, value)
        return given.made[key]

    def _converted(self, name: str, argument: StrawberryArgument, value: object) -> object:
        registry = self._schema.schema_converter.scalar_registry
        (converted,) = convert_arguments({name: value}, [argument], registry, self._schema.config).values()
        return converted


def _names_variables(arguments: Any) -> bool:
    look = _Variables()
    for argument in arguments or ():
        visit(argument, look)
    return look.found


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_variable(self, *_: object) -> None:
        self.found = True
