"""What an answer really cost: the prices of what came, not of what might have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    InlineFragmentNode,
    SelectionSetNode,
)

from schema.execution.costs import Price, Prices
from schema.execution.documents import Operation


@dataclass(slots=True)
class Asked:
    """What one name of an answer stands for: a field, and all that is asked of it in different places."""

    price: Price
    below: list[SelectionSetNode] = field(default_factory=list)


def actual_cost(operation: Operation, prices: Prices, data: Mapping[str, object] | None) -> int:
    """In points, of a document that was valid."""
    if data is None:
        return 0
    root = prices.schema.get_root_type(operation.node.operation)
    return _Count(operation, prices).of_thing([operation.node.selection_set], root, data)


class _Count:
    def __init__(self, operation: Operation, prices: Prices) -> None:
        definitions = operation.document.node.definitions
        self._fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}
        self._prices = prices
        self._asked: dict[tuple[int, ...], dict[str, Asked]] = {}

    def of_thing(self, nodes: list[SelectionSetNode], on: GraphQLNamedType | None, thing: Mapping[str, object]) -> int:
        key = tuple(map(id, nodes))
        if key not in self._asked:
            self._asked[key] = {}
            for node in nodes:
                self._gather(node, on, self._asked[key])
        asked = self._asked[key]
        return sum(self._of_value(asked[name], value) for name, value in thing.items() if name in asked)

    def _of_value(self, asked: Asked, value: object) -> int:
        return asked.price.once + self._of_things(asked, value)

    def _of_things(self, asked: Asked, value: object) -> int:
        if isinstance(value, list):
            return sum(self._of_things(asked, each) for each in value)
        if not asked.below or not isinstance(value, dict):
            return 0
        return asked.price.each + self.of_thing(asked.below, asked.price.of, value)

    def _gather(self, node: SelectionSetNode, on: GraphQLNamedType | None, into: dict[str, Asked]) -> None:
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                name = selection.alias or selection.name
                asked = into.setdefault(name.value, Asked(self._prices.of(on, selection.name.value)))
                if selection.selection_set:
                    asked.below.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                self._gather_fragment(self._fragments[selection.name.value], on, into)
            elif isinstance(selection, InlineFragmentNode):
                self._gather_fragment(selection, on, into)

    def _gather_fragment(
        self, node: FragmentDefinitionNode | InlineFragmentNode, on: GraphQLNamedType | None, into: dict[str, Asked]
    ) -> None:
        if node.type_condition:
            on = self._prices.schema.get_type(node.type_condition.name.value)
        self._gather(node.selection_set, on, into)
