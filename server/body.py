"""Reading a request's body up to a limit: what is longer is not read to its end."""

from starlette.requests import Request


class BodyTooLarge(Exception):
    """The body is longer than was to be read."""


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The whole body. A length that is announced is believed when it is too large, and counted when it is not."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise BodyTooLarge
    return bytes(body)
