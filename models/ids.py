"""Opaque ids: the kind of a thing and its keys. Whether one may see it is asked again each time it is used."""

from __future__ import annotations

import base64
import binascii

SAFE_IN_ADDRESSES = bytes.maketrans(b"+/", b"-_")


def encode_id(kind: str, *keys: int) -> str:
    return packed(":".join([kind, *map(str, keys)]))


def parse_id(text: str) -> tuple[str, list[int]]:
    """The kind and the keys; an empty kind if it is not an id at all."""
    try:
        kind, *keys = unpacked(text).split(":")
        numbers = [int(key) for key in keys]
    except ValueError:
        return "", []
    return (kind, numbers) if text == encode_id(kind, *numbers) and all(_fits(n) for n in numbers) else ("", [])


def _fits(key: int) -> bool:
    return abs(key) < 1 << 63


def packed(text: str) -> str:
    return binascii.b2a_base64(text.encode(), newline=False).translate(SAFE_IN_ADDRESSES).rstrip(b"=").decode()


def unpacked(text: str) -> str:
    """The text within an id or a cursor; ValueError if there is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as problem:
        raise ValueError("not base64 of UTF-8") from problem
