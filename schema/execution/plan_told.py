"""A plan in lines that a person reads: of each type what its loop computes, and what is brought for a list at once."""

from __future__ import annotations

from collections.abc import Iterator

from schema.execution.plans import FieldPlan, LeafShape, ListShape, Shape, ThingPlan

INDENT = "  "


def told(plan: ThingPlan, depth: int = 0) -> Iterator[str]:
    computed = f": {', '.join(plan.computed)}" if plan.computed else ""
    yield f"{INDENT * depth}{plan.type_name}{computed}"
    for column in (one for one in plan.columns if not one.rows):
        yield f"{INDENT * (depth + 1)}{column.name} ({_how(column)})"
        for below in _plans_of(column.shape):
            yield from told(below, depth + 2)


def _how(column: FieldPlan) -> str:
    if column.batch:
        return "one batch for the list"
    return "awaited for each, together" if column.is_async else "called for each"


def _plans_of(shape: Shape | None) -> Iterator[ThingPlan]:
    while isinstance(shape, ListShape):
        shape = shape.item
    if shape is None or isinstance(shape, LeafShape):
        return
    yield from [shape.only] if shape.only else shape.by_class.values()
