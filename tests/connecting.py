"""A connection to a running server, and what comes back on it: for what no HTTP client would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    status: int
    headers: Mapping[str, str]
    body: bytes


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()


async def told(reader: asyncio.StreamReader) -> Told:
    """The next answer."""
    line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = dict(each.split(": ", 1) for each in lines)
    return Told(int(line.split()[1]), headers, await reader.readexactly(int(headers["content-length"])))


async def answered(address: str, sent: bytes) -> Told:
    async with connected(address) as (reader, writer):
        writer.write(sent)
        return await told(reader)
