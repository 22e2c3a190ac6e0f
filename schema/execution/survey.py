"""How much a document comes to: its depth, its fields, what they may cost.

Every definition is looked at once, and what a fragment comes to is remembered and added wherever it is spread, so that
the work grows with the length of the document and not with what it stands for. Nothing is taken to be valid yet: what
no schema knows counts as an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from schema.execution.costs import LIST_SIZE, Price, Prices, Rows
from schema.pagination import DEFAULT_SIZE, LARGEST_SIZE

# Numbers stop growing here, as what fragments stand for can have more digits than there is room for.
FULL = 1_000_000_000
DIGITS_OF_A_SIZE = 4
NO_SIZES: Mapping[str, int | None] = {}


class Extent(NamedTuple):
    """What a selection comes to, with all that its fragments hold."""

    depth: int = 0
    # The fields of this one selection, and those of all below it too.
    breadth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    # Mutations that move money.
    money: int = 0
    # In points: once, and for each row of the page, if it is the selection of a connection.
    cost: int = 0
    cost_of_a_row: int = 0


NOTHING = Extent()


class FragmentCircle(Exception):
    """Fragments that spread each other in a circle stand for no end of fields."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"Cannot spread fragment '{names[0]}' within itself via {' and '.join(map(repr, names))}.")


class Survey:
    """Of one document in one schema. The sizes are those of variables that say how many rows are asked for: None where
    it is left open. A variable without a size counts as the largest page."""

    def __init__(self, document: DocumentNode, prices: Prices, sizes: Mapping[str, int | None] = NO_SIZES) -> None:
        self._prices = prices
        self._sizes = sizes
        self._fragments: dict[str, Extent] = {}
        self.operations: dict[str, Extent] = {}
        # Of every operation and fragment, whether it is run or not.
        self.extents: list[Extent] = []
        self.sizing_variables: set[str] = set()
        self.definitions = len(document.definitions)
        self.longest_list = self.deepest_value = 0
        # How many selections were looked at: the work that it took.
        self.steps = 0
        for definition in _inner_first(document):
            self._look_at(definition)

    def _look_at(self, definition: OperationDefinitionNode | FragmentDefinitionNode) -> None:
        name = definition.name.value if definition.name else ""
        if isinstance(definition, FragmentDefinitionNode):
            on = self._prices.schema.get_type(definition.type_condition.name.value)
            extent = self._fragments[name] = self._of_definition(definition, on)
        else:
            root = self._prices.schema.get_root_type(definition.operation)
            extent = self.operations[name] = self._of_definition(definition, root)
        self.extents.append(extent)
        for variable in definition.variable_definitions or ():
            self._look_at_value(variable.default_value)

    def _of_definition(
        self, definition: OperationDefinitionNode | FragmentDefinitionNode, on: GraphQLNamedType | None
    ) -> Extent:
        below = self._of_selections(definition.selection_set, on)
        holders = (definition, *(definition.variable_definitions or ()))
        return below._replace(directives=below.directives + sum(len(each.directives or ()) for each in holders))

    def _of_selections(self, node: SelectionSetNode, on: GraphQLNamedType | None) -> Extent:
        return _together([self._of_selection(each, on) for each in node.selections])

    def _of_selection(self, node: SelectionNode, on: GraphQLNamedType | None) -> Extent:
        self.steps += 1
        directives = len(node.directives or ())
        for directive in node.directives or ():
            self._look_at_arguments(directive.arguments)
        if isinstance(node, FieldNode):
            return self._of_field(node, on, directives)
        below = self._of_spread(node, on)
        return below._replace(directives=below.directives + directives) if directives else below

    def _of_spread(self, node: SelectionNode, on: GraphQLNamedType | None) -> Extent:
        if isinstance(node, FragmentSpreadNode):
            return self._fragments.get(node.name.value, NOTHING)
        return self._of_inline(node, on) if isinstance(node, InlineFragmentNode) else NOTHING

    def _of_inline(self, node: InlineFragmentNode, on: GraphQLNamedType | None) -> Extent:
        if node.type_condition:
            on = self._prices.schema.get_type(node.type_condition.name.value)
        return self._of_selections(node.selection_set, on)

    def _of_field(self, node: FieldNode, on: GraphQLNamedType | None, directives: int) -> Extent:
        price = self._prices.of(on, node.name.value)
        self._look_at_arguments(node.arguments)
        below = self._of_selections(node.selection_set, price.of) if node.selection_set else NOTHING
        cost, cost_of_a_row = self._cost(node, price, below)
        return Extent(
            depth=below.depth + 1,
            breadth=1,
            fields=below.fields + 1,
            aliases=below.aliases + (node.alias is not None),
            directives=below.directives + directives,
            money=below.money + price.moves_money,
            cost=cost,
            cost_of_a_row=cost_of_a_row,
        )

    def _cost(self, node: FieldNode, price: Price, below: Extent) -> tuple[int, int]:
        """The field's cost for once, and for each row of the page around it."""
        asked = self._size(node, price)
        page = DEFAULT_SIZE if asked is None else asked
        each = price.each + below.cost + page * below.cost_of_a_row
        if price.rows is Rows.PAGE:
            return price.once, min(each, FULL)
        many = 1 if price.rows is Rows.ONE else LIST_SIZE if asked is None else asked
        return min(price.once + many * each, FULL), 0

    def _size(self, node: FieldNode, price: Price) -> int | None:
        """How many rows are asked for; None if that is left open."""
        if not price.sized_by:
            return None
        sizes = [self._size_of(each) for each in node.arguments or () if each.name.value in price.sized_by]
        return max((size for size in sizes if size is not None), default=None)

    def _size_of(self, argument: ArgumentNode) -> int | None:
        value = argument.value
        if isinstance(value, VariableNode):
            self.sizing_variables.add(value.name.value)
            return self._sizes.get(value.name.value, LARGEST_SIZE)
        return size_of_literal(value)

    def _look_at_arguments(self, arguments: Iterable[ArgumentNode] | None) -> None:
        for argument in arguments or ():
            self._look_at_value(argument.value)

    def _look_at_value(self, value: ValueNode | None, depth: int = 1) -> None:
        if isinstance(value, ListValueNode):
            inner = value.values
            self.longest_list = max(self.longest_list, len(inner))
        elif isinstance(value, ObjectValueNode):
            inner = tuple(field.value for field in value.fields)
        else:
            return
        self.deepest_value = max(self.deepest_value, depth)
        for each in inner:
            self._look_at_value(each, depth + 1)


def size_of_literal(value: ValueNode) -> int | None:
    """The size of a page or a list of ids that a document names; None if it names none."""
    if isinstance(value, NullValueNode):
        return None
    if isinstance(value, ListValueNode):
        return min(len(value.values), LARGEST_SIZE)
    if isinstance(value, IntValueNode) and len(value.value) < DIGITS_OF_A_SIZE:
        return max(0, min(int(value.value), LARGEST_SIZE))
    return LARGEST_SIZE


def _together(extents: list[Extent]) -> Extent:
    if len(extents) == 1:
        return extents[0]
    if not extents:
        return NOTHING
    depths, *sums = zip(*extents, strict=True)
    return Extent(max(depths), *(min(sum(each), FULL) for each in sums))


def _inner_first(document: DocumentNode) -> list[OperationDefinitionNode | FragmentDefinitionNode]:
    """The definitions, each fragment before those that spread it."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    fragments: dict[str, list[FragmentDefinitionNode]] = {}
    spread: dict[str, set[str]] = {}
    for each in document.definitions:
        if isinstance(each, FragmentDefinitionNode):
            fragments.setdefault(each.name.value, []).append(each)
            spread.setdefault(each.name.value, set()).update(_spread_in(each.selection_set))
    try:
        names = list(TopologicalSorter(spread).static_order())
    except CycleError as problem:
        raise FragmentCircle(problem.args[1][:-1]) from None
    return [*(each for name in names for each in fragments.get(name, ())), *operations]


def _spread_in(node: SelectionSetNode) -> set[str]:
    """The names of the fragments that are spread in it, at any depth."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        for selection in waiting.pop().selections:
            if isinstance(selection, FragmentSpreadNode):
                found.add(selection.name.value)
            elif isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set:
                waiting.append(selection.selection_set)
    return found
