"""Ids as clients give them: what is not one is refused."""

from __future__ import annotations

from models.errors import BadId
from models.ids import encode_id, packed, parse_id, unpacked

__all__ = ["decode_id", "encode_id", "packed", "parse_id", "unpacked"]


def decode_id(text: str, kind: str, count: int, *field: str) -> list[int]:
    """The keys within an id of this kind; any other text is refused in the same way."""
    found, keys = parse_id(text)
    if found != kind or len(keys) != count:
        raise BadId(kind, *field)
    return keys
