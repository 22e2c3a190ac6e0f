"""Documents of our own: random queries that fit the schema, the same again from the same dice.

A document is an operation or two. An operation selects fields at a place of the answer, with aliases, arguments,
directives, `__typename`, fragments with and without names, and some fields twice with selections to be merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from random import Random

from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    SchemaMetaFieldDef,
    TypeMetaFieldDef,
    do_types_overlap,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
)

from models.ids import parse_id
from tests.generated_values import UNDEFINED, Given, Values, literal
from tests.meaningful_values import JSON, Pool

MOST_DEPTH = 6
MOST_FIELDS = 40
MOST_ROWS = 400
# A list that has no pages is taken to be so long, but for what the schema says of itself.
ROWS_OF_A_LIST = 6
ROWS_OF_INTROSPECTION = 60
DEFAULT_SIZE = 50
SIZES = {1: 6, 2: 10, 3: 8, 7: 3, 50: 1, 100: 1, 0: 0.3, 101: 0.3, -1: 0.3}
PAGING = {"first", "after", "last", "before"}
# How often a field is chosen where not as often as any other.
WEIGHTS: dict[str, float] = {
    "organization": 8,
    "node": 6,
    "nodes": 4,
    "edges": 3,
    "program": 5,
    "organizations": 3,
    "programs": 3,
}
WEIGHTS |= {"invariants": 0.03, "__schema": 0.2, "__type": 0.4, "errorCodes": 0.3}
TURN = "turn"

Composite = GraphQLObjectType | GraphQLInterfaceType


@dataclass(frozen=True, kw_only=True)
class Written:
    """A document, and what is sent with it.

    `turns` says which variable takes the cursor of which page: the place of the page, and the field of its page info.
    """

    query: str
    variables: dict[str, JSON]
    operation_name: str | None = None
    turns: dict[tuple[str, ...], Turn] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    variable: str
    cursor: str


@dataclass(frozen=True)
class Place:
    """Where in an answer fields are selected, of how many rows at most, and of which kinds these are likely to be."""

    path: tuple[str, ...] = ()
    rows: int = 1
    likely: tuple[str, ...] = ()


@dataclass(frozen=True)
class Head:
    """A field without its selections: written again it is the same field. Where it is a page to turn, its cursors are
    asked for."""

    text: str
    kind: GraphQLField
    below: Place
    turned: bool


def write(schema: GraphQLSchema, pool: Pool, dice: Random) -> Written:
    """One that is valid, but for a few in a hundred."""
    return Author(schema, pool, dice).document()


class Author:
    """Writes one document; whatever is chosen is chosen by the dice."""

    def __init__(self, schema: GraphQLSchema, pool: Pool, dice: Random) -> None:
        self._schema, self._pool, self._dice = schema, pool, dice
        self._aliases = 0
        self._turns: dict[tuple[str, ...], Turn] = {}
        self._begin("v")

    def _begin(self, prefix: str) -> None:
        """Another operation: it has variables and fragments of its own."""
        self._prefix = prefix
        self._values = Values(self._pool, self._dice, prefix)
        self._fragments: dict[str, tuple[Composite, str]] = {}
        self._room = MOST_FIELDS

    def document(self) -> Written:
        names = ["First", "Second"] if self._happens(0.1) else ["First"]
        chosen = self._dice.choice(names)
        texts: list[str] = []
        sent: dict[str, JSON] = {}
        for name in names:
            self._begin(name[0].lower())
            texts.append(self._operation(name))
            sent |= self._values.sent
        named = len(names) > 1 or self._happens(0.3)
        return Written(
            query="\n".join(texts), variables=sent, operation_name=chosen if named else None, turns=self._turns
        )

    def _operation(self, name: str) -> str:
        assert self._schema.query_type
        selections = self._selections(self._schema.query_type, Place())
        declared = ", ".join(one.declared(name) for name, one in self._values.variables.items())
        fragments = [f"fragment {name} on {kind} {text}" for name, (kind, text) in self._fragments.items()]
        return "\n".join([f"query {name}{f'({declared})' if declared else ''} {selections}", *fragments])

    # -------------------------------------------------------------------------------------------- selections

    def _selections(self, parent: Composite, place: Place, also: str = "") -> str:
        heads: list[Head] = []
        most = self._dice.choice([1, 2, 3, 3, 4, 5]) if self._room > 0 else 1
        pieces = [self._selection(parent, place, heads) for _ in range(most)]
        return f"{{ {' '.join([*pieces, also])} }}"

    def _selection(self, parent: Composite, place: Place, heads: list[Head]) -> str:
        self._room -= 1
        fields = self._fields(parent, place)
        kinds = {
            self._typename: 1.0 if fields else 100.0,
            self._inline: 4.0 if isinstance(parent, GraphQLInterfaceType) else 0.8,
            self._spread: 2.0 if isinstance(parent, GraphQLInterfaceType) else 0.8,
        }
        write = self._dice.choices([*kinds, self._field], [*kinds.values(), 10.0 if fields else 0.0])[0]
        if self._room < 0 or write == self._typename:
            return self._typename()
        if write != self._field:
            return self._inline(parent, place) if write == self._inline else self._spread(parent, place)
        return self._field(fields, place, heads)

    def _typename(self) -> str:
        return f"{self._alias(0.3)}__typename{self._directives()}"

    def _inline(self, parent: Composite, place: Place) -> str:
        kind = self._condition(parent, place)
        on = f" on {kind}" if kind is not parent or self._happens(0.5) else ""
        return f"...{on}{self._directives()} {self._selections(kind, place)}"

    def _spread(self, parent: Composite, place: Place) -> str:
        """Of a fragment that was written before, or of a new one."""
        possible = overlapping(self._schema, parent)
        fitting = [name for name, (kind, _) in self._fragments.items() if kind in possible]
        if not fitting or self._happens(0.6):
            kind = self._condition(parent, place)
            text = self._selections(kind, place)
            fitting = [f"{self._prefix}{len(self._fragments)}"]
            self._fragments[fitting[0]] = kind, text
        return f"...{self._dice.choice(fitting)}{self._directives()}"

    def _condition(self, parent: Composite, place: Place) -> Composite:
        """A type that some of these may be of, the likely ones first."""
        possible = overlapping(self._schema, parent)
        likely = [kind for kind in possible if kind.name in place.likely]
        return self._dice.choice(likely if likely and self._happens(0.7) else [parent, parent, *possible])

    # ------------------------------------------------------------------------------------------------ fields

    def _fields(self, parent: Composite, place: Place) -> Mapping[str, GraphQLField]:
        """Those for which there is room: what has fields of its own only above the greatest depth."""
        fields = dict(parent.fields)
        if parent is self._schema.query_type:
            fields |= {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
        if len(place.path) < MOST_DEPTH and self._room > 0 and place.rows < MOST_ROWS:
            return fields
        return {name: one for name, one in fields.items() if is_leaf_type(get_named_type(one.type))}

    def _field(self, fields: Mapping[str, GraphQLField], place: Place, heads: list[Head]) -> str:
        """One of these, or one again that was selected here already."""
        if heads and self._happens(0.12):
            return self._body(self._dice.choice(heads))
        weights = [WEIGHTS.get(name, 1.0) for name in fields]
        name = self._dice.choices(list(fields), weights)[0]
        heads.append(self._head(name, fields[name], place))
        return self._body(heads[-1])

    def _head(self, name: str, kind: GraphQLField, place: Place) -> Head:
        given = {key: self._values.given(name, key, one) for key, one in kind.args.items() if key not in PAGING}
        is_paged = "after" in kind.args
        rows = place.rows * (self._page(place, given) if is_paged else _rows(kind))
        given = {key: one for key, one in given.items() if one is not UNDEFINED}
        arguments = ", ".join(f"{key}: {literal(kind.args[key].type, one)}" for key, one in given.items())
        alias = self._alias(0.85 if arguments else 0.15)
        below = Place((*place.path, alias.removesuffix(": ") or name), rows, tuple(_kinds(list(given.values()))))
        turned = is_paged and self._happens(0.12) and self._turn(below, given)
        if turned:
            arguments = ", ".join(f"{key}: {literal(kind.args[key].type, one)}" for key, one in given.items())
        return Head(f"{alias}{name}{f'({arguments})' if arguments else ''}", kind, below, turned)

    def _body(self, head: Head) -> str:
        kind = get_named_type(head.kind.type)
        text = f"{head.text}{self._directives()}"
        if not isinstance(kind, Composite):
            return text
        turn = f"{TURN}: pageInfo {{ startCursor endCursor }}" if head.turned else ""
        return f"{text} {self._selections(kind, head.below, turn)}"

    # ------------------------------------------------------------------------------------------------- pages

    def _page(self, place: Place, given: dict[str, Given]) -> int:
        """How many rows are asked for; few where there are many places to ask for them."""
        if self._happens(0.1) and place.rows * DEFAULT_SIZE < MOST_ROWS:
            return DEFAULT_SIZE
        size = self._dice.choices(list(SIZES), list(SIZES.values()))[0]
        size = size if place.rows * size < MOST_ROWS else 1
        end = "first" if self._happens(0.85) else "last"
        given[end] = self._values.sent_as(GraphQLInt, size) if self._happens(0.25) else size
        if self._happens(0.02):
            given["after"] = "bm8gY3Vyc29y"
        return max(size, 1)

    def _turn(self, page: Place, given: dict[str, Given]) -> bool:
        """Whether the page can be turned, once it was seen; until then its cursor is null."""
        side, cursor = ("before", "startCursor") if "last" in given else ("after", "endCursor")
        if side in given:
            return False
        use = self._values.sent_as(GraphQLString, None)
        given[side] = use
        self._turns[page.path] = Turn(use.name, cursor)
        return True

    # ------------------------------------------------------------------------------------------ small things

    def _alias(self, chance: float) -> str:
        """None of them twice, so that what has arguments is not confused."""
        if not self._happens(chance):
            return ""
        self._aliases += 1
        return f"a{self._aliases}: "

    def _directives(self) -> str:
        chosen = [name for name in ("skip", "include") if self._happens(0.06)]
        self._dice.shuffle(chosen)
        return "".join(f" @{name}(if: {self._condition_value()})" for name in chosen)

    def _condition_value(self) -> str:
        kind = GraphQLNonNull(GraphQLBoolean)
        given = self._values.variable("", "if", kind) if self._happens(0.6) else self._values.value("", "if", kind)
        return literal(kind, given)

    def _happens(self, chance: float) -> bool:
        return self._dice.random() < chance


@cache
def overlapping(schema: GraphQLSchema, parent: Composite) -> list[Composite]:
    """The types that a thing of this one may be of too."""
    kinds = [kind for kind in schema.type_map.values() if isinstance(kind, Composite)]
    return [kind for kind in kinds if do_types_overlap(schema, parent, kind)]


def _rows(asked: GraphQLField) -> int:
    if not isinstance(get_nullable_type(asked.type), GraphQLList):
        return 1
    return ROWS_OF_INTROSPECTION if get_named_type(asked.type).name.startswith("__") else ROWS_OF_A_LIST


def _kinds(given: Given) -> list[str]:
    """Of the ids among these."""
    if isinstance(given, dict | list):
        inside = given.values() if isinstance(given, dict) else given
        return [kind for one in inside for kind in _kinds(one)]
    return [kind] if isinstance(given, str) and (kind := parse_id(given)[0]) else []
