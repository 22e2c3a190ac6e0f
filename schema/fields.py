"""The typed decorator of which every resolved field is made: strawberry's own hides a method's type from mypy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeAlias, TypeVar

import strawberry
from strawberry.extensions.field_extension import FieldExtension
from strawberry.types.field import StrawberryField

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
# Gives a field of many things at once: of the things, info and the field's arguments, in the order of the things.
Batch: TypeAlias = Callable[..., Awaitable[Sequence[Any]]]
# Gives a leaf of many things at once, of their rows alone, in their order.
OfRows: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

INPUT = strawberry.argument(description="What to do, in one object, so that fields can be added.")


def given(value: T | None) -> T | None:
    """An argument that may have been left out: None then too."""
    return None if value is strawberry.UNSET else value


def field(
    description: str, name: str | None = None, batch: Batch | None = None, rows: OfRows | None = None
) -> Callable[[F], F]:
    """With a `batch`, or a function of `rows`, the method asks it for the one thing that it has."""
    metadata = {"batch": batch, "rows": rows}
    made: Callable[[F], F] = strawberry.field(description=description, name=name, metadata=metadata)
    return made


def batch_of(definition: StrawberryField) -> Batch | None:
    batch: Batch | None = definition.metadata.get("batch")
    return batch


def of_rows(definition: StrawberryField) -> OfRows | None:
    told: OfRows | None = definition.metadata.get("rows")
    return told


async def by_kind(
    things: Sequence[T], kinds: Sequence[K], read: Callable[[K, Sequence[T]], Awaitable[Sequence[V]]]
) -> Sequence[V]:
    """What is read of many things, in their order; those of one kind are read together."""
    if len(places := places_of(kinds)) == 1:
        return await read(kinds[0], things)
    found: dict[int, V] = {}
    for kind, own in places.items():
        found.update(zip(own, await read(kind, [things[place] for place in own]), strict=True))
    return [found[place] for place in range(len(things))]


def places_of(kinds: Sequence[K]) -> dict[K, list[int]]:
    places: dict[K, list[int]] = {}
    for place, kind in enumerate(kinds):
        places.setdefault(kind, []).append(place)
    return places


def mutation(description: str, extensions: Sequence[FieldExtension]) -> Callable[[F], F]:
    made: Callable[[F], F] = strawberry.mutation(description=description, extensions=list(extensions))
    return made
