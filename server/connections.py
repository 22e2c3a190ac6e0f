"""What a connection may ask of the server before anything of ours runs, and how long it may take about it.

uvicorn waits forever for a request that does not come to its end, reads a head (the request's line and its headers) of
any length, takes a body in pieces of one byte, and reads on after its answer for as long as something comes.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_HEAD_BYTES = 32_768
# A client that sends what it has sends pieces of a thousand bytes and more; each costs the parser the same.
MOST_PIECES = 4_096
# Most clients hear that they were refused when they have sent all, so that much is taken and thrown away; and a
# connection that is closed on what still arrives is reset, with the answer in it.
LINGER_SECONDS = 5.0
HEAD_TOO_LARGE = (431, b"Request Header Fields Too Large")
TOO_SLOW = (408, b"Request Timeout")
BAD = (400, b"Bad Request")


class TooMuch(Exception):
    """Raised within the parser, which then reads no further."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Heads and rests are bounded here; a body that is waited for is bounded by who reads it."""

    head_seconds: ClassVar[float]
    _in_head = True
    _read_of_head = 0
    _pieces = 0
    _why = BAD
    _refused = False
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._close_after(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._read_of_head += len(data)
        super().data_received(data)
        if self._in_head and self._read_of_head and not self._refused:
            if self._read_of_head > MOST_HEAD_BYTES:
                self._refuse(HEAD_TOO_LARGE)
            elif self._end is None and not self._is_answering():
                self._close_after(self.head_seconds)

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD_BYTES:
            self._why = HEAD_TOO_LARGE
            raise TooMuch
        self._in_head = False
        self._pieces = 0
        self._go_on()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._pieces += 1
        if self._pieces > MOST_PIECES:
            raise TooMuch
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._read_of_head = 0
        self._go_on()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head:
            self._close_after(LINGER_SECONDS)

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._why)

    def _refuse(self, why: tuple[int, bytes]) -> None:
        """Reads no further. A word and the end of the connection, after the answer to the request before; only the end,
        where the answer to this one has begun."""
        self._refused = True
        self._go_on()
        # A cycle is a request whose head was read: in the next head it is the one before.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or (cycle.response_complete if self._in_head else not cycle.response_started):
            self._tell(*why)
        elif self._in_head:
            cycle.keep_alive = False
        else:
            self.transport.close()

    def _tell(self, status: int, reason: bytes) -> None:
        head = b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\n" % (status, reason)
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(reason), reason))
        self.transport.write_eof()
        self._close_after(LINGER_SECONDS)
        if self._is_answering():
            # Whoever waits for the rest of a body hears that the client is gone, and says nothing more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _close_after(self, seconds: float) -> None:
        self._end = self.loop.call_later(seconds, self._out_of_patience)

    def _go_on(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _out_of_patience(self) -> None:
        self._end = None
        if self._in_head and self._read_of_head and not self._refused:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()


def bounded_by(head_seconds: float) -> type[BoundedProtocol]:
    """The class that uvicorn makes its connections of, where a head may take so long."""
    return type("BoundedProtocol", (BoundedProtocol,), {"head_seconds": head_seconds})
