"""The parameters that stand in an address, read as strictly as a body is."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

MOST_PARAMETERS = 20
WRONG_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class UnreadableAddress(Exception):
    """What stands behind the question mark is no text in UTF-8, or has far too many parameters."""


def parameters_of(query_string: bytes) -> dict[str, str]:
    """By name, the last of each: as JSON's keys are read."""
    if WRONG_PERCENT.search(query_string) or query_string.count(b"&") >= MOST_PARAMETERS:
        raise UnreadableAddress
    pairs = (pair.partition(b"=") for pair in query_string.split(b"&"))
    try:
        return {_text(name): _text(value) for name, _, value in pairs}
    except UnicodeDecodeError:
        raise UnreadableAddress from None


def _text(escaped: bytes) -> str:
    return unquote_to_bytes(escaped.replace(b"+", b" ")).decode()
