"""What a request's headers say of its body, and which media type its answer has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers

GRAPHQL_RESPONSE = "application/graphql-response+json"
PLAIN_JSON = "application/json"
# Nobody means more, and each takes a while to read.
MOST_KINDS = 16
LONGEST_KIND = 200
KINDS_KEPT = 16


def media_type_for(accepts: Sequence[str]) -> str:
    """The newer media type where it is asked for no less than plain JSON; plain JSON in any other case, also where
    neither is wanted: an answer that can be read is better than none."""
    accept = ",".join(accepts)
    if GRAPHQL_RESPONSE not in accept.lower():
        return PLAIN_JSON
    kinds = [kind for kind in accept.split(",", MOST_KINDS)[:MOST_KINDS] if len(kind) <= LONGEST_KIND]
    wanted = {kind: _weight(options) for kind, options in map(parse_options_header, kinds)}
    newer = wanted.get(GRAPHQL_RESPONSE.encode(), 0.0)
    return GRAPHQL_RESPONSE if newer > 0 and newer >= wanted.get(PLAIN_JSON.encode(), 0.0) else PLAIN_JSON


def is_said_to_be_json(headers: Headers) -> bool:
    return _content_type(headers)[0] == PLAIN_JSON.encode()


def is_said_to_be_readable(headers: Headers) -> bool:
    """Whether the body is JSON in UTF-8, as it is: nothing is unpacked here, or a few bytes might become thousands."""
    media_type, options = _content_type(headers)
    is_plain = headers.get("content-encoding", "identity").lower() == "identity"
    return media_type == PLAIN_JSON.encode() and is_plain and _charset(options) in {b"utf-8", b"utf8"}


def _content_type(headers: Headers) -> tuple[bytes, Mapping[bytes, bytes]]:
    said = headers.get("content-type", "")
    return _parsed(said) if len(said) <= LONGEST_KIND else (b"", {})


@lru_cache(maxsize=KINDS_KEPT)
def _parsed(said: str) -> tuple[bytes, Mapping[bytes, bytes]]:
    return parse_options_header(said)


def _charset(options: Mapping[bytes, bytes]) -> bytes:
    return options.get(b"charset", b"utf-8").lower()


def _weight(options: Mapping[bytes, bytes]) -> float:
    try:
        return float(options.get(b"q", b"1"))
    except ValueError:
        return 0.0
