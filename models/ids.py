"""Opaque ids: the kind of a thing and its keys. Whether one may see it is asked again each time it is used."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

SAFE_IN_ADDRESSES = bytes.maketrans(b"+/", b"-_")


def encode_id(kind: str, *keys: int) -> str:
    return packed(kind + ":%d" * len(keys) % keys)


def encode_ids(kind: str, keys: Iterable[tuple[int, int]]) -> list[str]:
    """The same of many. Most begin alike, and three bytes become four letters whatever stands around them: how they
    begin is encoded once.
    """
    ids: list[str] = []
    known, begun, rest = None, "", b""
    for first, last in keys:
        if first != known:
            known, text = first, f"{kind}:{first}:".encode()
            whole = len(text) // 3 * 3
            begun, rest = _letters(text[:whole]), text[whole:]
        ids.append(begun + _letters(rest + b"%d" % last))
    return ids


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
    return _letters(text.encode())


def _letters(text: bytes) -> str:
    return binascii.b2a_base64(text, newline=False).translate(SAFE_IN_ADDRESSES).decode().rstrip("=")


def unpacked(text: str) -> str:
    """The text within an id or a cursor; ValueError if there is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as problem:
        raise ValueError("not base64 of UTF-8") from problem
