"""When two answers are the same: byte for byte, but for what chance decides in graphql-core itself.

Fields run at once. So errors come in the order in which things happen, and where a null rises to a field above, chance
says which of several causes is told, and what else had failed below before nobody waited for it any more.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

Place: TypeAlias = "tuple[str | int, ...]"


@dataclass
class Answer:
    """An answer taken apart. All but its errors stays as it was written, keys in their order."""

    rest: bytes
    # Of a field that is null itself, or of the request.
    own: list[bytes] = field(default_factory=list)
    # By the place of the field that is null for them.
    below: dict[Place, set[bytes]] = field(default_factory=lambda: defaultdict(set))


def alike(one: bytes, other: bytes) -> bool:
    if one == other:
        return True
    if not (one.startswith(b"{") and other.startswith(b"{")):
        return False
    first, second = taken_apart(one), taken_apart(other)
    same = (first.rest, first.own, first.below.keys()) == (second.rest, second.own, second.below.keys())
    return same and all(causes & second.below[place] for place, causes in first.below.items())


def taken_apart(content: bytes) -> Answer:
    answer = orjson.loads(content)
    errors = answer.pop("errors", [])
    taken = Answer(orjson.dumps(answer))
    for error in sorted(errors, key=orjson.dumps):
        path = tuple(error.get("path", ()))
        null = _null_on(path, answer.get("data"))
        if null == path:
            taken.own.append(orjson.dumps(error))
        else:
            taken.below[null].add(orjson.dumps(error))
    return taken


def _null_on(path: Place, data: Any) -> Place:
    """The place of the first null on the way."""
    for depth, key in enumerate(path):
        if data is None:
            return path[:depth]
        data = data[key]
    return path
