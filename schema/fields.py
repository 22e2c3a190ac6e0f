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

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

INPUT = strawberry.argument(description="What to do, in one object, so that fields can be added.")


def given(value: T | None) -> T | None:
    """An argument that may have been left out: None then too."""
    return None if value is strawberry.UNSET else value


def field(description: str, name: str | None = None, batch: Batch | None = None) -> Callable[[F], F]:
    """With a `batch` the method asks it for the one thing that it has."""
    metadata = {"batch": batch} if batch else {}
    made: Callable[[F], F] = strawberry.field(description=description, name=name, metadata=metadata)
    return made


def batch_of(definition: StrawberryField) -> Batch | None:
    batch: Batch | None = definition.metadata.get("batch")
    return batch


async def by_kind(
    things: Sequence[T], kind_of: Callable[[T], K], read: Callable[[K, Sequence[T]], Awaitable[Sequence[V]]]
) -> Sequence[V]:
    """What is read of many things, in their order; those of one kind are read together."""
    kinds: dict[K, list[int]] = {}
    for place, kind in enumerate(map(kind_of, things)):
        kinds.setdefault(kind, []).append(place)
    if len(kinds) == 1:
        (only,) = kinds
        return await read(only, things)
    found: dict[int, V] = {}
    for kind, places in kinds.items():
        found.update(zip(places, await read(kind, [things[place] for place in places]), strict=True))
    return [found[place] for place in range(len(things))]


def mutation(description: str, extensions: Sequence[FieldExtension]) -> Callable[[F], F]:
    made: Callable[[F], F] = strawberry.mutation(description=description, extensions=list(extensions))
    return made
