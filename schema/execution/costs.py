"""What a field costs, in points: an object is one, a page costs its rows, a mutation ten, and a plain value nothing.

A list that has no page size counts as LIST_SIZE rows. A field that is dear to answer, whatever comes of it, has a price
of its own in DEAR.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    SchemaMetaFieldDef,
    TypeMetaFieldDef,
    TypeNameMetaFieldDef,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
)

OBJECT, MUTATION = 1, 10
LIST_SIZE = 10
PAGE_ARGUMENTS = ("first", "last")
# Each of these is answered with one thing for each of the ids that it is given.
BY_IDS = {("Query", "nodes"): ("ids",)}
# What comes with its parent: it is read with it, or stands where the thing itself would.
FREE = {"edges", "pageInfo", "userErrors"}
DEAR = {
    # Tells of hundreds of types.
    ("Query", "__schema"): 30_000,
    # Looks through every table.
    ("Query", "invariants"): 5_000,
    # These add up a whole ledger, or a whole program's vouchers or disputes.
    ("Query", "trialBalance"): 500,
    ("Query", "voucherLiability"): 500,
    ("Query", "disputeReport"): 500,
    # These count an organization's learners anew, for each month or for both ends.
    ("Organization", "billingSimulation"): 500,
    ("Organization", "countBridge"): 100,
    ("BillingSnapshot", "bridge"): 100,
    ("BillingSnapshot", "drift"): 100,
}
META_FIELDS = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
TYPENAME = "__typename"
IDEMPOTENCY_KEY = "idempotencyKey"


class Rows(Enum):
    ONE = auto()
    # As many as the page that the connection around it is asked for.
    PAGE = auto()
    LIST = auto()


class Price(NamedTuple):
    """`once` is for the field itself, `each` for every object that it gives, without what is asked of that."""

    of: GraphQLNamedType | None
    once: int
    each: int
    rows: Rows = Rows.ONE
    # The arguments that say how many rows are asked for.
    sized_by: tuple[str, ...] = ()
    moves_money: bool = False


# Of a field that no schema knows. Validation says so.
UNKNOWN = Price(None, 0, OBJECT)


class Prices:
    """The price of each field of a schema, found when it is first asked for."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._known: dict[tuple[str, str], Price] = {}

    def of(self, parent: GraphQLNamedType | None, name: str) -> Price:
        if parent is None:
            return UNKNOWN
        known = self._known.get((parent.name, name))
        if known is None:
            field = self._field(parent, name)
            if field is None:
                return UNKNOWN
            known = self._known[parent.name, name] = self._price(parent, name, field)
        return known

    def _field(self, parent: GraphQLNamedType, name: str) -> GraphQLField | None:
        if name == TYPENAME:
            return TypeNameMetaFieldDef
        if parent is self.schema.query_type and name in META_FIELDS:
            return META_FIELDS[name]
        if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            found: GraphQLField | None = parent.fields.get(name)
            return found
        return None

    def _price(self, parent: GraphQLNamedType, name: str, field: GraphQLField) -> Price:
        changes = parent is self.schema.mutation_type
        return Price(
            of=get_named_type(field.type),
            once=MUTATION if changes else DEAR.get((parent.name, name), 0),
            each=0 if changes or name in FREE or is_leaf_type(get_named_type(field.type)) else OBJECT,
            rows=_rows(parent, name, field),
            sized_by=BY_IDS.get((parent.name, name), tuple(each for each in PAGE_ARGUMENTS if each in field.args)),
            moves_money=changes and _takes_idempotency_key(field),
        )


def _rows(parent: GraphQLNamedType, name: str, field: GraphQLField) -> Rows:
    if name == "userErrors" or not isinstance(get_nullable_type(field.type), GraphQLList):
        return Rows.ONE
    return Rows.PAGE if _is_connection(parent) and name in {"edges", "nodes"} else Rows.LIST


def _is_connection(parent: GraphQLNamedType) -> bool:
    return isinstance(parent, GraphQLObjectType) and {"edges", "pageInfo"} <= parent.fields.keys()


def _takes_idempotency_key(field: GraphQLField) -> bool:
    inputs = [get_named_type(argument.type) for argument in field.args.values()]
    return any(isinstance(each, GraphQLInputObjectType) and IDEMPOTENCY_KEY in each.fields for each in inputs)
