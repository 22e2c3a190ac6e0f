"""Leaves: how a value is checked and written, as source text that stands inside the loop over a list's rows.

What a value most often is passes by a look at its type. Anything else goes to graphql-core's own coercion, and what
that refuses is unexpected: then graphql-core answers the whole operation, in its own words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from graphql import GraphQLEnumType, GraphQLScalarType, Undefined

LeafType: TypeAlias = GraphQLScalarType | GraphQLEnumType

AS_THEY_ARE = {
    "String": "type({v}) is str",
    "ID": "type({v}) is str",
    "Boolean": "type({v}) is bool",
    "Int": "type({v}) is int and -2147483648 <= {v} <= 2147483647",
}


class Unexpected(Exception):
    """A value that graphql-core has to judge: null where there must be one, a wrong type."""


def written(leaf: LeafType) -> Callable[[object], object]:
    """One value as graphql-core writes it."""

    def write(value: object) -> object:
        if value is None:
            raise Unexpected
        coerced = leaf.coerce_output_value(value)
        if coerced is None or coerced is Undefined:
            raise Unexpected
        return coerced

    return write


def leaf_source(leaf: LeafType, name: str, *, nullable: bool) -> str:
    """A statement that turns the local of this name into what is answered; `write_<name>` is `written(leaf)`."""
    write = f"{name} = write_{name}({name})"
    as_it_is = AS_THEY_ARE.get(leaf.name)
    if as_it_is is None:
        return f"if {name} is not None: {write}" if nullable else write
    passes = as_it_is.format(v=name)
    return f"if not ({name} is None or {passes}): {write}" if nullable else f"if not ({passes}): {write}"
