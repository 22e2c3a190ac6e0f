"""Reading a request's body up to a limit of length and of time: what is beyond them is not read."""

import asyncio

from starlette.requests import Request

# What a form or a notice may take to arrive; GraphQL's is a setting.
PATIENCE_SECONDS = 30.0


class BodyRefused(Exception):
    """The body was not read to its end."""


class BodyTooLarge(BodyRefused):
    """The body is longer than was to be read."""


class BodyTooSlow(BodyRefused):
    """The body stopped half-way, or came too slowly."""


async def read_body(request: Request, most_bytes: int, most_seconds: float = PATIENCE_SECONDS) -> bytes:
    """The whole body. A length that is announced is believed when it is too large, and counted when it is not."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise BodyTooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(most_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise BodyTooLarge
    except TimeoutError as problem:
        raise BodyTooSlow from problem
    return bytes(body)
