"""What generated documents give to arguments: literals with variables inside, and variables given in every way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedInputType,
    GraphQLNonNull,
    Undefined,
    UndefinedType,
)
from strawberry.types.base import StrawberryObjectDefinition

from tests.meaningful_values import JSON, Pool

Asks: TypeAlias = "GraphQLArgument | GraphQLInputField"
Given: TypeAlias = "JSON | Use | UndefinedType | list[Given] | dict[str, Given]"
WRONG: list[JSON] = [{}, [[]], 3.5, "x", True, {"from": None}, 1 << 40]
UNDEFINED = Undefined


@dataclass(frozen=True, slots=True)
class Use:
    """A variable, where a value could be."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """How it is declared, and what is sent for it: Undefined if nothing is."""

    kind: GraphQLInputType
    default: Given
    sent: JSON | UndefinedType

    def declared(self, name: str) -> str:
        default = "" if self.default is Undefined else f" = {literal(self.kind, self.default)}"
        return f"${name}: {self.kind}{default}"


class Values:
    """Chooses values for the places that ask for some, and keeps the variables that it made on the way."""

    def __init__(self, pool: Pool, dice: Random, prefix: str = "v") -> None:
        self._pool, self._dice, self._prefix = pool, dice, prefix
        self.variables: dict[str, Variable] = {}

    @property
    def sent(self) -> dict[str, JSON]:
        return {name: one.sent for name, one in self.variables.items() if not isinstance(one.sent, UndefinedType)}

    def given(self, owner: str, name: str, place: Asks) -> Given:
        """A literal, a variable, or nothing where nothing has to be."""
        is_required = isinstance(place.type, GraphQLNonNull) and place.default_value is Undefined
        if not is_required and self._happens(0.6):
            return Undefined
        if self._happens(0.35):
            return self.variable(owner, name, place.type, may_be_null=place.default_value is not Undefined)
        return self.value(owner, name, place.type)

    def sent_as(self, kind: GraphQLInputType, value: JSON) -> Use:
        """A variable for a value that is known."""
        return self._declared(Variable(kind, Undefined, value))

    # --------------------------------------------------------------------------------------------- variables

    def variable(self, owner: str, name: str, kind: GraphQLInputType, *, may_be_null: bool = False) -> Use:
        """Declared as the place wants it, more strictly, or with a default instead."""
        default: Given = Undefined
        if not isinstance(kind, GraphQLNonNull):
            kind = GraphQLNonNull(kind) if self._happens(0.2) else kind
        elif self._happens(0.2):
            kind, default = kind.of_type, self.value(owner, name, kind, constant=True)
        elif may_be_null and self._happens(0.3):
            kind = kind.of_type
        if not isinstance(kind, GraphQLNonNull) and self._happens(0.3):
            default = self.value(owner, name, kind, constant=True)
        return self._declared(Variable(kind, default, self._sent(owner, name, kind, default)))

    def _sent(self, owner: str, name: str, kind: GraphQLInputType, default: Given) -> JSON | UndefinedType:
        if self._happens(0.015):
            return self._dice.choice(WRONG)
        may_be_left_out = default is not Undefined or not isinstance(kind, GraphQLNonNull)
        if may_be_left_out and self._happens(0.2):
            return Undefined
        return _as_json(self.value(owner, name, kind, constant=True))

    def _declared(self, variable: Variable) -> Use:
        name = f"{self._prefix}{len(self.variables)}"
        self.variables[name] = variable
        return Use(name)

    # ------------------------------------------------------------------------------------------------ values

    def value(self, owner: str, name: str, kind: GraphQLInputType, *, constant: bool = False) -> Given:
        """Without variables inside if it has to be constant."""
        if isinstance(kind, GraphQLNonNull):
            return self._present(owner, name, kind.of_type, constant)
        return None if self._happens(0.08) else self._present(owner, name, kind, constant)

    def _present(self, owner: str, name: str, kind: GraphQLInputType, constant: bool) -> Given:
        if isinstance(kind, GraphQLList):
            # One item instead of a list is a list of it.
            several = [self.value(owner, name, kind.of_type, constant=constant) for _ in range(self._dice.randrange(4))]
            return several if self._happens(0.9) else self.value(owner, name, kind.of_type, constant=constant)
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind, constant)
        if isinstance(kind, GraphQLEnumType):
            return str(self._dice.choice(list(kind.values)))
        return self._pool.leaf(self._dice, owner, name, str(kind))

    def _object(self, kind: GraphQLInputObjectType, constant: bool) -> Given:
        if is_one_of(kind):
            name = self._dice.choice(list(kind.fields))
            return {name: self._alternative(kind.name, name, GraphQLNonNull(kind.fields[name].type), constant)}
        if constant:
            return self._span(
                {name: self.value(kind.name, name, one.type, constant=True) for name, one in self._some(kind)}
            )
        given = {name: self.given(kind.name, name, one) for name, one in kind.fields.items()}
        return self._span({name: one for name, one in given.items() if one is not UNDEFINED})

    def _span(self, given: dict[str, Given]) -> dict[str, Given]:
        """Mostly one that ends after its start."""
        ends = [name for name in ("from", "through", "until") if isinstance(given.get(name), str)]
        if self._happens(0.95):
            given |= zip(ends, sorted(str(given[name]) for name in ends), strict=True)
        return given

    def _alternative(self, owner: str, name: str, kind: GraphQLNonNull[GraphQLNamedInputType], constant: bool) -> Given:
        if constant or self._happens(0.7):
            return self.value(owner, name, kind, constant=constant)
        return self._declared(Variable(kind, Undefined, self._sent(owner, name, kind, Undefined)))

    def _some(self, kind: GraphQLInputObjectType) -> list[tuple[str, GraphQLInputField]]:
        """The fields that are required, and some of the others."""
        return [one for one in kind.fields.items() if isinstance(one[1].type, GraphQLNonNull) or self._happens(0.4)]

    def _happens(self, chance: float) -> bool:
        return self._dice.random() < chance


def is_one_of(kind: GraphQLInputObjectType) -> bool:
    """Strawberry keeps it to itself."""
    definition = kind.extensions.get("strawberry-definition")
    return isinstance(definition, StrawberryObjectDefinition) and definition.is_one_of


def literal(kind: GraphQLInputType, value: Given) -> str:
    """The value as GraphQL writes it, which writes enums and the fields of objects without quotes."""
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    if isinstance(value, Use):
        return f"${value.name}"
    if isinstance(kind, GraphQLList):
        items = value if isinstance(value, list) else [value]
        return f"[{', '.join(literal(kind.of_type, item) for item in items)}]" if value is not None else "null"
    if isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {literal(kind.fields[name].type, one)}' for name, one in value.items())}}}"
    if isinstance(kind, GraphQLEnumType) and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _as_json(value: Given) -> JSON:
    """A constant one as it is sent."""
    if isinstance(value, Use | UndefinedType):
        raise TypeError(value)
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return {name: _as_json(one) for name, one in value.items()} if isinstance(value, dict) else value
