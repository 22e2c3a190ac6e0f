"""Ids as clients give them: what is not one is refused."""

from __future__ import annotations

import strawberry

from models.errors import BadId
from models.ids import encode_id, encode_ids, packed, parse_id, unpacked
from schema.fields import field

__all__ = ["Node", "decode_id", "encode_id", "encode_ids", "packed", "parse_id", "unpacked"]


@strawberry.interface(description="Anything that can be asked for again by its id.")
class Node:
    @field("Opaque and lasting.")
    def id(self) -> strawberry.ID:
        raise NotImplementedError


def decode_id(text: str, kind: str, count: int, *field: str) -> list[int]:
    """The keys within an id of this kind; any other text is refused in the same way."""
    found, keys = parse_id(text)
    if found != kind or len(keys) != count:
        raise BadId(kind, *field)
    return keys
