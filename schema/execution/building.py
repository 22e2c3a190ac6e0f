"""Building: the loop over the things of a list, generated for what is asked of them, that makes their JSON objects.

What a field's function gives from the thing alone is computed in the loop. What takes a read, or holds other things,
was brought for the whole list before, and comes as a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import Undefined

from schema.alike import in_turn
from schema.execution.leaves import LeafType, Unexpected, leaf_source

Build: TypeAlias = Callable[..., list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Computed:
    """A leaf that is computed in the loop: by a function of the thing, or as one of its attributes."""

    key: str
    leaf: LeafType
    nullable: bool
    attribute: str
    function: Callable[..., object] | None = None
    takes_info: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for each thing: the name of its type."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Column:
    """Brought before, in the order of the things; written in the loop if it is a leaf."""

    key: str
    leaf: LeafType | None
    nullable: bool


Part: TypeAlias = Computed | Constant | Column


def build_of(parts: Sequence[Part]) -> Build:
    """`build(things, info, *columns)`, whose columns are in the order of the parts."""
    names = [f"v{number}" for number in range(len(parts))]
    known: dict[str, object] = {"Unexpected": Unexpected, "Undefined": Undefined, "in_turn": in_turn}
    loop: list[str] = []
    for name, part in zip(names, parts, strict=True):
        if isinstance(part, Constant):
            known[name] = part.value
            continue
        if isinstance(part, Computed):
            known[f"get_{name}"] = part.function
            loop.append(f"{name} = {_source(part, name)}")
        if part.leaf is not None:
            known[f"write_{name}"] = part.leaf.coerce_output_value
            loop.extend(leaf_source(part.leaf, name, nullable=part.nullable))
    columns = [name for name, part in zip(names, parts, strict=True) if isinstance(part, Column)]
    pairs = ", ".join(f"{part.key!r}: {name}" for name, part in zip(names, parts, strict=True))
    # Things of which nothing is computed need not be made.
    looks = any(isinstance(part, Computed) for part in parts) or not columns
    brought = {name: f"all_{name}" for name in columns}
    together = {"thing": "in_turn(things)", **brought} if looks else brought
    over = ", ".join(together.values())
    source = "\n".join(
        [
            f"def build({', '.join(['things', 'info', *brought.values()])}):",
            "    built = []",
            f"    for {', '.join(together)} in {over if len(together) == 1 else f'zip({over}, strict=True)'}:",
            *(f"        {line}" for line in loop),
            f"        built.append({{{pairs}}})",
            "    return built",
        ]
    )
    exec(compile(source, "<plan>", "exec"), known)  # noqa: S102  # names of ours and quoted keys alone
    build: Build = known["build"]  # type: ignore[assignment]
    return build


def _source(part: Computed, name: str) -> str:
    if part.function is None:
        return f"thing.{part.attribute}"
    return f"get_{name}(thing, info)" if part.takes_info else f"get_{name}(thing)"
