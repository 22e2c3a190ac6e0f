"""A smaller document in which something is still so, found by leaving out one thing after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, TypeVar

from graphql import (
    REMOVE,
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    VisitorAction,
    parse,
    print_ast,
    visit,
)
from graphql.language import Visitor

from tests.generated_documents import Written

PARTS = OperationDefinitionNode | FieldNode | InlineFragmentNode | FragmentSpreadNode | DirectiveNode | ArgumentNode


async def shrunk(written: Written, is_still_so: Callable[[Written], Awaitable[bool]]) -> Written:
    """The smallest that leaving out single parts leads to; large parts are tried first."""
    place = 0
    while (smaller := without(written, place)) is not None:
        if smaller.query and await is_still_so(smaller):
            written, place = smaller, 0
        else:
            place += 1
    return written


def without(written: Written, place: int) -> Written | None:
    """The document without its part of this number, and without what nobody uses then; None if there is no such part.
    It has no text if nothing sensible is left."""
    leaving = _Leaving(place)
    left = visit(parse(written.query), leaving)
    if leaving.seen <= place:
        return None
    document = _used(left)
    if any(not node.selections for node in _found(document, SelectionSetNode)):
        return replace(written, query="")
    declared = {node.variable.name.value for node in _found(document, VariableDefinitionNode)}
    sent = {name: value for name, value in written.variables.items() if name in declared}
    return replace(written, query=print_ast(document), variables=sent)


class _Leaving(Visitor):
    """Leaves out the part that it comes to after so many others."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self._place = place
        self.seen = 0

    def enter(self, node: Node, *_: object) -> VisitorAction:
        if not isinstance(node, PARTS):
            return None
        self.seen += 1
        return REMOVE if self.seen - 1 == self._place else None


def _used(document: DocumentNode) -> DocumentNode:
    """Without fragments that are spread nowhere and variables that are used nowhere, until there are none."""
    spread = {node.name.value for node in _found(document, FragmentSpreadNode)}
    declared = Counter(node.variable.name.value for node in _found(document, VariableDefinitionNode))
    used = Counter(node.name.value for node in _found(document, VariableNode)) - declared
    left: DocumentNode = visit(document, _Unused(spread, set(used)))
    return document if left is document else _used(left)


class _Unused(Visitor):
    def __init__(self, spread: set[str], used: set[str]) -> None:
        super().__init__()
        self._spread, self._used = spread, used

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: object) -> VisitorAction:
        return None if node.name.value in self._spread else REMOVE

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: object) -> VisitorAction:
        return None if node.variable.name.value in self._used else REMOVE


N = TypeVar("N", bound=Node)


def _found(document: DocumentNode, kind: type[N]) -> list[N]:
    looking = _Looking(kind)
    visit(document, looking)
    return looking.found


class _Looking(Visitor, Generic[N]):
    def __init__(self, kind: type[N]) -> None:
        super().__init__()
        self._kind = kind
        self.found: list[N] = []

    def enter(self, node: Node, *_: object) -> VisitorAction:
        if isinstance(node, self._kind):
            self.found.append(node)
        return None
