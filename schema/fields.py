"""The typed decorator of which every resolved field is made: strawberry's own hides a method's type from mypy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import strawberry
from strawberry.extensions.field_extension import FieldExtension

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


INPUT = strawberry.argument(description="What to do, in one object, so that fields can be added.")


def given(value: T | None) -> T | None:
    """An argument that may have been left out: None then too."""
    return None if value is strawberry.UNSET else value


def field(description: str, name: str | None = None) -> Callable[[F], F]:
    made: Callable[[F], F] = strawberry.field(description=description, name=name)
    return made


def mutation(description: str, extensions: Sequence[FieldExtension]) -> Callable[[F], F]:
    made: Callable[[F], F] = strawberry.mutation(description=description, extensions=list(extensions))
    return made
