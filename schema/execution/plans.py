"""Plans: an operation worked out once for all its answers, list by list instead of thing by thing.

A plan follows graphql-core in all that it does and refuses to plan what it does not know. The public schema stays
Strawberry's: the functions that a plan calls are the fields' own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import strawberry
from graphql import (
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    is_abstract_type,
    visit,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from strawberry.types.field import StrawberryField

from schema.execution.arguments import FieldArguments
from schema.execution.building import Build, Column, Computed, Constant, Part, build_of
from schema.execution.documents import Document
from schema.execution.leaves import LeafType, written
from schema.fields import Batch, OfRows, batch_of, of_rows

DEFINITION = "strawberry-definition"
STEERING = {"skip", "include"}


class Unplanned(Exception):
    """Why an operation is left to graphql-core."""


# ------------------------------------------------------------------------------------------------- shapes


@dataclass(frozen=True, slots=True)
class LeafShape:
    nullable: bool
    write: Callable[[object], object]


@dataclass(frozen=True, slots=True)
class ListShape:
    nullable: bool
    item: Shape


@dataclass(frozen=True, slots=True)
class ThingShape:
    """An object. Of an interface or a union the plan is found by the value's own class."""

    nullable: bool
    plan_of: Callable[[type], ThingPlan]
    only: ThingPlan | None = None
    # Those that were planned so far.
    by_class: Mapping[type, ThingPlan] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        return self.only is None or self.only.waits


Shape: TypeAlias = LeafShape | ListShape | ThingShape


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """A field that is brought for all things of a list at once."""

    name: str
    function: Callable[..., Any] | None
    attribute: str
    batch: Batch | None
    rows: OfRows | None
    is_async: bool
    takes_info: bool
    arguments: FieldArguments
    # None for a leaf, which is written where its thing is built.
    shape: Shape | None

    @property
    def waits(self) -> bool:
        return self.is_async or _waits(self.shape)


def _waits(shape: Shape | None) -> bool:
    while isinstance(shape, ListShape):
        shape = shape.item
    return isinstance(shape, ThingShape) and shape.waits


@dataclass(frozen=True, slots=True)
class ThingPlan:
    """What is asked of the things of one type."""

    type_name: str
    # The leaves that are computed of the things alone.
    computed: Sequence[str]
    # Of what class its things must be; empty where graphql-core does not look.
    classes: tuple[type, ...]
    columns: Sequence[FieldPlan]
    build: Build
    waits: bool


# ------------------------------------------------------------------------------------------------ planning


def steering_variables(document: Document) -> tuple[str, ...]:
    """The variables that decide what of a document is asked at all: each of their values makes another plan."""
    look = _Steering()
    visit(document.node, look)
    return tuple(sorted(look.found))


class _Steering(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_directive(self, node: Any, *_: object) -> None:
        if node.name.value in STEERING:
            self.found |= {one.value.name.value for one in node.arguments if isinstance(one.value, VariableNode)}


class Planner:
    """Plans one operation for given values of its steering variables."""

    def __init__(
        self,
        schema: strawberry.Schema,
        document: Document,
        operation: OperationDefinitionNode,
        steering: VariableValues,
    ) -> None:
        if operation.operation is not OperationType.QUERY:
            raise Unplanned("a mutation runs step by step")
        self._schema = schema
        self._core = schema._schema
        self._operation = operation
        self._steering = steering
        self._fragments = {
            node.name.value: FragmentDetails(node)
            for node in document.node.definitions
            if isinstance(node, FragmentDefinitionNode)
        }

    def plan(self) -> ThingPlan:
        root = self._core.query_type
        assert root is not None  # noqa: S101  # Strawberry makes no schema without
        collected = collect_fields(self._core, self._fragments, self._steering, root, self._operation)
        return self._thing_plan(root, collected.grouped_field_set)

    # ------------------------------------------------------------------------------------------ things

    def _thing_plan(self, type_: GraphQLObjectType, fields: GroupedFieldSet) -> ThingPlan:
        parts: list[Part] = []
        columns: list[FieldPlan] = []
        for key, details in fields.items():
            self._must_know(details)
            name = details[0].node.name.value
            if name == "__typename":
                parts.append(Constant(key, type_.name))
                continue
            core = type_.fields.get(name)
            definition = (core.extensions or {}).get(DEFINITION) if core else None
            if core is None or not isinstance(definition, StrawberryField):
                raise Unplanned(f"{type_.name}.{name} is no field of ours")
            part, column = self._part(key, type_, name, core, definition, details)
            parts.append(part)
            if column:
                columns.append(column)
        return ThingPlan(
            type_name=type_.name,
            computed=_computed(parts, columns),
            classes=_classes_of(type_),
            columns=columns,
            build=build_of(parts),
            waits=any(column.waits for column in columns),
        )

    def _must_know(self, details: FieldDetailsList) -> None:
        for one in details:
            unknown = {directive.name.value for directive in one.node.directives or ()} - STEERING
            if unknown or one.defer_usage:
                raise Unplanned("a directive other than skip and include")

    def _part(
        self,
        key: str,
        type_: GraphQLObjectType,
        name: str,
        core: GraphQLField,
        definition: StrawberryField,
        details: FieldDetailsList,
    ) -> tuple[Part, FieldPlan | None]:
        if definition.extensions or definition.permission_classes:
            raise Unplanned(f"{type_.name}.{name} has extensions or permissions of its own")
        function, is_async, takes_info = _function_of(definition, f"{type_.name}.{name}")
        leaf, nullable = _leaf_of(core.type)
        attribute, rows = definition.python_name, of_rows(definition)
        if leaf and not is_async and not core.args and not rows:
            return Computed(key, leaf, nullable, attribute, function, takes_info), None
        arguments = FieldArguments(self._schema, core, definition, details)
        shape = None if leaf else self._shape(core.type, details)
        batch = batch_of(definition)
        column = FieldPlan(name, function, attribute, batch, rows, is_async, takes_info, arguments, shape)
        return Column(key, leaf, nullable), column

    # ------------------------------------------------------------------------------------------ shapes

    def _shape(self, type_: GraphQLOutputType, details: FieldDetailsList) -> Shape:
        nullable = not isinstance(type_, GraphQLNonNull)
        inner: Any = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(inner, GraphQLList):
            return ListShape(nullable, self._shape(inner.of_type, details))
        if isinstance(inner, GraphQLScalarType | GraphQLEnumType):
            return LeafShape(nullable, written(inner))
        if isinstance(inner, GraphQLObjectType):
            only = self._sub_plan(inner, details)
            return ThingShape(nullable, lambda _: only, only)
        if is_abstract_type(inner):
            plans: dict[type, ThingPlan] = {}
            return ThingShape(nullable, self._by_class(inner, details, plans), by_class=plans)
        raise Unplanned(f"a value of type {inner}")

    def _sub_plan(self, type_: GraphQLObjectType, details: FieldDetailsList) -> ThingPlan:
        collected = collect_subfields(self._core, self._fragments, self._steering, self._operation, type_, details)
        return self._thing_plan(type_, collected.grouped_field_set)

    def _by_class(
        self, abstract: Any, details: FieldDetailsList, plans: dict[type, ThingPlan]
    ) -> Callable[[type], ThingPlan]:
        """Planned when the first thing of a class comes: an interface has many, and most answers hold one."""
        possible = {_class_of(one): one for one in self._core.get_possible_types(abstract)}

        def plan_of(cls: type) -> ThingPlan:
            if cls not in plans:
                if cls not in possible:
                    raise Unplanned(f"a {cls.__name__} as a {abstract.name}")
                plans[cls] = self._sub_plan(possible[cls], details)
            return plans[cls]

        return plan_of


def _function_of(definition: StrawberryField, name: str) -> tuple[Callable[..., Any] | None, bool, bool]:
    """The field's function, whether it is asynchronous, and whether it takes info; none for a plain attribute."""
    resolver = definition.base_resolver
    if resolver is None:
        return None, False, False
    function: Any = resolver.wrapped_func
    known = {"self", "info", *(argument.python_name for argument in definition.arguments)}
    parameters = list(inspect.signature(function).parameters) if inspect.isfunction(function) else []
    if not parameters or parameters[0] != "self" or not set(parameters) <= known:
        raise Unplanned(f"{name} is no method of its type")
    return function, inspect.iscoroutinefunction(function), "info" in parameters


def _computed(parts: Sequence[Part], columns: Sequence[FieldPlan]) -> list[str]:
    of_rows = [column.name for column in columns if column.rows]
    return [part.key for part in parts if isinstance(part, Computed)] + of_rows


def _leaf_of(type_: GraphQLOutputType) -> tuple[LeafType | None, bool]:
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    leaf = inner if isinstance(inner, GraphQLScalarType | GraphQLEnumType) else None
    return leaf, not isinstance(type_, GraphQLNonNull)


def _class_of(type_: GraphQLObjectType) -> type:
    definition = (type_.extensions or {}).get(DEFINITION)
    return getattr(definition, "origin", object)


def _classes_of(type_: GraphQLObjectType) -> tuple[type, ...]:
    """What Strawberry accepts as a thing of a type that has interfaces; it looks at no other."""
    definition = (type_.extensions or {}).get(DEFINITION)
    interfaces = getattr(definition, "interfaces", ())
    return (*(one.origin for one in interfaces), _class_of(type_)) if interfaces else ()
