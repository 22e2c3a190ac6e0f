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


def leaf_source(leaf: LeafType, name: str, *, nullable: bool) -> list[str]:
    """Lines that turn the local of this name into what is answered, as `written` does; `write_<name>` is how
    graphql-core coerces the leaf.
    """
    passes = AS_THEY_ARE.get(leaf.name, "").format(v=name)
    looks = [f"{name} is not None"] if nullable else []
    looks += [f"not ({passes})"] if passes else []
    null = [] if nullable else [f"if {name} is None: raise Unexpected"]
    write = f"{name} = write_{name}({name})"
    lines = [*null, write, f"if {name} is None or {name} is Undefined: raise Unexpected"]
    return [f"if {' and '.join(looks)}:", *(f"    {line}" for line in lines)] if looks else lines
