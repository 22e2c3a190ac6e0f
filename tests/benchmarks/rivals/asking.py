"""A client that costs next to nothing: a blocking socket that stays open, and answers that are not looked into."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

HEADERS_END = b"\r\n\r\n"
LENGTH = b"content-length:"
RECEIVED_AT_ONCE = 1 << 18
PATIENCE_SECONDS = 60


class AnswerRefused(Exception):
    """Something else than 200 came back."""


class Client:
    """One connection to a server on this machine, which asks one thing after the other."""

    def __init__(self, port: int, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()

    def request(self, body: bytes) -> bytes:
        return self._head + str(len(body)).encode() + HEADERS_END + body

    def answer(self, request: bytes) -> bytes:
        """The body that comes back."""
        self._socket.sendall(request)
        received = self._socket.recv(RECEIVED_AT_ONCE)
        while (end := received.find(HEADERS_END)) < 0:
            received += self._more()
        head, parts = received[:end], [received[end + len(HEADERS_END) :]]
        missing = _length(head) - len(parts[0])
        while missing > 0:
            parts.append(self._more())
            missing -= len(parts[-1])
        if not head.startswith(b"HTTP/1.1 200"):
            raise AnswerRefused(head.decode(), b"".join(parts)[:500])
        return b"".join(parts)

    def _more(self) -> bytes:
        more = self._socket.recv(RECEIVED_AT_ONCE)
        if not more:
            raise ConnectionError("the connection was closed within an answer")
        return more

    def close(self) -> None:
        self._socket.close()


def _length(head: bytes) -> int:
    lower = head.lower()
    begins = lower.index(LENGTH) + len(LENGTH)
    return int(lower[begins:].split(b"\r\n", 1)[0])


def seconds_each(client: Client, body: bytes, times: int) -> float:
    """How long one answer takes, on average of so many that are asked for one after the other."""
    request = client.request(body)
    began = time.perf_counter()
    for _ in range(times):
        client.answer(request)
    return (time.perf_counter() - began) / times


def answers_a_second(port: int, token: str, body: bytes, connections: int, times: int) -> float:
    """With so many connections at once, each of which asks as soon as it was answered."""
    clients = [Client(port, token) for _ in range(connections)]
    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(lambda client: seconds_each(client, body, times), clients))
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return connections * times / took
