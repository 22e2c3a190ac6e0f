"""Which operations may run, and what each may cost: decided once for a document, and again for other page sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from weakref import WeakKeyDictionary

from graphql import DocumentNode, GraphQLError, GraphQLSchema, VariableDefinitionNode

from resolvers.principal import Principal
from schema.errors import RequestErrorCode, RequestRefused
from schema.execution.costs import Prices
from schema.execution.documents import JSON, Asked, Document, Operation, read_operation
from schema.execution.limits import Limits, refuse_cost, refuse_extent, refuse_length, refuse_values
from schema.execution.survey import FragmentCircle, Survey, size_of_literal
from schema.execution.trusted import TrustedDocuments
from schema.pagination import LARGEST_SIZE

SCHEMAS_KEPT = 8
SIZES_KEPT = 64
LEAST_COST = 1


class Costs:
    """What the operations of one document cost in one schema, by the sizes of the pages that are asked for."""

    def __init__(self, document: DocumentNode, prices: Prices) -> None:
        self._document = document
        self._prices = prices
        self.survey = Survey(document, prices)
        self._known: dict[tuple[object, ...], int] = {}

    def of(self, operation: Operation) -> int:
        name = operation.node.name.value if operation.node.name else ""
        if not self.survey.sizing_variables:
            return self.survey.operations[name].cost
        sizes = self._sizes(operation)
        key = (name, *sizes.values())
        if key not in self._known:
            if len(self._known) == SIZES_KEPT:
                self._known.clear()
            self._known[key] = Survey(self._document, self._prices, sizes).operations[name].cost
        return self._known[key]

    def _sizes(self, operation: Operation) -> dict[str, int | None]:
        variables, sizing = operation.asked.variables, self.survey.sizing_variables
        declared = operation.node.variable_definitions or ()
        return {
            each.variable.name.value: _size(each, variables) for each in declared if each.variable.name.value in sizing
        }


def _size(declared: VariableDefinitionNode, variables: Mapping[str, JSON]) -> int | None:
    name = declared.variable.name.value
    if name in variables:
        return size_of_value(variables[name])
    return size_of_literal(declared.default_value) if declared.default_value else None


def size_of_value(value: JSON) -> int | None:
    """As of a literal: what cannot be read as a size counts as the largest page."""
    if value is None:
        return None
    if isinstance(value, list):
        return min(len(value), LARGEST_SIZE)
    if isinstance(value, int) and not isinstance(value, bool):
        return max(0, min(value, LARGEST_SIZE))
    return LARGEST_SIZE


@lru_cache(maxsize=SCHEMAS_KEPT)
def prices_in(schema: GraphQLSchema) -> Prices:
    return Prices(schema)


@dataclass(frozen=True, slots=True)
class Admitted:
    """An operation that may run, with what it may cost."""

    operation: Operation
    cost: int


class Admission:
    """The door to one schema, with one set of limits."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, trusted: TrustedDocuments | None = None) -> None:
        self.prices = prices_in(schema)
        self._limits = limits
        self._trusted = trusted or TrustedDocuments()
        # A document goes with what is known of it.
        self._costs: WeakKeyDictionary[Document, Costs] = WeakKeyDictionary()

    def admit(self, asked: Asked, principal: Principal) -> Admitted:
        """Raises GraphQLSyntaxError, or RequestRefused."""
        if self._trusted.trusts(asked):
            asked = replace(asked, trusted=True)
        else:
            self._trusted.refuse_others(principal)
            refuse_length(asked.query, self._limits)
        refuse_values(asked.variables, self._limits)
        operation = read_operation(asked, principal, self._limits.tokens)
        cost = max(LEAST_COST, self._costs_of(operation.document).of(operation))
        refuse_cost(cost, self._limits)
        return Admitted(operation, cost)

    def mistakes_in(self, asked: Asked, principal: Principal) -> list[GraphQLError]:
        """What validation has against a document that keeps to the limits, whatever its variables may then cost."""
        document = read_operation(replace(asked, trusted=True), principal, self._limits.tokens).document
        self._costs_of(document)
        return document.mistakes(self.prices.schema)

    def _costs_of(self, document: Document) -> Costs:
        """Of a document that keeps to the limits."""
        known = self._costs.get(document)
        if known is None:
            try:
                known = Costs(document.node, self.prices)
            except FragmentCircle as circle:
                raise RequestRefused(RequestErrorCode.GRAPHQL_VALIDATION_FAILED, str(circle)) from None
            refuse_extent(known.survey, self._limits)
            self._costs[document] = known
        return known
