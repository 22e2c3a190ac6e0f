"""What no honest client sends: heads, bodies and addresses, as bytes on a connection, and how each is to be answered.

The tests send each once; `python -m tests.benchmarks.attacks` tells what each costs.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from tests.serving import GRAPHQL_RESPONSE

BOTH_MEDIA_TYPES = (GRAPHQL_RESPONSE, "application/json")
MB = 1_000_000
GREETING = b'{"query":"{ __typename }"}'
NINES = b"9" * 400


@dataclass(frozen=True, slots=True)
class Attack:
    name: str
    status: int
    # With the token and the Accept header still to be put in.
    sent: bytes
    # Plain JSON says 200 of whatever is wrong with a document or its variables.
    plain_status: int | None = None

    def by(self, token: str, accept: str) -> bytes:
        return self.sent.replace(b"{token}", token.encode(), 1).replace(b"{accept}", accept.encode(), 1)

    def status_in(self, accept: str) -> int:
        return self.status if accept == GRAPHQL_RESPONSE else self.plain_status or self.status


def post(body: bytes, *more: bytes, kind: bytes = b"application/json") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return _head(b"POST /graphql", b"Content-Type: " + kind, length, *more) + body


def begun(*more: bytes) -> bytes:
    """The head of a request whose body is to follow."""
    return _head(b"POST /graphql", b"Content-Type: application/json", *more)


def get(query_string: bytes, *more: bytes) -> bytes:
    return _head(b"GET /graphql?" + query_string, *more)


def _head(line: bytes, *headers: bytes) -> bytes:
    own = (line + b" HTTP/1.1", b"Host: countersign.test", b"Accept: {accept}", b"Authorization: Bearer {token}")
    return b"\r\n".join((*own, *headers)) + b"\r\n\r\n"


def in_pieces(body: bytes, size: int) -> bytes:
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def variables(value: bytes) -> bytes:
    return post(b'{"query":"{ __typename }","variables":{"a":%s}}' % value)


def stranger(cookie: bytes) -> bytes:
    return post(GREETING, b"Cookie: " + cookie).replace(b"Authorization: Bearer {token}\r\n", b"")


CHUNKED = b"Transfer-Encoding: chunked"
BODIES = [
    Attack("100,000 arrays", 400, post(b"[" * 100_000 + b"]" * 100_000)),
    Attack("100,000 objects", 400, post(b'{"query":' * 25_000)),
    Attack("900 arrays in variables", 400, variables(b"[" * 900 + b"]" * 900), 200),
    Attack("900 objects in variables", 400, variables(b'{"a":' * 900 + b"1" + b"}" * 900), 200),
    Attack("900 arrays as extensions", 400, post(b'{"query":"{ a }","extensions":%s}' % (b"[" * 900 + b"]" * 900))),
    Attack("bytes that are no UTF-8", 400, post(b'{"query":"{ __typename \xff }"}')),
    Attack("a surrogate in UTF-8", 400, post(b'{"query":"{ __typename } #\xed\xa0\x80"}')),
    Attack("half a surrogate in the query", 400, post(rb'{"query":"{ __typename } #\ud800"}')),
    Attack("half a surrogate in a variable", 400, variables(rb'"\ud800"')),
    Attack("half a surrogate in a key", 400, variables(rb'{"\udc00":1}')),
    Attack("half a surrogate in a name", 400, post(rb'{"query":"{ __typename }","operationName":"\ud800"}')),
    Attack("U+0000 in the query", 400, post(rb'{"query":"{ __typename } #\u0000"}')),
    Attack("U+0000 in a variable", 400, variables(rb'"\u0000"')),
    Attack("U+0000 in a key", 400, variables(rb'{"\u0000":1}')),
    Attack("U+0000 in a name", 400, post(rb'{"query":"{ __typename }","operationName":"\u0000"}')),
    Attack("1e999", 400, variables(b"1e999")),
    Attack("an integer of 400 digits", 400, variables(NINES)),
    Attack("an integer of 200,000 digits", 400, variables(b"9" * 200_000)),
    Attack("20,000 keys", 400, post(b'{"query":1,' + b",".join(b'"%d":1' % n for n in range(20_000)) + b"}")),
    Attack("20 MB that are announced", 413, post(b" " * 20 * MB)),
    Attack("20 MB in pieces", 413, begun(CHUNKED) + in_pieces(b" " * 20 * MB, 65_536)),
    Attack("250,000 pieces of one byte", 400, begun(CHUNKED) + in_pieces(b" " * 250_000, 1)),
    Attack("20 MB that gzip made small", 415, post(gzip.compress(b" " * 20 * MB), b"Content-Encoding: gzip")),
    Attack("nothing", 400, post(b"")),
    Attack("two kinds of length", 400, begun(b"Content-Length: 5", CHUNKED) + b"0\r\n\r\n"),
    Attack("two lengths", 400, begun(b"Content-Length: 5", b"Content-Length: 6") + GREETING),
    Attack("a length below zero", 400, begun(b"Content-Length: -1") + GREETING),
    Attack("a length of 30 digits", 400, begun(b"Content-Length: " + b"9" * 30) + GREETING),
    Attack("a length that is too short", 400, begun(b"Content-Length: 5") + GREETING),
    Attack("a piece of no length", 400, begun(CHUNKED) + b"zz\r\n" + GREETING),
]
HEADS = [
    Attack("no HTTP at all", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    Attack("a header of 1 MB", 431, post(GREETING, b"X: " + b"x" * MB)),
    Attack("a header of 1 MB without an end", 431, b"GET /graphql HTTP/1.1\r\nX: " + b"x" * MB),
    Attack("20,000 headers", 431, post(GREETING, *(b"X-%d: 1" % number for number in range(20_000)))),
    Attack("an address of 1 MB", 431, get(b"query={__typename}#" + b"x" * MB)),
    Attack("a cookie of backslashes", 401, stranger(b'countersign="' + b"\\" * 30_000 + b'"')),
    Attack("a cookie of many", 401, stranger(b"countersign=;" * 2_300)),
    Attack("a content type of many options", 415, post(GREETING, kind=b"application/json" + b";a=b" * 7_000)),
    Attack("a content type of quotes", 415, post(GREETING, kind=b"application/json" + b';"' * 14_000)),
    Attack("an Accept of many kinds", 200, post(GREETING, b"Accept: " + (GRAPHQL_RESPONSE + ",").encode() * 800)),
    Attack("an Accept of many options", 200, post(GREETING, b"Accept: " + GRAPHQL_RESPONSE.encode() + b";a=b" * 7_000)),
    Attack("a token of 30,000 letters", 401, post(GREETING).replace(b"{token}", b"x" * 30_000)),
]
ADDRESSES = [
    Attack("a byte that is no UTF-8", 400, get(b"query=%7B__typename%7D%23%ff")),
    Attack("half a surrogate", 400, get(b"query=%7B__typename%7D%23%ED%A0%80")),
    Attack("an escape that is none", 400, get(b"query=%7B__typename%7D%23%zz")),
    Attack("an escape that stops", 400, get(b"query=%7B__typename%7D%23%4")),
    Attack("raw bytes", 400, get(b"query=%7B__typename%7D%23\xff")),
    Attack("U+0000", 400, get(b"query=%7B__typename%7D%00")),
    Attack("30,000 parameters", 400, get(b"query=%7B__typename%7D" + b"&a" * 15_000)),
    Attack("variables of 9,000 arrays", 400, get(b"query=%7B__typename%7D&variables=" + b"[" * 9_000)),
]
METHODS = [
    Attack(method.decode(), 405, _head(method + b" /graphql")) for method in (b"PUT", b"DELETE", b"PATCH", b"OPTIONS")
]
EVERYTHING = [*BODIES, *HEADS, *ADDRESSES, *METHODS]
